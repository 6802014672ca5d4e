//! Groups of challenges: one question to several devices of a person.

use async_trait::async_trait;
use countersign_domain::backchannel::BackchannelRequest;
use countersign_domain::challenge_group::ChallengeGroup;
use countersign_domain::sid::{ChallengeGroupSid, EntitySid, FactorSid, ServiceSid};
use countersign_domain::text::Identity;

use super::challenges::{Opened, Opening};
use crate::error::StoreResult;
use crate::page::{Page, PageQuery};

/// The result of opening a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupOpened {
    /// All its challenges are stored.
    Done,
    /// There is a request with the id of the new one: nothing is stored.
    Repeated,
    /// No challenge is stored, because one cannot be.
    Refused {
        /// The factor of the first such challenge.
        factor: FactorSid,
        /// Why; never [`Opened::Done`].
        why: Opened,
    },
}

/// Groups of challenges.
#[async_trait]
pub trait ChallengeGroups {
    /// Stores the challenges of one group, each with the notification that it causes: all of them, or none. They name the group
    /// and its entity, are ordered by their SIDs and hold no codes. Each keeps the conditions of its own opening; what is limited
    /// for the entity is for the first one only, since a group counts once. The request of the client that asked is stored with
    /// them, if there is one.
    async fn open_group(
        &self,
        openings: &[Opening],
        asked_by: Option<&BackchannelRequest>,
    ) -> StoreResult<GroupOpened>;
    /// Reads a group by its path.
    async fn challenge_group(
        &self,
        service: ServiceSid,
        identity: &Identity,
        sid: ChallengeGroupSid,
    ) -> StoreResult<Option<ChallengeGroup>>;
    /// Lists the groups of an entity.
    async fn challenge_groups(
        &self,
        entity: EntitySid,
        page: PageQuery<ChallengeGroupSid>,
    ) -> StoreResult<Page<ChallengeGroup>>;
}
