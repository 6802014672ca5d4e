//! Sign-in and sign-out.

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use countersign_domain::secret::Secret;
use countersign_domain::session::SessionStage;
use countersign_verify::AuthError;
use countersign_verify::sessions::Session;
use http::{Extensions, HeaderMap, StatusCode};

use crate::error::PageError;
use crate::form::Form;
use crate::frame::{self, Frame, Section};
use crate::session::{self, Posted, PostedByVisitor};
use crate::state::{Console, SharedConsole};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn {
    frame: Frame,
    form_token: String,
    user: String,
    error: Option<&'static str>,
    /// Whether tokens sign in.
    by_token: bool,
}

#[derive(Template)]
#[template(path = "entered.html")]
struct Entered {
    frame: Frame,
}

/// The form.
pub(crate) async fn show(
    State(console): State<SharedConsole>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    ask(&console, &headers, StatusCode::OK, "", None)
}

fn ask(
    console: &Console,
    headers: &HeaderMap,
    status: StatusCode,
    user: &str,
    error: Option<&'static str>,
) -> Result<Response, PageError> {
    let (visit, form_token) = session::tie(headers, console);
    let frame = Frame::new(console, None, Section::Nowhere);
    let by_token = console.verify.signs_in_by_token();
    let template = SignIn { frame, form_token, user: user.to_owned(), error, by_token };
    let mut response = frame::page(status, &template)?;
    session::keep_tie(&mut response, &visit, console);
    Ok(response)
}

/// Signs in.
pub(crate) async fn enter(
    State(console): State<SharedConsole>,
    headers: HeaderMap,
    PostedByVisitor { form, address }: PostedByVisitor,
) -> Result<Response, PageError> {
    let (user, now) = (form.text("user"), console.verify.monotonic());
    if let Err(wait) = console.attempts.begin(user, address, now) {
        console.verify.note_sign_in_throttled(user);
        return Err(PageError::TooMany(wait));
    }
    match console.verify.sign_in(user, form.text("secret"), address).await {
        Ok((session, cookie)) => {
            console.attempts.succeed(user, address, now);
            entered(&console, &session, &cookie).await
        }
        Err(AuthError::Store(error)) => Err(error.into()),
        Err(AuthError::TooManyRequests) => Err(PageError::Busy),
        Err(AuthError::Suspended) => {
            let error = "This account is suspended.";
            ask(&console, &headers, StatusCode::UNAUTHORIZED, user, Some(error))
        }
        Err(_) => {
            let error = if console.verify.signs_in_by_token() {
                "No operator has this name with this password, and no account or API key has this SID with this secret."
            } else {
                "No operator has this name with this password. Tokens do not sign in here."
            };
            ask(&console, &headers, StatusCode::UNAUTHORIZED, user, Some(error))
        }
    }
}

/// The response to a right first factor. A device that is known is asked at once.
pub(super) async fn entered(
    console: &Console,
    session: &Session,
    cookie: &Secret,
) -> Result<Response, PageError> {
    let path = match session.stage {
        SessionStage::Open => "",
        SessionStage::Half { .. } => {
            // If it cannot be asked now, the page says so when the person asks again.
            if let Err(error) = console.verify.ask_second_factor(session).await {
                tracing::debug!(%error, "no device is asked: {error}");
            }
            "/sign-in/device"
        }
    };
    let mut response = frame::go(console, path);
    session::keep(&mut response, session, cookie, console);
    Ok(response)
}

/// Signs out. Ends the session on all nodes before the browser deletes the cookie.
pub(crate) async fn leave(
    State(console): State<SharedConsole>,
    Posted { operator, .. }: Posted,
) -> Result<Response, PageError> {
    console.verify.sign_out(&operator.session).await?;
    let mut response = frame::go(&console, "/sign-in");
    session::forget(&mut response, &console);
    Ok(response)
}

/// Signs in by a link. Responds with a page that continues by itself: a browser that came from another site would not send the
/// new cookie along with a redirect.
pub(crate) async fn by_link(
    State(console): State<SharedConsole>,
    RawQuery(query): RawQuery,
    extensions: Extensions,
) -> Result<Response, PageError> {
    let form = Form::of_query(query.as_deref())?;
    let Some(account) = console.links.take(form.text("key"), console.verify.monotonic()) else {
        return Err(PageError::Refused(
            "This link was used before, or is too old: it signs in once, within ten minutes. Sign in with the account’s SID and token."
                .into(),
        ));
    };
    let (session, text) =
        console.verify.sign_in_unasked(account, session::address_of(&extensions)).await?;
    let frame = Frame::new(&console, None, Section::Nowhere);
    let mut response = frame::ok(&Entered { frame })?;
    session::keep(&mut response, &session, &text, &console);
    Ok(response)
}
