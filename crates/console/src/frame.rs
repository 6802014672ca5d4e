//! What is around every page.

use askama::Template;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderValue, StatusCode};

use crate::fault::Fault;
use crate::files::ASSETS;
use crate::session::Operator;
use crate::state::Console;

/// Which entry of the navigation a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Here {
    Overview,
    Timeline,
    Search,
    Services,
    Credentials,
    Webhooks,
    Enrol,
    Nowhere,
}

/// An entry of the navigation.
pub(crate) struct Entry {
    pub(crate) path: String,
    pub(crate) name: &'static str,
    pub(crate) is_here: bool,
}

/// What is around a page.
pub(crate) struct Frame {
    /// Where pages lie.
    pub(crate) base: String,
    /// Where files lie.
    pub(crate) files: String,
    /// Who is signed in.
    pub(crate) operator: Option<Operator>,
    /// Where they can go.
    pub(crate) entries: Vec<Entry>,
    /// After how many seconds a page is read again by itself; 0: not.
    pub(crate) live: u16,
}

impl Frame {
    pub(crate) fn new(console: &Console, operator: Option<&Operator>, here: Here) -> Self {
        let base = console.base();
        let all = [
            ("", "Overview", Here::Overview),
            ("/timeline", "Timeline", Here::Timeline),
            ("/search", "Search", Here::Search),
            ("/services", "Services", Here::Services),
            ("/credentials", "Credentials", Here::Credentials),
            ("/webhooks", "Webhooks", Here::Webhooks),
            ("/enrol", "Enrol a device", Here::Enrol),
        ];
        let entries = all.into_iter().filter(|_| operator.is_some()).map(|(path, name, it)| {
            Entry { path: format!("{base}{path}"), name, is_here: it == here }
        });
        Self {
            files: format!("{base}/files/{}", ASSETS.version()),
            entries: entries.collect(),
            operator: operator.cloned(),
            live: 0,
            base,
        }
    }

    /// A page that shows what goes on.
    pub(crate) fn live(self) -> Self {
        Self { live: 5, ..self }
    }

    /// The token that forms carry.
    pub(crate) fn form_token(&self) -> &str {
        self.operator.as_ref().map_or("", |operator| &operator.form_token)
    }
}

/// A page.
pub(crate) fn page(status: StatusCode, template: &impl Template) -> Result<Response, Fault> {
    let text = template.render().map_err(|error| {
        tracing::error!(%error, "A page of the console cannot be drawn: {error}");
        Fault::Internal
    })?;
    let mut response = Body::from(text).into_response();
    *response.status_mut() = status;
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, html);
    Ok(response)
}

/// A page that is there.
pub(crate) fn ok(template: &impl Template) -> Result<Response, Fault> {
    page(StatusCode::OK, template)
}

/// On to another page, by GET.
pub(crate) fn go(console: &Console, path: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(place) = HeaderValue::try_from(format!("{}{path}", console.base())) {
        response.headers_mut().insert(LOCATION, place);
    }
    response
}
