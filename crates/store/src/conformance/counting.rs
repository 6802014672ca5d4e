//! Counts challenges into the summaries, as the background duty does.

use countersign_domain::sid::ChallengeSid;
use countersign_domain::summary::{COUNTED_BACK, Counts, count};

use super::fixture::Fixture;
use crate::seam::{SummaryCursor, SummaryStep};

impl Fixture {
    /// The first step of a stage.
    pub fn first_step(&self, cursor: SummaryCursor) -> SummaryStep {
        let to = ChallengeSid::least(cursor.kind, self.now() - COUNTED_BACK);
        SummaryStep { cursor, from: None, to, counts: Counts::new() }
    }

    /// The next step of a stage, if there is anything to count. It reads that many challenges at most.
    pub async fn next_step(&self, cursor: SummaryCursor, most: usize) -> Option<SummaryStep> {
        let from = self.store.summary_cursor(cursor).await.unwrap().unwrap();
        let before = ChallengeSid::least(cursor.kind, self.now() - cursor.stage.reached_at());
        let found = self.store.challenges_to_count(from, before, most).await.unwrap();
        assert!(found.len() <= most);
        let (sids, challenges): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        let to = sids.last().copied()?;
        let challenges: Vec<_> = challenges.into_iter().flatten().collect();
        Some(SummaryStep { cursor, from: Some(from), to, counts: count(&challenges, cursor.stage) })
    }

    /// Counts everything, that many challenges at a time.
    pub async fn count_challenges(&self, most: usize) {
        for cursor in SummaryCursor::all() {
            if self.store.summary_cursor(cursor).await.unwrap().is_none() {
                assert_eq!(self.store.add_summary(&self.first_step(cursor)).await, Ok(true));
            }
            while let Some(step) = self.next_step(cursor, most).await {
                assert_eq!(self.store.add_summary(&step).await, Ok(true));
            }
        }
    }
}
