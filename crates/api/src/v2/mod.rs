//! Resources of Verify v2: forms in, views out.

pub(crate) mod access_tokens;
pub(crate) mod answer_proof;
pub(crate) mod branding;
pub(crate) mod challenge_context;
mod challenge_group_view;
pub(crate) mod challenge_groups;
mod challenge_params;
mod challenge_view;
pub(crate) mod challenges;
pub(crate) mod entities;
pub(crate) mod entity_branding;
mod factor_params;
mod factor_view;
pub(crate) mod factors;
pub(crate) mod forms;
mod integration_params;
mod integration_view;
pub(crate) mod integrations;
mod notification_view;
pub(crate) mod notifications;
pub(crate) mod presence;
pub(crate) mod protection;
mod service_params;
pub(crate) mod service_protection;
pub(crate) mod services;
mod totp_view;
pub(crate) mod webhooks;
