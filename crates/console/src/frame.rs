//! What is around every page.

use askama::Template;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderValue, StatusCode};

use crate::fault::Fault;
use crate::files::ASSETS;
use crate::form::Form;
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
    /// Whether the page is read again by itself.
    pub(crate) pace: Pace,
}

/// Whether a page is read again by itself. A page that could be has its path.
pub(crate) enum Pace {
    /// It shows nothing that goes on.
    Once,
    /// It is.
    Live(String),
    /// Somebody asked for it to be held still.
    Held(String),
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
            pace: Pace::Once,
            base,
        }
    }

    /// A page at `path` that shows what goes on, unless the query says `live=no`.
    pub(crate) fn live(self, path: &str, query: &Form) -> Self {
        let path = format!("{}{path}", self.base);
        let is_held = query.text("live") == "no";
        Self { pace: if is_held { Pace::Held(path) } else { Pace::Live(path) }, ..self }
    }

    /// Where the page is read again, if it is.
    pub(crate) fn live_path(&self) -> Option<&str> {
        if let Pace::Live(path) = &self.pace { Some(path) } else { None }
    }

    /// Where the page would be read again, if it were not held still.
    pub(crate) fn held_path(&self) -> Option<&str> {
        if let Pace::Held(path) = &self.pace { Some(path) } else { None }
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
