//! Counts what accounts have stored, for their [quotas](crate::quotas).
//!
//! Each process counts the whole database when it starts and every ten minutes after that, in the background and with a small
//! part of a processor's time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use countersign_domain::sid::AccountSid;
use countersign_domain::usage::Usage;
use countersign_store::seam::CountedTable;
use tokio_util::sync::CancellationToken;

use crate::error::VerifyResult;
use crate::verify::Verify;

/// The pause between two counts.
const COUNT_EVERY: Duration = Duration::from_secs(10 * 60);
/// The pause after a count if a quota has refused something: room may have been made meanwhile.
const COUNT_AGAIN: Duration = Duration::from_secs(10);
/// Rows per read.
const ROWS: usize = 1_000;
/// The pause after each read, as a multiple of the time that the read took.
const PAUSE_FACTOR: u32 = 19;
/// The longest pause after a read.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

impl Verify {
    /// Counts what accounts have stored, until `stop`. Does nothing without a quota.
    pub async fn keep_counting(self: Arc<Self>, stop: CancellationToken) {
        if self.quotas.is_off() {
            return;
        }
        let count = async {
            loop {
                if let Err(error) = self.count_stored().await {
                    tracing::warn!(%error, "cannot count what accounts have stored; trying again later");
                }
                self.clock.sleep(COUNT_AGAIN).await;
                tokio::select! {
                    () = self.quotas.refused() => {}
                    () = self.clock.sleep(COUNT_EVERY.saturating_sub(COUNT_AGAIN)) => {}
                }
            }
        };
        stop.run_until_cancelled(count).await;
    }

    /// Counts once what accounts have stored.
    ///
    /// # Errors
    /// The database failed.
    pub async fn count_stored(&self) -> VerifyResult<()> {
        let _lock = self.quotas.lock_counting().await;
        self.quotas.begin_count(self.now());
        let mut found: HashMap<AccountSid, Usage> = HashMap::new();
        for table in CountedTable::ALL {
            let mut after = None;
            loop {
                let began = self.monotonic();
                let rows = self.store.count_stored(table, after, ROWS).await?;
                let Some(last) = rows.last() else { break };
                after = Some(last.key);
                self.quotas.add_rows(&rows, &mut found);
                let pause = self.monotonic().since(began) * PAUSE_FACTOR;
                self.clock.sleep(pause.min(LONGEST_PAUSE)).await;
            }
        }
        self.quotas.end_count(found);
        Ok(())
    }
}
