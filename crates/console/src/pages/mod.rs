//! The pages, one file each: what is read, and the template that shows it.

pub(crate) mod challenge;
pub(crate) mod credentials;
pub(crate) mod enrol;
pub(crate) mod overview;
pub(crate) mod people;
pub(crate) mod search;
pub(crate) mod services;
pub(crate) mod sign_in;
pub(crate) mod timeline;
pub(crate) mod webhooks;

use std::str::FromStr;

use askama::Template;
use countersign_domain::text::Identity;

use crate::fault::Fault;
use crate::frame::Frame;

/// Why there is no page.
#[derive(Template)]
#[template(path = "fault.html")]
pub(crate) struct FaultPage {
    pub(crate) frame: Frame,
    pub(crate) title: &'static str,
    pub(crate) text: String,
}

/// A SID of a path; what is none names nothing.
fn sid<T: FromStr>(text: &str) -> Result<T, Fault> {
    text.parse().map_err(|_| Fault::NotFound)
}

/// An identity of a path, likewise.
fn identity(text: &str) -> Result<Identity, Fault> {
    Identity::parse(text).map_err(|_| Fault::NotFound)
}
