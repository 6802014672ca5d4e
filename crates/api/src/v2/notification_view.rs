//! Representations of a notification: nine properties in the response to its creation, and with the state of its delivery
//! afterwards.

use countersign_domain::attempt_record::AttemptRecord;
use countersign_domain::delivery::NewNotification;
use countersign_domain::ending::{ErrorCode, StatusReason};
use countersign_domain::entity::Owner;
use countersign_domain::node::NodeId;
use countersign_domain::notification::Notification;
use countersign_domain::sid::{AccountSid, ChallengeSid, EntitySid, NotificationSid, ServiceSid};
use countersign_domain::text::Identity;
use countersign_domain::time::Instant;
use serde::Serialize;

use crate::urls::PublicUrl;

/// Exactly the nine properties of Twilio's API.
#[derive(Serialize)]
pub(super) struct NotificationView<'a> {
    sid: NotificationSid,
    account_sid: AccountSid,
    service_sid: ServiceSid,
    entity_sid: EntitySid,
    identity: &'a Identity,
    challenge_sid: ChallengeSid,
    priority: &'static str,
    ttl: u16,
    date_created: Instant,
}

/// The nine properties, and the state of the delivery.
#[derive(Serialize)]
pub(super) struct DetailedView<'a> {
    #[serde(flatten)]
    nine: NotificationView<'a>,
    automatic: bool,
    status: &'static str,
    status_reason: Option<&'static str>,
    error_code: Option<ErrorCode>,
    date_updated: Instant,
    attempts: Vec<AttemptView<'a>>,
    url: String,
}

#[derive(Serialize)]
struct AttemptView<'a> {
    date: Instant,
    platform: &'a str,
    outcome: &'a str,
    provider_status: Option<u16>,
    provider_reason: Option<&'a str>,
    error_code: Option<ErrorCode>,
    duration_ms: u64,
}

impl<'a> NotificationView<'a> {
    pub(super) fn of_new(owner: &'a Owner, new: &NewNotification) -> Self {
        let delivery = &new.delivery;
        Self::of(owner, delivery.notification, delivery.challenge, new.ttl, new.created_at)
    }

    fn of(
        owner: &'a Owner,
        sid: NotificationSid,
        challenge: ChallengeSid,
        ttl: u16,
        created_at: Instant,
    ) -> Self {
        Self {
            sid,
            account_sid: owner.account,
            service_sid: owner.service,
            entity_sid: owner.entity,
            identity: &owner.identity,
            challenge_sid: challenge,
            priority: "high",
            ttl,
            date_created: created_at,
        }
    }
}

impl<'a> DetailedView<'a> {
    /// `node` is the process that serves the request.
    pub(super) fn of(
        owner: &'a Owner,
        notification: &'a Notification,
        node: NodeId,
        base: &PublicUrl,
    ) -> Self {
        let Notification { sid, challenge, ttl, created_at, .. } = *notification;
        let standing = notification.current(node);
        Self {
            nine: NotificationView::of(owner, sid, challenge, ttl, created_at),
            automatic: notification.automatic,
            status: standing.status.as_str(),
            status_reason: standing.reason.map(StatusReason::as_str),
            error_code: standing.code,
            date_updated: notification.updated_at,
            attempts: notification.attempts.iter().map(AttemptView::of).collect(),
            url: format!("{}/Notifications/{sid}", base.challenge(owner, challenge)),
        }
    }
}

impl<'a> AttemptView<'a> {
    fn of(record: &'a AttemptRecord) -> Self {
        Self {
            date: record.started_at(),
            platform: &record.platform,
            outcome: &record.outcome,
            provider_status: record.provider_status,
            provider_reason: record.provider_reason.as_deref(),
            error_code: record.code,
            duration_ms: record.micros / 1_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use countersign_domain::ending::Ending;

    use super::*;
    use crate::tests::{at, base, challenge, owner};

    fn notification() -> Notification {
        Notification {
            sid: "NT00000000000000000000000000000001".parse().expect("a SID"),
            challenge: challenge().sid,
            automatic: false,
            ttl: 150,
            created_at: at(),
            updated_at: at(),
            created_on: NodeId([0; 16]),
            ending: Some(Ending::failed(StatusReason::AddressGone, ErrorCode(52_103))),
            delivery: None,
            attempts: vec![AttemptRecord {
                started_at_micros: at().as_micros(),
                micros: 51_700,
                platform: "fcm".into(),
                outcome: "gone".into(),
                provider_status: Some(404),
                provider_reason: Some("UNREGISTERED".into()),
                code: Some(ErrorCode(52_103)),
            }],
        }
    }

    #[test]
    fn a_new_notification_has_exactly_nine_properties() {
        let Notification { sid, challenge, ttl, created_at, .. } = notification();
        let owner = owner();
        let view = NotificationView::of(&owner, sid, challenge, ttl, created_at);
        insta::assert_json_snapshot!("new", view);
    }

    #[test]
    fn contains_the_state_of_the_delivery() {
        let (owner, notification) = (owner(), notification());
        let view = DetailedView::of(&owner, &notification, NodeId([0; 16]), &base());
        insta::assert_json_snapshot!("detailed", view);
    }
}
