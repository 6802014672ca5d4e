//! The records that an operator looks at: single challenges and failing calls.

use countersign_domain::call_response::CallResponse;
use countersign_domain::challenge::Challenge;
use countersign_domain::service::Service;
use countersign_domain::webhook::{EventType, Webhook};
use countersign_domain::webhook_call::{AfterCall, Call, CallOutcome, CallState};

use super::fixture::Fixture;
use super::webhook_fixture::TAKEN;
use crate::page::{Cursor, Side};
use crate::seam::{CallCounts, CallCursor, CallList, Inserted};

/// By the SID alone, and only in its own account.
pub async fn a_challenge_is_found_by_its_own_sid_or_a_notifications(fixture: &Fixture) {
    let (factor, other) = (fixture.factor().await, fixture.factor().await);
    let (account, stranger) = (factor.owner.account, other.owner.account);
    let challenge = fixture.challenge(&factor).await;
    fixture.pass(60);
    fixture.challenge(&factor).await;
    for _ in 0..5 {
        fixture.challenge(&other).await;
    }
    fixture.pass(1);
    let sid = fixture.due(&challenge).await.delivery.notification;
    let store = &fixture.store;
    let found = Ok(Some(challenge.clone()));
    assert_eq!(store.challenge_of_account(account, challenge.sid).await, found);
    assert_eq!(store.challenge_of_account(stranger, challenge.sid).await, Ok(None));
    assert_eq!(store.challenge_of_notification(account, sid, 2).await, found);
    assert_eq!(store.challenge_of_notification(stranger, sid, 100).await, Ok(None));
    assert_eq!(store.challenge_of_notification(account, sid, 1).await, Ok(None), "a bound");
}

/// A webhook of a new service that subscribes to all events.
async fn listener(fixture: &Fixture) -> (Service, Webhook) {
    let service = fixture.service().await;
    let event_types = vec![EventType::All, EventType::ChallengeExpired];
    let webhook = Webhook { event_types, ..fixture.make.webhook(&service) };
    assert_eq!(fixture.store.create_webhook(&webhook, 0).await, Ok(Inserted::Done));
    (service, webhook)
}

/// A call that waits for its next try, or that was given up, becomes due.
pub async fn a_failed_call_is_listed_and_can_be_resent(fixture: &Fixture) {
    let (service, webhook) = listener(fixture).await;
    let factor = fixture.factor_of(&service, &fixture.make.identity()).await;
    let store = &fixture.store;
    let lease = async || fixture.lease_calls().await;
    let response = CallResponse::of(500, [("server", b"owl".as_slice())], b"down for repairs");
    let settle = async |after| {
        let call = lease().await.remove(0);
        let outcome = CallOutcome::Refused(response.clone());
        let settled = store.settle_call(&call, after, outcome.into_failure(), fixture.now());
        assert_eq!(settled.await, Ok(true));
        call.id
    };
    let list = async |list| store.list_calls(webhook.sid, list, None, 10).await.unwrap();
    assert_eq!(list(CallList::Failing).await, []);
    let about = store.calls_about(webhook.sid, factor.sid, None, 10).await.unwrap();
    assert_eq!((about.len(), about[0].state, about[0].challenge), (1, CallState::Due, None));
    let at = fixture.later(600);
    let id = settle(AfterCall::Retry { at }).await;
    let waiting = list(CallList::Failing).await.remove(0);
    assert_eq!((waiting.id, waiting.state, waiting.wake_at), (id, CallState::Due, at));
    assert_eq!((waiting.attempts, waiting.last_error.as_deref()), (1, Some("status 500")));
    assert_eq!(waiting.last_response.as_ref(), Some(&response));
    assert_eq!(waiting.event, EventType::FactorCreated.as_str());
    assert_eq!(lease().await, []);
    let unknown = fixture.make.webhook(&service).sid;
    assert_eq!(store.resend_call(unknown, id, fixture.now()).await, Ok(false));
    assert_eq!(store.resend_call(webhook.sid, id, fixture.now()).await, Ok(true));
    assert_eq!(settle(AfterCall::Failed).await, id);
    assert_eq!(list(CallList::Failing).await, []);
    let given_up = list(CallList::GivenUp).await;
    assert_eq!((given_up.len(), given_up[0].state), (1, CallState::Failed));
    fixture.pass(2 * 24 * 3_600);
    assert_eq!(store.resend_call(webhook.sid, id, fixture.now()).await, Ok(true));
    assert_eq!(settle(TAKEN).await, id, "it gets another day of tries");
    assert_eq!(store.calls_about(webhook.sid, factor.sid, None, 10).await, Ok(vec![]));
    assert_eq!(store.resend_call(webhook.sid, id, fixture.now()).await, Ok(false));
}

/// At most as many as are wanted, of one event or of all, and only those of the webhook.
pub async fn all_failed_calls_of_a_list_can_be_resent(fixture: &Fixture) {
    let (service, webhook) = listener(fixture).await;
    let (elsewhere, other) = listener(fixture).await;
    let store = &fixture.store;
    for service in [&service, &elsewhere] {
        for _ in 0..4 {
            fixture.factor_of(service, &fixture.make.identity()).await;
            fixture.pass(1);
        }
    }
    let at = fixture.later(600);
    let (mut mine, mut theirs) = (0, 0);
    for call in &fixture.lease_calls().await {
        let number = if call.webhook.sid == webhook.sid { &mut mine } else { &mut theirs };
        *number += 1;
        let after = if *number <= 2 { AfterCall::Failed } else { AfterCall::Retry { at } };
        let settled = store.settle_call(call, after, "status 500".into(), fixture.now()).await;
        assert_eq!(settled, Ok(true));
    }
    let count = async |sid| {
        let counts = store.call_counts(sid).await.unwrap();
        (counts.failing, counts.given_up)
    };
    assert_eq!(count(webhook.sid).await, (2, 2));
    let before = count(other.sid).await;
    let resend = async |list, event, most| {
        store.resend_calls(webhook.sid, list, event, fixture.now(), most).await.unwrap()
    };
    let (made, denied) = (Some(EventType::FactorCreated), Some(EventType::ChallengeDenied));
    assert_eq!(resend(CallList::GivenUp, denied, 10).await, 0);
    assert_eq!(resend(CallList::GivenUp, made, 1).await, 1);
    assert_eq!(resend(CallList::GivenUp, None, 10).await, 1);
    assert_eq!(resend(CallList::GivenUp, None, 10).await, 0);
    assert_eq!(resend(CallList::Failing, denied, 10).await, 0);
    // Those that were revived are failing, and due already.
    assert_eq!(resend(CallList::Failing, None, 10).await, 2);
    assert_eq!(resend(CallList::Failing, None, 10).await, 0);
    let due = fixture.lease_calls().await;
    assert_eq!(due.len(), 4, "{due:?}");
    assert!(due.iter().all(|call| call.webhook.sid == webhook.sid));
    assert_eq!(count(other.sid).await, before);
}

/// Untried calls count too. Given-up calls are in a list of their own.
pub async fn the_calls_of_a_webhook_are_counted_and_listed_page_by_page(fixture: &Fixture) {
    let (service, webhook) = listener(fixture).await;
    let (_, other) = listener(fixture).await;
    let store = &fixture.store;
    let first = fixture.now();
    let mut calls = Vec::new();
    for _ in 0..7 {
        fixture.factor_of(&service, &fixture.make.identity()).await;
        fixture.pass(1);
        calls.extend(fixture.lease_calls().await);
    }
    assert_eq!(calls.len(), 4, "the others wait untried");
    for (number, call) in calls.iter().enumerate() {
        let at = fixture.later(100 - u64::try_from(number).unwrap());
        let after = if number == 0 { AfterCall::Failed } else { AfterCall::Retry { at } };
        assert_eq!(
            store.settle_call(call, after, "status 500".into(), fixture.now()).await,
            Ok(true)
        );
    }
    let counts = store.call_counts(webhook.sid).await.unwrap();
    assert_eq!((counts.waiting, counts.failing, counts.given_up), (6, 3, 1));
    let oldest = counts.oldest.unwrap();
    assert!(first <= oldest && oldest < fixture.now(), "{oldest:?}");
    assert_eq!(store.call_counts(other.sid).await, Ok(CallCounts::default()));

    let states = store.webhook_states(service.account, 9).await.unwrap();
    assert_eq!(states.len(), 1, "those of the account");
    assert_eq!((states[0].webhook, states[0].calls), (webhook.sid, counts));
    assert_eq!(states[0].error.as_deref(), Some("status 500"));
    assert_eq!(store.webhook_states(service.account, 0).await, Ok(vec![]));

    let page =
        async |list, after, most| store.list_calls(webhook.sid, list, after, most).await.unwrap();
    let ids = |calls: &[Call]| calls.iter().map(|call| call.id).collect::<Vec<_>>();
    let at = |call: &Call, side| {
        Some(Cursor { sid: CallCursor { wake_at: call.wake_at, id: call.id }, side })
    };
    let mark = |call: &Call| at(call, Side::After);
    let head = page(CallList::Failing, None, 2).await;
    assert_eq!(ids(&head), [calls[3].id, calls[2].id], "the next try first");
    let rest = page(CallList::Failing, mark(&head[1]), 2).await;
    assert_eq!(ids(&rest), [calls[1].id]);
    let back = page(CallList::Failing, at(&rest[0], Side::Before), 1).await;
    assert_eq!(ids(&back), [calls[2].id], "the nearest one before");
    let back = page(CallList::Failing, at(&rest[0], Side::Before), 9).await;
    assert_eq!(ids(&back), ids(&head), "in the order of the list");
    assert_eq!(ids(&page(CallList::GivenUp, None, 2).await), [calls[0].id]);
    // One at the same instant, and one later.
    for call in fixture.lease_calls().await {
        let failed =
            store.settle_call(&call, AfterCall::Failed, "status 500".into(), fixture.now()).await;
        assert_eq!(failed, Ok(true));
    }
    let whole = page(CallList::GivenUp, None, 10).await;
    assert_eq!((whole.len(), whole[3].id), (4, calls[0].id), "the latest first");
    let mut paged = Vec::new();
    let mut after = None;
    loop {
        let calls = page(CallList::GivenUp, after, 1).await;
        let Some(last) = calls.last() else { break };
        after = mark(last);
        paged.extend(calls);
    }
    assert_eq!(paged, whole);
    for (place, call) in whole.iter().enumerate() {
        let back = page(CallList::GivenUp, at(call, Side::Before), 2).await;
        assert_eq!(back, whole[place.saturating_sub(2)..place]);
    }
    assert_eq!(store.list_calls(other.sid, CallList::GivenUp, None, 10).await, Ok(vec![]));
}

/// Also if many calls of the same device wait.
pub async fn the_calls_about_a_challenge_are_found_among_all_of_its_device(fixture: &Fixture) {
    let (service, webhook) = listener(fixture).await;
    let factor = fixture.factor_of(&service, &fixture.make.identity()).await;
    let mut challenges = Vec::new();
    for _ in 0..4 {
        fixture.pass(1);
        challenges.push(fixture.challenge(&factor).await);
    }
    for challenge in &challenges[..3] {
        fixture.answer(challenge).await;
        fixture.pass(1);
    }
    let about = async |challenge: &Challenge| {
        let calls =
            fixture.store.calls_about(webhook.sid, factor.sid, Some(challenge.sid), 2).await;
        calls.unwrap().into_iter().map(|call| (call.challenge, call.event)).collect::<Vec<_>>()
    };
    for challenge in &challenges[..3] {
        let approved = (Some(challenge.sid), EventType::ChallengeApproved.as_str().to_owned());
        assert!(about(challenge).await.contains(&approved));
    }
    let asleep = (Some(challenges[3].sid), EventType::ChallengeExpired.as_str().to_owned());
    assert_eq!(about(&challenges[3]).await, [asleep]);
}
