//! Where a person wanted to go before the sign-in, in a cookie, however many steps the sign-in has.

use axum::extract::Request;
use axum::response::Response;
use http::header::LOCATION;
use http::{HeaderMap, HeaderValue, Method};

use crate::session;
use crate::state::Console;

/// The cookie: the path and query of a page.
const WANTED: &str = "countersign_wanted";
/// How long it is kept, in seconds.
const VALIDITY: u64 = 10 * 60;
/// Longer paths are not kept.
const LONGEST: usize = 1_024;

/// The page that a request asks for, and the one that was wanted before.
pub(crate) struct WayBack {
    /// The page, if a person could return to it.
    page: Option<String>,
    /// Whether the request is a step of a sign-in.
    is_sign_in: bool,
    wanted: Option<String>,
}

impl WayBack {
    pub(crate) fn of(request: &Request) -> Self {
        let (headers, path) = (request.headers(), request.uri().path());
        let is_page = *request.method() == Method::GET && !headers.contains_key("hx-request");
        let page = request.uri().path_and_query().filter(|_| is_page);
        let wanted = session::cookie(headers, WANTED).and_then(inside);
        Self {
            page: page.and_then(|page| inside(page.as_str().strip_prefix("/console")?)),
            is_sign_in: ["/console/sign-in", "/console/link"].iter().any(|it| path.starts_with(it)),
            wanted,
        }
    }

    /// Notes the page, whose request was led to the sign-in.
    pub(crate) fn note(&self, response: &mut Response, console: &Console) {
        if let Some(page) = &self.page {
            session::set(response, WANTED, page, Some(VALIDITY), console);
        }
    }

    /// Leads to the wanted page instead of the overview, once somebody has signed in.
    pub(crate) fn follow(&self, response: &mut Response, console: &Console) {
        let Some(wanted) = self.wanted.as_ref().filter(|_| self.is_sign_in) else { return };
        if !leads_to(response.headers(), &console.base()) {
            return;
        }
        if let Ok(place) = HeaderValue::try_from(format!("{}{wanted}", console.base())) {
            response.headers_mut().insert(LOCATION, place);
            session::set(response, WANTED, "", Some(0), console);
        }
    }
}

fn leads_to(headers: &HeaderMap, path: &str) -> bool {
    headers.get(LOCATION).is_some_and(|place| place == path)
}

/// A path within the console that fits into a cookie.
fn inside(path: &str) -> Option<String> {
    let fits = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b';' && byte != b',');
    (fits && path.len() > 1 && path.len() <= LONGEST && path.starts_with('/'))
        .then(|| path.to_owned())
}
