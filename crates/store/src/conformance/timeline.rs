//! The records that an operator searches: challenges by filter, people and devices.

use std::time::Duration;

use countersign_domain::challenge::{Challenge, ChallengeStatus, Details};
use countersign_domain::ending::{Ending, ErrorCode, StatusReason};
use countersign_domain::factor::{Factor, FactorChange, FactorType};
use countersign_domain::outcome::{AfterAttempt, Outcome};
use countersign_domain::settled::DeliveryEvent;
use countersign_domain::sid::{AccountSid, ChallengeSid, EntitySid, FactorSid};
use countersign_domain::text::{FriendlyName, Message};

use super::fixture::Fixture;
use crate::page::Order;
use crate::seam::{AttemptFilter, Opened, Searched, Stretch, TimelineFilter};

/// All challenges of a type so far, newest first.
fn all(fixture: &Fixture, kind: FactorType) -> Stretch {
    Stretch {
        from: ChallengeSid::least(kind, fixture.now() - Duration::from_secs(3_600)),
        to: ChallengeSid::least(kind, fixture.later(1)),
        order: Order::Descending,
        rows: 100,
        most: 10,
    }
}

async fn search(
    fixture: &Fixture,
    account: AccountSid,
    filter: &TimelineFilter,
    stretch: Stretch,
) -> Searched {
    fixture.store.timeline(account, filter, stretch, fixture.now()).await.unwrap()
}

/// The challenges that fit a filter, newest first.
async fn found(fixture: &Fixture, account: AccountSid, filter: &TimelineFilter) -> Vec<Challenge> {
    search(fixture, account, filter, all(fixture, FactorType::Push)).await.items
}

/// Of one type, and only those of the account.
pub async fn the_challenges_of_an_account_are_found_in_both_orders(fixture: &Fixture) {
    let service = fixture.service().await;
    let identity = fixture.make.identity();
    let factor = fixture.factor_of(&service, &identity).await;
    let coded = fixture.totp_factor_of(&service, &identity).await;
    let other = fixture.factor().await;
    let mut mine = Vec::new();
    for _ in 0..3 {
        fixture.pass(1);
        mine.insert(0, fixture.challenge(&factor).await);
        fixture.challenge(&other).await;
    }
    let code = fixture.code_challenge(&coded).await;
    let (account, any) = (service.account, TimelineFilter::default());
    let whole = all(fixture, FactorType::Push);
    let newest = async |stretch| search(fixture, account, &any, stretch).await;
    assert_eq!(newest(whole).await, Searched { items: mine.clone(), ended_at: None });
    assert_eq!(newest(Stretch { most: 2, ..whole }).await.items, mine[..2]);
    assert_eq!(newest(Stretch { to: mine[0].sid, ..whole }).await.items, mine[1..]);
    assert_eq!(newest(Stretch { from: mine[0].sid, ..whole }).await.items, mine[..1]);
    let newer = Stretch { order: Order::Ascending, from: mine[2].sid.next(), most: 1, ..whole };
    assert_eq!(newest(newer).await.items, mine[1..2]);
    assert_eq!(newest(all(fixture, FactorType::Totp)).await.items, [code]);
    assert_eq!(fixture.store.delete_entity(service.sid, &identity, fixture.now()).await, Ok(true));
    assert_eq!(newest(whole).await.items, []);
}

/// Only the account's challenges count towards the bound.
pub async fn a_search_ends_at_its_bound_and_returns_it(fixture: &Fixture) {
    let (factor, other) = (fixture.factor().await, fixture.factor().await);
    let account = factor.owner.account;
    let mut mine = Vec::new();
    for _ in 0..3 {
        fixture.pass(1);
        mine.insert(0, fixture.challenge(&factor).await);
        for _ in 0..5 {
            fixture.challenge(&other).await;
        }
    }
    let bound = Stretch { rows: 2, ..all(fixture, FactorType::Push) };
    let any = TimelineFilter::default();
    let down = search(fixture, account, &any, bound).await;
    assert_eq!(down, Searched { items: mine[..2].to_vec(), ended_at: Some(mine[1].sid) });
    let up = search(fixture, account, &any, Stretch { order: Order::Ascending, ..bound }).await;
    let oldest = vec![mine[2].clone(), mine[1].clone()];
    assert_eq!(up, Searched { items: oldest, ended_at: Some(mine[1].sid) });
    let none = TimelineFilter { status: Some(ChallengeStatus::Approved), ..any };
    let found = search(fixture, account, &none, bound).await;
    assert_eq!(found, Searched { items: vec![], ended_at: Some(mine[1].sid) });
    let whole = Stretch { rows: 4, ..bound };
    assert_eq!(search(fixture, account, &none, whole).await.ended_at, None);
}

async fn asked(fixture: &Fixture, factor: &Factor, message: &str) -> Challenge {
    fixture.pass(1);
    let challenge = fixture.make.challenge(factor);
    let details = Details { message: Message::parse(message).ok(), ..challenge.details.clone() };
    let challenge = Challenge { details, ..challenge };
    assert_eq!(fixture.open(&challenge, None).await, Opened::Done);
    challenge
}

/// Status at the time of the search, service, and the beginning of the question.
pub async fn a_filter_keeps_only_what_fits_all_of_it(fixture: &Fixture) {
    let service = fixture.service().await;
    let factor = fixture.factor_of(&service, &fixture.make.identity()).await;
    let account = service.account;
    let expired = asked(fixture, &factor, "Pay 1 EUR?").await;
    fixture.pass(301);
    let approved = asked(fixture, &factor, "pay 2 EUR?").await;
    fixture.answer(&approved).await;
    let pending = asked(fixture, &factor, "Log in?").await;
    let of = |status| TimelineFilter { status: Some(status), ..TimelineFilter::default() };
    for (status, expected) in [
        (ChallengeStatus::Pending, vec![pending.sid]),
        (ChallengeStatus::Expired, vec![expired.sid]),
        (ChallengeStatus::Approved, vec![approved.sid]),
        (ChallengeStatus::Denied, vec![]),
    ] {
        let sids: Vec<_> =
            found(fixture, account, &of(status)).await.iter().map(|it| it.sid).collect();
        assert_eq!(sids, expected, "{status:?}");
    }
    let about =
        |text: &str| TimelineFilter { message: Some(text.to_owned()), ..TimelineFilter::default() };
    assert_eq!(found(fixture, account, &about("PAY")).await.len(), 2);
    assert_eq!(found(fixture, account, &about("1 EUR")).await, [], "not its beginning");
    assert_eq!(found(fixture, account, &about("%")).await, []);
    let both = TimelineFilter { service: Some(service.sid), ..about("log in") };
    assert_eq!(found(fixture, account, &both).await.len(), 1);
    let foreign = fixture.service().await.sid;
    let other = TimelineFilter { service: Some(foreign), ..about("log in") };
    assert_eq!(found(fixture, account, &other).await, []);
}

/// All of them of one attempt. A text that looks like an attempt is none.
pub async fn attempts_are_found_by_platform_outcome_and_code(fixture: &Fixture) {
    let factor = fixture.factor().await;
    let account = factor.owner.account;
    let (refused, accepted) = (fixture.challenge(&factor).await, {
        fixture.pass(1);
        fixture.challenge(&factor).await
    });
    fixture.pass(1);
    fixture.challenge(&factor).await;
    let words = [("fcm", "gone", Some(ErrorCode::NO_DESTINATION)), ("apn", "accepted", None)];
    for (challenge, (platform, outcome, code)) in [&refused, &accepted].into_iter().zip(words) {
        let lease = fixture.leased(challenge).await;
        let record = countersign_domain::attempt_record::AttemptRecord {
            platform: platform.to_owned(),
            outcome: outcome.to_owned(),
            provider_reason: Some("\"outcome\":\"later\"\n,".to_owned()),
            code,
            ..fixture.record(Outcome::Acknowledged)
        };
        let after = match code {
            Some(code) => AfterAttempt::Done(Ending::failed(StatusReason::AddressGone, code)),
            None => AfterAttempt::Done(Ending::SENT),
        };
        assert!(
            fixture.settle(&lease, DeliveryEvent::Attempted { record, after, forget: None }).await
        );
    }
    let text = |word: &str| (!word.is_empty()).then(|| word.to_owned());
    let number = ErrorCode::NO_DESTINATION;
    for (platform, outcome, code, expected) in [
        ("fcm", "", None, vec![refused.sid]),
        ("", "accepted", None, vec![accepted.sid]),
        ("", "", Some(number), vec![refused.sid]),
        ("fcm", "gone", Some(number), vec![refused.sid]),
        ("apn", "gone", None, vec![]),
        ("apn", "", Some(number), vec![]),
        ("", "later", None, vec![]),
        ("", "", Some(ErrorCode(52_999)), vec![]),
    ] {
        let attempt = AttemptFilter { platform: text(platform), outcome: text(outcome), code };
        let filter = TimelineFilter { attempt, ..TimelineFilter::default() };
        let sids: Vec<_> = found(fixture, account, &filter).await.iter().map(|it| it.sid).collect();
        assert_eq!(sids, expected, "{platform} {outcome} {code:?}");
    }
}

/// Byte by byte, in every service of the account.
pub async fn people_are_found_by_the_beginning_of_their_identity(fixture: &Fixture) {
    let (service, other) = (fixture.service().await, fixture.service().await);
    let identity = fixture.make.identity();
    let factor = fixture.factor_of(&service, &identity).await;
    fixture.factor_of(&other, &identity).await;
    fixture.factor_of(&service, &fixture.make.identity()).await;
    let (account, store) = (service.account, &fixture.store);
    let named = async |text: &str, most| {
        let found = store.entities_by_identity(account, text, most).await.unwrap();
        found.into_iter().map(|entity| entity.owner.entity).collect::<Vec<_>>()
    };
    let text = identity.as_str();
    assert_eq!(named(text, 10).await, [factor.owner.entity], "not of another account");
    assert_eq!(named(&text[..1], 10).await.len(), 2);
    assert_eq!(named("", 1).await.len(), 1);
    assert_eq!(named(&format!("{text}0"), 10).await, []);
    assert_eq!(named(&text[1..], 10).await, [], "not its beginning");
    let range = EntitySid::range_of_prefix(&factor.owner.entity.to_string()[..30]).unwrap();
    let found = store.entities_by_sid(account, range, 10).await.unwrap();
    assert_eq!(found.first().map(|it| it.owner.clone()), Some(factor.owner.clone()));
    assert_eq!(store.entities_by_sid(other.account, range, 10).await, Ok(vec![]));
    assert_eq!(store.delete_entity(service.sid, &identity, fixture.now()).await, Ok(true));
    assert_eq!(named(text, 10).await, []);
}

/// Of both types. The case of letters makes no difference.
pub async fn devices_are_found_by_the_beginning_of_their_name(fixture: &Fixture) {
    let service = fixture.service().await;
    let identity = fixture.make.identity();
    let factor = fixture.factor_of(&service, &identity).await;
    let totp = fixture.totp_factor_of(&service, &identity).await;
    let stranger = fixture.factor().await.owner.account;
    let (account, store, now) = (service.account, &fixture.store, fixture.now());
    let friendly_name = FriendlyName::parse("Éva's iPhone").ok();
    let change = FactorChange { friendly_name, ..FactorChange::default() };
    store.update_factor(factor.owner.entity, factor.sid, &change, now).await.unwrap();
    let named = async |account, text: &str| {
        let found = store.factors_by_name(account, text, 10).await.unwrap();
        found.into_iter().map(|it| it.sid).collect::<Vec<_>>()
    };
    assert_eq!(named(account, "ÉVA'S IPH").await, [factor.sid]);
    assert_eq!(named(account, "iphone").await, [], "not its beginning");
    assert_eq!(named(stranger, "Éva").await, []);
    let name = totp.friendly_name.as_str().to_uppercase();
    assert_eq!(named(account, &name).await, [totp.sid]);
    assert_eq!(named(account, "").await.len(), 2);
    for sid in [factor.sid, totp.sid] {
        let range = FactorSid::range_of_prefix(&sid.to_string()).unwrap();
        let found = store.factors_by_sid(account, range, 10).await.unwrap();
        assert_eq!(found.iter().map(|it| it.sid).collect::<Vec<_>>(), [sid]);
        assert_eq!(found[0].owner.identity, identity);
    }
    assert_eq!(store.delete_entity(service.sid, &identity, now).await, Ok(true));
    assert_eq!(named(account, "").await, []);
}
