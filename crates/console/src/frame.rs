//! The layout of every page.

use askama::Template;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use countersign_domain::role::Role;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::error::PageError;
use crate::fields::{Field, Wrong};
use crate::files::ASSETS;
use crate::form::Form;
use crate::session::Operator;
use crate::state::Console;
use crate::told::Told;

/// The entry of the navigation that a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    Overview,
    Timeline,
    Search,
    Services,
    Credentials,
    Webhooks,
    ApiKeys,
    Enrol,
    Audit,
    Operators,
    Sessions,
    Nowhere,
}

/// An entry of the navigation.
pub(crate) struct Entry {
    pub(crate) path: String,
    pub(crate) name: &'static str,
    pub(crate) is_current: bool,
}

/// The layout of a page.
pub(crate) struct Frame {
    /// URL of the pages.
    pub(crate) base: String,
    /// URL of the files.
    pub(crate) files: String,
    /// The operator who is signed in.
    pub(crate) operator: Option<Operator>,
    /// The entries of the navigation.
    pub(crate) entries: Vec<Entry>,
    /// Whether the page updates itself.
    pub(crate) pace: Pace,
    /// The message above the content.
    pub(crate) told: Option<Told>,
    /// The text in the search field.
    pub(crate) sought: String,
}

/// Whether a page updates itself. Contains the path of a page that can.
pub(crate) enum Pace {
    /// The page shows nothing that changes.
    Once,
    /// The page updates itself.
    Live(String),
    /// The page follows a stream of events.
    Streamed(String),
    /// Updates are paused.
    Held(String),
}

impl Frame {
    pub(crate) fn new(console: &Console, operator: Option<&Operator>, here: Section) -> Self {
        let base = console.base();
        let all = [
            ("", "Overview", Section::Overview, Role::Read),
            ("/timeline", "Timeline", Section::Timeline, Role::Read),
            ("/services", "Services", Section::Services, Role::Read),
            ("/credentials", "Credentials", Section::Credentials, Role::Read),
            ("/webhooks", "Webhooks", Section::Webhooks, Role::Read),
            ("/api-keys", "API keys", Section::ApiKeys, Role::Read),
            ("/enrol", "Enrol a device", Section::Enrol, Role::Operate),
            ("/audit", "Audit", Section::Audit, Role::Read),
            ("/operators", "Operators", Section::Operators, Role::Admin),
            ("/sessions", "Sessions", Section::Sessions, Role::Read),
        ];
        let may = |needs| operator.is_some_and(|operator| operator.role().covers(needs));
        let entries = all.into_iter().filter(|(.., needs)| may(*needs));
        let entries = entries.map(|(path, name, it, _)| Entry {
            path: format!("{base}{path}"),
            name,
            is_current: it == here,
        });
        Self {
            files: format!("{base}/files/{}", ASSETS.version()),
            entries: entries.collect(),
            operator: operator.cloned(),
            pace: Pace::Once,
            told: None,
            sought: String::new(),
            base,
        }
    }

    /// Makes a page at `path` update itself, unless the query contains `live=no`.
    pub(crate) fn live(self, path: &str, query: &Form) -> Self {
        let path = format!("{}{path}", self.base);
        let is_held = query.text("live") == "no";
        Self { pace: if is_held { Pace::Held(path) } else { Pace::Live(path) }, ..self }
    }

    /// Tells what the form that led here did.
    pub(crate) fn telling(self, query: &Form) -> Self {
        Self { told: Told::by(query), ..self }
    }

    /// Tells what is wrong with a form of the page.
    pub(crate) fn refusing(self, wrong: Option<&Wrong>, fields: &[Field]) -> Self {
        Self { told: wrong.map(|wrong| Told::wrong(wrong, fields)).or(self.told), ..self }
    }

    /// Whether something went wrong, as the title says.
    pub(crate) const fn has_failed(&self) -> bool {
        matches!(self.told, Some(Told::Failed { .. }))
    }

    /// Makes a page at `path` follow a stream, unless the query contains `live=no`.
    pub(crate) fn streamed(self, path: &str, query: &Form) -> Self {
        let frame = self.live(path, query);
        let pace = match frame.pace {
            Pace::Live(path) => Pace::Streamed(path),
            other => other,
        };
        Self { pace, ..frame }
    }

    /// Shows a text in the search field.
    pub(crate) fn seeking(self, text: &str) -> Self {
        Self { sought: text.to_owned(), ..self }
    }

    /// The path for updates, if the page updates itself.
    pub(crate) fn live_path(&self) -> Option<&str> {
        if let Pace::Live(path) = &self.pace { Some(path) } else { None }
    }

    /// The path for updates, if they are paused.
    pub(crate) fn held_path(&self) -> Option<&str> {
        if let Pace::Held(path) = &self.pace { Some(path) } else { None }
    }

    /// The path of a page that follows a stream.
    pub(crate) fn streamed_path(&self) -> Option<&str> {
        if let Pace::Streamed(path) = &self.pace { Some(path) } else { None }
    }

    /// The path of a page that is not paused, with a query that pauses it; for browsers without scripts.
    pub(crate) fn pausing_path(&self) -> Option<String> {
        let path = self.live_path().or_else(|| self.streamed_path())?;
        let mark = if path.contains('?') { '&' } else { '?' };
        Some(format!("{path}{mark}live=no"))
    }

    /// The role whose forms are shown; none before the sign-in.
    pub(crate) fn role(&self) -> &'static str {
        self.operator.as_ref().map_or("", |operator| operator.role().as_str())
    }

    /// The token that forms contain.
    pub(crate) fn form_token(&self) -> &str {
        self.operator.as_ref().map_or("", |operator| &operator.form_token)
    }
}

/// Redirects the whole page, also if the request updates a part of it.
pub(crate) fn go_whole(console: &Console, headers: &HeaderMap, path: &str) -> Response {
    let mut response = go(console, path);
    if headers.contains_key("hx-request") {
        *response.status_mut() = StatusCode::OK;
        if let Some(place) = response.headers_mut().remove(LOCATION) {
            response.headers_mut().insert("hx-redirect", place);
        }
    }
    response
}

/// A response with a page.
pub(crate) fn page(status: StatusCode, template: &impl Template) -> Result<Response, PageError> {
    let text = template.render().map_err(|error| {
        tracing::error!(%error, "A page of the console cannot be drawn: {error}");
        PageError::Internal
    })?;
    let mut response = Body::from(text).into_response();
    *response.status_mut() = status;
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, html);
    Ok(response)
}

/// 200 with a page.
pub(crate) fn ok(template: &impl Template) -> Result<Response, PageError> {
    page(StatusCode::OK, template)
}

/// Redirects to another page, which is fetched with GET.
pub(crate) fn go(console: &Console, path: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(place) = HeaderValue::try_from(format!("{}{path}", console.base())) {
        response.headers_mut().insert(LOCATION, place);
    }
    response
}
