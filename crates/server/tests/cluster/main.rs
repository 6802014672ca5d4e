//! Several real servers behind one PostgreSQL and one NATS, under load, while parts of it die.
//!
//! Devices connect to the nodes through a front, as behind a reverse proxy. Applications post to every node. A ledger accounts
//! for every 201: delivered, or superseded by a newer prompt that was, or expired not before its deadline; nothing is shown after
//! its deadline. Second copies are allowed after a break, and counted.
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

mod calls;
mod clocks;
mod failover;
mod front;
mod guesses;
mod killed;
mod ledger;
mod load;
mod node;
mod outages;
mod phones;
mod races;
mod releases;
mod stage;
mod starts;

use std::time::Duration;

/// Bounds the wait for something that another process does; a good run ends long before.
const PATIENCE: Duration = Duration::from_secs(80);
/// The interval between looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Polls until `found` returns a value.
async fn until<T>(what: &str, mut found: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = found().await {
                return found;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let found = tokio::time::timeout(PATIENCE, looking).await;
    found.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"))
}

/// The length of an outage: `short`, or as the environment sets.
fn outage(short: Duration) -> Duration {
    let wished = std::env::var("CLUSTER_OUTAGE_SECONDS").ok();
    let wished = wished.map(|seconds| seconds.parse().expect("CLUSTER_OUTAGE_SECONDS is a number"));
    wished.map_or(short, |seconds| Duration::from_secs(seconds).max(short))
}
