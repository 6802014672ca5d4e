//! The reasons that Apple gives for refusals.

use serde_json::json;

use crate::listener;
use crate::script::Action;

macro_rules! reasons {
    ($($status:literal { $($name:ident),+ $(,)? })+) => {
        /// The reason of a refusal, in Apple's terms.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "Apple documents the reasons")]
        pub enum Reason { $($($name),+),+ }

        impl Reason {
            /// All reasons.
            pub const ALL: &[Self] = &[$($(Self::$name),+),+];

            /// The HTTP status.
            pub const fn status(self) -> u16 {
                match self { $($(Self::$name)|+ => $status),+ }
            }

            /// The `reason` in the body.
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
        // Not one of Apple's: Apple accepts any JSON, but the app could not use it.
        PayloadIncomplete,
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

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The reason.
    pub reason: Reason,
    /// With 410: since when the token is known to be dead, in milliseconds. Default: now.
    pub since: Option<i64>,
    /// `Retry-After`. Apple does not send it; a proxy may.
    pub retry_after: Option<String>,
}

impl Refusal {
    /// The transient reasons, which faults choose from.
    pub(super) fn transient() -> Vec<Self> {
        use Reason::{InternalServerError, ServiceUnavailable, Shutdown, TooManyRequests};
        [TooManyRequests, InternalServerError, ServiceUnavailable, Shutdown].map(Self::from).into()
    }

    /// A refusal because the app was removed at this time, in milliseconds.
    pub const fn unregistered(since: i64) -> Self {
        Self { reason: Reason::Unregistered, since: Some(since), retry_after: None }
    }

    /// Whether the provider token itself is rejected.
    pub(super) const fn is_about_token(&self) -> bool {
        matches!(self.reason, Reason::ExpiredProviderToken | Reason::InvalidProviderToken)
    }

    pub(super) fn render(&self, id: &str, now: i64) -> listener::HttpResponse {
        let mut body = json!({ "reason": self.reason.as_str() });
        if self.reason.status() == 410 {
            body["timestamp"] = self.since.unwrap_or(now.saturating_mul(1000)).into();
        }
        let mut headers = vec![("apns-id", id), ("content-type", "application/json")];
        if let Some(when) = &self.retry_after {
            headers.push(("retry-after", when));
        }
        listener::response(self.reason.status(), &headers, body.to_string())
    }
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self { reason, since: None, retry_after: None }
    }
}

impl From<Reason> for Action<Refusal> {
    fn from(reason: Reason) -> Self {
        Self::Respond(reason.into())
    }
}
