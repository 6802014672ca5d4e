//! The error table, and the responses that callers get.

use std::fmt::Write as _;
use std::time::Duration;

use axum::response::IntoResponse as _;
use countersign_domain::challenge::ChallengeClosedError;
use countersign_domain::credential::CredentialPart;
use countersign_domain::device_token::DeviceTokenError;
use countersign_domain::factor::FactorType;
use countersign_domain::invalid::Invalid;
use countersign_domain::jws::JwsError;
use countersign_domain::presence_check::CodeRefusal;
use countersign_domain::protection::PauseReason;
use countersign_domain::service_form::ServiceParameter;
use countersign_domain::sid::FactorSid;
use countersign_store::StoreError;
use countersign_verify::{AuthError, Parameter, VerifyError};
use http::HeaderValue;
use http_body_util::BodyExt as _;
use rstest::rstest;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::rows::{self, Row};

const PATH: &str = "/v2/Services/VA1";

async fn seen(error: ApiError) -> (http::HeaderMap, Value) {
    let mut response = error.clone().into_response();
    error.write(&mut response, PATH, &HeaderValue::from_static("RQ1"));
    let (parts, body) = response.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(body["status"], parts.status.as_u16());
    (parts.headers, body)
}

#[test]
fn the_table() {
    let mut table = String::new();
    for Row { code, status, text, naming, parameter, reason, retry_after } in rows::ALL {
        let retry = retry_after.map(|seconds| format!(" (retry after {seconds} s)"));
        let naming = naming.map(|naming| format!(" | {naming}"));
        let (retry, naming) = (retry.unwrap_or_default(), naming.unwrap_or_default());
        writeln!(table, "{code} {} {text}{naming}{retry}", status.as_u16()).expect("a string");
        if parameter.is_some() || reason.is_some() {
            let (parameter, reason) = (parameter.unwrap_or("-"), reason.unwrap_or("-"));
            writeln!(table, "      {parameter}: {reason}").expect("a string");
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn an_error_has_retry_after_only_where_waiting_alone_helps() {
    let limits = rows::ALL.iter().filter(|row| matches!(row.status.as_u16(), 429 | 503));
    let helps: Vec<_> =
        limits.filter(|row| row.retry_after.is_some()).map(|row| row.code).collect();
    assert_eq!(helps, [20429, 20503, 60328]);
}

#[tokio::test]
async fn every_error_of_a_use_case_has_a_row() {
    let why = || Invalid::because("must be better");
    let refusals = [
        VerifyError::NotFound,
        VerifyError::FactorNotFound(FactorSid::from_bytes([3; 16])),
        VerifyError::Forbidden,
        VerifyError::ServiceParameter(ServiceParameter::ApnCredential, why()),
        VerifyError::Parameter(Parameter::Expiry, why()),
        VerifyError::Parameter(Parameter::Credential(CredentialPart::Secret), why()),
        VerifyError::EntityExists,
        VerifyError::TooManyEntities,
        VerifyError::TooManyRequests,
        VerifyError::FactorExists,
        VerifyError::TooManyFactors(FactorType::Push, 20),
        VerifyError::TooManyFactors(FactorType::Totp, 7),
        VerifyError::TooManyFactorsToday,
        VerifyError::TooManyWebhooks(20),
        VerifyError::TooManyIntegrations(100),
        VerifyError::TokenNotForThis(why()),
        VerifyError::FactorNotProved(why()),
        VerifyError::FactorUnverified,
        VerifyError::TooManyChallenges,
        VerifyError::TooManyPending,
        VerifyError::TooManyInARow(Duration::from_millis(1_500)),
        VerifyError::Paused(PauseReason::Reported),
        ChallengeClosedError::Expired.into(),
        ChallengeClosedError::AnsweredElsewhere.into(),
        ChallengeClosedError::AlreadyAnswered.into(),
        VerifyError::AnswerMalformed,
        VerifyError::AnswerRejected(why()),
        VerifyError::WrongNumber(1),
        VerifyError::WrongNumber(0),
        VerifyError::PresenceCode(CodeRefusal::Unanswered),
        VerifyError::PresenceCode(CodeRefusal::Denied),
        VerifyError::PresenceCode(CodeRefusal::Late),
        VerifyError::PresenceCode(CodeRefusal::NoTryLeft),
        VerifyError::TooManyAnswers,
        VerifyError::PlatformNone,
        VerifyError::TooManyNotifications,
        VerifyError::Conflict,
        StoreError::Unavailable("disk full at /secret".into()).into(),
        StoreError::Corrupt("row 7 of secrets".into()).into(),
    ];
    let mut bodies = String::new();
    for refusal in refusals {
        let (_, body) = seen(refusal.clone().into()).await;
        assert!(!body.to_string().contains("secret"), "{body}");
        writeln!(bodies, "{refusal:?}\n  {body}").expect("a string");
    }
    insta::assert_snapshot!(bodies);
}

#[rstest]
#[case(AuthError::Unknown, 20003)]
#[case(AuthError::AccessToken, 20101)]
#[case(AuthError::AccessTokenExpired(Duration::from_secs(700)), 20104)]
#[case(DeviceTokenError::Form(JwsError::Parts).into(), 20152)]
#[case(DeviceTokenError::ContentType.into(), 20152)]
#[case(DeviceTokenError::KeyId.into(), 20152)]
#[case(DeviceTokenError::NoSubject.into(), 20153)]
#[case(DeviceTokenError::Signature.into(), 20151)]
#[case(DeviceTokenError::Subject.into(), 20153)]
#[case(DeviceTokenError::Claim("exp").into(), 20154)]
#[case(DeviceTokenError::Nonce.into(), 20154)]
#[case(DeviceTokenError::NotYetValid(Duration::from_secs(700)).into(), 20105)]
#[case(DeviceTokenError::Expired(Duration::from_secs(700)).into(), 20156)]
#[case(DeviceTokenError::TooLong.into(), 20157)]
#[tokio::test]
async fn bad_credentials_are_a_401(#[case] fault: AuthError, #[case] code: u32) {
    let (headers, body) = seen(fault.into()).await;
    assert_eq!((&body["status"], &body["code"]), (&json!(401), &json!(code)));
    assert!(body["details"]["reason"].as_str().is_some_and(|why| !why.is_empty()), "{body}");
    assert_eq!(headers["www-authenticate"], "Basic realm=\"Twilio API\"");
}

#[tokio::test]
async fn the_error_of_a_wrong_clock_contains_the_skew() {
    let fault = AuthError::from(DeviceTokenError::Expired(Duration::from_secs(700)));
    let (_, body) = seen(fault.into()).await;
    assert_eq!(body["details"], json!({"reason": "expired 700 s ago"}));
}

#[tokio::test]
async fn an_error_names_the_parameter_without_the_keys_that_sdks_treat_specially() {
    let error = ApiError::parameter(&rows::OTHER_PARAMETER, "Ttl", Invalid::because("must be 0"));
    let (_, body) = seen(error).await;
    let expected = json!({
        "code": 60300,
        "message": "Invalid parameter: Ttl",
        "more_info": "https://www.twilio.com/docs/errors/60300",
        "status": 400,
        "details": {"parameter": "Ttl", "reason": "must be 0"},
    });
    assert_eq!(body, expected);
    let (_, body) = seen(ApiError::missing("FriendlyName", "is required")).await;
    let message = "Missing required parameter FriendlyName in the post body";
    assert_eq!((&body["code"], &body["message"]), (&json!(20001), &json!(message)));
    assert_eq!(body["details"], json!({"parameter": "FriendlyName", "reason": "is required"}));
}

#[rstest]
#[case("/v2/Services/VA1", "/Services/VA1")]
#[case("/v1/Credentials/CR1", "/Credentials/CR1")]
#[case("/v22", "/v22")]
#[case("/v2", "/v2")]
#[case("/", "/")]
#[tokio::test]
async fn a_404_names_the_path_without_its_version(#[case] path: &str, #[case] shown: &str) {
    let error = ApiError::from(&rows::NOT_FOUND);
    let mut response = error.clone().into_response();
    error.write(&mut response, path, &HeaderValue::from_static("RQ1"));
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(body["message"], format!("The requested resource {shown} was not found"));
}
