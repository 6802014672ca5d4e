//! Sign-in by a link that the command line made for an operator.

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::HeaderMap;

use super::sign_in::entered;
use crate::error::PageError;
use crate::form::Form;
use crate::frame::{self, Frame, Section};
use crate::session::{self, PostedByVisitor};
use crate::state::SharedConsole;

#[derive(Template)]
#[template(path = "link.html")]
struct Link {
    frame: Frame,
    form_token: String,
    key: String,
}

/// Asks to go on. A program that looks at links in messages does not use this one up.
pub(crate) async fn show(
    State(console): State<SharedConsole>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let query = Form::of_query(query.as_deref())?;
    let (visit, form_token) = session::tie(&headers, &console);
    let frame = Frame::new(&console, None, Section::Nowhere);
    let key = query.text("key").to_owned();
    let mut response = frame::ok(&Link { frame, form_token, key })?;
    session::keep_tie(&mut response, &visit, &console);
    Ok(response)
}

/// Signs in.
pub(crate) async fn enter(
    State(console): State<SharedConsole>,
    PostedByVisitor { form, address }: PostedByVisitor,
) -> Result<Response, PageError> {
    let now = console.verify.monotonic();
    console.attempts.begin("", address, now).map_err(PageError::TooMany)?;
    let signed_in = console.verify.sign_in_by_link(form.text("key"), address).await;
    let (session, cookie) = signed_in.map_err(|fault| match PageError::from(fault) {
        PageError::SignedOut => PageError::Refused(
            "This link was used before, is too old, or was replaced by a newer one. Make another with countersign operators link."
                .into(),
        ),
        error => error,
    })?;
    console.attempts.succeed("", address, now);
    entered(&console, &session, &cookie).await
}
