//! Who looks at a page: the session in a cookie, and the form token that proves that a form came from one of our pages.

use std::net::{IpAddr, SocketAddr};

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts};
use axum::response::Response;
use countersign_domain::sid::AccountSid;
use countersign_verify::places::Place;
use countersign_verify::sessions::LASTS;
use countersign_web::body::whole;
use http::header::{COOKIE, SET_COOKIE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request};

use crate::fault::Fault;
use crate::form::Form;
use crate::state::{Console, Shared};

/// The session.
const SESSION: &str = "countersign_console";
/// Before there is a session, what the sign-in form is tied to.
const VISIT: &str = "countersign_visit";

/// The most bytes of a form.
const LONGEST_FORM: usize = 32 * 1024;

/// Who is signed in.
#[derive(Debug, Clone)]
pub(crate) struct Operator {
    /// Whose things are shown.
    pub(crate) account: AccountSid,
    /// What the forms of this session carry.
    pub(crate) form_token: String,
}

/// A form of somebody who is signed in, from one of our pages.
pub(crate) struct Posted {
    pub(crate) operator: Operator,
    pub(crate) form: Form,
}

/// A form of somebody who wants to sign in, from our page.
pub(crate) struct PostedByVisitor {
    pub(crate) form: Form,
    pub(crate) address: Option<IpAddr>,
}

impl Operator {
    /// By the cookie of a request.
    pub(crate) async fn of(headers: &HeaderMap, console: &Console) -> Result<Self, Fault> {
        Self::with_session(headers, console).await.map(|(operator, _)| operator)
    }

    async fn with_session(headers: &HeaderMap, console: &Console) -> Result<(Self, String), Fault> {
        let text = cookie(headers, SESSION).ok_or(Fault::SignedOut)?;
        let session = console.verify.session(text).await?;
        let form_token = console.verify.form_token(&session.id);
        Ok((Self { account: session.account, form_token }, session.id))
    }

    /// The same, of a request that counts as one of the account's.
    async fn asking(headers: &HeaderMap, console: &Console) -> Result<(Self, String), Fault> {
        let (operator, session) = Self::with_session(headers, console).await?;
        if console.verify.allows_request(operator.account) {
            Ok((operator, session))
        } else {
            Err(Fault::Busy)
        }
    }
}

impl FromRequestParts<Shared> for Operator {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &Shared) -> Result<Self, Fault> {
        let place = parts.extensions.get::<Arc<Place>>();
        let (operator, _) = Self::asking(&parts.headers, state).await?;
        belongs(place, &operator)?;
        Ok(operator)
    }
}

impl FromRequest<Shared> for Posted {
    type Rejection = Fault;

    async fn from_request(request: Request<Body>, state: &Shared) -> Result<Self, Fault> {
        let (operator, session) = Operator::asking(request.headers(), state).await?;
        belongs(request.extensions().get::<Arc<Place>>(), &operator)?;
        let form = read(request).await?;
        check(&form, &session, state)?;
        Ok(Self { operator, form })
    }
}

impl FromRequest<Shared> for PostedByVisitor {
    type Rejection = Fault;

    async fn from_request(request: Request<Body>, state: &Shared) -> Result<Self, Fault> {
        let visit = cookie(request.headers(), VISIT).ok_or(Fault::Forged)?.to_owned();
        let from = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let address = from.map(|ConnectInfo(address)| address.ip());
        let form = read(request).await?;
        check(&form, &visit, state)?;
        Ok(Self { form, address })
    }
}

/// A browser says from where a form was sent, unless it is old; the token is for those.
async fn read(request: Request<Body>) -> Result<Form, Fault> {
    let site = request.headers().get("sec-fetch-site");
    if site.is_some_and(|site| site != "same-origin") {
        return Err(Fault::Forged);
    }
    Form::parse(&whole(request.into_body(), LONGEST_FORM).await?)
}

/// From here on the request counts as one of the account, if it may have one more.
fn belongs(place: Option<&Arc<Place>>, operator: &Operator) -> Result<(), Fault> {
    let taken = place.map_or(Ok(()), |place| place.is_of_account(operator.account));
    taken.map_err(|_| Fault::Busy)
}

fn check(form: &Form, session: &str, console: &Console) -> Result<(), Fault> {
    let token = form.text("form_token");
    if console.verify.is_form_token(session, token) { Ok(()) } else { Err(Fault::Forged) }
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';'));
    pairs.find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

/// Makes the browser keep a session.
pub(crate) fn keep(response: &mut Response, session: &str, console: &Console) {
    set(response, SESSION, session, Some(LASTS.as_secs()), console);
}

/// Makes the browser forget it.
pub(crate) fn forget(response: &mut Response, console: &Console) {
    set(response, SESSION, "", Some(0), console);
}

/// Ties a sign-in form to the browser; the token for it. A browser that has such a tie keeps it, so that two windows do
/// not take it from each other.
pub(crate) fn tie(headers: &HeaderMap, console: &Console) -> (String, String) {
    let known = cookie(headers, VISIT).filter(|known| known.len() == 22);
    let visit = known.map_or_else(|| console.verify.nonce(), str::to_owned);
    let token = console.verify.form_token(&visit);
    (visit, token)
}

pub(crate) fn keep_tie(response: &mut Response, visit: &str, console: &Console) {
    set(response, VISIT, visit, None, console);
}

fn set(response: &mut Response, name: &str, value: &str, age: Option<u64>, console: &Console) {
    let mut text = format!("{name}={value}; HttpOnly; SameSite=Strict; Path={}", console.base());
    if let Some(seconds) = age {
        text.push_str(&format!("; Max-Age={seconds}"));
    }
    if console.is_https() {
        text.push_str("; Secure");
    }
    if let Ok(cookie) = HeaderValue::try_from(text) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
}
