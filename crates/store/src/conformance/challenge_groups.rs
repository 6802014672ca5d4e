//! Groups of challenges, of which the first answer counts.

use countersign_domain::challenge::{
    Challenge, ChallengeClosedError, ChallengeState, ChallengeStatus, Verdict,
};
use countersign_domain::challenge_group::ChallengeGroup;
use countersign_domain::ending::{Ending, StatusReason};
use countersign_domain::factor::{Factor, FactorStatus};
use countersign_domain::presence::{Presence, PresenceNumber, PresenceProof};
use countersign_domain::protection::PromptLimits;
use countersign_domain::service::Service;
use countersign_domain::settled::DeliveryEvent;
use countersign_domain::sid::ChallengeGroupSid;
use countersign_domain::text::Identity;
use countersign_domain::webhook::EventType;
use tokio::task::JoinSet;

use super::fixture::{Fixture, walks};
use super::upkeep::clean_all;
use super::webhook_fixture::{field, hook_for};
use crate::page::PageQuery;
use crate::seam::{Answer, ChallengeFilter, GroupOpened, Opened, Opening, Recorded};

/// Stores devices of one person.
async fn devices(fixture: &Fixture, count: usize) -> Vec<Factor> {
    let (service, identity) = (fixture.service().await, fixture.make.identity());
    devices_of(fixture, &service, &identity, count).await
}

async fn devices_of(
    fixture: &Fixture,
    service: &Service,
    identity: &Identity,
    count: usize,
) -> Vec<Factor> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(fixture.factor_of(service, identity).await);
    }
    all
}

/// A group of challenges that nothing has stored yet, in the order of their SIDs.
fn draw(fixture: &Fixture, devices: &[Factor]) -> Vec<Challenge> {
    let mut all: Vec<_> = devices.iter().map(|device| fixture.make.challenge(device)).collect();
    all.sort_by_key(|challenge| challenge.sid);
    let group = Some(ChallengeGroupSid::of_first(all[0].sid));
    all.iter_mut().for_each(|challenge| challenge.group = group);
    all
}

pub(super) fn openings(fixture: &Fixture, challenges: &[Challenge]) -> Vec<Opening> {
    let opening = |challenge: &Challenge| Opening {
        challenge: challenge.clone(),
        notification: Some(fixture.make.automatic(challenge)),
        code: None,
        most_per_factor_hour: 0,
        most_per_factor_day: 0,
        most_per_entity_hour: 0,
        prompts: PromptLimits::OFF,
    };
    challenges.iter().map(opening).collect()
}

async fn open(fixture: &Fixture, devices: &[Factor]) -> Vec<Challenge> {
    let challenges = draw(fixture, devices);
    let opened = fixture.store.open_group(&openings(fixture, &challenges), None).await;
    assert_eq!(opened, Ok(GroupOpened::Done));
    challenges
}

async fn read(fixture: &Fixture, challenges: &[Challenge]) -> Option<ChallengeGroup> {
    let (owner, sid) = (&challenges[0].owner, challenges[0].group.unwrap());
    fixture.store.challenge_group(owner.service, &owner.identity, sid).await.unwrap()
}

/// An answer to one challenge of a group.
fn answer(fixture: &Fixture, group: &[Challenge], number: usize, verdict: Verdict) -> Answer {
    let sid = group[number].sid;
    let others = group.iter().map(|challenge| challenge.sid).filter(|other| *other != sid);
    Answer { others: others.collect(), ..Answer::new(sid, verdict, fixture.now()) }
}

/// Only by its own path. Its challenges are challenges like others.
pub async fn a_group_reads_back_as_it_was_opened(fixture: &Fixture) {
    let devices = devices(fixture, 3).await;
    let single = fixture.challenge(&devices[0]).await;
    let challenges = open(fixture, &devices).await;
    let group = read(fixture, &challenges).await.unwrap();
    assert_eq!(Some(&group), ChallengeGroup::of(challenges.clone()).as_ref());
    for challenge in &challenges {
        assert_eq!(fixture.challenge_now(challenge).await.as_ref(), Some(challenge));
    }
    assert_eq!(fixture.challenge_now(&single).await.unwrap().group, None);
    let (owner, store) = (&challenges[0].owner, &fixture.store);
    let elsewhere = fixture.service().await.sid;
    let none = ChallengeGroupSid::of_first(single.sid);
    for (service, identity, sid) in [
        (elsewhere, &owner.identity, group.sid()),
        (owner.service, &fixture.make.identity(), group.sid()),
        (owner.service, &owner.identity, none),
    ] {
        assert_eq!(store.challenge_group(service, identity, sid).await, Ok(None));
    }
}

/// Also if only the last of its challenges is refused, whatever the reason.
pub async fn a_group_is_stored_whole_or_not_at_all(fixture: &Fixture) {
    let mut devices = devices(fixture, 3).await;
    let owner = devices[0].owner.clone();
    let mut unverified = fixture.make.factor(&owner);
    unverified.status = FactorStatus::Unverified;
    fixture.enrol(&unverified, None).await;
    devices.push(unverified.clone());
    let refused = draw(fixture, &devices);
    let opened = fixture.store.open_group(&openings(fixture, &refused), None).await;
    let why = Opened::NoFactor;
    assert_eq!(opened, Ok(GroupOpened::Refused { factor: unverified.sid, why }));
    assert_eq!(read(fixture, &refused).await, None);

    devices.pop();
    let busy = fixture.challenge(&devices[2]).await;
    let full = draw(fixture, &devices);
    let mut limited = openings(fixture, &full);
    limited.iter_mut().for_each(|opening| opening.most_per_factor_hour = 1);
    let opened = fixture.store.open_group(&limited, None).await;
    let why = Opened::TooMany;
    assert_eq!(opened, Ok(GroupOpened::Refused { factor: devices[2].sid, why }));
    let page = PageQuery::first(10);
    let listed =
        fixture.store.challenges(owner.entity, ChallengeFilter::default(), fixture.now(), page);
    assert_eq!(listed.await.unwrap().items, [busy]);
    assert!(fixture.lease_due(10).await.is_empty());
}

/// They count as expired, on every path that shows or changes them, and their deliveries end.
pub async fn the_first_answer_to_a_group_ends_its_other_challenges(fixture: &Fixture) {
    for verdict in [Verdict::Approved, Verdict::Denied] {
        let devices = devices(fixture, 3).await;
        let single = fixture.challenge(&devices[0]).await;
        let group = open(fixture, &devices).await;
        let (parked, leased) = (fixture.parked(&group[0]).await, fixture.leased(&group[2]).await);
        let kept = fixture.leased(&single).await;
        assert!(fixture.settle(&leased, DeliveryEvent::Written).await);
        fixture.pass(1);
        let at = fixture.now();
        let first = answer(fixture, &group, 1, verdict);
        assert_eq!(fixture.store.answer_challenge(first).await, Ok(Recorded::Done));

        let found = read(fixture, &group).await.unwrap();
        let states: Vec<_> = found.challenges().map(|challenge| challenge.state).collect();
        let elsewhere = ChallengeState::AnsweredElsewhere { by: group[1].sid, at };
        assert_eq!(states, [elsewhere, ChallengeState::Answered { verdict, at }, elsewhere]);
        let answered = found.answer().unwrap();
        assert_eq!((answered.challenge.sid, answered.verdict), (group[1].sid, verdict));
        let cancelled = Ending::cancelled(StatusReason::Answered);
        assert_eq!(fixture.ending(&parked).await, Some(cancelled));
        assert_eq!(fixture.ending(&leased).await, Some(Ending::SENT), "it was written");
        assert!(fixture.prospect(&kept).await.lease_holds);

        fixture.pass(1);
        let closed = Recorded::Refused(ChallengeClosedError::AnsweredElsewhere);
        let late = answer(fixture, &group, 0, Verdict::Approved);
        assert_eq!(fixture.store.answer_challenge(late).await, Ok(closed));
        let again = answer(fixture, &group, 1, Verdict::Approved);
        let answered = Recorded::Refused(ChallengeClosedError::AlreadyAnswered);
        assert_eq!(fixture.store.answer_challenge(again).await, Ok(answered));
        for (status, expected) in [
            (ChallengeStatus::Expired, vec![group[0].sid, group[2].sid]),
            (ChallengeStatus::Pending, vec![single.sid]),
        ] {
            let filter = ChallengeFilter { factor: None, status: Some(status) };
            let (entity, page) = (single.owner.entity, PageQuery::first(10));
            let listed = fixture.store.challenges(entity, filter, fixture.now(), page).await;
            let listed = listed.unwrap().map(|challenge| challenge.sid).items;
            assert_eq!(listed, expected, "{status:?}");
        }
        assert_eq!(fixture.challenge_now(&single).await, Some(single));
    }
}

/// Holds in any order, on any number of devices and groups at once.
pub async fn of_any_interleaving_of_answers_to_a_group_one_wins(fixture: &Fixture) {
    let devices = devices(fixture, 5).await;
    for round in 0..6 {
        let groups = [open(fixture, &devices).await, open(fixture, &devices).await];
        let mut answers = JoinSet::new();
        for step in 0..20 {
            let (group, number) = (step % 2, (step * 7 + round * 3) % 5);
            let verdict = if step % 3 == 0 { Verdict::Denied } else { Verdict::Approved };
            let mut given = answer(fixture, &groups[group], number, verdict);
            // An answer is known by its instant.
            given.at = given.at + std::time::Duration::from_micros(step as u64);
            let store = fixture.store.clone();
            answers.spawn(async move {
                let recorded = store.answer_challenge(given.clone()).await.unwrap();
                (group, given, recorded)
            });
            if (step + round) % 6 == 5 {
                tokio::task::yield_now().await;
            }
        }
        let answers = answers.join_all().await;
        for (number, group) in groups.iter().enumerate() {
            let won = |(of, given, recorded): &(usize, Answer, Recorded)| {
                (*of == number && *recorded == Recorded::Done).then(|| given.clone())
            };
            let winners: Vec<_> = answers.iter().filter_map(won).collect();
            let [winner] = &winners[..] else { panic!("{winners:?}") };
            let Answer { challenge, verdict, at, .. } = *winner;
            for stored in read(fixture, group).await.unwrap().challenges() {
                let expected = if stored.sid == challenge {
                    ChallengeState::Answered { verdict, at }
                } else {
                    ChallengeState::AnsweredElsewhere { by: challenge, at }
                };
                assert_eq!(stored.state, expected);
            }
        }
    }
}

/// The one that was answered; or, if none was, the expiry of the first.
pub async fn a_group_calls_webhooks_once(fixture: &Fixture) {
    let (service, identity) = (fixture.service().await, fixture.make.identity());
    let devices = devices_of(fixture, &service, &identity, 3).await;
    hook_for(
        fixture,
        &service,
        &[EventType::ChallengeApproved, EventType::ChallengeDenied, EventType::ChallengeExpired],
    )
    .await;
    let answered = open(fixture, &devices).await;
    let expiring = open(fixture, &devices).await;
    fixture.pass(1);
    for number in [2, 0, 1] {
        let given = answer(fixture, &answered, number, Verdict::Denied);
        fixture.store.answer_challenge(given).await.unwrap();
    }
    fixture.pass(600);
    let mut calls = Vec::new();
    loop {
        let leases = fixture.lease_calls().await;
        if leases.is_empty() {
            break;
        }
        for lease in leases {
            let after = super::webhook_fixture::TAKEN;
            fixture.store.settle_call(&lease, after, "".into(), fixture.now()).await.unwrap();
            calls.push(lease);
        }
    }
    let mut told: Vec<_> = calls
        .iter()
        .map(|call| ["type", "challenge_sid", "challenge_group_sid"].map(|name| field(call, name)))
        .collect();
    told.sort_unstable();
    let (denied, group) = (answered[2].sid.to_string(), answered[0].group.unwrap().to_string());
    let (expired, other) = (expiring[0].sid.to_string(), expiring[0].group.unwrap().to_string());
    let expected = [["challenge.denied", &denied, &group], ["challenge.expired", &expired, &other]];
    assert_eq!(told, expected);
}

/// In a row without an approval, and within an hour; per factor each of its challenges counts.
pub async fn a_group_counts_once_for_its_entity(fixture: &Fixture) {
    let devices = devices(fixture, 12).await;
    let minutes = |minutes: u64| std::time::Duration::from_secs(60 * minutes);
    let prompts = PromptLimits {
        most_pending: 0,
        quiet_after: 0,
        most_in_a_row: 5,
        window: minutes(10),
        first_pause: minutes(15),
        longest_pause: minutes(60),
    };
    for number in 0..6 {
        let challenges = draw(fixture, &devices);
        let mut limited = openings(fixture, &challenges);
        limited.iter_mut().for_each(|opening| opening.most_per_factor_hour = 6);
        limited[0].prompts = prompts;
        limited[0].most_per_entity_hour = 6;
        let opened = fixture.store.open_group(&limited, None).await.unwrap();
        let paused =
            matches!(opened, GroupOpened::Refused { why: Opened::Paused { begins: true, .. }, .. });
        assert_eq!((opened == GroupOpened::Done, paused), (number < 5, number == 5), "{opened:?}");
        assert_eq!(read(fixture, &challenges).await.is_some(), number < 5);
        fixture.pass(1);
        if number == 2 {
            let given = answer(fixture, &challenges, 7, Verdict::Denied);
            assert_eq!(fixture.store.answer_challenge(given).await, Ok(Recorded::Done));
        }
    }
    let challenge = fixture.make.challenge(&devices[3]);
    let mut alone = openings(fixture, &[challenge]);
    alone[0].most_per_entity_hour = 5;
    assert_eq!(fixture.store.open_challenge(&alone[0]).await, Ok(Opened::TooMany));
    alone[0].most_per_entity_hour = 6;
    assert_eq!(fixture.store.open_challenge(&alone[0]).await, Ok(Opened::Done));
}

/// The approval may be of the first, a middle or the last challenge.
pub async fn an_approval_of_any_challenge_of_a_group_ends_the_pause(fixture: &Fixture) {
    let devices = devices(fixture, 3).await;
    let prompts = PromptLimits {
        most_in_a_row: 1,
        window: std::time::Duration::from_secs(600),
        first_pause: std::time::Duration::from_secs(900),
        longest_pause: std::time::Duration::from_secs(900),
        ..PromptLimits::OFF
    };
    let attempt = async || {
        let challenges = draw(fixture, &devices);
        let mut limited = openings(fixture, &challenges);
        limited[0].prompts = prompts;
        let opened = fixture.store.open_group(&limited, None).await.unwrap();
        fixture.pass(1);
        (challenges, opened == GroupOpened::Done)
    };
    let (group, opened) = attempt().await;
    assert!(opened && !attempt().await.1);
    let given = answer(fixture, &group, 2, Verdict::Approved);
    assert_eq!(fixture.store.answer_challenge(given).await, Ok(Recorded::Done));
    fixture.pass(1);
    assert!(attempt().await.1);
}

/// Those of one entity.
pub async fn groups_are_listed_page_by_page(fixture: &Fixture) {
    let (mine, others) = (devices(fixture, 2).await, devices(fixture, 2).await);
    open(fixture, &others).await;
    let mut groups = Vec::new();
    for _ in 0..5 {
        groups.push(open(fixture, &mine).await[0].group.unwrap());
        fixture.challenge(&mine[0]).await;
    }
    groups.sort_unstable();
    let entity = mine[0].owner.entity;
    walks(&groups, async |page| {
        let page = fixture.store.challenge_groups(entity, page).await.unwrap();
        page.map(|group| group.sid())
    })
    .await;
}

/// A group of a deleted entity is not found, and its rows go; so do those of old groups.
pub async fn a_group_goes_with_its_entity_and_with_its_age(fixture: &Fixture) {
    let devices = devices(fixture, 3).await;
    let (old, owner) = (open(fixture, &devices).await, devices[0].owner.clone());
    fixture.pass(40 * 24 * 60 * 60);
    clean_all(fixture).await;
    assert_eq!(read(fixture, &old).await, None);
    let young = open(fixture, &devices).await;
    clean_all(fixture).await;
    assert!(read(fixture, &young).await.is_some());
    let gone = fixture.store.delete_entity(owner.service, &owner.identity, fixture.now()).await;
    assert!(gone.is_ok());
    assert_eq!(read(fixture, &young).await, None);
    clean_all(fixture).await;
    let listed = fixture.store.challenge_groups(owner.entity, PageQuery::first(10)).await.unwrap();
    assert_eq!((listed.items.len(), listed.has_next), (0, false));
}

/// More devices give no more tries, and the last wrong number denies the whole group.
pub async fn a_wrong_number_counts_for_all_devices_of_a_group(fixture: &Fixture) {
    let devices = devices(fixture, 3).await;
    let mut group = draw(fixture, &devices);
    let (right, wrong) = (PresenceNumber::new(64), PresenceNumber::new(65));
    let proof = PresenceProof::Number { answer: right.unwrap() };
    for challenge in &mut group {
        challenge.presence = Some(Box::new(Presence::new(proof.clone())));
    }
    let opened = fixture.store.open_group(&openings(fixture, &group), None).await;
    assert_eq!(opened, Ok(GroupOpened::Done));
    let denied = Recorded::Refused(ChallengeClosedError::AnsweredElsewhere);
    for (device, number, expected) in [
        (0, wrong, Recorded::WrongNumber { tries_left: 1 }),
        (1, wrong, Recorded::WrongNumber { tries_left: 0 }),
        (2, right, denied),
    ] {
        fixture.pass(1);
        let answer = Answer { number, ..answer(fixture, &group, device, Verdict::Approved) };
        assert_eq!(fixture.store.answer_challenge(answer).await, Ok(expected), "{device}");
    }
    let read = read(fixture, &group).await.unwrap();
    assert_eq!(read.status(fixture.now()), ChallengeStatus::Denied);
}
