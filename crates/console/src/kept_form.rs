//! A form that was sent after its session had ended. Its page shows a button that sends it again, once the person has signed in
//! in another window, so that nothing that was typed is lost.

use askama::Template;
use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, Request, StatusCode};

use crate::error::PageError;
use crate::form::KeptForm;
use crate::frame::{self, Frame, Section};
use crate::state::Console;
use crate::{kept_token, session};

#[derive(Template)]
#[template(path = "kept_form.html")]
struct KeptPage<'a> {
    frame: Frame,
    path: String,
    token: String,
    fields: Vec<(&'a str, &'a str)>,
}

/// The error for a form of a browser without a session: with the form, if it is of a page of the console and something was typed.
pub(crate) async fn or_signed_out(request: Request<Body>) -> PageError {
    let site = request.headers().get("sec-fetch-site");
    if site.is_none_or(|site| site != "same-origin") {
        return PageError::SignedOut;
    }
    let path = request.uri().path().to_owned();
    match session::read(request).await {
        Ok(form) if form.typed().next().is_some() => PageError::Over(KeptForm { path, form }),
        _ => PageError::SignedOut,
    }
}

/// The page with the button.
pub(crate) fn page(
    kept: &KeptForm,
    headers: &HeaderMap,
    console: &Console,
) -> Result<Response, PageError> {
    let (visit, _) = session::tie(headers, console);
    let template = KeptPage {
        frame: Frame::new(console, None, Section::Nowhere),
        path: kept.path.strip_prefix("/console").unwrap_or_default().to_owned(),
        token: kept_token::of(&visit, kept, console),
        fields: kept.form.typed().collect(),
    };
    let mut response = frame::page(StatusCode::UNAUTHORIZED, &template)?;
    session::keep_tie(&mut response, &visit, console);
    Ok(response)
}
