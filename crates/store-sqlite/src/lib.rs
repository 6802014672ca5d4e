//! The default store: one SQLite file, one writer thread, group commit.
//!
//! Writes are commands, queued to one thread that commits many of them with one sync (`writer.rs`). Reads run on connections of
//! their own, on the caller's thread, and see every acknowledged write. Several processes may have the file open: every command
//! takes the file's write lock before it reads anything that it decides by.
//!
//! `memory.rs` carries the same commands out in memory, without threads, for the simulation.
//!
//! The files of nouns (`accounts.rs`, `challenges.rs`, ...) implement the traits of the seam. Below them are the files of single
//! commands and of the rows that several commands change.

mod access_tokens;
mod accounts;
mod answers;
mod audit_trail;
mod audited;
mod backchannel;
mod backlog;
mod backup;
mod batch;
mod call_leases;
mod call_order;
mod call_results;
mod calls;
mod cells;
mod challenge_groups;
mod challenges;
mod checkpoint;
mod codes;
mod command;
mod connection;
mod credentials;
mod deliveries;
mod endings;
mod enrolment;
mod entities;
mod error;
mod events;
mod factors;
mod facts;
mod integrations;
mod integrity;
mod memory;
mod moving;
mod new_notifications;
mod notifications;
mod one_time_rights;
mod opening;
mod operators;
mod options;
mod paging;
mod parked;
mod pauses;
#[cfg(test)]
mod plans;
mod prospect;
mod protections;
mod provider_tokens;
mod purpose;
mod readers;
mod recent;
mod sealing_keys;
mod services;
mod sessions;
mod settle;
mod signing_keys;
mod standing;
mod statement;
mod store;
mod summaries;
mod test_write;
mod timeline;
mod totp_factors;
mod transparency;
mod upkeep;
mod usage;
mod webhooks;
mod writer;

pub use backup::{FileReport, copy_file, inspect_file};
pub use countersign_sqlite_file::install;
pub use integrity::Depth;
pub use memory::{Faults, MemoryDatabase};
pub use options::Options;
pub use purpose::{Purpose, purpose};
pub use store::SqliteStore;
