//! The contract of a database: everything that this server asks of one.
//!
//! Each method is one atomic command or one read. A command is durable when its future resolves, and a read sees every command
//! that was acknowledged before the read began. A command is conditional where it must be and returns the condition that
//! failed; a command that fails writes nothing. "Not found" is `Ok(None)` or a variant of the result, never an error. A deleted
//! entity, an entity of a deleted service, and everything below them are not found from the moment of the deletion.
//!
//! No connection, transaction, row type or SQL error crosses the seam. Every method can fail with
//! [`StoreError`](crate::error::StoreError), only for the reasons that it names.
//!
//! # Adding a method
//! 1. Declare it in the trait of its noun, in the file of that noun in this folder, with its condition and its result.
//! 2. Write its rules in `conformance/<noun>.rs` and list them in `conformance/mod.rs`.
//! 3. Implement it in each backend, in the file of the same name, and extend the migrations of all backends.
//! 4. Call it from `verify` or `delivery`, never from `api`.

use std::sync::Arc;

use countersign_domain::audit::AuditEntry;

mod access_tokens;
mod accounts;
mod audit_trail;
mod backchannel;
mod calls;
mod challenge_groups;
mod challenges;
mod codes;
mod credentials;
mod deliveries;
mod entities;
mod factors;
mod integrations;
mod notifications;
mod one_time_rights;
mod operators;
mod outcome;
mod protections;
mod provider_tokens;
mod recent;
mod sealing_keys;
mod services;
mod sessions;
mod signing_keys;
mod summaries;
mod timeline;
mod totp_factors;
mod transparency;
mod upkeep;
mod usage;
mod webhooks;
mod writes;

pub use access_tokens::AccessTokens;
pub use accounts::Accounts;
pub use audit_trail::AuditTrail;
pub use backchannel::Backchannel;
pub use calls::{Backlog, Calls, CallsFound, CallsWanted, WEBHOOKS_PER_LOOK};
pub use challenge_groups::{ChallengeGroups, GroupOpened};
pub use challenges::{
    Answer, ChallengeFilter, Challenges, Confirmation, Confirmed, Opened, Opening, Recorded,
};
pub use codes::{CodeCheck, CodeUse, JudgedCode, StoredCodes};
pub use countersign_domain::attention::CallCounts;
pub use credentials::Credentials;
pub use deliveries::{Deliveries, Settlement};
pub use entities::Entities;
pub use factors::{Enrolled, Enrolment, Factors};
pub use integrations::Integrations;
pub use notifications::{Notifications, Notified};
pub use one_time_rights::OneTimeRights;
pub use operators::Operators;
pub use outcome::Outcome;
pub use protections::Protections;
pub use provider_tokens::{PROVIDER_TOKENS_KEPT, ProviderTokens};
pub use recent::{CallCursor, CallList, Recent, WebhookState};
pub use sealing_keys::SealingKeys;
pub use services::{LogoChange, Services};
pub use sessions::Sessions;
pub use signing_keys::{SIGNING_KEYS_KEPT, SigningKeys};
pub use summaries::{
    PeriodSummary, SUMMARY_ROWS, ServiceSummary, Summaries, SummaryCursor, SummaryQuery,
    SummaryRow, SummaryStep,
};
pub use timeline::{AttemptFilter, FoundFactor, Searched, Stretch, TimelineFilter, Timelines};
pub use totp_factors::{TotpEnrolment, TotpFactors, TotpUpdate};
pub use transparency::{
    FactKey, LogBeginning, LogState, LogStep, LogTile, StoredEntry, Transparency,
};
pub use upkeep::{Retention, Upkeep};
pub use usage::{CountedKey, CountedRow, CountedTable, Usages};
pub use webhooks::Webhooks;
pub use writes::{Inserted, Updated};

/// A database.
pub trait Store:
    Accounts
    + Services
    + Entities
    + Factors
    + TotpFactors
    + Challenges
    + ChallengeGroups
    + Notifications
    + AccessTokens
    + Webhooks
    + Integrations
    + Calls
    + Credentials
    + ProviderTokens
    + SigningKeys
    + SealingKeys
    + Backchannel
    + OneTimeRights
    + Protections
    + Deliveries
    + Upkeep
    + Recent
    + Timelines
    + Sessions
    + Operators
    + AuditTrail
    + Usages
    + Summaries
    + Transparency
    + Send
    + Sync
{
    /// This database, for one action of a person at the console: the first command that [is done](Outcome::is_done) stores the
    /// entry in its own transaction. A command that is not done stores none, and one whose entry cannot be stored fails. Commands
    /// that no person gives at the console do not store it: settlements, leases, notifications, and answers of devices.
    fn audited(&self, entry: AuditEntry) -> Arc<dyn Store>;
}
