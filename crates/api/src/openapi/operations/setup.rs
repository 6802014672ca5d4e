//! What an application sets up, and what an operator asks.

use super::Answer::{Deleted, Described, Listed, Made, Shown};
use super::{Callers, Operation, delete, get, post};
use crate::openapi::bodies;
use crate::rows;

const SERVICES: &str = "VerifyV2Service";
const ENTITIES: &str = "VerifyV2Entity";
const ACCESS_TOKENS: &str = "VerifyV2AccessToken";
const WEBHOOKS: &str = "VerifyV2Webhook";
const FORMS: &str = "VerifyV2Form";
const CREDENTIALS: &str = "NotifyV1Credential";
const SERVER: &str = "CountersignServer";

pub(super) static ALL: &[Operation] = &[
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
        "/v2/Services/{ServiceSid}/Webhooks/{Sid}/Secret",
        (WEBHOOKS, "FetchWebhookSecret"),
        Shown("webhook_secret"),
        "Ours: shows the secret that our own signature of this webhook's calls is made with.",
    ),
    get(
        "/v2/Services/{ServiceSid}/WebPushKey",
        (SERVICES, "FetchWebPushKey"),
        Shown("web_push_key"),
        "Ours: shows the key that a page hands to its browser to subscribe to pushes of this service.",
    ),
    get(
        "/v2/Services/{ServiceSid}/Name",
        (SERVICES, "FetchServiceName"),
        Shown("service_name"),
        "Ours: shows what the service is called now, for devices and for access tokens of it.",
    )
    .by(Callers::Own),
    get("/openapi.json", (SERVER, "FetchDescription"), Described, "Ours: shows this description.")
        .by(Callers::Anybody),
    get(
        "/healthz",
        (SERVER, "FetchHealth"),
        Shown("server_status"),
        "Ours: whether the process is alive.",
    )
    .by(Callers::Anybody),
    get(
        "/readyz",
        (SERVER, "FetchReadiness"),
        Shown("server_readiness"),
        "Ours: whether the server may be sent requests.",
    )
    .by(Callers::Anybody)
    .refusing(&[&rows::UNAVAILABLE]),
];
