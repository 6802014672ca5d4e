//! Who looks at a page: the session in a cookie, and the form token that proves that a form came from one of our pages.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};

use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts};
use axum::response::Response;
use countersign_domain::secret::Secret;
use countersign_domain::sid::AccountSid;
use countersign_verify::concurrency::RequestPermit;
use countersign_verify::sessions::Session;
use countersign_web::body::whole;
use http::header::{COOKIE, SET_COOKIE};
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderValue, Request};

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
    pub(crate) session: Session,
}

/// What the browser is to keep from now on, once it is known who asks; empty if it keeps what it has.
#[derive(Clone, Default)]
pub(crate) struct Renewal(Arc<OnceLock<(Secret, u64)>>);

impl Renewal {
    /// Makes the browser keep it.
    pub(crate) fn apply(&self, response: &mut Response, console: &Console) {
        if let Some((text, seconds)) = self.0.get() {
            set(response, SESSION, text.expose(), Some(*seconds), console);
        }
    }

    fn note(&self, session: &Session, console: &Console) {
        if let Some(text) = &session.renewed {
            let left = session.expires_at.since(console.now()).as_secs();
            // nobody else sets it within one request
            let _ = self.0.set((text.clone(), left));
        }
    }
}

/// Whether a person did this: a page that is read again by itself keeps no session alive.
fn is_by_person(headers: &HeaderMap) -> bool {
    let says = |name: &str, value: &str| headers.get(name).is_some_and(|is| is == value);
    let is_by_page = says("sec-fetch-mode", "navigate") && !headers.contains_key("sec-fetch-user");
    !headers.contains_key("hx-request") && !is_by_page
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
        let text = cookie(headers, SESSION).ok_or(Fault::SignedOut)?;
        let session = console.verify.session(text).await?;
        let form_token = console.verify.form_token(&session.id);
        Ok(Self { account: session.account, form_token, session })
    }

    /// The same, of a request that counts as one of the account's.
    async fn asking(
        headers: &HeaderMap,
        extensions: &Extensions,
        console: &Console,
    ) -> Result<Self, Fault> {
        let operator = Self::of(headers, console).await?;
        if !console.verify.allows_request(operator.account) {
            return Err(Fault::Busy);
        }
        belongs(extensions.get::<Arc<RequestPermit>>(), &operator)?;
        if let Some(renewal) = extensions.get::<Renewal>().filter(|_| is_by_person(headers)) {
            renewal.note(&operator.session, console);
        }
        Ok(operator)
    }
}

impl FromRequestParts<Shared> for Operator {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &Shared) -> Result<Self, Fault> {
        Self::asking(&parts.headers, &parts.extensions, state).await
    }
}

impl FromRequest<Shared> for Posted {
    type Rejection = Fault;

    async fn from_request(request: Request<Body>, state: &Shared) -> Result<Self, Fault> {
        let (headers, extensions) = (request.headers(), request.extensions());
        let operator = Operator::asking(headers, extensions, state).await?;
        let form = read(request).await?;
        check(&form, &operator.session.id, state)?;
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
fn belongs(place: Option<&Arc<RequestPermit>>, operator: &Operator) -> Result<(), Fault> {
    let taken = place.map_or(Ok(()), |place| place.assign_to_account(operator.account));
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
pub(crate) fn keep(response: &mut Response, session: &Session, text: &Secret, console: &Console) {
    let left = session.expires_at.since(console.now()).as_secs();
    set(response, SESSION, text.expose(), Some(left), console);
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
