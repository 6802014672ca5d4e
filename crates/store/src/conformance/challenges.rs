//! Challenges: how they are opened, found and listed. Their answers are in [`super::answers`].

use std::time::Duration;

use countersign_domain::challenge::{Challenge, ChallengeClosedError, ChallengeStatus, Verdict};
use countersign_domain::factor::Factor;
use countersign_domain::factor::FactorStatus;
use countersign_domain::protection::PromptLimits;
use countersign_domain::text::StringMap;

use super::fixture::{Fixture, walks};
use crate::page::PageQuery;
use crate::seam::{Answer, ChallengeFilter, Enrolled, Notified, Opened, Opening, Recorded};

/// With its factor and the notification that it causes.
pub async fn a_challenge_reads_back_as_it_was_opened(fixture: &Fixture) {
    let factor = fixture.factor().await;
    let full = Challenge {
        metadata: StringMap::parse(r#"{"order":"7"}"#).ok(),
        ..fixture.make.challenge(&factor)
    };
    let mut bare = Challenge { hidden_details: None, ..fixture.make.challenge(&factor) };
    bare.details.fields.clear();
    bare.details.date = None;
    for challenge in [full, bare] {
        let automatic = fixture.make.automatic(&challenge);
        assert_eq!(fixture.open(&challenge, Some(automatic)).await, Opened::Done);
        let owner = &challenge.owner;
        let found = fixture.store.challenge(owner.service, &owner.identity, challenge.sid).await;
        assert_eq!(found, Ok(Some((challenge.clone(), Some(factor.clone())))));
        let notification = fixture.notification(&automatic).await;
        assert!(notification.automatic && notification.delivery.is_some());
    }
}

/// Both, or neither.
pub async fn a_challenge_and_its_notification_need_a_verified_factor(fixture: &Fixture) {
    let owner = fixture.factor().await.owner;
    let unverified = Factor { status: FactorStatus::Unverified, ..fixture.make.factor(&owner) };
    assert_eq!(fixture.enrol(&unverified, None).await, Enrolled::Done(owner.entity));
    let deleted = fixture.factor().await;
    fixture.store.delete_factor(deleted.owner.entity, deleted.sid, fixture.now()).await.unwrap();
    let unknown = fixture.make.factor(&owner);
    for factor in [unverified, deleted, unknown] {
        let challenge = fixture.make.challenge(&factor);
        let automatic = fixture.make.automatic(&challenge);
        assert_eq!(fixture.open(&challenge, Some(automatic)).await, Opened::NoFactor);
        assert_eq!(fixture.challenge_now(&challenge).await, None);
    }
    assert_eq!(fixture.store.rescue(fixture.later(300), 10).await, Ok(0));
}

/// It is not found by the path of another identity or service.
pub async fn a_challenge_is_found_by_its_own_path_only(fixture: &Fixture) {
    let (factor, other) = (fixture.factor().await, fixture.factor().await);
    let challenge = fixture.challenge(&factor).await;
    let (mine, theirs) = (&factor.owner, &other.owner);
    for (service, identity) in [
        (theirs.service, &mine.identity),
        (mine.service, &theirs.identity),
        (theirs.service, &theirs.identity),
    ] {
        assert_eq!(fixture.store.challenge(service, identity, challenge.sid).await, Ok(None));
    }
    assert_eq!(fixture.challenge_now(&fixture.make.challenge(&factor)).await, None);
}

/// It stays in the history.
pub async fn a_challenge_outlives_its_factor(fixture: &Fixture) {
    let factor = fixture.factor().await;
    let challenge = fixture.challenge(&factor).await;
    let owner = &factor.owner;
    fixture.store.delete_factor(owner.entity, factor.sid, fixture.now()).await.unwrap();
    let found = fixture.store.challenge(owner.service, &owner.identity, challenge.sid).await;
    assert_eq!(found, Ok(Some((challenge, None))));
}

async fn open_within(
    fixture: &Fixture,
    factor: &Factor,
    (factor_hour, factor_day, entity_hour): (u32, u32, u32),
) -> Opened {
    let challenge = fixture.make.challenge(factor);
    let automatic = fixture.make.automatic(&challenge);
    let opening = Opening {
        challenge,
        notification: Some(automatic),
        code: None,
        most_per_factor_hour: factor_hour,
        most_per_factor_day: factor_day,
        most_per_entity_hour: entity_hour,
        prompts: PromptLimits::OFF,
    };
    let opened = fixture.store.open_challenge(&opening).await.unwrap();
    let stored = fixture.challenge_now(&opening.challenge).await.is_some();
    assert_eq!(stored, opened == Opened::Done);
    opened
}

/// In a rolling hour and in a rolling day; refused ones do not count.
pub async fn a_factor_has_only_so_many_challenges(fixture: &Fixture) {
    let factor = fixture.factor().await;
    let other = fixture.factor_of(&fixture.service().await, &factor.owner.identity).await;
    for _ in 0..2 {
        assert_eq!(open_within(fixture, &factor, (2, 3, 0)).await, Opened::Done);
        fixture.pass(1);
    }
    assert_eq!(open_within(fixture, &factor, (2, 3, 0)).await, Opened::TooMany);
    assert_eq!(open_within(fixture, &other, (2, 3, 0)).await, Opened::Done);
    fixture.pass(60 * 60 - 3);
    assert_eq!(open_within(fixture, &factor, (2, 3, 0)).await, Opened::TooMany);
    fixture.pass(2);
    assert_eq!(open_within(fixture, &factor, (2, 3, 0)).await, Opened::Done);
    fixture.pass(60 * 60);
    assert_eq!(open_within(fixture, &factor, (2, 3, 0)).await, Opened::TooMany);
    assert_eq!(open_within(fixture, &factor, (2, 0, 0)).await, Opened::Done);
    fixture.pass(24 * 60 * 60);
    assert_eq!(open_within(fixture, &factor, (2, 3, 0)).await, Opened::Done);
}

/// The challenges of all its factors are counted together.
pub async fn an_entity_has_only_so_many_challenges(fixture: &Fixture) {
    let service = fixture.service().await;
    let identity = fixture.make.identity();
    let one = fixture.factor_of(&service, &identity).await;
    let other = fixture.factor_of(&service, &identity).await;
    assert_eq!(open_within(fixture, &one, (0, 0, 2)).await, Opened::Done);
    assert_eq!(open_within(fixture, &other, (1, 0, 2)).await, Opened::Done);
    assert_eq!(open_within(fixture, &one, (0, 0, 2)).await, Opened::TooMany);
    assert_eq!(open_within(fixture, &other, (0, 0, 2)).await, Opened::TooMany);
    assert_eq!(open_within(fixture, &one, (0, 0, 3)).await, Opened::Done);
    fixture.pass(60 * 60 + 1);
    assert_eq!(open_within(fixture, &other, (1, 0, 1)).await, Opened::Done);
}

/// Only those of the entity.
pub async fn challenges_are_listed_page_by_page(fixture: &Fixture) {
    let (factor, other) = (fixture.factor().await, fixture.factor().await);
    let mut sids = Vec::new();
    for _ in 0..5 {
        sids.push(fixture.challenge(&factor).await.sid);
        fixture.challenge(&other).await;
        fixture.pass(1);
    }
    list(fixture, &factor, ChallengeFilter::default(), &sids).await;
}

/// By each filter and by both, page by page, with their status at the time of the query.
pub async fn challenges_are_filtered_by_factor_and_status(fixture: &Fixture) {
    let service = fixture.service().await;
    let identity = fixture.make.identity();
    let one = fixture.factor_of(&service, &identity).await;
    let other = fixture.factor_of(&service, &identity).await;
    let mut groups = vec![Vec::new(); 5];
    for round in 0..3 {
        // Three that will have expired, three of each verdict, three pending.
        for (group, factor, minutes, verdict) in [
            (0, &one, 5, None),
            (1, &one, 60, Some(Verdict::Approved)),
            (2, &one, 5, Some(Verdict::Denied)),
            (3, &one, 60, None),
            (4, &other, 60, None),
        ] {
            let challenge = Challenge {
                expires_at: fixture.later(minutes * 60),
                ..fixture.make.challenge(factor)
            };
            assert_eq!(fixture.open(&challenge, None).await, Opened::Done);
            if let Some(verdict) = verdict {
                let at = fixture.later(round);
                fixture
                    .store
                    .answer_challenge(Answer::new(challenge.sid, verdict, at))
                    .await
                    .unwrap();
            }
            groups[group].push(challenge.sid);
            fixture.pass(1);
        }
    }
    fixture.pass(60 * 60 - 20);
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
        list(fixture, &one, filter, expected).await;
    }
    let filter = ChallengeFilter { factor: Some(other.sid), status: None };
    list(fixture, &one, filter, &groups[4]).await;
    let none = ChallengeFilter { factor: None, status: Some(ChallengeStatus::Pending) };
    fixture.make.clock.advance(Duration::from_secs(60 * 60));
    let page = PageQuery::first(10);
    let found = fixture.store.challenges(one.owner.entity, none, fixture.now(), page).await;
    assert_eq!(found.unwrap().items, []);
}

async fn list(
    fixture: &Fixture,
    factor: &Factor,
    filter: ChallengeFilter,
    expected: &[countersign_domain::sid::ChallengeSid],
) {
    let entity = factor.owner.entity;
    let read = async |page| {
        let found = fixture.store.challenges(entity, filter, fixture.now(), page).await;
        found.unwrap().map(|challenge| challenge.sid)
    };
    walks(expected, read).await;
}

/// Nothing else changes.
pub async fn an_update_replaces_a_challenges_metadata(fixture: &Fixture) {
    let factor = fixture.factor().await;
    let was = fixture.challenge(&factor).await;
    fixture.pass(1);
    let metadata = StringMap::parse(r#"{"order":"8"}"#).unwrap();
    let store = &fixture.store;
    let updated = store.update_challenge(was.sid, &metadata, false, fixture.now()).await;
    assert_eq!(updated, Ok(Recorded::Done));
    let expected = Challenge { metadata: Some(metadata.clone()), updated_at: fixture.now(), ..was };
    assert_eq!(fixture.challenge_now(&expected).await, Some(expected));
    let unknown = fixture.make.challenge(&factor).sid;
    for while_open in [false, true] {
        let updated = store.update_challenge(unknown, &metadata, while_open, fixture.now()).await;
        assert_eq!(updated, Ok(Recorded::NotFound));
    }
}

/// A device's metadata is part of its answer, so it is not accepted later; an application may change metadata at any time.
pub async fn metadata_that_is_for_an_open_challenge_is_refused_by_another(fixture: &Fixture) {
    let (factor, store) = (fixture.factor().await, &fixture.store);
    let metadata = StringMap::parse(r#"{"order":"8"}"#).unwrap();
    let (open, answered) = (fixture.challenge(&factor).await, fixture.challenge(&factor).await);
    let last = open.expires_at - Duration::from_micros(1);
    let updated = store.update_challenge(open.sid, &metadata, true, last).await;
    assert_eq!(updated, Ok(Recorded::Done));
    assert_eq!(fixture.challenge_now(&open).await.unwrap().metadata.as_ref(), Some(&metadata));
    store
        .answer_challenge(Answer::new(answered.sid, Verdict::Denied, fixture.now()))
        .await
        .unwrap();
    let other = StringMap::parse(r#"{"order":"9"}"#).unwrap();
    for (challenge, at, refused) in [
        (&answered, fixture.now(), ChallengeClosedError::AlreadyAnswered),
        (&open, open.expires_at, ChallengeClosedError::Expired),
    ] {
        let was = fixture.challenge_now(challenge).await;
        let updated = store.update_challenge(challenge.sid, &other, true, at).await;
        assert_eq!(updated, Ok(Recorded::Refused(refused)));
        assert_eq!(fixture.challenge_now(challenge).await, was);
        let updated = store.update_challenge(challenge.sid, &other, false, at).await;
        assert_eq!(updated, Ok(Recorded::Done), "the application may change it");
    }
}

/// Each challenge has its own count.
pub async fn wrong_answers_are_counted(fixture: &Fixture) {
    let factor = fixture.factor().await;
    let (one, other) = (fixture.challenge(&factor).await, fixture.challenge(&factor).await);
    for count in 1..=3 {
        assert_eq!(fixture.store.count_wrong_answer(one.sid).await, Ok(count));
    }
    assert_eq!(fixture.store.count_wrong_answer(other.sid).await, Ok(1));
    assert_eq!(fixture.challenge_now(&one).await, Some(one));
    let unknown = fixture.make.challenge(&factor);
    assert_eq!(fixture.store.count_wrong_answer(unknown.sid).await, Ok(0));
    assert_eq!(
        fixture.store.notify(&fixture.make.automatic(&unknown), 0).await,
        Ok(Notified::NotFound)
    );
}
