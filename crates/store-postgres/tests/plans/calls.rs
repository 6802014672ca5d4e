//! The statements about calls of webhooks.

use countersign_domain::call_queue::QueueLimits;
use countersign_domain::event::CallId;
use countersign_domain::factor::Factor;
use countersign_domain::sid::WebhookSid;
use countersign_domain::webhook::{EventType, Webhook};
use countersign_domain::webhook_call::{AfterCall, CallLease};
use countersign_store::conformance::Fixture;
use countersign_store::page::{Cursor, Side};
use countersign_store::seam::{CallCursor, CallList, Inserted};

use crate::work;

/// Leases the next call of a webhook: the look begins behind the SID before its own.
async fn lease(fixture: &Fixture, webhook: &Webhook) -> CallLease {
    let before = u128::from_be_bytes(*webhook.sid.as_bytes()) - 1;
    let found = fixture.look_for_calls(256, WebhookSid::from_bytes(before.to_be_bytes())).await;
    found.leases.into_iter().find(|lease| lease.webhook.sid == webhook.sid).unwrap()
}

/// Makes calls of a webhook that is told everything, reads them in every way, and lets others wait for too long.
pub(crate) async fn make_calls(fixture: &Fixture) {
    let store = &fixture.store;
    let service = fixture.service().await;
    let event_types =
        vec![EventType::All, EventType::ChallengeExpired, EventType::NotificationFailed];
    let webhook = Webhook { event_types, ..fixture.make.webhook(&service) };
    assert_eq!(store.create_webhook(&webhook, 9).await, Ok(Inserted::Done));
    let factor: Factor = fixture.factor_of(&service, &fixture.make.identity()).await;
    let challenge = fixture.challenge(&factor).await;
    work(fixture, &factor).await;

    let now = fixture.now();
    for after in [AfterCall::Taken { status: 204 }, AfterCall::Failed] {
        let lease = lease(fixture, &webhook).await;
        assert_eq!(store.settle_call(&lease, after, "status 500".into(), now).await, Ok(true));
        store.resend_call(webhook.sid, lease.id, now).await.unwrap();
    }
    let retried = lease(fixture, &webhook).await;
    let after = AfterCall::Retry { at: fixture.later(5) };
    assert_eq!(store.settle_call(&retried, after, "status 500".into(), now).await, Ok(true));
    assert!(!store.failing_webhooks().await.unwrap().is_empty());
    assert_eq!(store.resend_call(webhook.sid, retried.id, now).await, Ok(true));
    for list in [CallList::Failing, CallList::GivenUp] {
        store.resend_calls(webhook.sid, list, None, now, 10).await.unwrap();
        for side in [Side::After, Side::Before] {
            let sid = CallCursor { wake_at: now, id: CallId([7; 16]) };
            store.list_calls(webhook.sid, list, Some(Cursor { sid, side }), 10).await.unwrap();
        }
    }
    store.call_counts(webhook.sid).await.unwrap();
    store.webhook_states(service.account, 10).await.unwrap();
    store.calls_about(webhook.sid, factor.sid, Some(challenge.sid), 10).await.unwrap();
    store.taken_calls(challenge.sid, 10).await.unwrap();
    store.next_call(now).await.unwrap();
    store.void_calls(fixture.make.node, now, 10).await.unwrap();

    // The lease of a call runs out, and a challenge expires.
    lease(fixture, &webhook).await;
    fixture.pass(600);
    lease(fixture, &webhook).await;
    let limits = QueueLimits { per_webhook: 1, per_account: 1 };
    store.trim_calls(limits, fixture.now()).await.unwrap();
    // The waiting calls of deleted webhooks are removed, and the webhook hears of the devices of a deleted person.
    fixture.lease_calls().await;
    let owner = &factor.owner;
    let deleted = store.delete_entity(owner.service, &owner.identity, fixture.now()).await;
    assert_eq!(deleted, Ok(true));
}
