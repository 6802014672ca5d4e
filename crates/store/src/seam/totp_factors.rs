//! TOTP factors.

use async_trait::async_trait;
use countersign_domain::challenge::ChallengeClosedError;
use countersign_domain::sid::{ChallengeSid, EntitySid, FactorSid, ServiceSid};
use countersign_domain::text::{Identity, StringMap};
use countersign_domain::time::Instant;
use countersign_domain::totp::{TotpChange, TotpFactor};

use super::codes::{CodeUse, JudgedCode};
use super::factors::Enrolled;
use crate::error::StoreResult;

/// A TOTP factor to store, and the conditions for storing it.
#[derive(Debug, Clone)]
pub struct TotpEnrolment {
    /// The factor; its entity as in [`Enrolment::factor`](super::factors::Enrolment::factor).
    pub factor: TotpFactor,
    /// The most TOTP factors that an entity may have; 0: no limit.
    pub most_per_entity: u32,
    /// The most factors of both types together that may be created for an entity in a day; 0: no limit.
    pub most_per_day: u32,
}

/// A change of a TOTP factor.
#[derive(Debug, Clone)]
pub struct TotpUpdate {
    /// The factor's entity.
    pub entity: EntitySid,
    /// The factor.
    pub sid: FactorSid,
    /// The code that verifies the factor.
    pub code: Option<JudgedCode>,
    /// The most wrong codes in a row for the verification of the factor; 0: no limit.
    pub most_wrong: u32,
    /// The other changes.
    pub change: TotpChange,
    /// The time of the change.
    pub at: Instant,
}

/// TOTP factors. They are listed and deleted through [`Factors`](super::factors::Factors), and lapse as push factors do.
#[async_trait]
pub trait TotpFactors {
    /// Stores a new factor and creates its entity if it has none.
    async fn enrol_totp_factor(&self, enrolment: &TotpEnrolment) -> StoreResult<Enrolled>;
    /// Reads a factor by its path.
    async fn totp_factor(
        &self,
        service: ServiceSid,
        identity: &Identity,
        sid: FactorSid,
    ) -> StoreResult<Option<TotpFactor>>;
    /// Changes a factor and returns the changed factor. With a code, only if the code is accepted, which verifies the factor.
    /// A successful update resets the count of wrong codes in a row ([`JudgedCode::most_in_a_row`]), with or without a code,
    /// since the application makes it.
    async fn update_totp_factor(&self, update: &TotpUpdate) -> StoreResult<CodeUse<TotpFactor>>;
    /// Approves a challenge if its factor accepts the code, only while the challenge is pending and unexpired at `at` and has
    /// seen fewer than `most_wrong` wrong codes (0: no limit). A challenge that is not open is returned as [`ChallengeClosedError`],
    /// and nothing is counted. The metadata of an accepted code replaces the challenge's.
    async fn answer_by_code(
        &self,
        sid: ChallengeSid,
        code: JudgedCode,
        most_wrong: u32,
        metadata: Option<&StringMap>,
        at: Instant,
    ) -> StoreResult<Result<CodeUse<()>, ChallengeClosedError>>;
}
