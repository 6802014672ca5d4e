//! The records that an operator searches: the challenges of an account, its people and its devices.

use async_trait::async_trait;
use countersign_domain::challenge::{Challenge, ChallengeStatus};
use countersign_domain::ending::ErrorCode;
use countersign_domain::entity::{Entity, Owner};
use countersign_domain::sid::{AccountSid, ChallengeSid, EntitySid, FactorSid, ServiceSid};
use countersign_domain::text::FriendlyName;
use countersign_domain::time::Instant;

use crate::error::StoreResult;
use crate::page::Order;

/// Which challenges a timeline shows. A member that is `None` restricts nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TimelineFilter {
    /// Of this status.
    pub status: Option<ChallengeStatus>,
    /// Of this service.
    pub service: Option<ServiceSid>,
    /// With a question that begins with this text. The case of the letters A to Z makes no difference.
    pub message: Option<String>,
    /// With an attempt of this kind.
    pub attempt: AttemptFilter,
}

/// Which attempts are meant: those that fit every member.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AttemptFilter {
    /// The word of the platform.
    pub platform: Option<String>,
    /// The word of the outcome.
    pub outcome: Option<String>,
    /// The code of the attempt, or of the notification that it belongs to.
    pub code: Option<ErrorCode>,
}

impl AttemptFilter {
    /// Whether it restricts nothing.
    pub const fn is_empty(&self) -> bool {
        self.platform.is_none() && self.outcome.is_none() && self.code.is_none()
    }
}

/// A part of an account's challenges of one type, and the bounds of its search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Not before this SID. It tells the type.
    pub from: ChallengeSid,
    /// Before this SID.
    pub to: ChallengeSid,
    /// The order in which the challenges are read and returned.
    pub order: Order,
    /// The most challenges that are read, whether they fit the filter or not.
    pub rows: usize,
    /// The most challenges that are returned.
    pub most: usize,
}

impl Stretch {
    /// The part that is read, from its first challenge on and below its end, if the search stops at `ended_at`.
    pub fn read_until(&self, ended_at: Option<ChallengeSid>) -> (ChallengeSid, ChallengeSid) {
        match (ended_at, self.order) {
            (Some(end), Order::Descending) => (end, self.to),
            (Some(end), Order::Ascending) => (self.from, end.next()),
            (None, _) => (self.from, self.to),
        }
    }
}

/// The challenges of a stretch that fit the filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Searched {
    /// In the order of the stretch.
    pub items: Vec<Challenge>,
    /// The last challenge that was read, if the bound of rows ended the search.
    pub ended_at: Option<ChallengeSid>,
}

/// A device or a shared secret, as a search finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFactor {
    /// Its SID.
    pub sid: FactorSid,
    /// The person.
    pub owner: Owner,
    /// Its name.
    pub friendly_name: FriendlyName,
}

/// Search in an account. Texts are found by their beginning; what belongs to a deleted service or entity is not found.
#[async_trait]
pub trait Timelines {
    /// Searches a stretch of an account's challenges. `now` tells which have expired.
    async fn timeline(
        &self,
        account: AccountSid,
        filter: &TimelineFilter,
        stretch: Stretch,
        now: Instant,
    ) -> StoreResult<Searched>;
    /// Lists the entities whose identity begins with a text, by identity, at most `most`.
    async fn entities_by_identity(
        &self,
        account: AccountSid,
        beginning: &str,
        most: usize,
    ) -> StoreResult<Vec<Entity>>;
    /// Lists the entities from the first to the last of the range, at most `most`.
    async fn entities_by_sid(
        &self,
        account: AccountSid,
        range: (EntitySid, EntitySid),
        most: usize,
    ) -> StoreResult<Vec<Entity>>;
    /// Lists the factors of both types whose name begins with a text, by name, at most `most`. The case of the letters A to Z makes
    /// no difference.
    async fn factors_by_name(
        &self,
        account: AccountSid,
        beginning: &str,
        most: usize,
    ) -> StoreResult<Vec<FoundFactor>>;
    /// Lists the factors of both types from the first to the last of the range, at most `most`.
    async fn factors_by_sid(
        &self,
        account: AccountSid,
        range: (FactorSid, FactorSid),
        most: usize,
    ) -> StoreResult<Vec<FoundFactor>>;
}
