//! The parameters of every form, in the order of Twilio's description; those that are ours come last.

mod challenge;
mod credential;
mod factor;
mod service;
mod small;

pub(crate) use challenge::{CHALLENGE, CHALLENGE_UPDATE};
pub(crate) use credential::{CREDENTIAL, CREDENTIAL_UPDATE};
pub(crate) use factor::{FACTOR, FACTOR_UPDATE};
pub(crate) use service::{SERVICE, SERVICE_UPDATE};
pub(crate) use small::{ACCESS_TOKEN, ENTITY, NOTIFICATION, WEBHOOK, WEBHOOK_UPDATE};

use super::kind::Kind;

/// The application's own name for a person.
pub(crate) const IDENTITY: Kind = Kind::Matching(8, 64, "^[0-9A-Za-z-]+$");
/// What a person or an operator calls something.
const NAME: Kind = Kind::Length(1, 64);
/// The text of a JSON object whose values are texts.
const STRINGS: Kind = Kind::Json(1_024);
