//! Connections to the database.

use std::sync::Arc;

use countersign_store::wait_budget::Wait;
use deadpool_postgres::Pool;
use tokio::time::Instant as Deadline;

use crate::clock::Comparison;
use crate::error::DatabaseError;
use crate::session::{Connections, Session};
use crate::time_limits::{TimeLimit, TimeLimits};

/// The settings of every connection. Each has a reason:
///
/// - `synchronous_commit = on`: an acknowledged commit is on the disk, whatever the default of the server.
/// - `default_transaction_isolation = read committed`: a statement that waited for a lock must see what the holder committed.
/// - `plan_cache_mode = force_generic_plan`: statements read few rows by their keys, and planning one takes several times as long as
///   running it. By default the server plans statements about a partitioned table on every call, since a plan for all partitions
///   looks expensive, although it skips most of them when it runs.
/// - `enable_seqscan = off`: a cached plan may have been made when a table was small or had no statistics, and would read the
///   whole table when it has grown.
/// - `cpu_operator_cost = 0.1`: the server expects arrays of ten values, and hashes an array of keys only if comparing looks
///   expensive; otherwise it compares every row with every key.
pub(crate) const SESSION_SETTINGS: &str = "SET synchronous_commit TO on; SET default_transaction_isolation TO 'read committed'; \
                                           SET plan_cache_mode TO force_generic_plan; SET enable_seqscan TO off; \
                                           SET cpu_operator_cost TO 0.1";
/// Begins a transaction on a pooled connection, which has no settings of ours.
pub(crate) const BEGIN_POOLED: &str =
    "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL synchronous_commit TO on";

/// The pool of connections. A broken one is replaced when the next is taken.
#[derive(Clone)]
pub(crate) struct Database {
    connections: Connections,
    pub(crate) transaction_pooling: bool,
    pub(crate) time_limits: TimeLimits,
    pub(crate) comparison: Arc<Comparison>,
}

impl Database {
    pub(crate) fn new(pool: Pool, transaction_pooling: bool, time_limits: TimeLimits) -> Self {
        Self {
            connections: Connections::new(pool, time_limits.connection()),
            transaction_pooling,
            time_limits,
            comparison: Arc::default(),
        }
    }

    /// Takes a connection for reads.
    pub(crate) async fn session(&self) -> Result<Session, DatabaseError> {
        let deadline = self.time_limits.deadline(TimeLimit::Request);
        let mut session = self.session_until(deadline).await?;
        session.reconnect_from(self.connections.clone());
        Ok(session)
    }

    /// Takes a connection for reads without a time limit. They end with [`Session::commit`].
    pub(crate) async fn unlimited_session(&self) -> Result<Session, DatabaseError> {
        let session = self.session_until(self.time_limits.deadline(TimeLimit::Unlimited)).await?;
        let begin =
            BEGIN_POOLED.to_owned() + &self.time_limits.of_transaction(TimeLimit::Unlimited);
        session.begin(Some(&begin)).await?;
        Ok(session)
    }

    /// Takes a connection for a command with a deadline.
    pub(crate) async fn session_until(&self, deadline: Deadline) -> Result<Session, DatabaseError> {
        let wait = Wait::begin();
        let client = self.connections.take(deadline).await?;
        let begin_read = self.transaction_pooling.then(|| {
            "BEGIN READ ONLY".to_owned() + &self.time_limits.of_transaction(TimeLimit::Request)
        });
        Ok(Session::new(client, deadline, wait, begin_read, self.comparison.tolerance()))
    }
}
