//! For each kind of row: its columns, in order, and the function that reads them.

pub mod access_tokens;
pub mod accounts;
pub mod audit_entries;
pub mod backchannel;
pub mod calls;
pub mod challenges;
pub mod credentials;
pub mod deliveries;
pub mod entities;
pub mod factors;
pub mod integrations;
pub mod log;
pub mod notifications;
pub mod operators;
pub mod protections;
pub mod provider_tokens;
pub mod sealing_keys;
pub mod services;
pub mod sessions;
pub mod signing_keys;
pub mod summaries;
pub mod targets;
pub mod timeline;
pub mod totp_factors;
pub mod usage;
pub mod webhooks;
