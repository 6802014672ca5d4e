//! The types and rules of Countersign.
//!
//! Pure functions over plain values decide here what a challenge is, whether it may be answered, and when a delivery is attempted
//! again. Nothing in this crate awaits, opens or reads anything. Time and randomness are passed in through [`world`].

pub mod access_token;
pub mod account;
pub mod address;
pub mod answer;
pub mod attempt_record;
pub mod backoff;
pub mod base64;
pub mod call_permits;
pub mod call_queue;
pub mod challenge;
pub mod client_network;
pub mod credential;
pub mod delivery;
pub mod device_token;
pub mod ending;
pub mod entity;
pub mod event;
pub mod factor;
mod factor_status;
mod factor_type;
pub mod invalid;
pub mod invitation;
pub mod jws;
pub mod key;
pub mod limits;
pub mod monotonic;
pub mod node;
pub mod notification;
pub mod outcome;
pub mod prompt_manner;
pub mod prospect;
pub mod protection;
pub mod provider_token;
pub mod secret;
pub mod sequence;
pub mod service;
pub mod service_form;
pub mod service_protection;
pub mod session;
pub mod settled;
pub mod sid;
pub mod signed_members;
pub mod text;
pub mod time;
pub mod totp;
pub mod totp_code;
pub mod totp_secret;
mod unique;
pub mod usage;
pub mod visible;
pub mod webhook;
pub mod webhook_call;
pub mod webhook_signature;
pub mod world;
