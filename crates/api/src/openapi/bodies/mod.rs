//! The parameters of every form, in the order of Twilio's description; those that are ours come last.

mod challenge;
mod credential;
mod factor;
mod service;
mod small;
mod texts;

pub(crate) use challenge::{CHALLENGE, CHALLENGE_UPDATE};
pub(crate) use credential::{CREDENTIAL, CREDENTIAL_UPDATE};
pub(crate) use factor::{FACTOR, FACTOR_UPDATE};
pub(crate) use service::{SERVICE, SERVICE_UPDATE};
pub(crate) use small::{ACCESS_TOKEN, ENTITY, NOTIFICATION, WEBHOOK, WEBHOOK_UPDATE};
pub(crate) use texts::IDENTITY;
