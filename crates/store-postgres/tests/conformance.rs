//! The rules that every backend keeps, on a real server.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use std::sync::Arc;

use countersign_store::Store;
use countersign_store_postgres::{Options, PostgresStore};
use countersign_testkit::postgres::TestDatabase;

async fn fresh() -> (Arc<dyn Store>, TestDatabase) {
    let database = TestDatabase::new();
    let options = Options { url: database.url(), ..Options::default() };
    (Arc::new(PostgresStore::connect(options).await.unwrap()), database)
}

countersign_store::conformance!(fresh);
