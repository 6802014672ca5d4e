//! The calls of webhooks.

use std::collections::HashSet;
use std::time::Duration;

use countersign_domain::account::Account;
use countersign_domain::call_permits::{CallConcurrency, MIN_IN_FLIGHT, PermitPool};
use countersign_domain::call_queue::QueueLimits;
use countersign_domain::event::CallId;
use countersign_domain::factor::Factor;
use countersign_domain::service::Service;
use countersign_domain::sid::WebhookSid;
use countersign_domain::webhook::{EventType, Webhook};
use countersign_domain::webhook_call::{
    AfterCall, CallLease, CallOutcome, KEPT_FOR, OVERFLOWED, TRIED_FOR, TakenCall,
};

use super::fixture::Fixture;
use super::webhook_fixture::{TAKEN, field, hook, lease, settle};
use crate::seam::{Backlog, CallCounts, CallsWanted, Inserted, Retention, Updated};

fn told(leases: &[CallLease]) -> Vec<&str> {
    leases.iter().map(|lease| field(lease, "type")).collect()
}

fn ids(leases: &[CallLease]) -> Vec<CallId> {
    leases.iter().map(|lease| lease.id).collect()
}

/// Without an enrolment there is no call.
pub async fn an_enrolment_causes_one_call_which_is_leased_until_it_is_settled(fixture: &Fixture) {
    let service = fixture.service().await;
    hook(fixture, &service).await;
    assert_eq!(fixture.store.next_call(fixture.now()).await, Ok(None));
    fixture.factor_of(&service, &fixture.make.identity()).await;
    assert_eq!(fixture.store.next_call(fixture.now()).await, Ok(Some(fixture.now())));
    let first = lease(fixture).await;
    assert_eq!(first.len(), 1);
    assert_eq!(lease(fixture).await, []);
    fixture.pass(31);
    let again = lease(fixture).await;
    assert_eq!(ids(&again), ids(&first), "its lease ran out");
    assert!(!settle(fixture, &first[0], TAKEN).await, "the first lease was lost");
    assert!(settle(fixture, &again[0], TAKEN).await);
    assert_eq!(fixture.store.next_call(fixture.now()).await, Ok(None));
}

/// At most its bound, whatever the node asks for.
pub async fn a_webhook_has_few_calls_in_flight(fixture: &Fixture) {
    let service = fixture.service().await;
    hook(fixture, &service).await;
    for _ in 0..=MIN_IN_FLIGHT {
        fixture.factor_of(&service, &fixture.make.identity()).await;
    }
    let leases = lease(fixture).await;
    assert_eq!(leases.len(), MIN_IN_FLIGHT);
    assert!(settle(fixture, &leases[0], TAKEN).await);
    fixture.pass(1);
    assert_eq!(lease(fixture).await.len(), 1);
}

/// A webhook of a new service of an account, with that many due calls.
async fn waiting_hook(fixture: &Fixture, account: &Account, calls: usize) -> Webhook {
    let service = fixture.make.service(account);
    assert_eq!(fixture.store.create_service(&service).await, Ok(Inserted::Done));
    let webhook = hook(fixture, &service).await;
    for _ in 0..calls {
        fixture.factor_of(&service, &fixture.make.identity()).await;
    }
    webhook
}

fn called(leases: &[CallLease]) -> Vec<WebhookSid> {
    leases.iter().map(|lease| lease.webhook.sid).collect()
}

/// A low SID is no advantage: each look begins behind the webhook that was served last.
pub async fn webhooks_take_turns(fixture: &Fixture) {
    let mut webhooks = Vec::new();
    for _ in 0..3 {
        let account = fixture.account().await;
        webhooks.push(waiting_hook(fixture, &account, 2).await.sid);
    }
    webhooks.sort_unstable();
    let mut turn = webhooks[0];
    let mut order = Vec::new();
    for _ in 0..6 {
        let found = fixture.look_for_calls(1, turn).await;
        turn = found.turn;
        order.extend(called(&found.leases));
        assert!(settle(fixture, &found.leases[0], TAKEN).await);
    }
    let around = [webhooks[1], webhooks[2], webhooks[0]];
    assert_eq!(order, [around, around].concat());
}

/// For any number of its webhooks: a quarter of the permits that others leave.
pub async fn an_account_gets_its_share_of_the_permits(fixture: &Fixture) {
    let (greedy, other) = (fixture.account().await, fixture.account().await);
    let mut slow = Vec::new();
    for _ in 0..6 {
        slow.push(waiting_hook(fixture, &greedy, 2).await.sid);
    }
    let quick = waiting_hook(fixture, &other, 1).await.sid;
    let found = fixture.look_for_calls(16, WebhookSid::from_bytes([0; 16])).await;
    let of_greedy = called(&found.leases).into_iter().filter(|sid| slow.contains(sid));
    let distinct: HashSet<_> = of_greedy.clone().collect();
    assert_eq!((of_greedy.count(), distinct.len()), (4, 4), "each webhook gets one first");
    assert!(called(&found.leases).contains(&quick));
}

/// Calls behind an earlier call of their device do not fill the look.
pub async fn a_busy_device_does_not_hide_the_others_of_its_webhook(fixture: &Fixture) {
    let service = fixture.service().await;
    let webhook = hook(fixture, &service).await;
    let busy = fixture.factor_of(&service, &fixture.make.identity()).await;
    for _ in 0..100 {
        fixture.pass(1);
        fixture.answer(&fixture.challenge(&busy).await).await;
    }
    fixture.pass(1);
    let other = fixture.factor_of(&service, &fixture.make.identity()).await;
    let mut devices = Vec::new();
    let mut turn = webhook.sid;
    for _ in 0..4 {
        fixture.pass(1);
        let found = fixture.look_for_calls(256, turn).await;
        turn = found.turn;
        let factor = |call| field(call, "factor_sid").to_owned();
        devices.extend(found.leases.iter().map(factor));
        if !found.more {
            break;
        }
    }
    assert_eq!(devices, [busy.sid.to_string(), other.sid.to_string()]);
}

/// As many as its limit allows, on all nodes together.
pub async fn a_quick_webhook_may_have_more_calls_in_flight(fixture: &Fixture) {
    let service = fixture.service().await;
    let webhook = hook(fixture, &service).await;
    for _ in 0..MIN_IN_FLIGHT + 3 {
        fixture.factor_of(&service, &fixture.make.identity()).await;
    }
    let mut concurrency = CallConcurrency::default();
    for _ in 0..2 {
        concurrency.record(webhook.sid, &CallOutcome::Taken(200), Duration::ZERO);
    }
    let (now, until) = (fixture.now(), fixture.later(30));
    let permits = PermitPool { free: 256, ..PermitPool::default() };
    let (node, turn) = (fixture.make.node, webhook.sid);
    let wanted = CallsWanted { node, now, until, permits, concurrency, turn };
    let found = fixture.store.lease_calls(&wanted).await.unwrap();
    assert_eq!(found.leases.len(), MIN_IN_FLIGHT + 2);
    let wanted = CallsWanted { node: fixture.make.other_node(), ..wanted };
    assert_eq!(fixture.store.lease_calls(&wanted).await.unwrap().leases, []);
}

/// A device with that many events.
async fn eventful(fixture: &Fixture, service: &Service, events: usize) -> Factor {
    let factor = fixture.factor_of(service, &fixture.make.identity()).await;
    for _ in 1..events {
        fixture.pass(1);
        fixture.answer(&fixture.challenge(&factor).await).await;
    }
    factor
}

/// Each with a reason. The device's next call does not wait for them. A call in progress counts and continues.
pub async fn the_oldest_of_too_many_waiting_calls_are_given_up(fixture: &Fixture) {
    let service = fixture.service().await;
    hook(fixture, &service).await;
    let began = fixture.now();
    eventful(fixture, &service, 3).await;
    let busy = lease(fixture).await.remove(0);
    fixture.pass(1);
    eventful(fixture, &service, 4).await;
    let store = &fixture.store;
    let whole = Backlog { queued: 7, oldest: Some(began), given_up: 0, more: false };
    assert_eq!(store.trim_calls(QueueLimits::default(), fixture.now()).await, Ok(whole));
    let limits = QueueLimits { per_webhook: 3, per_account: 0 };
    let cut = Backlog { queued: 3, given_up: 4, ..whole };
    assert_eq!(store.trim_calls(limits, fixture.now()).await, Ok(cut));
    let failing = store.failing_webhooks().await.unwrap();
    assert_eq!((failing[0].waiting, failing[0].given_up), (0, 4));
    assert_eq!(failing[0].last_error, OVERFLOWED);
    assert!(settle(fixture, &busy, TAKEN).await);
    let mut told = 0;
    while let [call] = &lease(fixture).await[..] {
        assert_eq!(field(call, "type"), "challenge.approved");
        assert!(settle(fixture, call, TAKEN).await);
        told += 1;
    }
    assert_eq!(told, 2);
    let empty = Backlog::default();
    assert_eq!(store.trim_calls(limits, fixture.now()).await, Ok(empty));
}

/// From its longest queue first. The calls of other accounts stay.
pub async fn an_account_has_only_so_many_waiting_calls(fixture: &Fixture) {
    let (account, other) = (fixture.account().await, fixture.account().await);
    let long = waiting_hook(fixture, &account, 6).await;
    waiting_hook(fixture, &account, 2).await;
    waiting_hook(fixture, &other, 5).await;
    let limits = QueueLimits { per_webhook: 0, per_account: 5 };
    let backlog = fixture.store.trim_calls(limits, fixture.now()).await.unwrap();
    assert_eq!((backlog.queued, backlog.given_up, backlog.more), (10, 3, false));
    let failing = fixture.store.failing_webhooks().await.unwrap();
    assert_eq!((failing.len(), failing[0].webhook, failing[0].given_up), (1, long.sid, 3));
}

/// Waiting calls are removed.
pub async fn the_calls_of_a_disabled_webhook_end(fixture: &Fixture) {
    let service = fixture.service().await;
    let webhook = hook(fixture, &service).await;
    fixture.factor_of(&service, &fixture.make.identity()).await;
    let off = Webhook { enabled: false, ..webhook.clone() };
    assert_eq!(fixture.store.update_webhook(&off, webhook.updated_at).await, Ok(Updated::Done));
    assert_eq!(lease(fixture).await, []);
    assert_eq!(fixture.store.next_call(fixture.now()).await, Ok(None));
}

/// The operator can look at it.
pub async fn a_call_that_is_given_up_is_kept_for_a_week(fixture: &Fixture) {
    let service = fixture.service().await;
    hook(fixture, &service).await;
    fixture.factor_of(&service, &fixture.make.identity()).await;
    let call = lease(fixture).await.remove(0);
    assert!(settle(fixture, &call, AfterCall::Failed).await);
    let failing = fixture.store.failing_webhooks().await.unwrap();
    assert_eq!((failing[0].waiting, failing[0].given_up), (0, 1));
    fixture.pass(KEPT_FOR.as_secs());
    let retention = Retention { challenges: Duration::from_secs(60) };
    assert!(fixture.store.clean(fixture.now(), retention, 100).await.is_ok());
    assert_eq!(fixture.store.failing_webhooks().await, Ok(vec![]));
}

/// For a database that no other node uses.
pub async fn the_calls_of_another_run_are_voided(fixture: &Fixture) {
    let service = fixture.service().await;
    hook(fixture, &service).await;
    fixture.factor_of(&service, &fixture.make.identity()).await;
    let first = lease(fixture).await;
    let (node, now) = (fixture.make.node, fixture.now());
    assert_eq!(fixture.store.void_calls(node, now, 10).await, Ok(0));
    assert_eq!(fixture.store.void_calls(fixture.make.other_node(), now, 10).await, Ok(1));
    assert_eq!(ids(&lease(fixture).await), ids(&first));
}

/// A call that waits for its next try delays later calls of its factor only.
pub async fn calls_of_one_factor_keep_their_order_and_hold_up_no_other(fixture: &Fixture) {
    let service = fixture.service().await;
    hook(fixture, &service).await;
    let factor = fixture.factor_of(&service, &fixture.make.identity()).await;
    fixture.pass(1);
    let entity = factor.owner.entity;
    assert_eq!(fixture.store.delete_factor(entity, factor.sid, fixture.now()).await, Ok(true));
    fixture.factor_of(&service, &fixture.make.identity()).await;
    let both = lease(fixture).await;
    assert_eq!(told(&both), ["factor.created", "factor.created"]);
    let at = fixture.later(10);
    assert!(settle(fixture, &both[0], AfterCall::Retry { at }).await);
    assert!(settle(fixture, &both[1], TAKEN).await);
    assert_eq!(lease(fixture).await, []);
    assert_eq!(fixture.store.next_call(fixture.now()).await, Ok(Some(at)));
    fixture.pass(10);
    let again = lease(fixture).await;
    assert_eq!((told(&again), again[0].attempts), (vec!["factor.created"], 1));
    assert!(settle(fixture, &again[0], AfterCall::Failed).await);
    assert_eq!(told(&lease(fixture).await), ["factor.deleted"]);
}

/// It is not leased from its deadline on. The call behind it becomes due.
pub async fn a_call_that_was_not_tried_in_time_is_given_up(fixture: &Fixture) {
    let service = fixture.service().await;
    hook(fixture, &service).await;
    let factor = fixture.factor_of(&service, &fixture.make.identity()).await;
    fixture.make.clock.advance(TRIED_FOR - Duration::from_secs(31));
    let entity = factor.owner.entity;
    assert_eq!(fixture.store.delete_factor(entity, factor.sid, fixture.now()).await, Ok(true));
    let call = lease(fixture).await.remove(0);
    assert_eq!(call.deadline, fixture.later(31));
    fixture.pass(31);
    assert_eq!(lease(fixture).await, [], "it ends, and the next one becomes due");
    assert_eq!(told(&lease(fixture).await), ["factor.deleted"]);
    let failing = fixture.store.failing_webhooks().await.unwrap();
    assert_eq!((failing[0].waiting, failing[0].given_up), (0, 1));
}

/// With the number of tries and the response. The call of an enrolment is not kept.
pub async fn a_call_that_was_taken_is_kept_with_its_challenge(fixture: &Fixture) {
    let service = fixture.service().await;
    let webhook = hook(fixture, &service).await;
    let factor = fixture.factor_of(&service, &fixture.make.identity()).await;
    let (challenge, other) = (fixture.challenge(&factor).await, fixture.challenge(&factor).await);
    assert!(settle(fixture, &lease(fixture).await[0], TAKEN).await);
    let answered_at = fixture.now();
    fixture.answer(&challenge).await;
    fixture.answer(&other).await;
    let store = &fixture.store;
    let first = lease(fixture).await.remove(0);
    assert!(settle(fixture, &first, AfterCall::Retry { at: fixture.later(5) }).await);
    assert_eq!(store.taken_calls(challenge.sid, 10).await, Ok(vec![]));
    fixture.pass(5);
    let again = lease(fixture).await.remove(0);
    assert!(settle(fixture, &again, TAKEN).await);
    let kept = TakenCall {
        id: first.id,
        webhook: webhook.sid,
        event: EventType::ChallengeApproved.as_str().to_owned(),
        happened_at: answered_at,
        attempts: 2,
        taken_at: fixture.now(),
        status: 204,
    };
    assert_eq!(store.taken_calls(challenge.sid, 10).await, Ok(vec![kept]));
    fixture.pass(1);
    assert!(!settle(fixture, &again, TAKEN).await, "its lease was lost");
    let next = lease(fixture).await;
    assert_eq!(field(&next[0], "challenge_sid"), other.sid.to_string());
    assert!(settle(fixture, &next[0], TAKEN).await);
    assert_eq!(store.taken_calls(other.sid, 10).await.map(|calls| calls.len()), Ok(1));
    assert_eq!(store.taken_calls(other.sid, 0).await, Ok(vec![]), "a bound");
    assert_eq!(store.next_call(fixture.now()).await, Ok(None));
    assert_eq!(store.failing_webhooks().await, Ok(vec![]));
    assert_eq!(store.call_counts(webhook.sid).await, Ok(CallCounts::default()));
    assert_eq!(store.calls_about(webhook.sid, factor.sid, None, 10).await, Ok(vec![]));
    assert_eq!(store.resend_call(webhook.sid, first.id, fixture.now()).await, Ok(false));
}
