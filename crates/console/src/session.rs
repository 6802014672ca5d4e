//! The cookie of the session, and the form token that proves that a form comes from a page of the console.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts};
use axum::response::Response;
use countersign_domain::role::Role;
use countersign_domain::secret::Secret;
use countersign_domain::session::SessionStage;
use countersign_domain::sid::AccountSid;
use countersign_verify::concurrency::RequestPermit;
use countersign_verify::sessions::Session;
use countersign_web::body::whole;
use http::header::{COOKIE, SET_COOKIE};
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderValue, Request};

use crate::error::PageError;
use crate::form::Form;
use crate::kept_token::is_kept;
use crate::state::{Console, SharedConsole};

/// Cookie of the session.
const SESSION: &str = "countersign_console";
/// Cookie of a browser without a session. The sign-in form is bound to it.
const VISIT: &str = "countersign_visit";

/// Largest size of a form in bytes.
const LONGEST_FORM: usize = 32 * 1024;

/// The operator who is signed in.
#[derive(Debug, Clone)]
pub(crate) struct Operator {
    /// The account that is shown.
    pub(crate) account: AccountSid,
    /// The token of this session's forms.
    pub(crate) form_token: String,
    pub(crate) session: Session,
}

/// Whether a person made the request. Automatic updates do not extend a session.
fn is_by_person(headers: &HeaderMap) -> bool {
    let says = |name: &str, value: &str| headers.get(name).is_some_and(|is| is == value);
    let is_by_page = says("sec-fetch-mode", "navigate") && !headers.contains_key("sec-fetch-user");
    let is_stream = says("accept", "text/event-stream");
    !headers.contains_key("hx-request") && !is_by_page && !is_stream
}

/// A form of a signed-in operator, from a page of the console.
pub(crate) struct Posted {
    pub(crate) operator: Operator,
    pub(crate) form: Form,
}

/// The sign-in form, from a page of the console.
pub(crate) struct PostedByVisitor {
    pub(crate) form: Form,
    pub(crate) address: Option<IpAddr>,
}

impl Operator {
    /// The operator of a request, by its cookie.
    pub(crate) async fn of(headers: &HeaderMap, console: &Console) -> Result<Self, PageError> {
        let text = cookie(headers, SESSION).ok_or(PageError::SignedOut)?;
        let session = console.verify.session(text).await?;
        let form_token = console.verify.form_token(&session.id.to_string());
        Ok(Self { account: session.account, form_token, session })
    }

    /// Like [`of`](Self::of), and counts the request against the account's rate.
    pub(crate) async fn asking(
        headers: &HeaderMap,
        extensions: &Extensions,
        console: &Console,
    ) -> Result<Self, PageError> {
        let operator = Self::of(headers, console).await?;
        if !console.verify.allows_request(operator.account) {
            return Err(PageError::Busy);
        }
        belongs(extensions.get::<Arc<RequestPermit>>(), &operator)?;
        if is_by_person(headers) {
            console.verify.see_session(&operator.session).await?;
        }
        Ok(operator)
    }

    /// Whether nothing is missing.
    pub(crate) fn is_signed_in(&self) -> bool {
        self.session.stage == SessionStage::Open
    }

    /// The name in the audit trail.
    pub(crate) fn name(&self) -> String {
        self.session.who.name()
    }

    /// The operator whom the gate of the route let through. A route that needs nothing has none.
    fn admitted(extensions: &Extensions) -> Result<Self, PageError> {
        extensions.get().cloned().ok_or(PageError::SignedOut)
    }

    /// The operator's role.
    pub(crate) const fn role(&self) -> Role {
        self.session.role
    }
}

impl FromRequestParts<SharedConsole> for Operator {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, _: &SharedConsole) -> Result<Self, PageError> {
        Self::admitted(&parts.extensions)
    }
}

impl FromRequest<SharedConsole> for Posted {
    type Rejection = PageError;

    async fn from_request(
        request: Request<Body>,
        state: &SharedConsole,
    ) -> Result<Self, PageError> {
        let operator = Operator::admitted(request.extensions())?;
        let visit = cookie(request.headers(), VISIT).map(str::to_owned);
        let path = request.uri().path().to_owned();
        let form = read(request).await?;
        if !is_kept(visit.as_deref(), &path, &form, state) {
            check(&form, &operator.session.id.to_string(), state)?;
        }
        Ok(Self { operator, form })
    }
}

impl FromRequest<SharedConsole> for PostedByVisitor {
    type Rejection = PageError;

    async fn from_request(
        request: Request<Body>,
        state: &SharedConsole,
    ) -> Result<Self, PageError> {
        let visit = cookie(request.headers(), VISIT).ok_or(PageError::Forged)?.to_owned();
        let address = address_of(request.extensions());
        let form = read(request).await?;
        check(&form, &visit, state)?;
        Ok(Self { form, address })
    }
}

/// The address of the caller, if it is known.
pub(crate) fn address_of(extensions: &Extensions) -> Option<IpAddr> {
    extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip())
}

/// Browsers declare the origin of a form. The token protects those that are too old to do so.
pub(crate) async fn read(request: Request<Body>) -> Result<Form, PageError> {
    let site = request.headers().get("sec-fetch-site");
    if site.is_some_and(|site| site != "same-origin") {
        return Err(PageError::Forged);
    }
    Ok(Form::parse(&whole(request.into_body(), LONGEST_FORM).await?)?)
}

/// Counts the request as one of the account, if the account may have another one.
fn belongs(place: Option<&Arc<RequestPermit>>, operator: &Operator) -> Result<(), PageError> {
    let taken = place.map_or(Ok(()), |place| place.assign_to_account(operator.account));
    taken.map_err(|_| PageError::Busy)
}

fn check(form: &Form, session: &str, console: &Console) -> Result<(), PageError> {
    let token = form.text("form_token");
    if console.verify.is_form_token(session, token) { Ok(()) } else { Err(PageError::Forged) }
}

/// The value of a cookie.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';'));
    pairs.find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

/// Sets the cookie of a session, for as long as it may last.
pub(crate) fn keep(response: &mut Response, session: &Session, text: &Secret, console: &Console) {
    let left = match session.stage {
        SessionStage::Open => session.expires_at,
        SessionStage::Half { .. } => session.opened_at + console.verify.longest_session(),
    };
    let left = left.since(console.now()).as_secs();
    set(response, SESSION, text.expose(), Some(left), console);
}

/// Deletes the cookie of the session.
pub(crate) fn forget(response: &mut Response, console: &Console) {
    set(response, SESSION, "", Some(0), console);
}

/// Binds a sign-in form to the browser and returns the cookie and the token. A browser that already has the cookie keeps it, so
/// that two windows do not invalidate each other's forms.
pub(crate) fn tie(headers: &HeaderMap, console: &Console) -> (String, String) {
    let known = cookie(headers, VISIT).filter(|known| known.len() == 22);
    let visit = known.map_or_else(|| console.verify.nonce(), str::to_owned);
    let token = console.verify.form_token(&visit);
    (visit, token)
}

pub(crate) fn keep_tie(response: &mut Response, visit: &str, console: &Console) {
    set(response, VISIT, visit, None, console);
}

/// Sets a cookie for the console's pages.
pub(crate) fn set(
    response: &mut Response,
    name: &str,
    value: &str,
    age: Option<u64>,
    console: &Console,
) {
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
