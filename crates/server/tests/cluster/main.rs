//! Several real servers behind one PostgreSQL and one NATS, under load, while parts of it die.
//!
//! Devices connect to the nodes through a front, as behind a reverse proxy. Applications post to every node, and of some
//! challenges two answers are sent at once. All of them note what they were told, and a checker judges it. Second copies are allowed
//! after a break, and counted.
//!
//! Outages are short here. `CLUSTER_OUTAGE_SECONDS=20` makes them as long as that:
//! `CLUSTER_OUTAGE_SECONDS=20 cargo nextest run --workspace --no-capture -E 'binary(cluster)'` prints all figures. With
//! `CLUSTER_OLDER_BINARY=/path/to/countersign` the nodes that are replaced one after the other are of that release.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test with real processes uses the real clock"
)]

#[path = "../common/ledger.rs"]
mod ledger;
#[path = "../common/load.rs"]
mod load;
#[path = "../common/patience.rs"]
mod patience;
#[path = "../common/phones.rs"]
mod phones;

mod calls;
mod clocks;
mod failover;
mod front;
mod guesses;
mod killed;
mod node;
mod outages;
mod races;
mod releases;
mod stage;
mod starts;

use std::time::{Duration, Instant};

use crate::load::Accepted;
use crate::patience::{PATIENCE, until};

/// The length of an outage: `short`, or as the environment sets.
fn outage(short: Duration) -> Duration {
    let wished = std::env::var("CLUSTER_OUTAGE_SECONDS").ok();
    let wished = wished.map(|seconds| seconds.parse().expect("CLUSTER_OUTAGE_SECONDS is a number"));
    wished.map_or(short, |seconds| Duration::from_secs(seconds).max(short))
}

/// How long after `since` a 201 came whose request was sent after it.
pub fn first_after(accepted: &[Accepted], since: Instant) -> Option<Duration> {
    let moments = accepted.iter().flat_map(|one| &one.moments);
    let after = moments.filter(|(asked, _)| *asked > since).map(|(_, answered)| *answered - since);
    after.min()
}
