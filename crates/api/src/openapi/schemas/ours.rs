//! What is ours, or has no name in Twilio's description.

use super::{Property, Schema, UPDATED, URL, property};
use crate::openapi::kind::Kind;
use crate::openapi::words::NOTIFICATION_STATUSES;

/// Where a page lies in its list.
pub(super) const PAGE_META: Schema = Schema {
    name: "page_meta",
    words: "Where a page lies in its list. The URLs are complete: follow them as they are.",
    properties: &[
        property("page", Kind::Number, "What the client counts; only echoed."),
        property("page_size", Kind::Number, "The most items of a page."),
        property("first_page_url", Kind::Url, "The first page."),
        property("previous_page_url", Kind::Url, "The page before; null on the first."),
        property("url", Kind::Url, "This page."),
        property("next_page_url", Kind::Url, "The page after; null on the last."),
        property("key", Kind::Text, "Which member of the answer holds the items."),
    ],
};

pub(super) const ALL: &[Schema] = &[
    PAGE_META,
    Schema {
        name: "notification_details",
        words: "A notification, and how its delivery goes.",
        properties: &DETAILS,
    },
    Schema { name: "notification_attempt", words: "One attempt at delivery.", properties: ATTEMPT },
    Schema { name: "error_body", words: "Why a request was refused.", properties: ERROR },
    Schema {
        name: "webhook_secret",
        words: "What our own signature of a webhook's calls is made with.",
        properties: &[
            property("sid", Kind::Text, "The webhook."),
            property("secret", Kind::Text, "The key of the HMAC-SHA-256, as text."),
        ],
    },
    Schema {
        name: "web_push_key",
        words: "By what browsers' push services know a service.",
        properties: &[
            property("service_sid", Kind::Text, "The service."),
            property("public_key", Kind::Text, "The uncompressed P-256 point in base64url."),
        ],
    },
    Schema {
        name: "service_name",
        words: "What a service is called.",
        properties: &[
            property("service_sid", Kind::Text, "The service."),
            property("friendly_name", Kind::Text, "Its name now, which its devices show."),
        ],
    },
    Schema {
        name: "server_status",
        words: "How the server is.",
        properties: &[property("status", Kind::Text, "`ok`.")],
    },
    Schema {
        name: "server_readiness",
        words: "Whether the server may be sent requests.",
        properties: &[
            property("status", Kind::Text, "`ready`."),
            property(
                "bus",
                Kind::Text,
                "Whether it reaches the other nodes, `connected` or `disconnected`; null if there are none.",
            ),
        ],
    },
];

/// The nine of a notification, and seven more.
const DETAILS: [Property; 16] = {
    let [sid, account, service, entity, identity, challenge, priority, ttl, created] =
        super::verify::NOTIFICATION;
    [
        sid,
        account,
        service,
        entity,
        identity,
        challenge,
        priority,
        ttl,
        created,
        property("automatic", Kind::Flag, "Whether the challenge sent it by itself."),
        property("status", Kind::Named(&NOTIFICATION_STATUSES), ""),
        property(
            "status_reason",
            Kind::Text,
            "Why it stands there: `waiting`, `retrying`, `device_offline`, `address_gone`, `refused`, \
             `attempt_failed`, `not_attempted`, `answered`, `factor_gone` or `superseded`; or null.",
        ),
        property(
            "error_code",
            Kind::Number,
            "A code of the 52000s for a notification that failed or expired.",
        ),
        UPDATED,
        property("attempts", Kind::ListOf("notification_attempt"), ""),
        URL,
    ]
};

const ATTEMPT: &[Property] = &[
    property("date", Kind::Date, "When it started, in UTC."),
    property("platform", Kind::Text, "The factor's platform at that moment."),
    property(
        "outcome",
        Kind::Text,
        "`accepted`, `acknowledged`, `unacknowledged`, `offline`, `gone`, `later` or `refused`.",
    ),
    property("provider_status", Kind::Number, "The HTTP status of the push service's answer."),
    property("provider_reason", Kind::Text, "The push service's own words."),
    property("error_code", Kind::Number, "Our code for it."),
    property("duration_ms", Kind::Number, "How long it took."),
];

const ERROR: &[Property] = &[
    property("code", Kind::Number, "Which refusal it is; by Twilio's numbers."),
    property("message", Kind::Text, "What went wrong."),
    property("more_info", Kind::Url, "Where the code is explained."),
    property("status", Kind::Number, "The HTTP status."),
    property("details", Kind::Any, "`parameter` and `reason`, where there is more to say."),
];
