//! Words and rules of Countersign.
//!
//! What a challenge is, whether it may be answered, when the next try of a delivery is: decided here, by pure
//! functions over plain values. Nothing here awaits, opens or reads anything; time and randomness are handed in
//! through [`world`].

pub mod access_token;
pub mod account;
pub mod address;
pub mod answer;
pub mod backoff;
pub mod base64;
pub mod challenge;
pub mod credential;
pub mod delivery;
pub mod device_token;
pub mod entity;
pub mod event;
pub mod factor;
mod factor_status;
mod factor_type;
pub mod household;
pub mod invalid;
pub mod invitation;
pub mod jws;
pub mod key;
pub mod limits;
pub mod monotonic;
pub mod notification;
pub mod provider_token;
pub mod secret;
pub mod sequence;
pub mod service;
pub mod service_form;
pub mod session;
pub mod sid;
pub mod signed_members;
pub mod text;
pub mod time;
pub mod totp;
mod unique;
pub mod usage;
pub mod visible;
pub mod webhook;
pub mod webhook_call;
pub mod webhook_signature;
pub mod world;
