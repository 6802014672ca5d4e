//! Summaries of challenges and pushes.

use async_trait::async_trait;
use countersign_domain::factor::FactorType;
use countersign_domain::sid::{AccountSid, ChallengeSid, ServiceSid};
use countersign_domain::summary::{
    CountedChallenge, CountedPlatform, Counts, Grain, Measure, Stage,
};
use countersign_domain::time::Instant;

use crate::error::StoreResult;

/// The most rows of summaries that one read returns.
pub const SUMMARY_ROWS: usize = 50_000;

/// How far one stage of counting has come: challenges are counted in the order of their SIDs, those of a type for themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SummaryCursor {
    /// The type of the challenges.
    pub kind: FactorType,
    /// The stage.
    pub stage: Stage,
}

impl SummaryCursor {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        let kinds = [FactorType::Push, FactorType::Totp].into_iter();
        kinds.flat_map(|kind| Stage::ALL.map(|stage| Self { kind, stage }))
    }
}

/// One step of counting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SummaryStep {
    /// The cursor that moves.
    pub cursor: SummaryCursor,
    /// Where it stood; `None` before the first step.
    pub from: Option<ChallengeSid>,
    /// The last challenge that was counted.
    pub to: ChallengeSid,
    /// The counts.
    pub counts: Counts,
}

/// The summaries that a read returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SummaryQuery {
    /// The account.
    pub account: AccountSid,
    /// The length of the periods.
    pub grain: Grain,
    /// Periods that begin at this instant or later.
    pub from: Instant,
    /// Only of this service.
    pub service: Option<ServiceSid>,
}

/// A sum of counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SummaryRow<K> {
    /// The dimensions of the sum.
    pub by: K,
    /// The measure that is counted.
    pub measure: Measure,
    /// The bucket of a duration, the error code of a failure, or 0.
    pub bucket: u32,
    /// The sum.
    pub count: u64,
}

/// Sums by the beginning of the period and by platform.
pub type PeriodSummary = SummaryRow<(Instant, CountedPlatform)>;
/// Sums by service.
pub type ServiceSummary = SummaryRow<ServiceSid>;

/// Summaries of challenges and pushes: each event is counted once, however many processes count, and whenever one of them stops.
#[async_trait]
pub trait Summaries {
    /// Reads the last challenge that a stage has counted; `None` before the first step.
    async fn summary_cursor(&self, cursor: SummaryCursor) -> StoreResult<Option<ChallengeSid>>;
    /// Reads the challenges between two SIDs, and their pushes, in the order of their SIDs, at most `most`, with the SIDs. Includes
    /// those below deleted services and entities that are still stored. One whose rows are corrupt is `None`, so that the others
    /// are counted.
    async fn challenges_to_count(
        &self,
        after: ChallengeSid,
        before: ChallengeSid,
        most: usize,
    ) -> StoreResult<Vec<(ChallengeSid, Option<CountedChallenge>)>>;
    /// Adds what was counted, and moves the cursor, only if that still stands where the step began. Returns whether it did.
    async fn add_summary(&self, step: &SummaryStep) -> StoreResult<bool>;
    /// Sums the counts of an account by period and platform, at most [`SUMMARY_ROWS`] rows, the oldest first.
    async fn summaries(&self, query: SummaryQuery) -> StoreResult<Vec<PeriodSummary>>;
    /// Sums the counts of an account by service, at most [`SUMMARY_ROWS`] rows.
    async fn service_summaries(&self, query: SummaryQuery) -> StoreResult<Vec<ServiceSummary>>;
}
