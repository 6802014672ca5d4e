//! Opens what is stored sealed, and learns the keys that other servers seal with.

use std::sync::Arc;
use std::time::Duration;

use countersign_domain::secret::{Sealed, Secret};
use countersign_domain::time::Instant;
use countersign_store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

use crate::key_bytes::{MasterKey, holder_of};
use crate::keys::Keys;
use crate::verify::Verify;

/// The pause between two looks for new keys: several fit into the time after which a new key seals what is handed out.
const LEARN_EVERY: Duration = Duration::from_secs(10);

/// The keys of an installation; `None` if its database was made under another master key. A database that has no check value yet gets
/// the one of this key.
///
/// # Errors
/// The database failed.
pub async fn unlock(
    store: &dyn Store,
    master: &MasterKey,
    now: Instant,
) -> Result<Option<Keys>, StoreError> {
    let stored = store.sealing_keys().await?;
    let check = store.key_check(master.check_value()).await?;
    let is_right = if stored.is_empty() {
        check == master.check_value()
    } else {
        // Until a move has finished, the check value is no key's.
        stored.iter().any(|key| key.holder == holder_of(&check))
    };
    Ok(Keys::unlock(master, &stored, now).ok().filter(|_| is_right))
}

impl Verify {
    /// Looks for new sealing keys, until `stop`.
    pub async fn keep_learning_keys(self: Arc<Self>, stop: CancellationToken) {
        let learn = async {
            loop {
                self.clock.sleep(LEARN_EVERY).await;
                if let Err(error) = self.learn_keys().await {
                    tracing::debug!(%error, "cannot look for new sealing keys; trying again later");
                }
            }
        };
        stop.run_until_cancelled(learn).await;
    }

    /// Learns the sealing keys that are stored.
    ///
    /// # Errors
    /// The database failed.
    pub async fn learn_keys(&self) -> Result<(), StoreError> {
        let stored = self.store.sealing_keys().await?;
        self.keys.learn(&stored, self.now());
        Ok(())
    }

    /// Opens what is stored sealed for that context. A key that is not known yet is looked for, so that what another server has
    /// sealed opens at once.
    ///
    /// # Errors
    /// The database failed; [`StoreError::Corrupt`] with the context if it cannot be opened.
    pub(crate) async fn open_stored(
        &self,
        sealed: &Sealed,
        context: &str,
    ) -> Result<Secret, StoreError> {
        if !self.keys.knows(sealed) {
            self.learn_keys().await?;
        }
        self.keys.open(sealed, context).map_err(|_| StoreError::Corrupt(context.to_owned()))
    }
}
