//! The rules that every backend keeps, on a real server.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use std::sync::Arc;
use std::time::Duration;

use countersign_store::Store;
use countersign_store_postgres::{Options, PostgresStore};
use countersign_testkit::postgres::TestDatabase;

/// Longer than any command takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

async fn fresh() -> (Arc<dyn Store>, TestDatabase) {
    let database = TestDatabase::new();
    let options = Options { url: database.url(), timeout: PATIENCE, ..Options::default() };
    (Arc::new(PostgresStore::connect(options).await.unwrap()), database)
}

countersign_store::conformance!(fresh);
