//! Sign-in and sign-out.

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use countersign_verify::AuthError;
use http::{HeaderMap, StatusCode};

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
    let template = SignIn { frame, form_token, user: user.to_owned(), error };
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
    match console.verify.sign_in(user, form.text("secret")).await {
        Ok((session, text)) => {
            console.attempts.succeed(user, address, now);
            let mut response = frame::go(&console, "");
            session::keep(&mut response, &session, &text, &console);
            Ok(response)
        }
        Err(AuthError::Store(error)) => Err(error.into()),
        Err(AuthError::TooManyRequests) => Err(PageError::Busy),
        Err(AuthError::Suspended) => {
            let error = "This account is suspended.";
            ask(&console, &headers, StatusCode::UNAUTHORIZED, user, Some(error))
        }
        Err(_) => {
            let error = "No account or API key has this SID with this secret.";
            ask(&console, &headers, StatusCode::UNAUTHORIZED, user, Some(error))
        }
    }
}

/// Signs out. Ends the session on all nodes before the browser deletes the cookie.
pub(crate) async fn leave(
    State(console): State<SharedConsole>,
    Posted { operator, .. }: Posted,
) -> Result<Response, PageError> {
    console.verify.end_session(&operator.session).await?;
    console.verify.note_sign_out(operator.account);
    let mut response = frame::go(&console, "/sign-in");
    session::forget(&mut response, &console);
    Ok(response)
}

/// Signs in by a link. Responds with a page that continues by itself: a browser that came from another site would not send the
/// new cookie along with a redirect.
pub(crate) async fn by_link(
    State(console): State<SharedConsole>,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let form = Form::of_query(query.as_deref())?;
    let Some(account) = console.links.take(form.text("key"), console.verify.monotonic()) else {
        return Err(PageError::Refused(
            "This link was used before, or is too old: it signs in once, within ten minutes. Sign in with the account’s SID and token."
                .into(),
        ));
    };
    let (session, text) = console.verify.sign_in_unasked(account).await?;
    let frame = Frame::new(&console, None, Section::Nowhere);
    let mut response = frame::ok(&Entered { frame })?;
    session::keep(&mut response, &session, &text, &console);
    Ok(response)
}
