//! The closed sets of words, under the names that Twilio's description gives them. Where one of ours has more words, a
//! client that knows only the others is never sent them unless it asked for them.

use serde_json::{Value, json};

use super::reference::reference;

/// A set of words with a name.
#[derive(Debug)]
pub(crate) struct Words {
    /// Its name in the description.
    pub(crate) name: &'static str,
    /// The words.
    pub(crate) all: &'static [&'static str],
    /// What they are about.
    says: &'static str,
}

impl Words {
    /// Names it.
    pub(crate) fn reference(&self) -> Value {
        reference(self.name)
    }

    /// Spells it out.
    pub(crate) fn schema(&self) -> Value {
        json!({"type": "string", "enum": self.all, "description": self.says})
    }
}

macro_rules! words {
    ($($constant:ident = $name:literal $all:expr, $says:literal;)*) => {
        $(pub(crate) static $constant: Words = Words { name: $name, all: $all, says: $says };)*

        /// All of them, in the order of the description.
        pub(crate) static ALL: &[&Words] = &[$(&$constant),*];
    };
}

/// Every way to reach a device; the last two are ours.
pub(crate) const PLATFORMS: &[&str] = &["apn", "fcm", "none", "webpush", "stream"];
/// Every event that a webhook may hear; the last four are ours and are sent only to webhooks that name them.
pub(crate) const EVENTS: &[&str] = &[
    "*",
    "factor.created",
    "factor.verified",
    "factor.deleted",
    "challenge.approved",
    "challenge.denied",
    "challenge.expired",
    "notification.delivered",
    "notification.failed",
    "notification.expired",
];
const FACTOR_STATUS: &[&str] = &["unverified", "verified"];
const FACTOR_TYPE: &[&str] = &["push", "totp", "passkeys"];
const ALGORITHMS: &[&str] = &["sha1", "sha256", "sha512"];

words! {
    TOKEN_FACTOR_TYPES = "access_token_enum_factor_types" &["push"],
        "What the token may enrol.";
    CHALLENGE_STATUSES = "challenge_enum_challenge_statuses"
        &["pending", "expired", "approved", "denied"],
        "Where a challenge stands. Only `pending` is ever left.";
    CHALLENGE_REASONS = "challenge_enum_challenge_reasons"
        &["none", "not_needed", "not_requested"],
        "Always `none` here.";
    CHALLENGE_FACTOR_TYPES = "challenge_enum_factor_types" FACTOR_TYPE,
        "The type of the factor that is asked.";
    ORDERS = "challenge_enum_list_orders" &["asc", "desc"],
        "Oldest first, or newest first.";
    FACTOR_STATUSES = "factor_enum_factor_statuses" FACTOR_STATUS,
        "Whether the device has proved that it holds its key.";
    FACTOR_TYPES = "factor_enum_factor_types" FACTOR_TYPE,
        "By what the factor proves itself.";
    FACTOR_ALGORITHMS = "factor_enum_totp_algorithms" ALGORITHMS,
        "Only for factors that answer with codes.";
    NEW_FACTOR_STATUSES = "new_factor_enum_factor_statuses" FACTOR_STATUS,
        "Whether the device has proved that it holds its key.";
    NEW_FACTOR_TYPES = "new_factor_enum_factor_types" FACTOR_TYPE,
        "By what the factor proves itself. Only `push` is served.";
    NEW_FACTOR_PLATFORMS = "new_factor_enum_notification_platforms" PLATFORMS,
        "How the device is reached: by APNs, by FCM, not at all (it polls), by a browser's push service, or over the \
         WebSocket that it holds to this server.";
    NEW_FACTOR_ALGORITHMS = "new_factor_enum_totp_algorithms" ALGORITHMS,
        "Only for factors that answer with codes.";
    FORM_TYPES = "form_enum_form_types" &["form-push"],
        "The only form there is.";
    WEBHOOK_STATUSES = "webhook_enum_status" &["enabled", "disabled"],
        "Whether the webhook is called.";
    WEBHOOK_VERSIONS = "webhook_enum_version" &["v1", "v2"],
        "Which body the webhook is sent: the short one or the long one.";
    WEBHOOK_METHODS = "webhook_enum_methods" &["GET", "POST"],
        "Always `POST` here.";
    CREDENTIAL_TYPES = "credential_enum_push_service" &["gcm", "apn", "fcm"],
        "Whose push service the credential is for. `gcm` is kept and shown, and never used.";
    NOTIFICATION_STATUSES = "notification_enum_statuses"
        &["queued", "sending", "sent", "delivered", "failed", "expired", "cancelled"],
        "Where a notification stands: to be sent, being sent, taken by the push service, with the device, impossible, \
         too late, or no longer wanted.";
}
