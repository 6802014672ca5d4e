//! Whether this process can serve requests.

use std::sync::Arc;

use countersign_store::StoreError;

use crate::verify::Verify;

impl Verify {
    /// Whether requests can be served, at most one second old. Writes nothing and returns within five seconds.
    ///
    /// # Errors
    /// Why requests cannot be served.
    pub async fn ready(&self) -> Result<(), StoreError> {
        let store = &self.store;
        let probe = || {
            let store = Arc::clone(store);
            async move { store.is_writable().await }
        };
        self.readiness.check(probe).await
    }

    /// Whether the database can be written now, by writing to it.
    ///
    /// # Errors
    /// The database failed.
    pub async fn try_to_write(&self) -> Result<(), StoreError> {
        self.store.check().await
    }
}
