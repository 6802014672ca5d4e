//! How the database is reached and used.

use std::path::PathBuf;
use std::time::Duration;

use countersign_store::bounds::{BATCH_COMMANDS, QUEUE_COMMANDS};
use countersign_store::schema::SchemaPolicy;

/// How the database is reached and used.
#[derive(Clone)]
pub struct Options {
    /// `postgres://user:password@host:port/database?sslmode=require`, as libpq reads it.
    pub url: String,
    /// A file of certificates (PEM) that the server's certificate may be signed by, instead of those that the system trusts.
    pub tls_ca: Option<PathBuf>,
    /// The most connections.
    pub connections: usize,
    /// How many commands may wait or run; one more is rejected at once, as unavailable.
    pub queue: usize,
    /// The most commands that share a transaction.
    pub batch: usize,
    /// Whether a pooler in between may assign every transaction to another connection. Then no statement is prepared.
    pub transaction_pooling: bool,
    /// How long a command or a read may take from the call: to get a connection, to get locks, to run, and to be answered. A slower
    /// one fails as unavailable. Background duties may take a minute, migrations and moves hours.
    pub timeout: Duration,
    /// The handling of a schema of another version.
    pub schema_policy: SchemaPolicy,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            url: String::new(),
            tls_ca: None,
            connections: 16,
            queue: QUEUE_COMMANDS,
            batch: BATCH_COMMANDS,
            transaction_pooling: false,
            timeout: Duration::from_secs(4),
            schema_policy: SchemaPolicy::Serve,
        }
    }
}

/// Shows nothing, since the URL may hold a password.
impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").finish_non_exhaustive()
    }
}
