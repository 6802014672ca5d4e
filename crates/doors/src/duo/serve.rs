//! The way of a request through the door: its call, its signature, its answer.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use countersign_domain::integration::IntegrationKind;
use countersign_domain::time::Instant;
use countersign_verify::OpenedIntegration;
use countersign_verify::concurrency::RequestPermit;
use countersign_verify::{AuthError, Verify};
use countersign_web::body::{BodyError, whole};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};

use super::answer::Status;
use super::call::{Action, Call, Dialect, Format, dialect_of};
use super::document::{Document, Value};
use super::door::DuoDoor;
use super::failure::Failure;
use super::parameters::Parameters;
use super::signature::{Credentials, SignedRequest, Version};
use super::signed::Signed;
use super::{auth, enroll, preauth, status};
use crate::client;
use crate::host::host;

/// The largest body, in bytes.
const BODY_MAX: usize = 64 * 1024;
/// How far the date of a request may be from the server's time.
const DATE_WITHIN: Duration = Duration::from_secs(300);

/// The paths of the door, ready to be merged with the API.
pub fn router(door: &Arc<DuoDoor>) -> Router {
    Router::new()
        .route("/auth/v2/{*call}", any(serve))
        .route("/rest/v1/{*call}", any(serve))
        .with_state(Arc::clone(door))
}

/// Why there is no ordinary answer.
enum Stop {
    /// The request is refused.
    Failure(Failure),
    /// The client is known, and nobody may log in through it now.
    Closed(Status),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

async fn serve(State(door): State<Arc<DuoDoor>>, request: Request) -> Response {
    let dialect = dialect_of(request.uri().path());
    let call = Call::of(request.method(), request.uri().path());
    let answer = match call {
        Ok(call) => answer(&door, call, request).await,
        Err(failure) => Err(failure),
    };
    response(dialect.format(), answer)
}

/// The answer to a call. A login that cannot be judged for a reason that its person could have caused is denied: a failure
/// could let them in.
async fn answer(door: &DuoDoor, call: Call, request: Request) -> Result<Value, Failure> {
    if call.action == Action::Ping {
        return Ok(time(door));
    }
    let stop = match authenticated(door, call, request).await {
        Ok(signed) => return act(door, call.action, &signed).await,
        Err(stop) => stop,
    };
    let status = match &stop {
        Stop::Closed(status) => *status,
        Stop::Failure(Failure::TooLarge) => Status::Deny,
        Stop::Failure(failure) => return Err(failure.clone()),
    };
    match (call.action, stop) {
        (Action::Preauth, _) => Ok(preauth::refuse(call.dialect, status).into()),
        (Action::Auth | Action::Status, _) => Ok(status.document(call.dialect).into()),
        (_, Stop::Failure(failure)) => Err(failure),
        (_, Stop::Closed(Status::Busy)) => Err(Failure::TooMany(Duration::from_secs(1))),
        (_, Stop::Closed(_)) => Err(Failure::NotPermitted),
    }
}

async fn act(door: &DuoDoor, action: Action, signed: &Signed) -> Result<Value, Failure> {
    match action {
        Action::Ping | Action::Check => Ok(time(door)),
        Action::Logo => Err(Failure::NothingThere),
        Action::Preauth => preauth::answer(door, signed).await.map(Value::from),
        Action::Auth => auth::answer(door, signed).await.map(Value::from),
        Action::Status => status::answer(door, signed).await.map(Value::from),
        Action::Enroll => enroll::answer(door, signed).await.map(Value::from),
        Action::EnrollStatus => enroll::status(door, signed).await,
    }
}

fn time(door: &DuoDoor) -> Value {
    Document::default().with("time", door.verify.now().as_seconds()).into()
}

/// Reads a request and checks its signature.
async fn authenticated(door: &DuoDoor, call: Call, request: Request) -> Result<Signed, Stop> {
    let (parts, body) = request.into_parts();
    let credentials = Credentials::of(&parts.headers)?;
    let kind = BodyKind::of(&parts)?;
    let body = whole(body, BODY_MAX).await.map_err(|error| match error {
        BodyError::TooLarge => Failure::TooLarge,
        BodyError::Late => Failure::Late,
        BodyError::Broken => Failure::Invalid("body"),
    })?;
    let parameters = match kind {
        BodyKind::Query => Parameters::of_form(parts.uri.query().unwrap_or_default().as_bytes())?,
        BodyKind::Form => Parameters::of_form(&body)?,
        BodyKind::Json => Parameters::of_json(&body)?,
    };
    let signed = SignedRequest {
        method: parts.method.as_str(),
        host: host(&parts),
        path: parts.uri.path(),
        parameters: &parameters,
        body: &body,
        is_json: kind == BodyKind::Json,
        headers: &parts.headers,
    };
    let (opened, version) = integration(&door.verify, &parts, &credentials, &signed).await?;
    check_version(door, call.dialect, version, &opened, signed.date()).await?;
    let fingerprint =
        (version != Version::V1).then(|| format!("{}:{}", credentials.key, credentials.digits));
    let permit = parts.extensions.get::<Arc<RequestPermit>>().cloned();
    Ok(Signed { opened, dialect: call.dialect, parameters, fingerprint, permit })
}

/// Where the parameters of a request are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BodyKind {
    Query,
    Form,
    Json,
}

impl BodyKind {
    fn of(parts: &Parts) -> Result<Self, Failure> {
        if parts.method == Method::GET {
            return Ok(Self::Query);
        }
        let kind = parts.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        if kind.is_empty() || kind.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
            Ok(Self::Form)
        } else if kind.eq_ignore_ascii_case(b"application/json") {
            Ok(Self::Json)
        } else {
            Err(Failure::ContentType)
        }
    }
}

/// The integration that has signed a request, and how.
async fn integration(
    verify: &Verify,
    parts: &Parts,
    credentials: &Credentials,
    signed: &SignedRequest<'_>,
) -> Result<(Arc<OpenedIntegration>, Version), Stop> {
    let mut version = None;
    let judge = |opened: &OpenedIntegration| {
        version = signed.signed_by(&opened.secret, credentials);
        version.is_some()
    };
    let client = (IntegrationKind::Duo, &*credentials.key);
    let opened = client::authenticated(verify, parts, client, judge).await;
    let opened = opened.map_err(|error| refused(&error))?;
    version.map(|version| (opened, version)).ok_or(Failure::BadSignature.into())
}

fn refused(error: &AuthError) -> Stop {
    match error {
        AuthError::Suspended => Stop::Closed(Status::Closed),
        AuthError::TooManyRequests => Stop::Closed(Status::Busy),
        AuthError::TooManyFailures(left) => Failure::TooMany(*left).into(),
        AuthError::Store(error) => {
            tracing::warn!(%error, "the integration of a request could not be read");
            Failure::Unavailable.into()
        }
        AuthError::Unknown
        | AuthError::AccessToken
        | AuthError::AccessTokenExpired(_)
        | AuthError::Device(_) => Failure::BadSignature.into(),
    }
}

/// Checks the date of a request. The older dialect has signatures without one, which can be replayed for ever: an integration
/// accepts them only if it says so.
async fn check_version(
    door: &DuoDoor,
    dialect: Dialect,
    version: Version,
    opened: &OpenedIntegration,
    date: Option<&str>,
) -> Result<(), Failure> {
    if version == Version::V1 {
        let is_accepted = matches!(dialect, Dialect::Rest(_)) && opened.integration.settings.legacy;
        return if is_accepted { Ok(()) } else { Err(Failure::NoDate) };
    }
    let date = date.and_then(Instant::parse_mail_date).ok_or(Failure::Date)?;
    let now = door.verify.time().await.map_err(|_| Failure::Unavailable)?;
    let is_near = now.since(date) <= DATE_WITHIN && date.since(now) <= DATE_WITHIN;
    if is_near { Ok(()) } else { Err(Failure::Date) }
}

fn response(format: Format, answer: Result<Value, Failure>) -> Response {
    let (status, retry_after, document) = match answer {
        Ok(value) => {
            let document = Document::default().with("stat", "OK").with("response", value);
            (StatusCode::OK, None, document)
        }
        Err(failure) => (failure.status(), failure.retry_after(), failure.document()),
    };
    let (kind, body) = match format {
        Format::Json => ("application/json", document.to_json()),
        Format::Bson => ("application/bson", document.to_bson()),
    };
    let mut response = (status, Body::from(body)).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(seconds) = retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
