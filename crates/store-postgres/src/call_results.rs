//! The outcomes of leased calls. Results that arrive together are written together.
//!
//! The first statement locks the calls in the order of their ids; the second one writes them and sees everything that was committed before
//! the locks were taken. Both are sent together with the commit, so no lock waits for this process.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use countersign_domain::event::CallId;
use countersign_domain::node::NodeId;
use countersign_domain::sid::ChallengeSid;
use countersign_domain::time::Instant;
use countersign_domain::webhook_call::{AfterCall, CallFailure, KEPT_FOR};
use countersign_store_sql::cells::RowResult;
use countersign_store_sql::rows::calls::response_cell;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::cells::cells_of;
use crate::error::DatabaseError;
use crate::gather::Gathered;
use crate::params::{column, id, params};
use crate::session::Session;

/// Locks calls in the order of their ids.
pub(crate) const LOCK: &str = "SELECT c.id FROM (SELECT * FROM unnest($1) AS u (id) ORDER BY 1) AS u \
                               CROSS JOIN LATERAL (SELECT id FROM webhook_calls WHERE id = u.id FOR UPDATE) AS c";
/// A call without a next state is removed. A taken call is kept with the challenge that it tells of. After a call has ended, the earliest one
/// behind it becomes due.
const WRITE: &str = "WITH held AS MATERIALIZED (SELECT u.*, c.webhook_sid, c.factor_sid, c.event, c.happened_at, c.attempts \
     FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
     AS u (id, node, until, state, wake_at, tries, error, challenge_sid, status, at, response) \
     CROSS JOIN LATERAL (SELECT * FROM webhook_calls WHERE id = u.id AND node = u.node AND wake_at = u.until OFFSET 0) AS c), \
     kept AS (INSERT INTO calls_taken (challenge_sid, id, webhook_sid, event, happened_at, attempts, taken_at, status) \
     SELECT challenge_sid, id, webhook_sid, event, happened_at, attempts + tries, at, status FROM held \
     WHERE challenge_sid IS NOT NULL ON CONFLICT DO NOTHING), \
     gone AS (DELETE FROM webhook_calls c USING held WHERE c.id = held.id AND held.state IS NULL), \
     changed AS (UPDATE webhook_calls c SET state = held.state, node = NULL, wake_at = held.wake_at, \
     attempts = c.attempts + held.tries, \
     last_error = CASE WHEN held.tries = 0 THEN coalesce(c.last_error, held.error) ELSE held.error END, \
     last_response = CASE WHEN held.tries = 0 THEN c.last_response ELSE held.response END \
     FROM held WHERE c.id = held.id AND held.state IS NOT NULL), \
     ended AS (SELECT webhook_sid, factor_sid FROM held WHERE state IS DISTINCT FROM 'due'), \
     next AS (UPDATE webhook_calls c SET state = 'due' FROM ended CROSS JOIN LATERAL (SELECT id FROM webhook_calls \
     WHERE webhook_sid = ended.webhook_sid AND factor_sid = ended.factor_sid AND state = 'behind' \
     ORDER BY happened_at, number, id LIMIT 1) AS next WHERE c.id = next.id) SELECT id FROM held";

/// The node, state and wake-up time of calls, and when they were taken.
const STORED: &str = "SELECT u.id, c.node, c.state, c.wake_at, t.taken_at FROM unnest($1, $2) AS u (id, challenge_sid) \
     LEFT JOIN LATERAL (SELECT node, state, wake_at FROM webhook_calls WHERE id = u.id OFFSET 0) AS c ON true \
     LEFT JOIN LATERAL (SELECT taken_at FROM calls_taken WHERE challenge_sid = u.challenge_sid AND id = u.id OFFSET 0) AS t \
     ON true";

/// The next state of a leased call.
#[derive(Clone, Copy)]
pub(crate) enum NextState {
    /// The call was tried.
    Tried(AfterCall),
    /// The call was not tried: its deadline passed while it waited.
    Late,
    /// The call was not tried: its webhook is not subscribed to its event.
    Unwanted,
}

/// Writes the outcome of a leased call. Returns whether the lease held.
#[derive(Clone)]
pub(crate) struct CallResult {
    pub(crate) id: CallId,
    pub(crate) node: NodeId,
    pub(crate) until: Instant,
    /// The challenge that the call tells of.
    pub(crate) challenge: Option<ChallengeSid>,
    pub(crate) next: NextState,
    /// The description of a failed try.
    pub(crate) failure: CallFailure,
    pub(crate) at: Instant,
}

impl CallResult {
    /// The next state, if any, and when it ends.
    fn next_cells(&self) -> (Option<&'static str>, i64) {
        let forgotten = (self.at + KEPT_FOR).as_micros();
        match self.next {
            NextState::Tried(AfterCall::Taken { .. }) | NextState::Unwanted => (None, 0),
            NextState::Tried(AfterCall::Retry { at }) => (Some("due"), at.as_micros()),
            NextState::Tried(AfterCall::Failed) | NextState::Late => (Some("failed"), forgotten),
        }
    }

    /// The challenge that a taken call is kept with, and the status of the response.
    fn kept(&self) -> (Option<Uuid>, i64) {
        match self.next {
            NextState::Tried(AfterCall::Taken { status }) => {
                (self.challenge.map(|sid| id(sid.as_bytes())), i64::from(status))
            }
            _ => (None, 0),
        }
    }
}

#[async_trait]
impl Gathered for CallResult {
    type Output = bool;

    fn key(&self) -> [u8; 16] {
        self.id.0
    }

    fn decides_at(&self) -> Option<Instant> {
        Some(self.at)
    }

    async fn run_all(all: &[Self], db: &Session) -> Result<Vec<bool>, DatabaseError> {
        let ids = column(all, |result| id(&result.id.0));
        let write = params![
            ids,
            column(all, |result| id(&result.node.0)),
            column(all, |result| result.until.as_micros()),
            column(all, |result| result.next_cells().0),
            column(all, |result| result.next_cells().1),
            column(all, |result| i64::from(matches!(result.next, NextState::Tried(_)))),
            column(all, |result| result.failure.error.as_str()),
            column(all, |result| result.kept().0),
            column(all, |result| result.kept().1),
            column(all, |result| result.at.as_micros()),
            column(all, |result| response_cell(result.failure.response.as_ref())),
        ];
        let [_, written] = db.commit_with([(LOCK, params![ids]), (WRITE, write)]).await?;
        let written: HashSet<CallId> = written
            .iter()
            .map(|row| cells_of(row, "webhook_calls").map(CallId))
            .collect::<Result<_, _>>()?;
        Ok(all.iter().map(|result| written.contains(&result.id)).collect())
    }

    /// No two leases of a call end at the same instant, so a result was not written if its lease still holds. The result was written if the
    /// call is in its next state.
    async fn look_up(
        all: &[Self],
        db: &Session,
    ) -> Result<Option<Vec<Option<bool>>>, DatabaseError> {
        let (ids, challenges) =
            (column(all, |result| id(&result.id.0)), column(all, |result| result.kept().0));
        let rows = db.query(STORED, params![ids, challenges]).await?;
        let found = rows.iter().map(StoredCall::read).collect::<Result<HashMap<_, _>, _>>()?;
        Ok(Some(column(all, |result| found.get(&result.id)?.has(result))))
    }
}

/// A call as it is stored.
struct StoredCall {
    /// Its node, state and wake-up time; `None` if it was removed.
    row: Option<(Option<NodeId>, String, i64)>,
    taken_at: Option<i64>,
}

impl StoredCall {
    fn read(row: &Row) -> RowResult<(CallId, Self)> {
        let mut cells = cells_of(row, "webhook_calls");
        let call = cells.map(CallId)?;
        let node = cells.map_if_any(NodeId)?;
        let (state, until) = (cells.take::<Option<String>>()?, cells.take::<Option<i64>>()?);
        let row = state.zip(until).map(|(state, until)| (node, state, until));
        Ok((call, Self { row, taken_at: cells.take()? }))
    }

    /// Whether a result was written, and not another one; `None` if its lease still holds.
    fn has(&self, result: &CallResult) -> Option<bool> {
        let (state, wake_at) = result.next_cells();
        match &self.row {
            Some((Some(node), _, until))
                if (*node, *until) == (result.node, result.until.as_micros()) =>
            {
                None
            }
            Some((Some(_), ..)) => Some(false),
            Some((None, now, until)) => Some((Some(now.as_str()), *until) == (state, wake_at)),
            None if result.kept().0.is_some() => Some(self.taken_at == Some(result.at.as_micros())),
            None => Some(state.is_none()),
        }
    }
}
