//! The representation of a group of challenges.

use countersign_domain::challenge::{Challenge, ChallengeStatus};
use countersign_domain::challenge_group::{ChallengeGroup, GroupAnswer};
use countersign_domain::sid::{
    AccountSid, ChallengeGroupSid, ChallengeSid, EntitySid, FactorSid, ServiceSid,
};
use countersign_domain::text::Identity;
use countersign_domain::time::Instant;
use serde::Serialize;

use crate::urls::PublicUrl;

#[derive(Serialize)]
pub(super) struct ChallengeGroupView<'a> {
    sid: ChallengeGroupSid,
    account_sid: AccountSid,
    service_sid: ServiceSid,
    entity_sid: EntitySid,
    identity: &'a Identity,
    status: &'static str,
    /// The factor that answered; null without an answer.
    answer: Option<AnswerView>,
    challenges: Vec<MemberView>,
    date_created: Instant,
    date_updated: Instant,
    expiration_date: Instant,
    url: String,
    links: Links,
}

#[derive(Serialize)]
struct AnswerView {
    factor_sid: FactorSid,
    challenge_sid: ChallengeSid,
    answered_at: Instant,
}

#[derive(Serialize)]
struct MemberView {
    sid: ChallengeSid,
    factor_sid: FactorSid,
    status: &'static str,
    /// Why the challenge has expired before its time; null otherwise.
    status_reason: Option<&'static str>,
    url: String,
}

#[derive(Serialize)]
struct Links {
    challenges: String,
}

impl<'a> ChallengeGroupView<'a> {
    pub(super) fn of(group: &'a ChallengeGroup, now: Instant, base: &PublicUrl) -> Self {
        let first = group.first();
        let owner = &first.owner;
        let entity = base.entity(owner);
        Self {
            sid: group.sid(),
            account_sid: owner.account,
            service_sid: owner.service,
            entity_sid: owner.entity,
            identity: &owner.identity,
            status: ChallengeStatus::as_str(group.status(now)),
            answer: group.answer().map(|answer| AnswerView::of(&answer)),
            challenges: group.challenges().map(|one| MemberView::of(one, now, base)).collect(),
            date_created: first.created_at,
            date_updated: group.updated_at(),
            expiration_date: first.expires_at,
            url: format!("{entity}/ChallengeGroups/{}", group.sid()),
            links: Links { challenges: format!("{entity}/Challenges") },
        }
    }
}

impl AnswerView {
    const fn of(answer: &GroupAnswer<'_>) -> Self {
        let GroupAnswer { challenge, at, .. } = *answer;
        Self { factor_sid: challenge.factor, challenge_sid: challenge.sid, answered_at: at }
    }
}

impl MemberView {
    fn of(challenge: &Challenge, now: Instant, base: &PublicUrl) -> Self {
        Self {
            sid: challenge.sid,
            factor_sid: challenge.factor,
            status: challenge.status(now).as_str(),
            status_reason: challenge.state.reason(),
            url: base.challenge(&challenge.owner, challenge.sid),
        }
    }
}

#[cfg(test)]
mod tests {
    use countersign_domain::challenge::{ChallengeState, Verdict};

    use super::*;
    use crate::tests::{at, base, challenge};

    fn group(first: ChallengeState, second: ChallengeState) -> ChallengeGroup {
        let (one, other) = (challenge(), ChallengeSid::from_bytes([4; 16]));
        let group = Some(ChallengeGroupSid::of_first(one.sid));
        let other = Challenge {
            sid: other,
            factor: FactorSid::from_bytes([5; 16]),
            group,
            state: second,
            ..challenge()
        };
        let all = [Challenge { group, state: first, ..one }, other];
        ChallengeGroup::of(all).expect("two challenges")
    }

    #[test]
    fn pending() {
        let group = group(ChallengeState::Pending, ChallengeState::Pending);
        insta::assert_json_snapshot!(ChallengeGroupView::of(&group, at(), &base()));
    }

    #[test]
    fn answered_on_one_device() {
        let elsewhere = ChallengeState::AnsweredElsewhere { by: challenge().sid, at: at() };
        let denied = ChallengeState::Answered { verdict: Verdict::Denied, at: at() };
        let group = group(denied, elsewhere);
        insta::assert_json_snapshot!(ChallengeGroupView::of(&group, at(), &base()));
    }

    #[test]
    fn expires_with_its_challenges() {
        let group = group(ChallengeState::Pending, ChallengeState::Pending);
        let view = ChallengeGroupView::of(&group, challenge().expires_at, &base());
        assert_eq!((view.status, view.answer.is_none()), ("expired", true));
        assert!(view.challenges.iter().all(|one| one.status == "expired"));
        assert!(view.challenges.iter().all(|one| one.status_reason.is_none()));
    }
}
