//! The cookie that ties a form to its browser, and the forms themselves.

use axum::body::Body;
use countersign_verify::Verify;
use countersign_web::body::whole;
use http::{HeaderMap, Request};
use url::form_urlencoded;

use super::pages::Problem;
use crate::cookies::{cookie, host_cookie};

/// The largest form, in bytes.
const LONGEST: usize = 32 * 1024;
/// The most fields of a form.
const FIELDS: usize = 16;
/// Characters of the cookie.
const VISIT: usize = 22;

/// The name of the cookie.
pub(super) fn visit_cookie(is_https: bool) -> String {
    host_cookie("countersign_sign_in", is_https)
}

/// The cookie of a browser.
pub(super) fn visit_of(headers: &HeaderMap, is_https: bool) -> Option<&str> {
    cookie(headers, &visit_cookie(is_https)).filter(|visit| visit.len() == VISIT)
}

/// The token in the forms of a browser.
pub(super) fn form_token(verify: &Verify, visit: &str) -> String {
    verify.form_token(&tied(visit))
}

fn tied(visit: &str) -> String {
    format!("sign-in page {visit}")
}

/// A form that came from a page of this browser.
pub(super) struct Form {
    fields: Vec<(String, String)>,
    /// The cookie of the browser.
    pub(super) visit: String,
}

impl Form {
    /// Reads a form.
    ///
    /// # Errors
    /// It is no form of the page, or comes from another site.
    pub(super) async fn read(
        verify: &Verify,
        request: Request<Body>,
        is_https: bool,
    ) -> Result<Self, Problem> {
        let site = request.headers().get("sec-fetch-site");
        if site.is_some_and(|site| site != "same-origin") {
            return Err(Problem::Gone);
        }
        let visit = visit_of(request.headers(), is_https).ok_or(Problem::Gone)?.to_owned();
        let body = whole(request.into_body(), LONGEST).await.map_err(|_| Problem::Gone)?;
        let form = Self { fields: fields(&body), visit };
        if verify.is_form_token(&tied(&form.visit), form.text("form_token")) {
            Ok(form)
        } else {
            Err(Problem::Gone)
        }
    }

    /// The first value of that name, trimmed; empty if it was not sent.
    pub(super) fn text(&self, name: &str) -> &str {
        let found = self.fields.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.trim())
    }
}

fn fields(bytes: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(bytes).into_owned().take(FIELDS).collect()
}
