//! The delivery engine: leases deliveries, hands them to providers, and commits the results.
//!
//! | duty | file | task |
//! | --- | --- | --- |
//! | dispatcher | `dispatcher.rs` | begins deliveries that are handed over in memory, right after their commit |
//! | poller | `poller.rs` | leases due deliveries |
//! | replay | `replay.rs` | leases the parked deliveries of a device that connects |
//! | rounds | `rounds.rs` | requests replays again for the devices of this process, where other processes park deliveries too |
//! | caller | `caller.rs` | calls webhooks |
//! | teller | `teller.rs` | calls the clients whose questions have ended |
//! | settler | `settler.rs` | commits the results of deliveries, in batches |
//! | expirer, rescuer, cleaner | files of these names | sweep the database |
//! | integrator | `integrator.rs` | makes entries of the transparency log, and its checkpoints |
//! | summarizer | `summarizer.rs` | counts challenges and pushes for the operator's pages |
//! | backlog | `backlog.rs` | counts queued webhook calls, and gives up those above the limits |
//!
//! Each delivery runs from its lease to the commit of its result (`attempt.rs`): judged (`readiness.rs`), sent (`send.rs`),
//! settled (`reports.rs`), followed up (`follow_up.rs`). Deliveries that begin together share a task and one read. A crash may
//! cause a push to be sent twice, but loses none: a lease that is not settled runs out.
//!
//! `engine.rs` builds each duty with the values that it needs. Values that several duties share are leaves: `capacity.rs`,
//! `limits.rs`, `reports.rs`, `replay_queue.rs`, `reconnects.rs`, `alarm.rs`, `tasks.rs`, `timing.rs`, `signals.rs`.

mod alarm;
mod attempt;
mod backlog;
mod beside;
mod call_permits;
mod caller;
mod capacity;
mod cleaner;
mod cosigners;
mod deadline;
mod dispatcher;
mod duty;
mod engine;
mod expirer;
mod follow_up;
mod idle;
mod integrator;
mod limits;
mod metrics;
pub mod options;
mod poller;
mod readiness;
mod reconnects;
mod replay;
mod replay_queue;
mod reports;
mod rescuer;
mod rounds;
mod send;
mod settler;
pub mod signals;
mod summarizer;
mod tasks;
mod teller;
mod timing;

pub use engine::{Engine, EngineParts, LogParts};
pub use options::EngineOptions;
pub use signals::{Counts, Signals};
