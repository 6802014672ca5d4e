//! The table.

use super::Answer::{Deleted, Listed, Made, Shown, Upgraded};
use super::{Answer, Callers, Method, Operation};
use crate::openapi::bodies;
use crate::openapi::kind::Kind;
use crate::openapi::parameter::{Parameter, optional};
use crate::openapi::words::{CHALLENGE_STATUSES, ORDERS};
use crate::rows;

type Names = (&'static str, &'static str);

const fn get(path: &'static str, names: Names, answer: Answer, words: &'static str) -> Operation {
    Operation::new(Method::Get, path, names, answer, words)
}

const fn post(path: &'static str, names: Names, answer: Answer, words: &'static str) -> Operation {
    Operation::new(Method::Post, path, names, answer, words)
}

const fn delete(path: &'static str, names: Names, answer: Answer, words: &'static str) -> Operation {
    Operation::new(Method::Delete, path, names, answer, words)
}

const SERVICES: &str = "VerifyV2Service";
const ENTITIES: &str = "VerifyV2Entity";
const FACTORS: &str = "VerifyV2Factor";
const NEW_FACTORS: &str = "VerifyV2NewFactor";
const CHALLENGES: &str = "VerifyV2Challenge";
const NOTIFICATIONS: &str = "VerifyV2Notification";
const ACCESS_TOKENS: &str = "VerifyV2AccessToken";
const WEBHOOKS: &str = "VerifyV2Webhook";
const FORMS: &str = "VerifyV2Form";
const CREDENTIALS: &str = "NotifyV1Credential";
const STREAMS: &str = "CountersignStream";
const HEALTH: &str = "CountersignHealth";

const CHALLENGE_LIST: &[Parameter] = &[
    optional("FactorSid", Kind::Sid("YF"), "Only challenges of this factor."),
    optional("Status", Kind::Named(&CHALLENGE_STATUSES), "Only challenges that stand there."),
    optional("Order", Kind::Named(&ORDERS), "By creation; `asc` if absent."),
];

const CHALLENGE_FETCH: &[Parameter] = &[optional(
    "WaitSeconds",
    Kind::Whole(0..=50),
    "Ours: while the challenge is pending, wait for the answer or the expiry, at most so many seconds.",
)];

/// All of them, grouped by what they are about.
pub(crate) static ALL: &[Operation] = &[
    get(
        "/v2/Services",
        (SERVICES, "ListService"),
        Listed("services", "verify.v2.service"),
        "Lists the account's services, oldest first.",
    ),
    post(
        "/v2/Services",
        (SERVICES, "CreateService"),
        Made("verify.v2.service"),
        "Makes a service.",
    )
    .form(bodies::SERVICE)
    .refusing(&[&rows::SERVICE_PARAMETER]),
    get(
        "/v2/Services/{Sid}",
        (SERVICES, "FetchService"),
        Shown("verify.v2.service"),
        "Shows a service.",
    ),
    post(
        "/v2/Services/{Sid}",
        (SERVICES, "UpdateService"),
        Shown("verify.v2.service"),
        "Changes what is given; an empty text takes a value back.",
    )
    .form(bodies::SERVICE_UPDATE)
    .refusing(&[&rows::SERVICE_PARAMETER, &rows::CONFLICT]),
    delete(
        "/v2/Services/{Sid}",
        (SERVICES, "DeleteService"),
        Deleted,
        "Deletes a service and everything in it.",
    ),
    get(
        "/v2/Services/{ServiceSid}/Entities",
        (ENTITIES, "ListEntity"),
        Listed("entities", "verify.v2.service.entity"),
        "Lists a service's entities, oldest first.",
    ),
    post(
        "/v2/Services/{ServiceSid}/Entities",
        (ENTITIES, "CreateEntity"),
        Made("verify.v2.service.entity"),
        "Makes an entity. The first factor of an identity makes one too.",
    )
    .form(bodies::ENTITY)
    .refusing(&[&rows::ENTITY_EXISTS, &rows::TOO_MANY_ENTITIES]),
    get(
        "/v2/Services/{ServiceSid}/Entities/{Identity}",
        (ENTITIES, "FetchEntity"),
        Shown("verify.v2.service.entity"),
        "Shows an entity.",
    ),
    delete(
        "/v2/Services/{ServiceSid}/Entities/{Identity}",
        (ENTITIES, "DeleteEntity"),
        Deleted,
        "Deletes an entity with its factors and challenges. The identity can be used again at once.",
    ),
    get(
        "/v2/Services/{ServiceSid}/Entities/{Identity}/Factors",
        (FACTORS, "ListFactor"),
        Listed("factors", "verify.v2.service.entity.factor"),
        "Lists an entity's factors, oldest first.",
    ),
    post(
        "/v2/Services/{ServiceSid}/Entities/{Identity}/Factors",
        (NEW_FACTORS, "CreateNewFactor"),
        Made("verify.v2.service.entity.new_factor"),
        "Enrols a device, which is unverified until it proves that it holds its key, and forgotten if it does not within 24 hours. Makes the entity if there is none.",
    )
    .by(Callers::Enrolling)
    .form(bodies::FACTOR)
    .refusing(&[&rows::BINDING, &rows::UNSUPPORTED, &rows::TOKEN_NOT_FOR_THIS, &rows::TOO_MANY_FACTORS, &rows::FACTOR_EXISTS, &rows::TOO_MANY_FACTORS_TODAY, &rows::TOO_MANY_ENTITIES]),
    get(
        "/v2/Services/{ServiceSid}/Entities/{Identity}/Factors/{Sid}",
        (FACTORS, "FetchFactor"),
        Shown("verify.v2.service.entity.factor"),
        "Shows a factor.",
    )
    .by(Callers::Device),
    post(
        "/v2/Services/{ServiceSid}/Entities/{Identity}/Factors/{Sid}",
        (FACTORS, "UpdateFactor"),
        Shown("verify.v2.service.entity.factor"),
        "Changes what is given. With `AuthPayload` it verifies the factor.",
    )
    .by(Callers::Device)
    .form(bodies::FACTOR_UPDATE)
    .refusing(&[&rows::FACTOR_NOT_PROVED]),
    delete(
        "/v2/Services/{ServiceSid}/Entities/{Identity}/Factors/{Sid}",
        (FACTORS, "DeleteFactor"),
        Deleted,
        "Deletes a factor. Nobody can answer its challenges any more.",
    )
    .by(Callers::Device),
    get(
        "/v2/Services/{ServiceSid}/Entities/{Identity}/Factors/{FactorSid}/Stream",
        (STREAMS, "OpenStream"),
        Upgraded,
        "Ours: the WebSocket of a factor of platform `stream`. The first frames say who is calling, see docs/device-stream.md.",
    )
    .by(Callers::Anybody)
    .refusing(&[&rows::UPGRADE_REQUIRED]),
    get(
        "/v2/Services/{ServiceSid}/Entities/{Identity}/Challenges",
        (CHALLENGES, "ListChallenge"),
        Listed("challenges", "verify.v2.service.entity.challenge"),
        "Lists an entity's challenges; a device sees those of its own factor.",
    )
    .by(Callers::Device)
    .query(CHALLENGE_LIST),
    post(
        "/v2/Services/{ServiceSid}/Entities/{Identity}/Challenges",
        (CHALLENGES, "CreateChallenge"),
        Made("verify.v2.service.entity.challenge"),
        "Asks a device, and sends the first push by itself. Does not wait for the push, and does not fail with it.",
    )
    .form(bodies::CHALLENGE)
    .refusing(&[&rows::FACTOR_UNVERIFIED, &rows::TOO_MANY_CHALLENGES]),
    get(
        "/v2/Services/{ServiceSid}/Entities/{Identity}/Challenges/{Sid}",
        (CHALLENGES, "FetchChallenge"),
        Shown("verify.v2.service.entity.challenge"),
        "Shows a challenge, at once or as soon as it is no longer pending.",
    )
    .by(Callers::Device)
    .query(CHALLENGE_FETCH),
    post(
        "/v2/Services/{ServiceSid}/Entities/{Identity}/Challenges/{Sid}",
        (CHALLENGES, "UpdateChallenge"),
        Shown("verify.v2.service.entity.challenge"),
        "Answers a challenge, once and for all, or keeps notes with it.",
    )
    .by(Callers::Device)
    .form(bodies::CHALLENGE_UPDATE)
    .refusing(&[&rows::ALREADY_ANSWERED, &rows::CHALLENGE_EXPIRED, &rows::ANSWER_REJECTED, &rows::TOO_MANY_ANSWERS]),
    get(
        "/v2/Services/{ServiceSid}/Entities/{Identity}/Challenges/{ChallengeSid}/Notifications",
        (NOTIFICATIONS, "ListNotification"),
        Listed("notifications", "notification_details"),
        "Ours: lists a challenge's notifications, the automatic one first, each with how its delivery goes.",
    ),
    post(
        "/v2/Services/{ServiceSid}/Entities/{Identity}/Challenges/{ChallengeSid}/Notifications",
        (NOTIFICATIONS, "CreateNotification"),
        Made("verify.v2.service.entity.challenge.notification"),
        "Pushes a challenge once more. 201 means that the notification is kept, and delivered if that is possible within its TTL.",
    )
    .form(bodies::NOTIFICATION)
    .refusing(&[&rows::OTHER_PARAMETER, &rows::PLATFORM_NONE, &rows::ALREADY_ANSWERED, &rows::CHALLENGE_EXPIRED, &rows::TOO_MANY_NOTIFICATIONS]),
    get(
        "/v2/Services/{ServiceSid}/Entities/{Identity}/Challenges/{ChallengeSid}/Notifications/{Sid}",
        (NOTIFICATIONS, "FetchNotification"),
        Shown("notification_details"),
        "Ours: shows a notification and how its delivery goes.",
    ),
    post(
        "/v2/Services/{ServiceSid}/AccessTokens",
        (ACCESS_TOKENS, "CreateAccessToken"),
        Made("verify.v2.service.access_token"),
        "Makes a token with which a device can enrol one factor.",
    )
    .form(bodies::ACCESS_TOKEN)
    .refusing(&[&rows::ACCESS_TOKEN_PARAMETER]),
    get(
        "/v2/Services/{ServiceSid}/AccessTokens/{Sid}",
        (ACCESS_TOKENS, "FetchAccessToken"),
        Shown("verify.v2.service.access_token"),
        "Shows a token until it expires.",
    ),
    get(
        "/v2/Services/{ServiceSid}/Webhooks",
        (WEBHOOKS, "ListWebhook"),
        Listed("webhooks", "verify.v2.service.webhook"),
        "Lists a service's webhooks, oldest first.",
    ),
    post(
        "/v2/Services/{ServiceSid}/Webhooks",
        (WEBHOOKS, "CreateWebhook"),
        Made("verify.v2.service.webhook"),
        "Makes a webhook.",
    )
    .form(bodies::WEBHOOK),
    get(
        "/v2/Services/{ServiceSid}/Webhooks/{Sid}",
        (WEBHOOKS, "FetchWebhook"),
        Shown("verify.v2.service.webhook"),
        "Shows a webhook.",
    ),
    post(
        "/v2/Services/{ServiceSid}/Webhooks/{Sid}",
        (WEBHOOKS, "UpdateWebhook"),
        Shown("verify.v2.service.webhook"),
        "Changes what is given.",
    )
    .form(bodies::WEBHOOK_UPDATE)
    .refusing(&[&rows::CONFLICT]),
    delete(
        "/v2/Services/{ServiceSid}/Webhooks/{Sid}",
        (WEBHOOKS, "DeleteWebhook"),
        Deleted,
        "Deletes a webhook.",
    ),
    get(
        "/v2/Forms/{FormType}",
        (FORMS, "FetchForm"),
        Shown("verify.v2.form"),
        "Shows what a form must ask, as JSON Schemas.",
    ),
    get(
        "/v1/Credentials",
        (CREDENTIALS, "ListCredential"),
        Listed("credentials", "notify.v1.credential"),
        "Lists the account's push credentials, oldest first.",
    ),
    post(
        "/v1/Credentials",
        (CREDENTIALS, "CreateCredential"),
        Made("notify.v1.credential"),
        "Keeps a push credential.",
    )
    .form(bodies::CREDENTIAL)
    .refusing(&[&rows::OTHER_PARAMETER]),
    get(
        "/v1/Credentials/{Sid}",
        (CREDENTIALS, "FetchCredential"),
        Shown("notify.v1.credential"),
        "Shows a push credential, its secrets apart.",
    ),
    post(
        "/v1/Credentials/{Sid}",
        (CREDENTIALS, "UpdateCredential"),
        Shown("notify.v1.credential"),
        "Changes what is given; the type stays.",
    )
    .form(bodies::CREDENTIAL_UPDATE)
    .refusing(&[&rows::OTHER_PARAMETER, &rows::CONFLICT]),
    delete(
        "/v1/Credentials/{Sid}",
        (CREDENTIALS, "DeleteCredential"),
        Deleted,
        "Deletes a push credential.",
    ),
    get(
        "/healthz",
        (HEALTH, "FetchHealth"),
        Shown("server_status"),
        "Ours: whether the process is alive.",
    )
    .by(Callers::Anybody),
    get(
        "/readyz",
        (HEALTH, "FetchReadiness"),
        Shown("server_status"),
        "Ours: whether the server may be sent requests.",
    )
    .by(Callers::Anybody)
    .refusing(&[&rows::UNAVAILABLE]),
];
