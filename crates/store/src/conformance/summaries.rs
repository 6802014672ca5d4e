//! Summaries of challenges and pushes.

use std::collections::BTreeMap;
use std::time::Duration;

use countersign_domain::address::Platform;
use countersign_domain::delivery::InitialState;
use countersign_domain::ending::{Ending, ErrorCode, NotificationStatus, StatusReason};
use countersign_domain::factor::FactorType;
use countersign_domain::outcome::{AfterAttempt, Outcome};
use countersign_domain::sid::{AccountSid, ChallengeSid, ServiceSid};
use countersign_domain::summary::{
    COUNTED_BACK, CountedPlatform, CountedState, Grain, Measure, Stage,
};

use super::fixture::Fixture;
use crate::seam::{Retention, SummaryCursor, SummaryQuery};

/// Makes the first step of every stage.
async fn begin(fixture: &Fixture) {
    for cursor in SummaryCursor::all() {
        let step = fixture.first_step(cursor);
        assert_eq!(fixture.store.add_summary(&step).await, Ok(true));
        assert_eq!(fixture.store.add_summary(&step).await, Ok(false), "it begins once");
    }
}

/// The sums of an account, of all periods of a length.
async fn sums(
    fixture: &Fixture,
    account: AccountSid,
    grain: Grain,
    service: Option<ServiceSid>,
) -> BTreeMap<(Measure, CountedPlatform), u64> {
    let from = grain.begin(fixture.now() - COUNTED_BACK);
    let query = SummaryQuery { account, grain, from, service };
    let mut sums = BTreeMap::new();
    for row in fixture.store.summaries(query).await.unwrap() {
        assert!(row.by.0 >= from && row.by.0 == grain.begin(row.by.0));
        *sums.entry((row.measure, row.by.1)).or_default() += row.count;
    }
    sums
}

const HOURS: u64 = 3 * 60 * 60;

/// Once all stages have passed, and however many challenges are read at a time.
pub async fn every_challenge_and_push_is_counted_once(fixture: &Fixture) {
    begin(fixture).await;
    let service = fixture.service().await;
    let identity = fixture.make.identity();
    let factor = fixture.factor_of(&service, &identity).await;
    let coded = fixture.totp_factor_of(&service, &identity).await;
    for wait in [1, 20, 200] {
        let challenge = fixture.challenge(&factor).await;
        let lease = fixture.leased(&challenge).await;
        fixture.pass(wait);
        fixture.settle(&lease, fixture.delivered()).await;
        fixture.answer(&challenge).await;
        fixture.count_challenges(1).await;
    }
    fixture.code_challenge(&coded).await;
    let open = fixture.challenge(&factor).await;
    fixture.notify(&open, 0, InitialState::Ended(Ending::EXPIRED)).await;
    for _ in 0..4 {
        fixture.pass(HOURS / 4);
        fixture.count_challenges(2).await;
    }
    let device = CountedPlatform::Device(factor.address.platform());
    let expected = BTreeMap::from([
        ((Measure::Asked, device), 4),
        ((Measure::Asked, CountedPlatform::Totp), 1),
        ((Measure::Approved, device), 3),
        ((Measure::Unanswered, device), 1),
        ((Measure::Unanswered, CountedPlatform::Totp), 1),
        ((Measure::Pushed, device), 4),
        ((Measure::Delivered, device), 3),
        ((Measure::TooLate, device), 1),
    ]);
    for grain in Grain::ALL {
        assert_eq!(sums(fixture, service.account, grain, None).await, expected, "{grain:?}");
    }
    fixture.count_challenges(100).await;
    assert_eq!(sums(fixture, service.account, Grain::Hour, None).await, expected);
}

/// Two processes read the same challenges; or one stops after it has read, and another reads them again.
pub async fn of_two_that_count_the_same_one_is_told_so(fixture: &Fixture) {
    begin(fixture).await;
    let factor = fixture.factor().await;
    for _ in 0..3 {
        fixture.challenge(&factor).await;
    }
    fixture.pass(HOURS);
    let cursor = SummaryCursor { kind: FactorType::Push, stage: Stage::ALL[0] };
    let lost = fixture.next_step(cursor, 2).await.unwrap();
    let one = fixture.next_step(cursor, 3).await.unwrap();
    let (first, second) =
        tokio::join!(fixture.store.add_summary(&lost), fixture.store.add_summary(&one));
    assert_ne!(first, second, "one of them");
    fixture.count_challenges(1).await;
    let sums = sums(fixture, factor.owner.account, Grain::Hour, None).await;
    assert_eq!(sums[&(Measure::Asked, CountedPlatform::Device(factor.address.platform()))], 3);
    assert_eq!(fixture.store.add_summary(&lost).await, Ok(false));
}

/// With the platform that the factor has now, the state, and the pushes.
pub async fn challenges_are_read_for_counting(fixture: &Fixture) {
    let (factor, gone) = (fixture.factor().await, fixture.factor().await);
    let first = fixture.challenge(&factor).await;
    let lease = fixture.leased(&first).await;
    fixture.due(&first).await;
    fixture.pass(2);
    let gone_address = Ending::failed(StatusReason::AddressGone, ErrorCode::NO_DESTINATION);
    let failed = fixture.attempted(Outcome::Gone { since: None }, AfterAttempt::Done(gone_address));
    fixture.settle(&lease, failed).await;
    fixture.answer(&first).await;
    let second = fixture.challenge(&gone).await;
    fixture.store.delete_factor(gone.owner.entity, gone.sid, fixture.now()).await.unwrap();
    let least = ChallengeSid::least(FactorType::Push, fixture.now() - COUNTED_BACK);
    let end = ChallengeSid::least(FactorType::Push, fixture.later(1));
    let found = fixture.store.challenges_to_count(least, end, 9).await.unwrap();
    let sids: Vec<_> = found.iter().map(|(sid, _)| *sid).collect();
    assert_eq!(sids, [first.sid, second.sid]);
    let (one, other) = (found[0].1.as_ref().unwrap(), found[1].1.as_ref().unwrap());
    assert_eq!((one.account, one.service), (factor.owner.account, factor.owner.service));
    assert_eq!((one.created_at, one.expires_at), (first.created_at, first.expires_at));
    assert_eq!(one.platform, CountedPlatform::Device(Platform::Stream));
    assert!(matches!(one.state, CountedState::Answered(_, at) if at == fixture.now()));
    assert_eq!(one.pushes.len(), 2);
    let ended: Vec<_> = one.pushes.iter().filter_map(|push| push.ending).map(|it| it.0).collect();
    assert!(ended.contains(&NotificationStatus::Failed), "{ended:?}");
    assert_eq!((other.platform, other.state), (CountedPlatform::Removed, CountedState::Unanswered));
    let rest = fixture.store.challenges_to_count(first.sid, end, 9).await.unwrap();
    assert_eq!(rest.len(), 1);
    assert_eq!(fixture.store.challenges_to_count(least, first.sid, 9).await, Ok(vec![]));
}

/// Independently of others.
pub async fn an_account_sees_its_own_sums_by_service_and_period(fixture: &Fixture) {
    begin(fixture).await;
    let mine = fixture.factor().await;
    let busy = fixture.factor().await;
    fixture.challenge(&mine).await;
    for _ in 0..5 {
        fixture.challenge(&busy).await;
    }
    fixture.pass(HOURS);
    let later = fixture.challenge(&mine).await;
    fixture.pass(HOURS);
    fixture.count_challenges(100).await;
    let (account, service) = (mine.owner.account, mine.owner.service);
    let asked = (Measure::Asked, CountedPlatform::Device(mine.address.platform()));
    assert_eq!(sums(fixture, account, Grain::Hour, None).await[&asked], 2);
    assert_eq!(sums(fixture, account, Grain::Hour, Some(service)).await[&asked], 2);
    let other = Some(busy.owner.service);
    assert_eq!(sums(fixture, account, Grain::Hour, other).await, BTreeMap::new());
    assert_eq!(sums(fixture, busy.owner.account, Grain::Hour, None).await[&asked], 5);
    let from = Grain::Hour.begin(later.created_at);
    let query = SummaryQuery { account, grain: Grain::Hour, from, service: None };
    let of_hour = fixture.store.summaries(query).await.unwrap();
    let asked = of_hour.iter().find(|row| row.measure == Measure::Asked).unwrap();
    assert_eq!((asked.by.0, asked.count), (from, 1));
    let by_service = fixture.store.service_summaries(query).await.unwrap();
    assert!(by_service.iter().all(|row| row.by == service), "{by_service:?}");
    assert_eq!(by_service.iter().filter(|row| row.measure == Measure::Asked).count(), 1);
}

/// Those of hours sooner than those of days.
pub async fn old_summaries_are_removed(fixture: &Fixture) {
    begin(fixture).await;
    let factor = fixture.factor().await;
    fixture.challenge(&factor).await;
    fixture.pass(HOURS);
    fixture.count_challenges(100).await;
    let account = factor.owner.account;
    let left = async |grain| {
        let query = SummaryQuery {
            account,
            grain,
            from: Grain::Day.begin(fixture.now() - 2 * grain.kept()),
            service: None,
        };
        fixture.store.summaries(query).await.unwrap().len()
    };
    let clean = async || {
        let retention = Retention { challenges: Duration::from_secs(1_000 * 24 * 3_600) };
        while fixture.store.clean(fixture.now(), retention, 2).await.unwrap() == 2 {}
    };
    clean().await;
    assert!(left(Grain::Hour).await > 0 && left(Grain::Day).await > 0);
    fixture.pass(Grain::Hour.kept().as_secs());
    clean().await;
    assert!(left(Grain::Hour).await == 0 && left(Grain::Day).await > 0);
    fixture.pass(Grain::Day.kept().as_secs());
    clean().await;
    assert_eq!(left(Grain::Day).await, 0);
}

/// An attempt whose lease was lost is recorded later, and changes nothing of when the push ended.
pub async fn an_ended_push_keeps_the_time_of_its_end(fixture: &Fixture) {
    let factor = fixture.factor().await;
    let challenge = fixture.challenge(&factor).await;
    let lease = fixture.leased(&challenge).await;
    assert!(fixture.settle(&lease, fixture.delivered()).await);
    let ended_at = fixture.notification(&lease).await.updated_at;
    fixture.pass(60);
    assert!(!fixture.settle(&lease, fixture.delivered()).await);
    let after = fixture.notification(&lease).await;
    assert_eq!((after.updated_at, after.attempts.len()), (ended_at, 2));
}
