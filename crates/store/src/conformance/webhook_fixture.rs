//! The fixtures that the rules about webhooks share.

use countersign_domain::service::Service;
use countersign_domain::webhook::{EventType, Webhook};
use countersign_domain::webhook_call::{AfterCall, CallLease};

use super::fixture::Fixture;
use crate::seam::Inserted;

/// The outcome of a call that the application takes.
pub(super) const TAKEN: AfterCall = AfterCall::Taken { status: 204 };

/// Stores a webhook that subscribes to all events.
pub(super) async fn hook(fixture: &Fixture, service: &Service) -> Webhook {
    hook_for(fixture, service, &[EventType::All]).await
}

/// Stores a webhook that subscribes to these events.
pub(super) async fn hook_for(
    fixture: &Fixture,
    service: &Service,
    event_types: &[EventType],
) -> Webhook {
    let event_types = event_types.to_vec();
    let webhook = Webhook { event_types, ..fixture.make.webhook(service) };
    assert_eq!(fixture.store.create_webhook(&webhook, 0).await, Ok(Inserted::Done));
    webhook
}

/// Leases the calls that are due.
pub(super) async fn lease(fixture: &Fixture) -> Vec<CallLease> {
    fixture.lease_calls().await
}

/// Settles a call. Returns whether its lease held.
pub(super) async fn settle(fixture: &Fixture, lease: &CallLease, after: AfterCall) -> bool {
    fixture.store.settle_call(lease, after, "status 500".into(), fixture.now()).await.unwrap()
}

/// A field of a call's form; empty if the form does not have it.
pub(super) fn field<'a>(lease: &'a CallLease, name: &str) -> &'a str {
    lease.parameters.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
}
