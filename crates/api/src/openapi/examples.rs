//! One answer of each kind, as it comes over the wire.

use serde_json::{Value, json};

const AC: &str = "AC00000000000000000000000000000001";
const CR: &str = "CRaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const ID: &str = "ff483d1ff591898a9942916050d2ca3f";
const NT: &str = "NT00000000000000000000000000000001";
const VA: &str = "VA00000000000000000000000000000001";
const YC: &str = "YC03f1e2d3c4b5a69788796a5b4c3d2e1f";
const YE: &str = "YE00000000000000000000000000000001";
const YF: &str = "YF03a1b2c3d4e5f60718293a4b5c6d7e8f";
const YK: &str = "YK00000000000000000000000000000001";
const YW: &str = "YW00000000000000000000000000000001";
const AT: &str = "2023-11-14T22:13:20Z";
const KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Z5\
                   A/4QCLi8maQa6elWKLxk8vGyDC1+n1F3o8KU1EYimQ==";

/// An example of what the named schema describes.
pub(super) fn of(schema: &str, base: &str) -> Value {
    let service = format!("{base}/v2/Services/{VA}");
    let entity = format!("{service}/Entities/{ID}");
    let challenge = format!("{entity}/Challenges/{YC}");
    match schema {
        "verify.v2.service" => self::service(&service),
        "verify.v2.service.entity" => json!({
            "sid": YE, "identity": ID, "account_sid": AC, "service_sid": VA,
            "date_created": AT, "date_updated": AT, "url": entity,
            "links": {
                "factors": format!("{entity}/Factors"),
                "new_factors": format!("{entity}/Factors"),
                "challenges": format!("{entity}/Challenges"),
            },
        }),
        "verify.v2.service.entity.factor" => factor(&entity, "verified"),
        "verify.v2.service.entity.new_factor" => {
            let mut factor = factor(&entity, "unverified");
            factor["binding"] = json!({"alg": "ES256", "public_key": KEY});
            factor["options"] = Value::Null;
            factor
        }
        "verify.v2.service.entity.challenge" => self::challenge(&challenge),
        "verify.v2.service.entity.challenge.notification" => notification(),
        "notification_details" => details(&challenge),
        "verify.v2.service.access_token" => json!({
            "sid": YK, "account_sid": AC, "service_sid": VA, "entity_identity": ID, "factor_type": "push",
            "factor_friendly_name": "Ann's phone", "token": "eyJ…", "ttl": 60, "date_created": AT,
            "url": format!("{service}/AccessTokens/{YK}"),
        }),
        "verify.v2.service.webhook" => json!({
            "sid": YW, "account_sid": AC, "service_sid": VA, "friendly_name": "name",
            "event_types": ["factor.deleted", "factor.verified"], "webhook_method": "POST",
            "webhook_url": "https://owlbank.example.com/hook", "status": "enabled", "version": "v2",
            "date_created": AT, "date_updated": AT, "url": format!("{service}/Webhooks/{YW}"),
        }),
        "verify.v2.form" => json!({
            "form_type": "form-push", "forms": crate::forms::push_forms(), "form_meta": {},
            "url": format!("{base}/v2/Forms/form-push"),
        }),
        "notify.v1.credential" => json!({
            "sid": CR, "account_sid": AC, "friendly_name": "ios prod", "type": "apn", "sandbox": "False",
            "date_created": AT, "date_updated": AT, "url": format!("{base}/v1/Credentials/{CR}"),
        }),
        "webhook_secret" => json!({
            "sid": YW, "secret": "q83vEjRWeJq83vEjRWeJq83vEjRWeJq83vEjRWeJq80",
        }),
        "web_push_key" => json!({
            "service_sid": VA,
            "public_key": "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8",
        }),
        "service_name" => json!({ "service_sid": VA, "friendly_name": "owlbank" }),
        "server_status" => json!({"status": "ok"}),
        "server_readiness" => json!({"status": "ready", "bus": null}),
        _ => Value::Null,
    }
}

/// A list of one.
pub(super) fn page(path: &str, key: &str, schema: &str, base: &str) -> Value {
    let path =
        path.replace("{ServiceSid}", VA).replace("{Identity}", ID).replace("{ChallengeSid}", YC);
    let url = format!("{base}{path}?PageSize=50&Page=0");
    json!({
        key: [of(schema, base)],
        "meta": {
            "page": 0, "page_size": 50, "first_page_url": url, "previous_page_url": null, "url": url,
            "next_page_url": null, "key": key,
        },
    })
}

fn service(url: &str) -> Value {
    let below = |name: &str| format!("{url}/{name}");
    json!({
        "sid": VA, "account_sid": AC, "friendly_name": "owlbank", "code_length": 6, "lookup_enabled": false,
        "psd2_enabled": false, "skip_sms_to_landlines": false, "dtmf_input_required": false, "tts_name": null,
        "do_not_share_warning_enabled": false, "custom_code_enabled": false,
        "push": {"include_date": false, "apn_credential_sid": CR, "fcm_credential_sid": null},
        "totp": {"issuer": null, "time_step": 30, "code_length": 6, "skew": 1},
        "whatsapp": {"msg_service_sid": null, "from": null},
        "passkeys": {
            "relying_party": {"id": null, "name": null, "origins": null}, "authenticator_attachment": null,
            "discoverable_credentials": null, "user_verification": null,
        },
        "default_template_sid": null, "verify_event_subscription_enabled": false,
        "date_created": AT, "date_updated": AT, "url": url,
        "links": {
            "verification_checks": below("VerificationCheck"), "verifications": below("Verifications"),
            "rate_limits": below("RateLimits"), "messaging_configurations": below("MessagingConfigurations"),
            "entities": below("Entities"), "webhooks": below("Webhooks"), "access_tokens": below("AccessTokens"),
        },
    })
}

fn factor(entity: &str, status: &str) -> Value {
    json!({
        "sid": YF, "account_sid": AC, "service_sid": VA, "entity_sid": YE, "identity": ID,
        "date_created": AT, "date_updated": AT, "friendly_name": "Ann's phone", "status": status,
        "factor_type": "push",
        "config": {
            "sdk_version": "0.9.0", "app_id": "com.example.myapp", "notification_platform": "fcm",
            "notification_token": "…", "credential_sid": "CR0123456789abcdef0123456789abcdef",
        },
        "metadata": {"os": "Android"}, "url": format!("{entity}/Factors/{YF}"),
    })
}

fn challenge(url: &str) -> Value {
    json!({
        "sid": YC, "account_sid": AC, "service_sid": VA, "entity_sid": YE, "identity": ID, "factor_sid": YF,
        "date_created": AT, "date_updated": AT, "date_responded": null,
        "expiration_date": "2023-11-14T22:18:20Z", "status": "pending", "responded_reason": "none",
        "details": {
            "message": "Login to Owl Bank?", "fields": [{"label": "Path", "value": "/login"}],
        },
        "hidden_details": null, "metadata": null, "factor_type": "push", "url": url,
        "links": {"notifications": format!("{url}/Notifications")},
    })
}

fn notification() -> Value {
    json!({
        "sid": NT, "account_sid": AC, "service_sid": VA, "entity_sid": YE, "identity": ID, "challenge_sid": YC,
        "priority": "high", "ttl": 150, "date_created": "2023-11-14T22:14:00Z",
    })
}

fn details(challenge: &str) -> Value {
    let mut details = notification();
    details["automatic"] = false.into();
    details["status"] = "queued".into();
    details["status_reason"] = "retrying".into();
    details["error_code"] = Value::Null;
    details["date_updated"] = "2023-11-14T22:14:01Z".into();
    details["attempts"] = json!([{
        "date": "2023-11-14T22:14:00Z", "platform": "fcm", "outcome": "later", "provider_status": 503,
        "provider_reason": "UNAVAILABLE", "error_code": 52110, "duration_ms": 87,
    }]);
    details["url"] = format!("{challenge}/Notifications/{NT}").into();
    details
}
