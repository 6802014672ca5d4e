//! The pages, one file each: the data and the template.

pub(crate) mod api_keys;
pub(crate) mod audit;
pub(crate) mod challenge;
mod confirm;
pub(crate) mod credential_form;
pub(crate) mod credentials;
pub(crate) mod devices;
pub(crate) mod enrol;
pub(crate) mod export;
mod group;
pub(crate) mod integration_form;
mod integration_kinds;
mod integration_settings;
pub(crate) mod integrations;
pub(crate) mod invitations;
pub(crate) mod link;
pub(crate) mod live;
pub(crate) mod log;
pub(crate) mod operators;
pub(crate) mod overview;
pub(crate) mod pauses;
pub(crate) mod people;
pub(crate) mod protection;
pub(crate) mod search;
pub(crate) mod second_factor;
pub(crate) mod service;
pub(crate) mod services;
pub(crate) mod sessions;
pub(crate) mod sign_in;
pub(crate) mod timeline;
pub(crate) mod webhook_form;
pub(crate) mod webhooks;

use std::str::FromStr;

use askama::Template;
use countersign_domain::text::Identity;

use crate::error::PageError;
use crate::frame::Frame;

/// The page of an error.
#[derive(Template)]
#[template(path = "error.html")]
pub(crate) struct ErrorPage {
    pub(crate) frame: Frame,
    pub(crate) title: &'static str,
    pub(crate) text: String,
}

/// Parses a SID of a path. An invalid one names nothing.
fn sid<T: FromStr>(text: &str) -> Result<T, PageError> {
    text.parse().map_err(|_| PageError::NotFound)
}

/// Parses an identity of a path. An invalid one names nothing.
fn identity(text: &str) -> Result<Identity, PageError> {
    Identity::parse(text).map_err(|_| PageError::NotFound)
}
