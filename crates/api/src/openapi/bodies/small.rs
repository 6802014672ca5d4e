//! Entities, notifications, access tokens and webhooks (wire reference §2.2, §2.5 to §2.7).

use countersign_domain::{access_token, notification};

use super::texts::{IDENTITY, NAME};
use crate::openapi::kind::Kind;
use crate::openapi::parameter::{Parameter, optional, required};
use crate::openapi::words::{EVENTS, TOKEN_FACTOR_TYPES, WEBHOOK_STATUSES, WEBHOOK_VERSIONS};

/// A new entity.
pub(crate) const ENTITY: &[Parameter] = &[required(
    "Identity",
    IDENTITY,
    "The application's own name for a person: letters, digits and dashes, nothing personal, and never changed.",
)];

/// One more push of a challenge.
pub(crate) const NOTIFICATION: &[Parameter] = &[optional(
    "Ttl",
    Kind::Whole(notification::TTL),
    "For how many seconds delivery is tried, also while the device is away. 300 if absent. With 0 there is one \
     attempt, at once, or none.",
)];

/// A new access token.
pub(crate) const ACCESS_TOKEN: &[Parameter] = &[
    required(
        "Identity",
        IDENTITY,
        "For whom a factor may be enrolled. The entity need not exist yet.",
    ),
    required("FactorType", Kind::Named(&TOKEN_FACTOR_TYPES), ""),
    optional("FactorFriendlyName", NAME, "A name for the factor, for the application's use."),
    optional(
        "Ttl",
        Kind::Whole(access_token::TTL),
        "For how many seconds the token is good. 60 if absent.",
    ),
];

const EVENT: Kind = Kind::OneOf(EVENTS);
const HEARS: &str = "What the webhook hears. Repeat the parameter, one event each time. `*` is every event of \
                     Twilio's; `challenge.expired` and those of notifications are ours and must be named.";
const URL: &str = "Where the webhook listens: an absolute http or https URL without user name and password. It is \
                   signed exactly as it is written.";
const WEBHOOK_NAME: &str = "What the operator calls it.";

/// A new webhook.
pub(crate) const WEBHOOK: &[Parameter] = &[
    required("FriendlyName", NAME, WEBHOOK_NAME),
    required("EventTypes", Kind::Repeated(&EVENT, EVENTS.len()), HEARS),
    required("WebhookUrl", Kind::Length(1, 2_048), URL),
    optional("Status", Kind::Named(&WEBHOOK_STATUSES), ""),
    optional("Version", Kind::Named(&WEBHOOK_VERSIONS), ""),
];

/// A changed webhook.
pub(crate) const WEBHOOK_UPDATE: &[Parameter] = &[
    optional("FriendlyName", NAME, WEBHOOK_NAME),
    optional("EventTypes", Kind::Repeated(&EVENT, EVENTS.len()), HEARS),
    optional("WebhookUrl", Kind::Length(1, 2_048), URL),
    optional("Status", Kind::Named(&WEBHOOK_STATUSES), ""),
    optional("Version", Kind::Named(&WEBHOOK_VERSIONS), ""),
];
