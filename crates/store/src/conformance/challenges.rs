//! Challenges: how they are opened, found and listed. Their answers are in [`super::answers`].

use std::time::Duration;

use countersign_domain::challenge::{CannotAnswer, Challenge, ChallengeStatus, Verdict};
use countersign_domain::factor::{Factor, FactorStatus};
use countersign_domain::text::StringMap;

use super::stage::{Stage, walks};
use crate::page::PageQuery;
use crate::seam::{ChallengeFilter, Enrolled, Notified, Opened, Opening, Recorded};

/// With its factor and the notification that it causes.
pub async fn a_challenge_reads_back_as_it_was_opened(stage: &Stage) {
    let factor = stage.factor().await;
    let full = Challenge {
        metadata: StringMap::parse(r#"{"order":"7"}"#).ok(),
        ..stage.make.challenge(&factor)
    };
    let mut bare = Challenge { hidden_details: None, ..stage.make.challenge(&factor) };
    bare.details.fields.clear();
    bare.details.date = None;
    for challenge in [full, bare] {
        let automatic = stage.make.automatic(&challenge);
        assert_eq!(stage.open(&challenge, Some(automatic)).await, Opened::Done);
        let owner = &challenge.owner;
        let found = stage.store.challenge(owner.service, &owner.identity, challenge.sid).await;
        assert_eq!(found, Ok(Some((challenge.clone(), Some(factor.clone())))));
        let notification = stage.notification(&automatic).await;
        assert!(notification.automatic && notification.delivery.is_some());
    }
}

/// Both, or neither.
pub async fn a_challenge_and_its_notification_need_a_verified_factor(stage: &Stage) {
    let owner = stage.factor().await.owner;
    let unverified = Factor { status: FactorStatus::Unverified, ..stage.make.factor(&owner) };
    assert_eq!(stage.enrol(&unverified, None).await, Enrolled::Done(owner.entity));
    let deleted = stage.factor().await;
    stage.store.delete_factor(deleted.owner.entity, deleted.sid, stage.now()).await.unwrap();
    let unknown = stage.make.factor(&owner);
    for factor in [unverified, deleted, unknown] {
        let challenge = stage.make.challenge(&factor);
        let automatic = stage.make.automatic(&challenge);
        assert_eq!(stage.open(&challenge, Some(automatic)).await, Opened::NoFactor);
        assert_eq!(stage.challenge_now(&challenge).await, None);
    }
    assert_eq!(stage.store.rescue(stage.later(300), 10).await, Ok(0));
}

/// Not by another identity's or service's path.
pub async fn a_challenge_is_found_by_its_own_path_only(stage: &Stage) {
    let (factor, other) = (stage.factor().await, stage.factor().await);
    let challenge = stage.challenge(&factor).await;
    let (mine, theirs) = (&factor.owner, &other.owner);
    for (service, identity) in [
        (theirs.service, &mine.identity),
        (mine.service, &theirs.identity),
        (theirs.service, &theirs.identity),
    ] {
        assert_eq!(stage.store.challenge(service, identity, challenge.sid).await, Ok(None));
    }
    assert_eq!(stage.challenge_now(&stage.make.challenge(&factor)).await, None);
}

/// For the history.
pub async fn a_challenge_outlives_its_factor(stage: &Stage) {
    let factor = stage.factor().await;
    let challenge = stage.challenge(&factor).await;
    let owner = &factor.owner;
    stage.store.delete_factor(owner.entity, factor.sid, stage.now()).await.unwrap();
    let found = stage.store.challenge(owner.service, &owner.identity, challenge.sid).await;
    assert_eq!(found, Ok(Some((challenge, None))));
}

async fn open_within(
    stage: &Stage,
    factor: &Factor,
    (factor_hour, factor_day, entity_hour): (u32, u32, u32),
) -> Opened {
    let challenge = stage.make.challenge(factor);
    let automatic = stage.make.automatic(&challenge);
    let opening = Opening {
        challenge,
        notification: Some(automatic),
        code: None,
        most_per_factor_hour: factor_hour,
        most_per_factor_day: factor_day,
        most_per_entity_hour: entity_hour,
    };
    let opened = stage.store.open_challenge(&opening).await.unwrap();
    let stored = stage.challenge_now(&opening.challenge).await.is_some();
    assert_eq!(stored, opened == Opened::Done);
    opened
}

/// In a rolling hour, and in a rolling day; those that were refused do not count.
pub async fn a_factor_has_only_so_many_challenges(stage: &Stage) {
    let factor = stage.factor().await;
    let other = stage.factor_of(&stage.service().await, &factor.owner.identity).await;
    for _ in 0..2 {
        assert_eq!(open_within(stage, &factor, (2, 3, 0)).await, Opened::Done);
        stage.pass(1);
    }
    assert_eq!(open_within(stage, &factor, (2, 3, 0)).await, Opened::TooMany);
    assert_eq!(open_within(stage, &other, (2, 3, 0)).await, Opened::Done);
    stage.pass(60 * 60 - 3);
    assert_eq!(open_within(stage, &factor, (2, 3, 0)).await, Opened::TooMany);
    stage.pass(2);
    assert_eq!(open_within(stage, &factor, (2, 3, 0)).await, Opened::Done);
    stage.pass(60 * 60);
    assert_eq!(open_within(stage, &factor, (2, 3, 0)).await, Opened::TooMany);
    assert_eq!(open_within(stage, &factor, (2, 0, 0)).await, Opened::Done);
    stage.pass(24 * 60 * 60);
    assert_eq!(open_within(stage, &factor, (2, 3, 0)).await, Opened::Done);
}

/// Those of all its factors together.
pub async fn an_entity_has_only_so_many_challenges(stage: &Stage) {
    let service = stage.service().await;
    let identity = stage.make.identity();
    let one = stage.factor_of(&service, &identity).await;
    let other = stage.factor_of(&service, &identity).await;
    assert_eq!(open_within(stage, &one, (0, 0, 2)).await, Opened::Done);
    assert_eq!(open_within(stage, &other, (1, 0, 2)).await, Opened::Done);
    assert_eq!(open_within(stage, &one, (0, 0, 2)).await, Opened::TooMany);
    assert_eq!(open_within(stage, &other, (0, 0, 2)).await, Opened::TooMany);
    assert_eq!(open_within(stage, &one, (0, 0, 3)).await, Opened::Done);
    stage.pass(60 * 60 + 1);
    assert_eq!(open_within(stage, &other, (1, 0, 1)).await, Opened::Done);
}

/// Each entity's for itself.
pub async fn challenges_are_listed_page_by_page(stage: &Stage) {
    let (factor, other) = (stage.factor().await, stage.factor().await);
    let mut sids = Vec::new();
    for _ in 0..5 {
        sids.push(stage.challenge(&factor).await.sid);
        stage.challenge(&other).await;
        stage.pass(1);
    }
    list(stage, &factor, ChallengeFilter::default(), &sids).await;
}

/// Alone and together, page by page, judged at the instant of the question.
pub async fn challenges_are_filtered_by_factor_and_status(stage: &Stage) {
    let service = stage.service().await;
    let identity = stage.make.identity();
    let one = stage.factor_of(&service, &identity).await;
    let other = stage.factor_of(&service, &identity).await;
    let mut groups = vec![Vec::new(); 5];
    for round in 0..3 {
        // three that will have expired, three of each verdict, three that wait
        for (group, factor, minutes, verdict) in [
            (0, &one, 5, None),
            (1, &one, 60, Some(Verdict::Approved)),
            (2, &one, 5, Some(Verdict::Denied)),
            (3, &one, 60, None),
            (4, &other, 60, None),
        ] {
            let challenge =
                Challenge { expires_at: stage.later(minutes * 60), ..stage.make.challenge(factor) };
            assert_eq!(stage.open(&challenge, None).await, Opened::Done);
            if let Some(verdict) = verdict {
                let at = stage.later(round);
                stage.store.answer_challenge(challenge.sid, verdict, None, at).await.unwrap();
            }
            groups[group].push(challenge.sid);
            stage.pass(1);
        }
    }
    stage.pass(60 * 60 - 20);
    let both = [groups[3].as_slice(), &groups[4]].concat();
    let mut waiting = both.clone();
    waiting.sort_unstable();
    let (mine, all) = (Some(one.sid), None);
    for (factor, status, expected) in [
        (mine, ChallengeStatus::Expired, &groups[0]),
        (all, ChallengeStatus::Approved, &groups[1]),
        (all, ChallengeStatus::Denied, &groups[2]),
        (mine, ChallengeStatus::Pending, &groups[3]),
        (Some(other.sid), ChallengeStatus::Pending, &groups[4]),
        (all, ChallengeStatus::Pending, &waiting),
    ] {
        let filter = ChallengeFilter { factor, status: Some(status) };
        list(stage, &one, filter, expected).await;
    }
    let filter = ChallengeFilter { factor: Some(other.sid), status: None };
    list(stage, &one, filter, &groups[4]).await;
    let none = ChallengeFilter { factor: None, status: Some(ChallengeStatus::Pending) };
    stage.make.clock.advance(Duration::from_secs(60 * 60));
    let page = PageQuery::first(10);
    let found = stage.store.challenges(one.owner.entity, none, stage.now(), page).await;
    assert_eq!(found.unwrap().items, []);
}

async fn list(
    stage: &Stage,
    factor: &Factor,
    filter: ChallengeFilter,
    expected: &[countersign_domain::sid::ChallengeSid],
) {
    let entity = factor.owner.entity;
    let read = async |page| {
        let found = stage.store.challenges(entity, filter, stage.now(), page).await;
        found.unwrap().map(|challenge| challenge.sid)
    };
    walks(expected, read).await;
}

/// And nothing else.
pub async fn an_update_replaces_a_challenges_metadata(stage: &Stage) {
    let factor = stage.factor().await;
    let was = stage.challenge(&factor).await;
    stage.pass(1);
    let metadata = StringMap::parse(r#"{"order":"8"}"#).unwrap();
    let store = &stage.store;
    let updated = store.update_challenge(was.sid, &metadata, false, stage.now()).await;
    assert_eq!(updated, Ok(Recorded::Done));
    let expected = Challenge { metadata: Some(metadata.clone()), updated_at: stage.now(), ..was };
    assert_eq!(stage.challenge_now(&expected).await, Some(expected));
    let unknown = stage.make.challenge(&factor).sid;
    for while_open in [false, true] {
        let updated = store.update_challenge(unknown, &metadata, while_open, stage.now()).await;
        assert_eq!(updated, Ok(Recorded::Gone));
    }
}

/// What a device adds is part of its answer, so it comes no later; an application may add to the record at any time.
pub async fn metadata_that_is_for_an_open_challenge_is_refused_by_another(stage: &Stage) {
    let (factor, store) = (stage.factor().await, &stage.store);
    let metadata = StringMap::parse(r#"{"order":"8"}"#).unwrap();
    let (open, answered) = (stage.challenge(&factor).await, stage.challenge(&factor).await);
    let last = open.expires_at - Duration::from_micros(1);
    let updated = store.update_challenge(open.sid, &metadata, true, last).await;
    assert_eq!(updated, Ok(Recorded::Done));
    assert_eq!(stage.challenge_now(&open).await.unwrap().metadata.as_ref(), Some(&metadata));
    store.answer_challenge(answered.sid, Verdict::Denied, None, stage.now()).await.unwrap();
    let other = StringMap::parse(r#"{"order":"9"}"#).unwrap();
    for (challenge, at, refused) in [
        (&answered, stage.now(), CannotAnswer::AlreadyAnswered),
        (&open, open.expires_at, CannotAnswer::Expired),
    ] {
        let was = stage.challenge_now(challenge).await;
        let updated = store.update_challenge(challenge.sid, &other, true, at).await;
        assert_eq!(updated, Ok(Recorded::Refused(refused)));
        assert_eq!(stage.challenge_now(challenge).await, was);
        let updated = store.update_challenge(challenge.sid, &other, false, at).await;
        assert_eq!(updated, Ok(Recorded::Done), "an application's");
    }
}

/// Each challenge's for itself.
pub async fn wrong_answers_are_counted(stage: &Stage) {
    let factor = stage.factor().await;
    let (one, other) = (stage.challenge(&factor).await, stage.challenge(&factor).await);
    for count in 1..=3 {
        assert_eq!(stage.store.count_wrong_answer(one.sid).await, Ok(count));
    }
    assert_eq!(stage.store.count_wrong_answer(other.sid).await, Ok(1));
    assert_eq!(stage.challenge_now(&one).await, Some(one));
    let unknown = stage.make.challenge(&factor);
    assert_eq!(stage.store.count_wrong_answer(unknown.sid).await, Ok(0));
    assert_eq!(stage.store.notify(&stage.make.automatic(&unknown), 0).await, Ok(Notified::Gone));
}
