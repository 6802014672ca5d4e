//! A form that was sent after its session had ended. Its page shows a button that sends it again, once the person has signed in
//! in another window, so that nothing that was typed is lost.
//!
//! The button's token is bound to the browser by a cookie, and to what the form holds: nobody else can make one, and it sends
//! nothing but what was typed here.

use askama::Template;
use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, Request, StatusCode};

use crate::error::PageError;
use crate::form::Form;
use crate::frame::{self, Frame, Section};
use crate::session;
use crate::state::Console;

/// A form and its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeptForm {
    path: String,
    form: Form,
}

#[derive(Template)]
#[template(path = "kept_form.html")]
struct KeptPage<'a> {
    frame: Frame,
    path: String,
    token: String,
    fields: Vec<(&'a str, &'a str)>,
}

impl KeptForm {
    /// The error for a form of a browser without a session: with the form, if it is of a page of the console and something was
    /// typed.
    pub(crate) async fn or_signed_out(request: Request<Body>) -> PageError {
        let site = request.headers().get("sec-fetch-site");
        if site.is_none_or(|site| site != "same-origin") {
            return PageError::SignedOut;
        }
        let path = request.uri().path().to_owned();
        match session::read(request).await {
            Ok(form) if form.typed().next().is_some() => PageError::Over(Self { path, form }),
            _ => PageError::SignedOut,
        }
    }

    /// The page with the button.
    pub(crate) fn page(
        &self,
        headers: &HeaderMap,
        console: &Console,
    ) -> Result<Response, PageError> {
        let (visit, _) = session::tie(headers, console);
        let template = KeptPage {
            frame: Frame::new(console, None, Section::Nowhere),
            path: self.path.strip_prefix("/console").unwrap_or_default().to_owned(),
            token: console.verify.form_token(&name_of(&visit, &self.path, &self.form)),
            fields: self.form.typed().collect(),
        };
        let mut response = frame::page(StatusCode::UNAUTHORIZED, &template)?;
        session::keep_tie(&mut response, &visit, console);
        Ok(response)
    }
}

/// Whether a form was sent by such a button, in this browser.
pub(crate) fn is_kept(visit: Option<&str>, path: &str, form: &Form, console: &Console) -> bool {
    let token = form.text("form_token");
    visit.is_some_and(|visit| console.verify.is_form_token(&name_of(visit, path, form), token))
}

/// What the button's token is bound to.
fn name_of(visit: &str, path: &str, form: &Form) -> String {
    let mut name = url::form_urlencoded::Serializer::new(String::from("kept form&"));
    name.append_pair("visit", visit).append_pair("path", path).extend_pairs(form.typed());
    name.finish()
}
