//! Each stand-in over its real protocol.

mod apns_connections;
mod apns_refusals;
mod apple;
pub(crate) mod client;
mod fcm_messages;
mod fcm_tokens;
mod google;
mod running;
mod scripts;
mod vendor;
mod webhooks;
mod webpush_browsers;
mod webpush_refusals;
