//! Twilio's resources.

use super::{
    ACCOUNT, CREATED, ENTITY_SID, IDENTITY, LINKS, Property, SERVICE_SID, Schema, UPDATED, URL,
    property,
};
use crate::openapi::kind::Kind;
use crate::openapi::words::{
    CHALLENGE_FACTOR_TYPES, CHALLENGE_REASONS, CHALLENGE_STATUSES, CREDENTIAL_TYPES,
    FACTOR_STATUSES, FACTOR_TYPES, FORM_TYPES, NEW_FACTOR_STATUSES, NEW_FACTOR_TYPES,
    TOKEN_FACTOR_TYPES, WEBHOOK_METHODS, WEBHOOK_STATUSES, WEBHOOK_VERSIONS,
};

const KEPT: &str = "As it was set.";
const CONFIG: &str = "`sdk_version`, `app_id`, `notification_platform`, `notification_token`, and `credential_sid`: \
                      the `kid` of the device's tokens.";
const METADATA: &str = "What the application keeps with it: an object of texts.";
const NAME: Property = property("friendly_name", Kind::Text, "What it is called.");

pub(super) const ALL: &[Schema] = &[
    Schema { name: "verify.v2.service", words: "One application's settings.", properties: SERVICE },
    Schema {
        name: "verify.v2.service.entity",
        words: "A person, under the application's name for them.",
        properties: ENTITY,
    },
    Schema {
        name: "verify.v2.service.entity.factor",
        words: "One device of a person.",
        properties: FACTOR,
    },
    Schema {
        name: "verify.v2.service.entity.new_factor",
        words: "One device of a person, as its enrolment answers.",
        properties: NEW_FACTOR,
    },
    Schema {
        name: "verify.v2.service.entity.challenge",
        words: "A question to one device.",
        properties: CHALLENGE,
    },
    Schema {
        name: "verify.v2.service.entity.challenge.notification",
        words: "One push of a challenge.",
        properties: &NOTIFICATION,
    },
    Schema {
        name: "verify.v2.service.access_token",
        words: "The right to enrol one factor, for a device.",
        properties: ACCESS_TOKEN,
    },
    Schema {
        name: "verify.v2.service.webhook",
        words: "Where an application hears what happened.",
        properties: WEBHOOK,
    },
    Schema {
        name: "verify.v2.form",
        words: "What a form must ask, as JSON Schemas.",
        properties: FORM,
    },
    Schema {
        name: "notify.v1.credential",
        words: "What a push service wants to see. Secrets are never shown.",
        properties: CREDENTIAL,
    },
];

const SERVICE: &[Property] = &[
    property("sid", Kind::Sid("VA"), "Names the service."),
    ACCOUNT,
    NAME,
    property("code_length", Kind::Count, "Digits of a code."),
    property("lookup_enabled", Kind::Flag, KEPT),
    property("psd2_enabled", Kind::Flag, KEPT),
    property("skip_sms_to_landlines", Kind::Flag, KEPT),
    property("dtmf_input_required", Kind::Flag, KEPT),
    property("tts_name", Kind::Text, KEPT),
    property("do_not_share_warning_enabled", Kind::Flag, KEPT),
    property("custom_code_enabled", Kind::Flag, KEPT),
    property("push", Kind::Any, "`include_date`, `apn_credential_sid`, `fcm_credential_sid`."),
    property("totp", Kind::Any, "`issuer`, `time_step`, `code_length`, `skew`."),
    property("default_template_sid", Kind::Sid("HJ"), KEPT),
    property("whatsapp", Kind::Any, "`msg_service_sid`, `from`."),
    property(
        "passkeys",
        Kind::Any,
        "`relying_party` (`id`, `name`, `origins`), `authenticator_attachment`, `discoverable_credentials`, \
         `user_verification`.",
    ),
    property("verify_event_subscription_enabled", Kind::Flag, KEPT),
    CREATED,
    UPDATED,
    URL,
    LINKS,
];

const ENTITY: &[Property] = &[
    property("sid", Kind::Sid("YE"), "Names the entity; its URL holds the identity instead."),
    IDENTITY,
    ACCOUNT,
    SERVICE_SID,
    CREATED,
    UPDATED,
    URL,
    LINKS,
];

const FACTOR: &[Property] = &[
    property("sid", Kind::Sid("YF"), "Names the factor."),
    ACCOUNT,
    SERVICE_SID,
    ENTITY_SID,
    IDENTITY,
    CREATED,
    UPDATED,
    NAME,
    property("status", Kind::Named(&FACTOR_STATUSES), ""),
    property("factor_type", Kind::Named(&FACTOR_TYPES), ""),
    property("config", Kind::Any, CONFIG),
    property("metadata", Kind::Any, METADATA),
    URL,
];

const NEW_FACTOR: &[Property] = &[
    property("sid", Kind::Sid("YF"), "Names the factor."),
    ACCOUNT,
    SERVICE_SID,
    ENTITY_SID,
    IDENTITY,
    property("binding", Kind::Any, "`alg` and `public_key`, as they were taken. Shown only here."),
    property("options", Kind::Any, "Null for a push factor."),
    CREATED,
    UPDATED,
    NAME,
    property("status", Kind::Named(&NEW_FACTOR_STATUSES), ""),
    property("factor_type", Kind::Named(&NEW_FACTOR_TYPES), ""),
    property("config", Kind::Any, CONFIG),
    property("metadata", Kind::Any, METADATA),
    URL,
];

const CHALLENGE: &[Property] = &[
    property("sid", Kind::Sid("YC"), "Names the challenge."),
    ACCOUNT,
    SERVICE_SID,
    ENTITY_SID,
    IDENTITY,
    property("factor_sid", Kind::Sid("YF"), "The factor whose device is asked."),
    CREATED,
    UPDATED,
    property("date_responded", Kind::Date, "When the answer came; null without one."),
    property("expiration_date", Kind::Date, "From when on no answer is taken."),
    property("status", Kind::Named(&CHALLENGE_STATUSES), ""),
    property("responded_reason", Kind::Named(&CHALLENGE_REASONS), ""),
    property(
        "details",
        Kind::Any,
        "What the person is shown: `message`, `fields` (each with `label` and `value`) and, if the service asks for \
         it, `date`.",
    ),
    property(
        "hidden_details",
        Kind::Any,
        "What only the device is told: null or an object of texts.",
    ),
    property("metadata", Kind::Any, METADATA),
    property("factor_type", Kind::Named(&CHALLENGE_FACTOR_TYPES), ""),
    URL,
    LINKS,
];

/// The nine of a notification.
pub(super) const NOTIFICATION: [Property; 9] = [
    property("sid", Kind::Sid("NT"), "Names the notification."),
    ACCOUNT,
    SERVICE_SID,
    ENTITY_SID,
    IDENTITY,
    property("challenge_sid", Kind::Sid("YC"), "The challenge that is pushed."),
    property("priority", Kind::Text, "Always `high`: sent at once, and it may wake a device."),
    property("ttl", Kind::Count, "For how many seconds delivery is tried, as it was asked for."),
    CREATED,
];

const ACCESS_TOKEN: &[Property] = &[
    property("sid", Kind::Sid("YK"), "Names the token."),
    ACCOUNT,
    SERVICE_SID,
    property("entity_identity", Kind::Text, "For whom a factor may be enrolled."),
    property("factor_type", Kind::Named(&TOKEN_FACTOR_TYPES), ""),
    property("factor_friendly_name", Kind::Text, "A name for the factor."),
    property(
        "token",
        Kind::Text,
        "What the device sends as its password, with the user name `token`. Good once.",
    ),
    URL,
    property("ttl", Kind::Count, "For how many seconds it is good."),
    CREATED,
];

const WEBHOOK: &[Property] = &[
    property("sid", Kind::Sid("YW"), "Names the webhook."),
    SERVICE_SID,
    ACCOUNT,
    NAME,
    property("event_types", Kind::Texts, "What it hears."),
    property("status", Kind::Named(&WEBHOOK_STATUSES), ""),
    property("version", Kind::Named(&WEBHOOK_VERSIONS), ""),
    property("webhook_url", Kind::Url, "Where it listens."),
    property("webhook_method", Kind::Named(&WEBHOOK_METHODS), ""),
    CREATED,
    UPDATED,
    URL,
];

const FORM: &[Property] = &[
    property("form_type", Kind::Named(&FORM_TYPES), ""),
    property(
        "forms",
        Kind::Any,
        "JSON Schemas (draft-07) by name: `create_factor`, `verify_factor`, `create_challenge`.",
    ),
    property("form_meta", Kind::Any, "An empty object."),
    URL,
];

const CREDENTIAL: &[Property] = &[
    property("sid", Kind::Sid("CR"), "Names the credential."),
    ACCOUNT,
    NAME,
    property("type", Kind::Named(&CREDENTIAL_TYPES), ""),
    property("sandbox", Kind::Text, "For `apn`: `True` or `False`, as text."),
    CREATED,
    UPDATED,
    URL,
];
