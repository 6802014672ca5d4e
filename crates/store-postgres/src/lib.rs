//! The store of several nodes: PostgreSQL, array statements, group commit.
//!
//! A command is a value that runs in one transaction (`command.rs`), and again in another one when the database cancelled it in favour
//! of others. Frequent commands share a transaction with others of their type, as a few statements over arrays (`gather.rs`). Reads go
//! to the same server as writes, so they see every acknowledged write. Rows are locked in the order of their keys, challenges before
//! deliveries.
//!
//! The files of nouns (`accounts.rs`, `challenges.rs`, ...) implement the traits of the seam. Below them are the files of single
//! commands and of the rows that several commands change.

mod access_tokens;
mod accounts;
mod answers;
mod audit_trail;
mod audited;
mod backchannel;
mod backchannel_requests;
mod backlog;
mod call_leases;
mod call_results;
mod calls;
mod cells;
mod challenge_groups;
mod challenges;
mod clock;
mod clock_reading;
mod codes;
mod command;
mod commit_outcome;
mod connect;
mod credentials;
mod database;
mod deliveries;
mod durability;
mod endings;
mod enrolment;
mod entities;
mod error;
mod events;
mod factors;
mod facts;
mod gather;
mod history;
mod integrations;
mod leases;
mod migrations;
mod moving;
mod new_notifications;
mod notifications;
mod notify;
mod one_time_rights;
mod opening;
mod operators;
mod options;
mod paging;
mod params;
mod pauses;
mod pooler;
mod probe;
mod prospect;
mod protections;
mod provider_tokens;
mod recent;
mod retries;
mod sealing_keys;
mod servers;
mod services;
mod session;
mod sessions;
mod settle;
mod settlement;
mod signing_keys;
mod standing;
mod statement;
mod store;
mod summaries;
mod time_limits;
mod timeline;
mod totp_factors;
mod transaction_id;
mod transparency;
mod upkeep;
mod usage;
mod waiting_webhooks;
mod webhooks;

pub use clock::Tolerance;
pub use clock_reading::ClockReading;
pub use durability::Durability;
pub use options::Options;
pub use store::PostgresStore;
