//! The database of servers: a file each, or a shared PostgreSQL.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};
use countersign_testkit::postgres::PostgresServer;
use tempfile::TempDir;

/// The default settings of PostgreSQL, unlike in tests.
const DURABLE: [&str; 5] = [
    "fsync=on",
    "full_page_writes=on",
    "shared_buffers=128MB",
    "autovacuum_naptime=1min",
    "max_connections=100",
];
/// Any key.
const MASTER_KEY: &str = "abababababababababababababababababababababababababababababababab";

/// The kind of database.
pub(crate) enum Backing {
    /// SQLite, in the folder of each server.
    Sqlite,
    /// A PostgreSQL started here, with a new database for each server or group of nodes.
    Own { server: PostgresServer, made: AtomicU32, _folder: TempDir },
    /// A given database with its contents.
    Given(String),
}

impl Backing {
    /// Starts a PostgreSQL in a folder that is removed with it.
    pub(crate) fn own(folder: TempDir) -> Self {
        let server = PostgresServer::start(folder.path(), &DURABLE);
        Self::Own { server, made: AtomicU32::new(0), _folder: folder }
    }

    /// The variables that name an empty database, or the given one.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        let url = match self {
            Self::Sqlite => return Vec::new(),
            Self::Given(url) => url.clone(),
            Self::Own { server, made, .. } => {
                let name = format!("bench_{}", made.fetch_add(1, Ordering::Relaxed));
                server.psql("postgres", &format!("CREATE DATABASE {name}"));
                server.tcp_url(&name)
            }
        };
        let key = MASTER_KEY.to_owned();
        vec![("COUNTERSIGN_DATABASE__URL", url), ("COUNTERSIGN_MASTER_KEY", key)]
    }

    /// A note for the report.
    pub(crate) fn note(&self) -> Option<&'static str> {
        match self {
            Self::Sqlite => None,
            Self::Own { .. } => {
                Some("on a PostgreSQL of the benchmark's own, with fsync, on this machine")
            }
            Self::Given(_) => Some("on the PostgreSQL of --database-url"),
        }
    }

    /// The first process of the PostgreSQL started here.
    pub(crate) fn pid(&self) -> Option<u32> {
        match self {
            Self::Own { server, .. } => Some(server.pid()),
            Self::Sqlite | Self::Given(_) => None,
        }
    }
}

/// A folder that is removed when dropped.
pub(crate) fn fresh_folder(below: &Path) -> Result<TempDir> {
    let made = tempfile::Builder::new().prefix("countersign-bench-").tempdir_in(below);
    made.with_context(|| format!("cannot make a folder in {}", below.display()))
}
