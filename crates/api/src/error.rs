//! Errors of the API. Every error becomes a row of [`rows`], and only in this file.
//!
//! An [`ApiError`] travels as an extension of an empty response until the [envelope](crate::envelope) writes the body, because
//! only the envelope has the path and the request's id.

use std::borrow::Cow;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use countersign_domain::challenge::ChallengeClosedError;
use countersign_domain::device_token::DeviceTokenError;
use countersign_domain::factor::FactorType;
use countersign_domain::invalid::Invalid;
use countersign_domain::presence_check::CodeRefusal;
use countersign_store::StoreError;
use countersign_verify::concurrency::OverloadError;
use countersign_verify::{AuthError, Parameter, VerifyError};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use crate::parameter_names::{name_of, name_of_setting, row_of};
use crate::rows::{self, Row};

/// Twilio's documentation of codes. Kept, because people look codes up there.
const MORE_INFO: &str = "https://www.twilio.com/docs/errors/";

/// Reason for rejecting an account that makes too many requests in a second.
const TOO_FAST: &str = "limits.requests_per_account_per_second is reached";

/// Reason for rejecting a challenge of an entity that approved none of its last ones.
const TOO_MANY_IN_A_ROW: &str = "limits.push_challenges_in_a_row, or the service's InARowMax, is reached without an approval: the entity is paused";

/// Reason for rejecting a challenge of a factor that has too many pending ones.
const TOO_MANY_PENDING: &str = "limits.pending_push_challenges_per_factor, or the service's PendingMax, is reached: \
     one of the factor's pending challenges must be answered or expire first";

/// Seconds to wait, rounded up.
fn whole_seconds(left: Duration) -> u64 {
    left.as_secs() + u64::from(left.subsec_nanos() > 0)
}

/// Reason why a request failed.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    row: &'static Row,
    parameter: Option<&'static str>,
    reason: Option<Cow<'static, str>>,
    /// Seconds until a retry, in place of the row's own number.
    retry_after: Option<u64>,
    /// Named by the message instead of the parameter. In a 404 it replaces the last part of the request's path.
    subject: Option<String>,
    /// For the log; never sent to the caller.
    cause: Option<String>,
}

impl From<&'static Row> for ApiError {
    fn from(row: &'static Row) -> Self {
        let (parameter, reason) = (row.parameter, row.reason.map(Into::into));
        Self { row, parameter, reason, retry_after: None, subject: None, cause: None }
    }
}

impl ApiError {
    /// An invalid parameter.
    pub(crate) fn parameter(row: &'static Row, name: &'static str, why: Invalid) -> Self {
        Self { parameter: Some(name), reason: Some(why.0), ..row.into() }
    }

    /// A missing parameter.
    pub(crate) fn missing(name: &'static str, why: &'static str) -> Self {
        Self::parameter(&rows::MISSING, name, Invalid::because(why))
    }

    /// A row with a specific reason.
    pub(crate) fn because(row: &'static Row, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { reason: Some(reason.into()), ..row.into() }
    }

    /// A limit that is reached: `limits.<name>` is `most`.
    fn limit(row: &'static Row, name: &str, most: impl std::fmt::Display) -> Self {
        Self::because(row, format!("limits.{name} is {most}"))
    }

    fn too_many_factors(kind: FactorType, most: u32) -> Self {
        let (named, limit) = match kind {
            FactorType::Push => ("push", "push_factors_per_entity"),
            FactorType::Totp => ("TOTP", "totp_factors_per_entity"),
        };
        Self::limit(&rows::TOO_MANY_FACTORS, limit, most).naming(format!("{most} {named}"))
    }

    fn wrong_number(tries_left: u8) -> Self {
        let reason = match tries_left {
            0 => "signs a wrong presence_answer: the challenge is denied".to_owned(),
            left => format!("signs a wrong presence_answer: tries left: {left}"),
        };
        Self::because(&rows::WRONG_NUMBER, reason)
    }

    /// The same error, whose message names `subject`.
    fn naming(self, subject: String) -> Self {
        Self { subject: Some(subject), ..self }
    }

    /// An error of the server.
    pub(crate) fn internal(cause: &dyn std::fmt::Display) -> Self {
        Self { cause: Some(cause.to_string()), ..(&rows::INTERNAL).into() }
    }

    /// Code and text, where there is no response.
    pub(crate) const fn code_and_text(&self) -> (u32, &'static str) {
        (self.row.code, self.row.text)
    }

    /// Fills the response that carries the error. `path` is the request's, `request` its id for the log.
    pub(crate) fn write(self, response: &mut Response, path: &str, request: &HeaderValue) {
        let code = self.row.code;
        if self.row.status.is_server_error() {
            let request = request.to_str().unwrap_or_default();
            let cause = self.cause.as_deref().unwrap_or("no cause given");
            tracing::error!(request, code, cause, "a request failed: {cause}");
        }
        *response.status_mut() = self.row.status;
        let headers = response.headers_mut();
        // The router has set the length of the empty body.
        headers.remove(CONTENT_LENGTH);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if self.row.status == StatusCode::UNAUTHORIZED {
            let realm = HeaderValue::from_static("Basic realm=\"Twilio API\"");
            headers.insert(WWW_AUTHENTICATE, realm);
        }
        if let Some(seconds) = self.retry_after.or(self.row.retry_after.map(u64::from)) {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        *response.body_mut() = Body::from(self.body(path));
    }

    fn body(&self, path: &str) -> Vec<u8> {
        #[derive(Serialize)]
        struct Details<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            parameter: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            reason: Option<&'a str>,
        }
        #[derive(Serialize)]
        struct Body<'a> {
            code: u32,
            message: &'a str,
            more_info: &'a str,
            status: u16,
            #[serde(skip_serializing_if = "Option::is_none")]
            details: Option<Details<'a>>,
        }
        let details = Details { parameter: self.parameter, reason: self.reason.as_deref() };
        let has_details = self.parameter.is_some() || self.reason.is_some();
        serde_json::to_vec(&Body {
            code: self.row.code,
            message: &self.message(path),
            more_info: &format!("{MORE_INFO}{}", self.row.code),
            status: self.row.status.as_u16(),
            details: has_details.then_some(details),
        })
        .unwrap_or_default()
    }

    /// The message. That of a 404 contains the path without its version, as Twilio's does.
    fn message(&self, path: &str) -> Cow<'static, str> {
        let subject: Option<Cow<'_, str>> = if std::ptr::eq(self.row, &raw const rows::NOT_FOUND) {
            let versionless = path.strip_prefix("/v2").or_else(|| path.strip_prefix("/v1"));
            let path = versionless.filter(|rest| rest.starts_with('/')).unwrap_or(path);
            let beside = |sibling| {
                let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
                format!("{parent}/{sibling}").into()
            };
            Some(self.subject.as_ref().map_or(path.into(), beside))
        } else {
            self.subject.as_deref().or(self.parameter).map(Into::into)
        };
        match (self.row.naming, subject) {
            (Some(naming), Some(subject)) => naming.replacen("{}", &subject, 1).into(),
            (Some(_), None) | (None, _) => self.row.text.into(),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.row.status;
        response.extensions_mut().insert(self);
        response
    }
}

impl From<VerifyError> for ApiError {
    fn from(error: VerifyError) -> Self {
        let row = match error {
            VerifyError::NotFound => &rows::NOT_FOUND,
            VerifyError::NoProof(why) => return Self::because(&rows::NOT_FOUND, why.to_string()),
            VerifyError::FactorNotFound(sid) => {
                return Self::from(&rows::NOT_FOUND).naming(format!("Factors/{sid}"));
            }
            VerifyError::Forbidden => &rows::FORBIDDEN,
            VerifyError::ServiceParameter(setting, why) => {
                return Self::parameter(&rows::SERVICE_PARAMETER, name_of_setting(setting), why);
            }
            VerifyError::Parameter(parameter, why) => {
                return Self::parameter(row_of(parameter), name_of(parameter), why);
            }
            VerifyError::EntityExists => &rows::ENTITY_EXISTS,
            VerifyError::TooManyEntities => &rows::TOO_MANY_ENTITIES,
            VerifyError::TooManyRequests => {
                return Self::because(&rows::TOO_MANY_REQUESTS, TOO_FAST);
            }
            VerifyError::FactorExists => &rows::FACTOR_EXISTS,
            VerifyError::TooManyFactors(kind, most) => return Self::too_many_factors(kind, most),
            VerifyError::TooManyFactorsToday => &rows::TOO_MANY_FACTORS_TODAY,
            VerifyError::TooManyWebhooks(most) => {
                return Self::limit(&rows::TOO_MANY_WEBHOOKS, "webhooks_per_service", most);
            }
            VerifyError::TooManyIntegrations(most) => {
                return Self::limit(&rows::TOO_MANY_INTEGRATIONS, "integrations_per_service", most);
            }
            VerifyError::TokenNotForThis(why) => {
                let why = format!("the access token {why}");
                return Self::because(&rows::TOKEN_NOT_FOR_THIS, why);
            }
            VerifyError::FactorNotProved(why) => {
                return Self::because(&rows::FACTOR_NOT_PROVED, why.0);
            }
            VerifyError::TooManyCodes => &rows::TOO_MANY_CODES,
            VerifyError::FactorUnverified => &rows::FACTOR_UNVERIFIED,
            VerifyError::TooManyChallenges => &rows::TOO_MANY_CHALLENGES,
            VerifyError::TooManyPending => {
                return Self::because(&rows::TOO_MANY_PROMPTS, TOO_MANY_PENDING);
            }
            VerifyError::TooManyInARow(left) => {
                let error = Self::because(&rows::TOO_MANY_PROMPTS, TOO_MANY_IN_A_ROW);
                return Self { retry_after: Some(whole_seconds(left)), ..error };
            }
            VerifyError::Paused(reason) => return Self::because(&rows::PAUSED, reason.as_str()),
            VerifyError::ChallengeClosed(why) => return why.into(),
            VerifyError::AnswerMalformed => {
                let why = Invalid::because("must be a compact JWS with alg ES256");
                return Self::parameter(&rows::PARAMETER, name_of(Parameter::Answer), why);
            }
            VerifyError::AnswerRejected(why) => {
                return Self::because(&rows::ANSWER_REJECTED, why.0);
            }
            VerifyError::WrongNumber(left) => return Self::wrong_number(left),
            VerifyError::PresenceCode(why) => return why.into(),
            VerifyError::TooManyAnswers => &rows::TOO_MANY_ANSWERS,
            VerifyError::PlatformNone => &rows::PLATFORM_NONE,
            VerifyError::TooManyNotifications => &rows::TOO_MANY_NOTIFICATIONS,
            VerifyError::TooManyServices(most) => {
                return Self::limit(&rows::TOO_MANY_SERVICES, "services_per_account", most);
            }
            VerifyError::TooManyCredentials(most) => {
                return Self::limit(&rows::TOO_MANY_CREDENTIALS, "credentials_per_account", most);
            }
            VerifyError::TooManyApiKeys(most) => {
                return Self::limit(&rows::TOO_MANY_API_KEYS, "api_keys_per_account", most);
            }
            VerifyError::TooManyStoredEntities(most) => {
                return Self::limit(&rows::TOO_MANY_STORED_ENTITIES, "entities_per_account", most);
            }
            VerifyError::TooManyStoredBytes(most) => {
                return Self::limit(&rows::TOO_MANY_STORED_BYTES, "stored_bytes_per_account", most);
            }
            VerifyError::AccountSuspended => &rows::ACCOUNT_NOT_ACTIVE,
            VerifyError::Conflict => &rows::CONFLICT,
            VerifyError::Store(fault) => return fault.into(),
        };
        row.into()
    }
}

impl From<CodeRefusal> for ApiError {
    fn from(why: CodeRefusal) -> Self {
        let row = match &why {
            CodeRefusal::Denied => &rows::ALREADY_ANSWERED,
            CodeRefusal::Late => &rows::CHALLENGE_EXPIRED,
            CodeRefusal::Wrong(counted) => {
                let left = counted.tries_left();
                return Self::because(&rows::WRONG_CODE, format!("is wrong: tries left: {left}"));
            }
            CodeRefusal::Unanswered | CodeRefusal::NoTryLeft | CodeRefusal::OtherMode(_) => {
                &rows::WRONG_CODE
            }
        };
        Self::because(row, why.to_string())
    }
}

impl From<ChallengeClosedError> for ApiError {
    fn from(why: ChallengeClosedError) -> Self {
        let row = match why {
            ChallengeClosedError::Expired | ChallengeClosedError::AnsweredElsewhere => {
                &rows::CHALLENGE_EXPIRED
            }
            ChallengeClosedError::AlreadyAnswered => &rows::ALREADY_ANSWERED,
        };
        Self::because(row, why.to_string())
    }
}

impl From<OverloadError> for ApiError {
    fn from(overload: OverloadError) -> Self {
        match overload {
            OverloadError::Owner => Self::because(
                &rows::TOO_MANY_REQUESTS,
                "too many requests of this account, device or address are in work: http.requests_per_account, \
                 http.requests_per_device, http.unauthenticated_per_address",
            ),
            OverloadError::Server => Self::because(
                &rows::UNAVAILABLE,
                "too many requests are in work: http.requests_max",
            ),
        }
    }
}

impl From<AuthError> for ApiError {
    fn from(fault: AuthError) -> Self {
        let row = match fault {
            AuthError::Unknown => &rows::AUTHENTICATE,
            AuthError::AccessToken => &rows::TOKEN_INVALID,
            AuthError::AccessTokenExpired(_) => &rows::TOKEN_EXPIRED,
            AuthError::Device(fault) => return fault.into(),
            AuthError::Suspended => &rows::ACCOUNT_NOT_ACTIVE,
            AuthError::TooManyRequests => return Self::because(&rows::TOO_MANY_REQUESTS, TOO_FAST),
            AuthError::TooManyFailures(left) => {
                let reason = "too many credentials from this address were wrong";
                let error = Self::because(&rows::TOO_MANY_REQUESTS, reason);
                return Self { retry_after: Some(whole_seconds(left)), ..error };
            }
            AuthError::Store(fault) => return fault.into(),
        };
        Self::because(row, fault.to_string())
    }
}

impl From<DeviceTokenError> for ApiError {
    /// The reason contains the measured clock skew, for developers whose clock is wrong.
    fn from(fault: DeviceTokenError) -> Self {
        let row = match fault {
            DeviceTokenError::Form(_) | DeviceTokenError::ContentType | DeviceTokenError::KeyId => {
                &rows::JWT_HEADER
            }
            DeviceTokenError::Signature => &rows::JWT_UNKNOWN_KEY,
            DeviceTokenError::NoSubject | DeviceTokenError::Subject => &rows::JWT_SUBJECT,
            DeviceTokenError::Claim(_) | DeviceTokenError::Nonce => &rows::JWT_CLAIMS,
            DeviceTokenError::NotYetValid(_) => &rows::NOT_YET_VALID,
            DeviceTokenError::Expired(_) => &rows::JWT_EXPIRED,
            DeviceTokenError::TooLong => &rows::JWT_TOO_LONG,
        };
        Self::because(row, fault.to_string())
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let refusal = match error {
            StoreError::Unavailable(_) => {
                let why = "the database cannot be read or written now";
                Self::because(&rows::UNAVAILABLE, why)
            }
            StoreError::Corrupt(_) => (&rows::INTERNAL).into(),
        };
        Self { cause: Some(error.to_string()), ..refusal }
    }
}
