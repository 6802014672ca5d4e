//! Counts challenges and pushes into the summaries, in bounded batches.

use std::sync::Arc;
use std::time::Duration;

use countersign_domain::sid::ChallengeSid;
use countersign_domain::summary::{COUNTED_BACK, Counts as Sums, count};
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::seam::{Summaries, SummaryCursor, SummaryStep};

use crate::duty::Duty;
use crate::signals::Counts;

/// Counts challenges and pushes. Of several processes at the same place of the history one counts; the others read in vain.
pub(crate) struct Summarizer {
    pub(crate) summaries: Arc<dyn Summaries + Send + Sync>,
    pub(crate) interval: Duration,
}

impl Duty for Summarizer {
    const NAME: &'static str = "summarizer";

    fn interval(&self) -> Duration {
        self.interval
    }

    /// One step of each stage. Nothing is left when no stage has read as much as it may.
    async fn batch(&self, now: Instant, most: usize) -> StoreResult<usize> {
        let mut longest = 0;
        for cursor in SummaryCursor::all() {
            longest = longest.max(self.step(cursor, now, most).await?);
        }
        Ok(longest)
    }

    fn done(&self, counts: &mut Counts, _: usize, nothing_left: bool) {
        counts.summarizer_sweeps += u64::from(nothing_left);
    }
}

impl Summarizer {
    /// Counts the next challenges of a stage. Returns how many it read.
    async fn step(&self, cursor: SummaryCursor, now: Instant, most: usize) -> StoreResult<usize> {
        let SummaryCursor { kind, stage } = cursor;
        let Some(from) = self.summaries.summary_cursor(cursor).await? else {
            // All stages begin in the first sweep, so that each counts what the others count.
            let to = ChallengeSid::least(kind, now - COUNTED_BACK);
            let begin = SummaryStep { cursor, from: None, to, counts: Sums::new() };
            self.summaries.add_summary(&begin).await?;
            return Ok(0);
        };
        let before = ChallengeSid::least(kind, now - stage.reached_at());
        let found = self.summaries.challenges_to_count(from, before, most).await?;
        let read = found.len();
        if let Some(to) = found.last().map(|(sid, _)| *sid) {
            for (sid, _) in found.iter().filter(|(_, challenge)| challenge.is_none()) {
                tracing::error!(challenge = %sid, "a challenge is not counted: its rows are corrupt");
            }
            let challenges: Vec<_> = found.into_iter().filter_map(|(_, found)| found).collect();
            let counts = count(&challenges, stage);
            self.summaries
                .add_summary(&SummaryStep { cursor, from: Some(from), to, counts })
                .await?;
        }
        Ok(read)
    }
}
