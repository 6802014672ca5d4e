//! The use cases of the server: one file per noun, one method of [`Verify`] per use case.
//!
//! A use case reads what it needs, decides with a pure function of the domain, and hands the store one command that
//! holds every consequence of the decision. This crate knows no HTTP and no SQL.

pub mod access_tokens;
pub mod accounts;
pub mod answers;
mod api_keys;
mod auth;
pub mod branding;
mod cache;
mod caller;
mod challenge_contexts;
pub mod challenge_groups;
pub mod challenges;
mod clock;
pub mod concurrency;
mod counting;
mod credential_secrets;
pub mod credentials;
pub mod entities;
pub mod error;
pub mod factors;
mod failures;
mod health;
mod integration_requests;
mod integrations;
pub mod keys;
mod known_credentials;
mod long_polls;
pub mod moving;
mod notification_target;
pub mod notifications;
mod opened_integration;
mod parameter;
pub mod places;
mod presence;
pub mod protections;
pub mod provider_tokens;
mod quotas;
mod rates;
mod readiness;
mod report_limiter;
pub mod reports;
pub mod security;
pub mod services;
pub mod sessions;
mod settings;
pub mod short_links;
pub mod tally;
pub mod timeline;
mod totp_challenges;
pub mod totp_factors;
mod verify;
pub mod vitals;
pub mod waiting;
pub mod webhooks;

pub use caller::Caller;
pub use credential_secrets::{CredentialCheck, CredentialSecrets};
pub use error::{AuthError, VerifyError, VerifyResult};
pub use keys::{Keys, MasterKey};
pub use opened_integration::OpenedIntegration;
pub use parameter::Parameter;
pub use settings::{SessionDurations, Settings};
pub use verify::{Dependencies, Verify};
