//! The calls of webhooks.

use std::collections::HashSet;
use std::time::Duration;

use countersign_domain::account::Account;
use countersign_domain::event::CallId;
use countersign_domain::factor::Factor;
use countersign_domain::service::Service;
use countersign_domain::sid::WebhookSid;
use countersign_domain::webhook::{EventType, Webhook};
use countersign_domain::webhook_call::{
    AT_ONCE, AfterCall, CallLease, CallOutcome, KEPT_FOR, OVERFLOWED, Paces, Permits, QueueLimits,
    TRIED_FOR, TakenCall,
};

use super::stage::Stage;
use crate::seam::{Backlog, CallCounts, CallsWanted, Inserted, Retention, Updated};

/// What becomes of a call that the application takes.
pub(super) const TAKEN: AfterCall = AfterCall::Taken { status: 204 };

pub(super) async fn hook(stage: &Stage, service: &Service) -> Webhook {
    let event_types = vec![EventType::All];
    let webhook = Webhook { event_types, ..stage.make.webhook(service) };
    assert_eq!(stage.store.create_webhook(&webhook, 0).await, Ok(Inserted::Done));
    webhook
}

pub(super) async fn lease(stage: &Stage) -> Vec<CallLease> {
    stage.lease_calls().await
}

pub(super) async fn settle(stage: &Stage, lease: &CallLease, after: AfterCall) -> bool {
    stage.store.settle_call(lease, after, "status 500", stage.now()).await.unwrap()
}

fn told(leases: &[CallLease]) -> Vec<&str> {
    leases.iter().map(|lease| super::events::field(lease, "type")).collect()
}

fn ids(leases: &[CallLease]) -> Vec<CallId> {
    leases.iter().map(|lease| lease.id).collect()
}

/// One that was never made is not there either.
pub async fn an_enrolment_is_told_once_and_until_it_is_done(stage: &Stage) {
    let service = stage.service().await;
    hook(stage, &service).await;
    assert_eq!(stage.store.next_call(stage.now()).await, Ok(None));
    stage.factor_of(&service, &stage.make.identity()).await;
    assert_eq!(stage.store.next_call(stage.now()).await, Ok(Some(stage.now())));
    let first = lease(stage).await;
    assert_eq!(first.len(), 1);
    assert_eq!(lease(stage).await, []);
    stage.pass(31);
    let again = lease(stage).await;
    assert_eq!(ids(&again), ids(&first), "its lease ran out");
    assert!(!settle(stage, &first[0], TAKEN).await, "the first one was lost");
    assert!(settle(stage, &again[0], TAKEN).await);
    assert_eq!(stage.store.next_call(stage.now()).await, Ok(None));
}

/// As many as may be at once, whatever is asked for.
pub async fn a_webhook_has_few_calls_in_flight(stage: &Stage) {
    let service = stage.service().await;
    hook(stage, &service).await;
    for _ in 0..=AT_ONCE {
        stage.factor_of(&service, &stage.make.identity()).await;
    }
    let leases = lease(stage).await;
    assert_eq!(leases.len(), AT_ONCE);
    assert!(settle(stage, &leases[0], TAKEN).await);
    stage.pass(1);
    assert_eq!(lease(stage).await.len(), 1);
}

/// A webhook of a new service of an account, with so many calls that are due.
async fn waiting_hook(stage: &Stage, account: &Account, calls: usize) -> Webhook {
    let service = stage.make.service(account);
    assert_eq!(stage.store.create_service(&service).await, Ok(Inserted::Done));
    let webhook = hook(stage, &service).await;
    for _ in 0..calls {
        stage.factor_of(&service, &stage.make.identity()).await;
    }
    webhook
}

fn called(leases: &[CallLease]) -> Vec<WebhookSid> {
    leases.iter().map(|lease| lease.webhook.sid).collect()
}

/// A low SID is no advantage: each look begins behind the webhook whose turn was last.
pub async fn webhooks_take_turns(stage: &Stage) {
    let mut webhooks = Vec::new();
    for _ in 0..3 {
        let account = stage.account().await;
        webhooks.push(waiting_hook(stage, &account, 2).await.sid);
    }
    webhooks.sort_unstable();
    let mut turn = webhooks[0];
    let mut order = Vec::new();
    for _ in 0..6 {
        let found = stage.look_for_calls(1, turn).await;
        turn = found.turn;
        order.extend(called(&found.leases));
        assert!(settle(stage, &found.leases[0], TAKEN).await);
    }
    let around = [webhooks[1], webhooks[2], webhooks[0]];
    assert_eq!(order, [around, around].concat());
}

/// However many webhooks it has, and whoever else waits: a quarter of what others leave.
pub async fn an_account_gets_its_share_of_the_places(stage: &Stage) {
    let (greedy, other) = (stage.account().await, stage.account().await);
    let mut slow = Vec::new();
    for _ in 0..6 {
        slow.push(waiting_hook(stage, &greedy, 2).await.sid);
    }
    let quick = waiting_hook(stage, &other, 1).await.sid;
    let found = stage.look_for_calls(16, WebhookSid::from_bytes([0; 16])).await;
    let of_greedy = called(&found.leases).into_iter().filter(|sid| slow.contains(sid));
    let distinct: HashSet<_> = of_greedy.clone().collect();
    assert_eq!((of_greedy.count(), distinct.len()), (4, 4), "one for each webhook first");
    assert!(called(&found.leases).contains(&quick));
}

/// A call behind an earlier one of its device waits for it, also when many calls of one device come first.
pub async fn a_busy_device_does_not_hide_the_others_of_its_webhook(stage: &Stage) {
    let service = stage.service().await;
    let webhook = hook(stage, &service).await;
    let busy = stage.factor_of(&service, &stage.make.identity()).await;
    for _ in 0..100 {
        stage.pass(1);
        stage.answer(&stage.challenge(&busy).await).await;
    }
    stage.pass(1);
    let other = stage.factor_of(&service, &stage.make.identity()).await;
    let mut devices = Vec::new();
    let mut turn = webhook.sid;
    for _ in 0..4 {
        stage.pass(1);
        let found = stage.look_for_calls(256, turn).await;
        turn = found.turn;
        let factor = |call| super::events::field(call, "factor_sid").to_owned();
        devices.extend(found.leases.iter().map(factor));
        if !found.more {
            break;
        }
    }
    assert_eq!(devices, [busy.sid.to_string(), other.sid.to_string()]);
}

/// As many as its pace allows, on all nodes together.
pub async fn a_quick_webhook_may_have_more_calls_in_flight(stage: &Stage) {
    let service = stage.service().await;
    let webhook = hook(stage, &service).await;
    for _ in 0..AT_ONCE + 3 {
        stage.factor_of(&service, &stage.make.identity()).await;
    }
    let mut paces = Paces::default();
    for _ in 0..2 {
        paces.note(webhook.sid, &CallOutcome::Taken(200), Duration::ZERO);
    }
    let (now, until) = (stage.now(), stage.later(30));
    let permits = Permits { free: 256, ..Permits::default() };
    let (node, turn) = (stage.make.node, webhook.sid);
    let wanted = CallsWanted { node, now, until, permits, paces, turn };
    let found = stage.store.lease_calls(&wanted).await.unwrap();
    assert_eq!(found.leases.len(), AT_ONCE + 2);
    let wanted = CallsWanted { node: stage.make.other_node(), ..wanted };
    assert_eq!(stage.store.lease_calls(&wanted).await.unwrap().leases, []);
}

/// A device that has so many events that are told of.
async fn eventful(stage: &Stage, service: &Service, events: usize) -> Factor {
    let factor = stage.factor_of(service, &stage.make.identity()).await;
    for _ in 1..events {
        stage.pass(1);
        stage.answer(&stage.challenge(&factor).await).await;
    }
    factor
}

/// Each with a reason, and the device's next call does not wait for them. A call in progress counts and continues.
pub async fn the_oldest_of_too_many_waiting_calls_are_given_up(stage: &Stage) {
    let service = stage.service().await;
    hook(stage, &service).await;
    let began = stage.now();
    eventful(stage, &service, 3).await;
    let busy = lease(stage).await.remove(0);
    stage.pass(1);
    eventful(stage, &service, 4).await;
    let store = &stage.store;
    let whole = Backlog { queued: 7, oldest: Some(began), given_up: 0, more: false };
    assert_eq!(store.tend_calls(QueueLimits::default(), stage.now()).await, Ok(whole));
    let limits = QueueLimits { per_webhook: 3, per_account: 0 };
    let cut = Backlog { queued: 3, given_up: 4, ..whole };
    assert_eq!(store.tend_calls(limits, stage.now()).await, Ok(cut));
    let failing = store.failing_webhooks().await.unwrap();
    assert_eq!((failing[0].waiting, failing[0].given_up), (0, 4));
    assert_eq!(failing[0].last_error, OVERFLOWED);
    assert!(settle(stage, &busy, TAKEN).await);
    let mut told = 0;
    while let [call] = &lease(stage).await[..] {
        assert_eq!(super::events::field(call, "type"), "challenge.approved");
        assert!(settle(stage, call, TAKEN).await);
        told += 1;
    }
    assert_eq!(told, 2);
    let empty = Backlog::default();
    assert_eq!(store.tend_calls(limits, stage.now()).await, Ok(empty));
}

/// Of its longest queue first. Another account's calls are not concerned.
pub async fn an_account_has_only_so_many_waiting_calls(stage: &Stage) {
    let (account, other) = (stage.account().await, stage.account().await);
    let long = waiting_hook(stage, &account, 6).await;
    waiting_hook(stage, &account, 2).await;
    waiting_hook(stage, &other, 5).await;
    let limits = QueueLimits { per_webhook: 0, per_account: 5 };
    let backlog = stage.store.tend_calls(limits, stage.now()).await.unwrap();
    assert_eq!((backlog.queued, backlog.given_up, backlog.more), (10, 3, false));
    let failing = stage.store.failing_webhooks().await.unwrap();
    assert_eq!((failing.len(), failing[0].webhook, failing[0].given_up), (1, long.sid, 3));
}

/// Nobody hears of what happened before.
pub async fn the_calls_of_a_disabled_webhook_end(stage: &Stage) {
    let service = stage.service().await;
    let webhook = hook(stage, &service).await;
    stage.factor_of(&service, &stage.make.identity()).await;
    let off = Webhook { enabled: false, ..webhook.clone() };
    assert_eq!(stage.store.update_webhook(&off, webhook.updated_at).await, Ok(Updated::Done));
    assert_eq!(lease(stage).await, []);
    assert_eq!(stage.store.next_call(stage.now()).await, Ok(None));
}

/// For the operator to see.
pub async fn a_call_that_is_given_up_is_kept_for_a_week(stage: &Stage) {
    let service = stage.service().await;
    hook(stage, &service).await;
    stage.factor_of(&service, &stage.make.identity()).await;
    let call = lease(stage).await.remove(0);
    assert!(settle(stage, &call, AfterCall::Failed).await);
    let failing = stage.store.failing_webhooks().await.unwrap();
    assert_eq!((failing[0].waiting, failing[0].given_up), (0, 1));
    stage.pass(KEPT_FOR.as_secs());
    let retention = Retention { challenges: Duration::from_secs(60) };
    assert!(stage.store.clean(stage.now(), retention, 100).await.is_ok());
    assert_eq!(stage.store.failing_webhooks().await, Ok(vec![]));
}

/// Where no other node can be.
pub async fn the_calls_of_another_run_are_voided(stage: &Stage) {
    let service = stage.service().await;
    hook(stage, &service).await;
    stage.factor_of(&service, &stage.make.identity()).await;
    let first = lease(stage).await;
    let (node, now) = (stage.make.node, stage.now());
    assert_eq!(stage.store.void_calls(node, now, 10).await, Ok(0));
    assert_eq!(stage.store.void_calls(stage.make.other_node(), now, 10).await, Ok(1));
    assert_eq!(ids(&lease(stage).await), ids(&first));
}

/// A call that is to be tried again holds up what came after it, of its factor only.
pub async fn calls_of_one_factor_keep_their_order_and_hold_up_no_other(stage: &Stage) {
    let service = stage.service().await;
    hook(stage, &service).await;
    let factor = stage.factor_of(&service, &stage.make.identity()).await;
    stage.pass(1);
    let entity = factor.owner.entity;
    assert_eq!(stage.store.delete_factor(entity, factor.sid, stage.now()).await, Ok(true));
    stage.factor_of(&service, &stage.make.identity()).await;
    let both = lease(stage).await;
    assert_eq!(told(&both), ["factor.created", "factor.created"]);
    let at = stage.later(10);
    assert!(settle(stage, &both[0], AfterCall::Retry { at }).await);
    assert!(settle(stage, &both[1], TAKEN).await);
    assert_eq!(lease(stage).await, []);
    assert_eq!(stage.store.next_call(stage.now()).await, Ok(Some(at)));
    stage.pass(10);
    let again = lease(stage).await;
    assert_eq!((told(&again), again[0].attempts), (vec!["factor.created"], 1));
    assert!(settle(stage, &again[0], AfterCall::Failed).await);
    assert_eq!(told(&lease(stage).await), ["factor.deleted"]);
}

/// Nothing is leased from its deadline on; what stood behind it is not lost by that.
pub async fn what_was_not_tried_in_time_is_given_up(stage: &Stage) {
    let service = stage.service().await;
    hook(stage, &service).await;
    let factor = stage.factor_of(&service, &stage.make.identity()).await;
    stage.make.clock.advance(TRIED_FOR - Duration::from_secs(31));
    let entity = factor.owner.entity;
    assert_eq!(stage.store.delete_factor(entity, factor.sid, stage.now()).await, Ok(true));
    let call = lease(stage).await.remove(0);
    assert_eq!(call.deadline, stage.later(31));
    stage.pass(31);
    assert_eq!(lease(stage).await, [], "it ends, and the next one steps up");
    assert_eq!(told(&lease(stage).await), ["factor.deleted"]);
    let failing = stage.store.failing_webhooks().await.unwrap();
    assert_eq!((failing[0].waiting, failing[0].given_up), (0, 1));
}

/// With the number of tries and the answer, apart from what is still to be made; nothing is kept of an enrolment's.
pub async fn a_call_that_was_taken_is_kept_with_its_challenge(stage: &Stage) {
    let service = stage.service().await;
    let webhook = hook(stage, &service).await;
    let factor = stage.factor_of(&service, &stage.make.identity()).await;
    let (challenge, other) = (stage.challenge(&factor).await, stage.challenge(&factor).await);
    assert!(settle(stage, &lease(stage).await[0], TAKEN).await);
    let answered_at = stage.now();
    stage.answer(&challenge).await;
    stage.answer(&other).await;
    let store = &stage.store;
    let first = lease(stage).await.remove(0);
    assert!(settle(stage, &first, AfterCall::Retry { at: stage.later(5) }).await);
    assert_eq!(store.taken_calls(challenge.sid, 10).await, Ok(vec![]));
    stage.pass(5);
    let again = lease(stage).await.remove(0);
    assert!(settle(stage, &again, TAKEN).await);
    let kept = TakenCall {
        id: first.id,
        webhook: webhook.sid,
        event: EventType::ChallengeApproved.as_str().to_owned(),
        happened_at: answered_at,
        attempts: 2,
        taken_at: stage.now(),
        status: 204,
    };
    assert_eq!(store.taken_calls(challenge.sid, 10).await, Ok(vec![kept]));
    stage.pass(1);
    assert!(!settle(stage, &again, TAKEN).await, "it is not leased any more");
    let next = lease(stage).await;
    assert_eq!(super::events::field(&next[0], "challenge_sid"), other.sid.to_string());
    assert!(settle(stage, &next[0], TAKEN).await);
    assert_eq!(store.taken_calls(other.sid, 10).await.map(|calls| calls.len()), Ok(1));
    assert_eq!(store.taken_calls(other.sid, 0).await, Ok(vec![]), "a bound");
    assert_eq!(store.next_call(stage.now()).await, Ok(None));
    assert_eq!(store.failing_webhooks().await, Ok(vec![]));
    assert_eq!(store.call_counts(webhook.sid).await, Ok(CallCounts::default()));
    assert_eq!(store.calls_about(webhook.sid, factor.sid, None, 10).await, Ok(vec![]));
    assert_eq!(store.resend_call(webhook.sid, first.id, stage.now()).await, Ok(false));
}
