//! The events that webhooks are told of, and the form that tells them (Twilio Verify v2, Webhooks).

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use uuid::{Builder, Uuid};

use crate::answer_context::AnswerContext;
use crate::challenge::{Challenge, Verdict};
use crate::ending::{Ending, NotificationStatus, StatusReason};
use crate::entity::Owner;
use crate::factor::{AnyFactor, Factor};
use crate::sid::{FactorSid, NotificationSid, ServiceSid, WebhookSid};
use crate::text::{FriendlyName, StringMap};
use crate::time::Instant;
use crate::totp::TotpFactor;
use crate::webhook::{EventType, Webhook, WebhookVersion};

/// The id of a call, which is the same for every try. Sent as `uuid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub [u8; 16]);

impl CallId {
    /// The id of a test, from random bytes.
    pub fn of_test(random: [u8; 16]) -> Self {
        Self(Builder::from_random_bytes(random).into_uuid().into_bytes())
    }
}

/// The type of the event that tests a webhook. No webhook can subscribe to it.
const TEST: &str = "webhook.test";

/// The form that tests a webhook.
pub fn test_form(id: CallId, webhook: &Webhook) -> Vec<(String, String)> {
    let form = [
        ("uuid", id.to_string()),
        ("type", TEST.to_owned()),
        ("account_sid", webhook.account.to_string()),
        ("service_sid", webhook.service.to_string()),
        ("webhook_sid", webhook.sid.to_string()),
    ];
    form.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

impl fmt::Display for CallId {
    /// As a UUID.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Uuid::from_bytes(self.0).hyphenated().fmt(f)
    }
}

/// The members of a factor, of either type, that an event tells.
#[derive(Debug, Clone, Copy)]
pub struct FactorFacts<'a> {
    sid: FactorSid,
    owner: &'a Owner,
    friendly_name: &'a FriendlyName,
    created_at: Instant,
}

impl<'a> From<&'a Factor> for FactorFacts<'a> {
    fn from(factor: &'a Factor) -> Self {
        let Factor { sid, owner, friendly_name, created_at, .. } = factor;
        Self { sid: *sid, owner, friendly_name, created_at: *created_at }
    }
}

impl<'a> From<&'a TotpFactor> for FactorFacts<'a> {
    fn from(factor: &'a TotpFactor) -> Self {
        let TotpFactor { sid, owner, friendly_name, created_at, .. } = factor;
        Self { sid: *sid, owner, friendly_name, created_at: *created_at }
    }
}

impl<'a> From<&'a AnyFactor> for FactorFacts<'a> {
    fn from(factor: &'a AnyFactor) -> Self {
        match factor {
            AnyFactor::Push(factor) => (&**factor).into(),
            AnyFactor::Totp(factor) => (&**factor).into(),
        }
    }
}

/// An event.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// The type of the event.
    pub kind: EventType,
    /// When it happened.
    pub at: Instant,
    challenge: Option<&'a Challenge>,
    notification: Option<(NotificationSid, Ending)>,
    owner: &'a Owner,
    factor: FactorSid,
    factor_name: Option<&'a FriendlyName>,
    created_at: Instant,
    answer: AnswerContext,
}

impl<'a> Event<'a> {
    /// An event of a factor: one of the types that begin with `factor`.
    pub const fn of_factor(kind: EventType, factor: FactorFacts<'a>, at: Instant) -> Self {
        Self {
            kind,
            at,
            challenge: None,
            notification: None,
            owner: factor.owner,
            factor: factor.sid,
            factor_name: Some(factor.friendly_name),
            created_at: factor.created_at,
            answer: AnswerContext::UNKNOWN,
        }
    }

    /// An event of a challenge. `factor_name` is absent if the factor was deleted.
    pub const fn of_challenge(
        kind: EventType,
        challenge: &'a Challenge,
        factor_name: Option<&'a FriendlyName>,
        at: Instant,
    ) -> Self {
        Self {
            kind,
            at,
            challenge: Some(challenge),
            notification: None,
            owner: &challenge.owner,
            factor: challenge.factor,
            factor_name,
            created_at: challenge.created_at,
            answer: AnswerContext::UNKNOWN,
        }
    }

    /// The same event of an answer with what came with it.
    #[must_use]
    pub const fn answered(self, answer: AnswerContext) -> Self {
        Self { answer, ..self }
    }

    /// The event of a notification's ending; `None` for an ending without an event.
    pub fn of_notification(
        notification: NotificationSid,
        ending: Ending,
        challenge: &'a Challenge,
        factor_name: Option<&'a FriendlyName>,
        at: Instant,
    ) -> Option<Self> {
        let kind = EventType::of_ending(ending.status)?;
        let event = Self::of_challenge(kind, challenge, factor_name, at);
        Some(Self { notification: Some((notification, ending)), ..event })
    }

    /// The service whose webhooks may be told of it.
    pub const fn service(&self) -> ServiceSid {
        self.owner.service
    }

    /// The factor that it is about. The calls of one factor keep their order.
    pub const fn factor(&self) -> FactorSid {
        self.factor
    }

    /// The id of the call that tells a webhook of it. An event happens once to a resource, so the id is derived from both.
    pub fn call_id(&self, webhook: WebhookSid) -> CallId {
        let subject = match (self.notification, self.challenge) {
            (Some((notification, _)), _) => *notification.as_bytes(),
            (None, Some(challenge)) => *challenge.sid.as_bytes(),
            (None, None) => *self.factor.as_bytes(),
        };
        let text = [webhook.as_bytes().as_slice(), &subject, self.kind.as_str().as_bytes()];
        let hash = digest(&SHA256, &text.concat());
        let mut id = [0; 16];
        id.copy_from_slice(&hash.as_ref()[..16]);
        // Version 8, whose other bits are free to choose (RFC 9562).
        CallId(Builder::from_custom_bytes(id).into_uuid().into_bytes())
    }

    /// The form that a webhook is sent. Absent members are left out.
    pub fn parameters(&self, webhook: &Webhook) -> Vec<(String, String)> {
        let mut form = vec![
            ("uuid", self.call_id(webhook.sid).to_string()),
            ("type", self.kind.as_str().to_owned()),
            ("account_sid", self.owner.account.to_string()),
            ("service_sid", self.owner.service.to_string()),
            ("entity_identity", self.owner.identity.as_str().to_owned()),
            ("factor_sid", self.factor.to_string()),
            ("factor_type", self.factor.kind().as_str().to_owned()),
        ];
        if let Some(challenge) = self.challenge {
            form.push(("challenge_sid", challenge.sid.to_string()));
            let group = challenge.group.map(|group| group.to_string());
            form.extend(group.map(|group| ("challenge_group_sid", group)));
        }
        if let Some((sid, ending)) = self.notification {
            form.push(("notification_sid", sid.to_string()));
            form.push(("notification_status", ending.status.as_str().to_owned()));
            if let Some(reason) = ending.reason {
                form.push(("notification_reason", StatusReason::as_str(reason).to_owned()));
            }
        }
        if let Some(reason) = self.answer.reason {
            form.push(("challenge_reason", reason.as_str().to_owned()));
        }
        if webhook.version == WebhookVersion::V2 {
            self.add_details(&mut form);
        }
        form.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Adds the members of version 2.
    fn add_details(&self, form: &mut Vec<(&str, String)>) {
        let name = self.factor_name.map(|name| name.as_str().to_owned());
        form.extend(name.map(|name| ("factor_friendly_name", name)));
        form.push(("date_created", self.created_at.to_string()));
        let Some(challenge) = self.challenge else {
            return;
        };
        let details = challenge.shown_members().details();
        form.extend(details.map(|details| ("challenge_details", details.to_string())));
        let hidden = challenge.hidden_details.as_ref().map(StringMap::to_text);
        form.extend(hidden.map(|text| ("challenge_hidden_details", text)));
        let metadata = challenge.metadata.as_ref().map(StringMap::to_text);
        form.extend(metadata.map(|text| ("challenge_metadata", text)));
        form.push(("challenge_status", challenge.status(self.at).as_str().to_owned()));
        let AnswerContext { address, country, .. } = self.answer;
        form.extend(address.map(|address| ("answer_address", address.to_string())));
        form.extend(country.map(|country| ("answer_country", country.to_string())));
    }
}

impl EventType {
    /// The event of a verdict.
    pub const fn of_verdict(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Approved => Self::ChallengeApproved,
            Verdict::Denied => Self::ChallengeDenied,
        }
    }

    /// The event of a notification that ended with this status; `None` if there is none.
    pub const fn of_ending(status: NotificationStatus) -> Option<Self> {
        match status {
            NotificationStatus::Delivered => Some(Self::NotificationDelivered),
            NotificationStatus::Failed => Some(Self::NotificationFailed),
            NotificationStatus::Expired => Some(Self::NotificationExpired),
            _ => None,
        }
    }

    /// Whether it is an event of Twilio's, which `*` subscribes to.
    const fn is_twilios(self) -> bool {
        matches!(
            self,
            Self::FactorCreated
                | Self::FactorVerified
                | Self::FactorDeleted
                | Self::ChallengeApproved
                | Self::ChallengeDenied
        )
    }
}

impl Webhook {
    /// Whether it is told of events of this type.
    pub fn wants(&self, kind: EventType) -> bool {
        let named = self.event_types.contains(&kind);
        let by_star = kind.is_twilios() && self.event_types.contains(&EventType::All);
        self.enabled && (named || by_star)
    }
}
