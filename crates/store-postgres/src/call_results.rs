//! What became of the calls of webhooks. Results that come together are written together.
//!
//! The calls are locked first, in the order of their ids, and written by a second statement, which sees what was committed before
//! the locks were had. Both travel with the commit, so no lock waits for this process.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use countersign_domain::event::CallId;
use countersign_domain::node::NodeId;
use countersign_domain::sid::ChallengeSid;
use countersign_domain::time::Instant;
use countersign_domain::webhook_call::{AfterCall, KEPT_FOR};

use tokio_postgres::Row;

use crate::cells::Cells;
use crate::database::Session;
use crate::gather::Gathered;
use crate::params::{column, id, params};
use crate::trouble::Trouble;

/// Locks calls in the order of their ids.
pub(crate) const LOCK: &str = "SELECT c.id FROM (SELECT * FROM unnest($1) AS u (id) ORDER BY 1) AS u \
                               CROSS JOIN LATERAL (SELECT id FROM webhook_calls WHERE id = u.id FOR UPDATE) AS c";
/// Without a state, a call is done. One that was taken is kept with the challenge that it tells of. Behind a call that ends, the
/// earliest one steps up.
const WRITE: &str = "WITH held AS MATERIALIZED (SELECT u.*, c.webhook_sid, c.factor_sid, c.event, c.happened_at, c.attempts \
     FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
     AS u (id, node, until, state, wake_at, tries, error, challenge_sid, status, at) \
     CROSS JOIN LATERAL (SELECT * FROM webhook_calls WHERE id = u.id AND node = u.node AND wake_at = u.until OFFSET 0) AS c), \
     kept AS (INSERT INTO calls_taken (challenge_sid, id, webhook_sid, event, happened_at, attempts, taken_at, status) \
     SELECT challenge_sid, id, webhook_sid, event, happened_at, attempts + tries, at, status FROM held \
     WHERE challenge_sid IS NOT NULL ON CONFLICT DO NOTHING), \
     gone AS (DELETE FROM webhook_calls c USING held WHERE c.id = held.id AND held.state IS NULL), \
     changed AS (UPDATE webhook_calls c SET state = held.state, node = NULL, wake_at = held.wake_at, \
     attempts = c.attempts + held.tries, \
     last_error = CASE WHEN held.tries = 0 THEN coalesce(c.last_error, held.error) ELSE held.error END \
     FROM held WHERE c.id = held.id AND held.state IS NOT NULL), \
     ended AS (SELECT webhook_sid, factor_sid FROM held WHERE state IS DISTINCT FROM 'due'), \
     next AS (UPDATE webhook_calls c SET state = 'due' FROM ended CROSS JOIN LATERAL (SELECT id FROM webhook_calls \
     WHERE webhook_sid = ended.webhook_sid AND factor_sid = ended.factor_sid AND state = 'behind' \
     ORDER BY happened_at, number, id LIMIT 1) AS next WHERE c.id = next.id) SELECT id FROM held";

/// Where calls stand: under whose lease, in which state and until when, and when they were taken.
const STANDING: &str = "SELECT u.id, c.node, c.state, c.wake_at, t.taken_at FROM unnest($1, $2) AS u (id, challenge_sid) \
     LEFT JOIN LATERAL (SELECT node, state, wake_at FROM webhook_calls WHERE id = u.id OFFSET 0) AS c ON true \
     LEFT JOIN LATERAL (SELECT taken_at FROM calls_taken WHERE challenge_sid = u.challenge_sid AND id = u.id OFFSET 0) AS t \
     ON true";

/// The next state of a leased call.
#[derive(Clone, Copy)]
pub(crate) enum Fate {
    /// It was tried.
    Tried(AfterCall),
    /// It was not: its time went by while it waited.
    Late,
    /// It was not: its webhook does not want it any more.
    Unwanted,
}

/// Writes what became of a leased call. Answers whether the lease held.
#[derive(Clone)]
pub(crate) struct CallResult {
    pub(crate) id: CallId,
    pub(crate) node: NodeId,
    pub(crate) until: Instant,
    /// What it tells of.
    pub(crate) challenge: Option<ChallengeSid>,
    pub(crate) fate: Fate,
    /// What the try came to, if it failed.
    pub(crate) error: String,
    pub(crate) at: Instant,
}

impl CallResult {
    /// The state that follows, if any, and when it ends.
    fn next(&self) -> (Option<&'static str>, i64) {
        let forgotten = (self.at + KEPT_FOR).as_micros();
        match self.fate {
            Fate::Tried(AfterCall::Taken { .. }) | Fate::Unwanted => (None, 0),
            Fate::Tried(AfterCall::Retry { at }) => (Some("due"), at.as_micros()),
            Fate::Tried(AfterCall::Failed) | Fate::Late => (Some("failed"), forgotten),
        }
    }

    /// The challenge that it is kept with, and the status of the response.
    fn kept(&self) -> (Option<uuid::Uuid>, i64) {
        match self.fate {
            Fate::Tried(AfterCall::Taken { status }) => {
                (self.challenge.map(|sid| id(sid.as_bytes())), i64::from(status))
            }
            _ => (None, 0),
        }
    }
}

#[async_trait]
impl Gathered for CallResult {
    type Answer = bool;

    fn key(&self) -> [u8; 16] {
        self.id.0
    }

    fn decides_at(&self) -> Option<Instant> {
        Some(self.at)
    }

    async fn run_all(all: &[Self], db: &Session) -> Result<Vec<bool>, Trouble> {
        let ids = column(all, |result| id(&result.id.0));
        let write = params![
            ids,
            column(all, |result| id(&result.node.0)),
            column(all, |result| result.until.as_micros()),
            column(all, |result| result.next().0),
            column(all, |result| result.next().1),
            column(all, |result| i64::from(matches!(result.fate, Fate::Tried(_)))),
            column(all, |result| result.error.as_str()),
            column(all, |result| result.kept().0),
            column(all, |result| result.kept().1),
            column(all, |result| result.at.as_micros()),
        ];
        let [_, written] = db.commit_with([(LOCK, params![ids]), (WRITE, write)]).await?;
        let written: HashSet<CallId> = written
            .iter()
            .map(|row| Cells::of(row, "webhook_calls").make(CallId))
            .collect::<Result<_, _>>()?;
        Ok(all.iter().map(|result| written.contains(&result.id)).collect())
    }

    /// A call is leased until an instant that no other lease ends at, so a result was not written if its lease still holds. It
    /// was if the call stands as the result says.
    async fn look_again(all: &[Self], db: &Session) -> Result<Option<Vec<Option<bool>>>, Trouble> {
        let (ids, challenges) =
            (column(all, |result| id(&result.id.0)), column(all, |result| result.kept().0));
        let rows = db.query(STANDING, params![ids, challenges]).await?;
        let found = rows.iter().map(Standing::read).collect::<Result<HashMap<_, _>, _>>()?;
        Ok(Some(column(all, |result| found.get(&result.id)?.says(result))))
    }
}

/// Where a call stands.
struct Standing {
    /// Under whose lease, in which state, and until when; `None` if it is gone.
    row: Option<(Option<NodeId>, String, i64)>,
    taken_at: Option<i64>,
}

impl Standing {
    fn read(row: &Row) -> Result<(CallId, Self), Trouble> {
        let mut cells = Cells::of(row, "webhook_calls");
        let call = cells.make(CallId)?;
        let node = cells.make(|node: Option<[u8; 16]>| node.map(NodeId))?;
        let (state, until) = (cells.take::<Option<String>>()?, cells.take::<Option<i64>>()?);
        let row = state.zip(until).map(|(state, until)| (node, state, until));
        Ok((call, Self { row, taken_at: cells.take()? }))
    }

    /// Whether a result was written, or another one; `None` if its lease still holds.
    fn says(&self, result: &CallResult) -> Option<bool> {
        let (state, wake_at) = result.next();
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
