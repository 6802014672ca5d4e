//! Every reason that Apple gives for a refusal.

use serde_json::json;

use crate::listener;
use crate::script::Turn;

macro_rules! reasons {
    ($($status:literal { $($name:ident),+ $(,)? })+) => {
        /// Why a push was refused, in Apple's words.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "Apple's documentation of the reasons is theirs to give")]
        pub enum Reason { $($($name),+),+ }

        impl Reason {
            /// All of them.
            pub const ALL: &[Self] = &[$($(Self::$name),+),+];

            /// The HTTP status it comes with.
            pub const fn status(self) -> u16 {
                match self { $($(Self::$name)|+ => $status),+ }
            }

            /// The word in the body.
            pub const fn as_str(self) -> &'static str {
                match self { $($(Self::$name => stringify!($name)),+),+ }
            }
        }
    };
}

reasons! {
    400 {
        BadCollapseId, BadDeviceToken, BadExpirationDate, BadMessageId, BadPriority, BadTopic,
        DeviceTokenNotForTopic, DuplicateHeaders, IdleTimeout, InvalidPushType, MissingDeviceToken,
        MissingTopic, PayloadEmpty, TopicDisallowed,
        // not Apple's, who takes any JSON: the phone's app could make nothing of it
        PayloadNotOurs,
    }
    403 {
        BadCertificate, BadCertificateEnvironment, BadEnvironmentKeyIdInToken, ExpiredProviderToken,
        Forbidden, InvalidProviderToken, MissingProviderToken, UnrelatedKeyIdInToken,
    }
    404 { BadPath }
    405 { MethodNotAllowed }
    410 { ExpiredToken, Unregistered }
    413 { PayloadTooLarge }
    429 { TooManyProviderTokenUpdates, TooManyRequests }
    500 { InternalServerError }
    503 { ServiceUnavailable, Shutdown }
}

/// A refusal as it goes over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// Since when the token is known to be dead, in milliseconds. Only with 410, and there the present if not given.
    pub since: Option<i64>,
    /// When to come back. Apple does not say; others in between may.
    pub retry_after: Option<String>,
}

impl Refusal {
    /// The reasons that pass by themselves, and that bad manners give.
    pub(super) fn passing() -> Vec<Self> {
        use Reason::{InternalServerError, ServiceUnavailable, Shutdown, TooManyRequests};
        [TooManyRequests, InternalServerError, ServiceUnavailable, Shutdown].map(Self::from).into()
    }

    /// The app was removed at this time, in milliseconds.
    pub const fn unregistered(since: i64) -> Self {
        Self { reason: Reason::Unregistered, since: Some(since), retry_after: None }
    }

    /// Whether the provider token itself is refused, so that only another can help.
    pub(super) const fn is_about_token(&self) -> bool {
        matches!(self.reason, Reason::ExpiredProviderToken | Reason::InvalidProviderToken)
    }

    pub(super) fn render(&self, id: &str, now: i64) -> listener::Answer {
        let mut body = json!({ "reason": self.reason.as_str() });
        if self.reason.status() == 410 {
            body["timestamp"] = self.since.unwrap_or(now.saturating_mul(1000)).into();
        }
        let mut headers = vec![("apns-id", id), ("content-type", "application/json")];
        if let Some(when) = &self.retry_after {
            headers.push(("retry-after", when));
        }
        listener::answer(self.reason.status(), &headers, body.to_string())
    }
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self { reason, since: None, retry_after: None }
    }
}

impl From<Reason> for Turn<Refusal> {
    fn from(reason: Reason) -> Self {
        Self::Answer(reason.into())
    }
}
