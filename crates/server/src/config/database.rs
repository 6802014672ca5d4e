//! `[database]` and `[store]`: which database, and how it is used.

use std::path::PathBuf;

use anyhow::ensure;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use url::Url;

use super::origin::{Origin, Origins};
use crate::secret_file;

/// `[database]`: which database.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DatabaseSection {
    /// `postgres://user:password@host/name?sslmode=require`: PostgreSQL, which any number of servers may share. If
    /// absent, SQLite in the data folder, which only this server uses. It may hold a password, so it is never shown.
    #[serde(serialize_with = "unseen")]
    pub url: Option<SecretString>,
    /// A file of certificate authorities (PEM) that are trusted for PostgreSQL instead of the system's.
    pub tls_ca: Option<PathBuf>,
    /// The most connections to PostgreSQL; 4 to 1,000.
    pub connections_max: usize,
    /// Whether a pooler such as PgBouncer assigns connections per transaction: no statement stays prepared then.
    pub transaction_pooling: bool,
    /// Seconds that a command or a read may take on PostgreSQL, including the wait for a connection and for locks; 1
    /// to 60. Longer ones are answered 503.
    pub timeout_seconds: u64,
}

/// Serializes the URL as absent.
fn unseen<S: Serializer>(_: &Option<SecretString>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_none()
}

impl Default for DatabaseSection {
    fn default() -> Self {
        let postgres = countersign_store_postgres::Options::default();
        Self {
            url: None,
            tls_ca: None,
            connections_max: postgres.connections,
            transaction_pooling: postgres.transaction_pooling,
            timeout_seconds: postgres.timeout.as_secs(),
        }
    }
}

impl DatabaseSection {
    /// The warning about a password in a file that everybody on this machine may read.
    pub(super) fn warning(&self, origins: &Origins) -> Option<String> {
        let (url, Origin::File(path, _)) = (self.url.as_ref()?, origins.find("database.url")?)
        else {
            return None;
        };
        let has_password =
            Url::parse(url.expose_secret()).is_ok_and(|url| url.password().is_some());
        secret_file::warning(path).filter(|_| has_password)
    }

    pub(super) fn check(&self) -> anyhow::Result<()> {
        let is_postgres = |url: &SecretString| {
            let url = url.expose_secret();
            url.starts_with("postgres://") || url.starts_with("postgresql://")
        };
        ensure!(
            self.url.as_ref().is_none_or(is_postgres),
            "database.url must begin with postgres://"
        );
        ensure!(
            (4..=1_000).contains(&self.connections_max),
            "database.connections_max must be 4 to 1000"
        );
        ensure!(
            (1..=60).contains(&self.timeout_seconds),
            "database.timeout_seconds must be 1 to 60"
        );
        Ok(())
    }
}

/// `[store]`: how the database is used.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSection {
    /// Connections for reads to SQLite; 1 to 64.
    pub readers: usize,
    /// Commands that may wait; more are answered 503.
    pub queue_max: usize,
    /// The most commands that share one commit.
    pub batch_max: usize,
    /// The most pages of 4 KiB of an SQLite database; a write that needs more is answered 503. 0 means no limit.
    pub pages_max: u32,
}

impl Default for StoreSection {
    fn default() -> Self {
        let sqlite = countersign_store_sqlite::Options::default();
        Self {
            readers: sqlite.readers,
            queue_max: sqlite.queue,
            batch_max: sqlite.batch,
            pages_max: sqlite.max_pages.unwrap_or(0),
        }
    }
}

impl StoreSection {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        ensure!((1..=64).contains(&self.readers), "store.readers must be 1 to 64");
        ensure!(self.queue_max >= 1, "store.queue_max must be at least 1");
        ensure!(self.batch_max >= 1, "store.batch_max must be at least 1");
        Ok(())
    }
}
