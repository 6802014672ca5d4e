//! The requests of the door: whether a browser is signed in, and its way to the page and back.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use countersign_domain::integration::IntegrationKind;
use countersign_verify::{OpenedIntegration, Verify};
use http::header::{CACHE_CONTROL, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};

use super::door::ForwardAuthDoor;
use super::protected_request::ProtectedRequest;
use super::session;
use crate::cookies::{cookie, host_cookie, set_cookie};
use crate::query::in_query;
use crate::sign_in::request::{Back, SignInRequest};
use crate::sign_in::ticket::Ticket;

/// The user of a session, for the protected site.
const REMOTE_USER: HeaderName = HeaderName::from_static("remote-user");
/// The purpose that beginnings are sealed for.
const BEGINNING: &str = "forward-auth beginning";
/// How long a browser may take from the answer to the page, in seconds.
const BEGIN_WITHIN: i64 = 30 * 60;
/// Characters of the cookie of a browser that began.
const BEGUN: usize = 22;

type Door = State<Arc<ForwardAuthDoor>>;

/// Why a request gets no ordinary answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// There is no such integration.
    Unknown,
    /// The headers name no request, or none of a site of the integration.
    NotOurs,
    /// The browser brings nothing that it was given, or too late.
    Stale,
    /// The database cannot be reached.
    Unavailable,
}

impl Stop {
    fn response(self) -> Response {
        let (status, text) = match self {
            Self::Unknown => (StatusCode::NOT_FOUND, "There is no such integration.\n"),
            Self::NotOurs => (
                StatusCode::FORBIDDEN,
                "The headers of the web server name no site of this integration.\n",
            ),
            Self::Stale => (
                StatusCode::BAD_REQUEST,
                "This sign-in is no longer current, or was begun in another browser. Open the page that you wanted again.\n",
            ),
            Self::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "The server cannot check this now.\n")
            }
        };
        (status, text).into_response()
    }
}

/// The paths of the door, ready to be merged with the API.
pub fn router(door: &Arc<ForwardAuthDoor>) -> Router {
    Router::new()
        .route("/forward-auth/{key}", get(check_forwarded))
        .route("/forward-auth/{key}/nginx", get(check_nginx))
        .route("/forward-auth/{key}/begin", get(begin))
        .route("/forward-auth/{key}/done", get(done))
        .route("/forward-auth/{key}/sign-out", get(sign_out))
        .with_state(Arc::clone(door))
}

async fn opened(door: &ForwardAuthDoor, key: &str) -> Result<Arc<OpenedIntegration>, Stop> {
    let found = door.verify.named_integration(&[IntegrationKind::ForwardAuth], key).await;
    let found = found.map_err(|error| {
        tracing::warn!(%error, "the integration of a request could not be read");
        Stop::Unavailable
    })?;
    found.ok_or(Stop::Unknown)
}

fn is_https(site: &str) -> bool {
    site.starts_with("https:")
}

fn session_cookie(key: &str, site: &str) -> String {
    host_cookie(&format!("countersign_{key}"), is_https(site))
}

fn begun_cookie(key: &str, site: &str) -> String {
    host_cookie(&format!("countersign_begun_{key}"), is_https(site))
}

/// `GET /forward-auth/{key}`, for Caddy and Traefik: they pass any answer but 2xx on to the browser.
async fn check_forwarded(
    State(door): Door,
    Path(key): Path<String>,
    headers: HeaderMap,
) -> Response {
    let asked = ProtectedRequest::of_forwarded(&headers);
    let redirect = |asked: &ProtectedRequest| {
        if asked.wants_page { StatusCode::FOUND } else { StatusCode::UNAUTHORIZED }
    };
    check(&door, &key, &headers, asked, redirect).await
}

/// `GET /forward-auth/{key}/nginx`, for `auth_request`: nginx knows 401 only, and makes a redirection of its `Location`.
async fn check_nginx(State(door): Door, Path(key): Path<String>, headers: HeaderMap) -> Response {
    let asked = ProtectedRequest::of_nginx(&headers);
    check(&door, &key, &headers, asked, |_| StatusCode::UNAUTHORIZED).await
}

async fn check(
    door: &ForwardAuthDoor,
    key: &str,
    headers: &HeaderMap,
    asked: Option<ProtectedRequest>,
    refusal: impl FnOnce(&ProtectedRequest) -> StatusCode,
) -> Response {
    let opened = match opened(door, key).await {
        Ok(opened) => opened,
        Err(stop) => return unstored(stop.response()),
    };
    let sites = &opened.integration.settings.sites;
    let Some(asked) = asked.filter(|asked| sites.contain(&asked.site)) else {
        return unstored(Stop::NotOurs.response());
    };
    let text = cookie(headers, &session_cookie(key, &asked.site));
    let now = door.verify.now();
    let user = text.and_then(|text| session::read(&opened, &asked.site, text, now));
    let mut response = match user.and_then(|user| HeaderValue::try_from(user).ok()) {
        Some(user) => {
            let mut response = StatusCode::OK.into_response();
            response.headers_mut().insert(REMOTE_USER, user);
            response
        }
        None => {
            let status = refusal(&asked);
            let begin = Beginning { site: asked.site, path: asked.path, until: 0 };
            let to = begin.address(&door.verify, key);
            redirect(status, &to)
        }
    };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The page that a browser wanted when it was sent to sign in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Beginning {
    site: String,
    path: String,
    /// In seconds since 1970.
    until: i64,
}

impl Beginning {
    /// The address, at the site itself, where the browser begins.
    fn address(self, verify: &Verify, key: &str) -> String {
        let until = verify.now().as_seconds() + BEGIN_WITHIN;
        let text = serde_json::to_string(&Self { until, ..self.clone() }).unwrap_or_default();
        let sealed = verify.seal_carried(&format!("{BEGINNING} {key}"), &text);
        format!("{}/forward-auth/{key}/begin?r={sealed}", self.site)
    }

    fn open(verify: &Verify, key: &str, sealed: &str) -> Option<Self> {
        let text = verify.open_carried(&format!("{BEGINNING} {key}"), sealed)?;
        let beginning: Self = serde_json::from_str(text.expose()).ok()?;
        (verify.now().as_seconds() < beginning.until).then_some(beginning)
    }
}

/// `GET /forward-auth/{key}/begin`, at the protected site: gives the browser a cookie of the site, without which nobody can bring a
/// sign-in to it, and leads to the page.
async fn begin(
    State(door): Door,
    Path(key): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let answer = async {
        let opened = opened(&door, &key).await?;
        let beginning = Beginning::open(&door.verify, &key, &in_query(query.as_deref(), "r"));
        let Beginning { site, path, .. } = beginning.ok_or(Stop::Stale)?;
        let name = begun_cookie(&key, &site);
        // Two windows of a browser share it.
        let known = cookie(&headers, &name).filter(|known| known.len() == BEGUN);
        let begun = known.map_or_else(|| door.verify.nonce(), str::to_owned);
        let back = Back::ForwardAuth { site: site.clone(), path, begun: begun.clone() };
        let request = SignInRequest::new(&door.verify, opened.integration.key, back);
        let page = request.page(&door.verify, &door.public_url);
        let mut response = redirect(StatusCode::FOUND, &page);
        let seconds = Some(BEGIN_WITHIN.unsigned_abs());
        set_cookie(response.headers_mut(), &name, &begun, seconds, is_https(&site));
        Ok(response)
    };
    let answer = answer.await;
    unstored(answer.unwrap_or_else(Stop::response))
}

/// `GET /forward-auth/{key}/done`, at the protected site: takes a ticket for a session.
async fn done(
    State(door): Door,
    Path(key): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let answer = async {
        let opened = opened(&door, &key).await?;
        let ticket = Ticket::open(&door.verify, &in_query(query.as_deref(), "ticket"));
        let Ticket { site, path, begun, user, .. } =
            ticket.filter(|ticket| ticket.key == key).ok_or(Stop::Stale)?;
        if cookie(&headers, &begun_cookie(&key, &site)) != Some(&*begun) {
            return Err(Stop::Stale);
        }
        let settings = &opened.integration.settings;
        if !settings.sites.contain(&site) {
            return Err(Stop::NotOurs);
        }
        let seconds = u64::from(settings.session_seconds);
        let ends = door.verify.now() + Duration::from_secs(seconds);
        let text = session::write(&opened, &site, &user, ends);
        let mut response = redirect(StatusCode::FOUND, &format!("{site}{path}"));
        let (headers, is_https) = (response.headers_mut(), is_https(&site));
        set_cookie(headers, &session_cookie(&key, &site), &text, Some(seconds), is_https);
        Ok(response)
    };
    let answer = answer.await;
    unstored(answer.unwrap_or_else(Stop::response))
}

/// `GET /forward-auth/{key}/sign-out`, at the protected site: ends the session of the browser.
async fn sign_out(State(door): Door, Path(key): Path<String>) -> Response {
    let page = format!("{}/sign-in/signed-out", door.public_url.trim_end_matches('/'));
    let mut response = redirect(StatusCode::FOUND, &page);
    if key.parse::<countersign_domain::integration::IntegrationKey>().is_ok() {
        // Which of the two the site has depends on its scheme, which is not known here.
        for site in ["https:", "http:"] {
            let name = session_cookie(&key, site);
            set_cookie(response.headers_mut(), &name, "", Some(0), is_https(site));
        }
    }
    unstored(response)
}

fn redirect(status: StatusCode, to: &str) -> Response {
    let mut response = status.into_response();
    if let Ok(place) = HeaderValue::try_from(to) {
        response.headers_mut().insert(LOCATION, place);
    }
    response
}

fn unstored(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
