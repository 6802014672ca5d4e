//! The rules that every backend keeps, on real files.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use std::sync::Arc;

use countersign_store::Store;
use countersign_store_sqlite::{Options, SqliteStore};
use tempfile::TempDir;

async fn fresh() -> (Arc<dyn Store>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("store.db"), Options::default()).unwrap();
    (Arc::new(store), folder)
}

countersign_store::conformance!(fresh);
