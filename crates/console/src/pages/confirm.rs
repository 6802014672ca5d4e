//! The question before something goes for good, which says what goes with it.

use askama::Template;
use axum::response::Response;

use crate::error::PageError;
use crate::frame::{self, Frame, Section};
use crate::session::Operator;
use crate::state::Console;

/// A question before something goes for good.
#[derive(Template)]
#[template(path = "confirm.html")]
pub(crate) struct Confirm {
    frame: Frame,
    /// Title and heading, such as `Remove the device`.
    title: &'static str,
    /// The name of what goes, which others chose.
    name: String,
    /// The records that are deleted too, and the consequence.
    consequences: Vec<String>,
    /// The path of the form, which is that of this page.
    path: String,
    /// The button.
    verb: &'static str,
    /// Where to go instead.
    back: String,
}

impl Confirm {
    pub(crate) fn new(
        console: &Console,
        operator: &Operator,
        section: Section,
        (title, verb): (&'static str, &'static str),
        name: String,
    ) -> Self {
        let frame = Frame::new(console, Some(operator), section);
        let (path, back) = (String::new(), String::new());
        Self { frame, title, name, consequences: Vec::new(), path, verb, back }
    }

    /// Says what goes with it.
    pub(crate) fn says(self, consequences: impl IntoIterator<Item = String>) -> Self {
        Self { consequences: consequences.into_iter().collect(), ..self }
    }

    /// The page, for a form at `path` and a way back to `back`.
    pub(crate) fn between(self, path: String, back: String) -> Result<Response, PageError> {
        frame::ok(&Self { path, back, ..self })
    }
}
