//! The command that settles leased deliveries: a whole slice, by a few statements over arrays.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use countersign_domain::address::{Address, PushToken};
use countersign_domain::delivery::Lease;
use countersign_domain::ending::{Ending, NotificationStatus, StatusReason};
use countersign_domain::node::NodeId;
use countersign_domain::settled::Settled;
use countersign_domain::sid::{ChallengeSid, NotificationSid};
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::seam::Settlement;
use countersign_store_sql::cells::RowResult;
use countersign_store_sql::rows::deliveries::OpenDelivery;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::cells::{Cells, cells_of};
use crate::clock::arrived_at;
use crate::command::{Command, Planning};
use crate::endings::{self, Close, End};
use crate::error::DatabaseError;
use crate::params::{column, id, params, span};
use crate::session::Session;
use crate::settlement::{Key, Leased, Outcome, Work};
use crate::statement::all;
use crate::time_limits::TimeLimit;

/// Reads leased deliveries and locks them until the end of the transaction. Only leased ones have a node; a condition on the state would
/// allow a plan that reads all leased deliveries for each of them.
const LEASED: &str = concat!(
    "SELECT d.*, ",
    arrived_at!(),
    " FROM (SELECT * FROM unnest($1, $2) AS u (challenge_sid, notification_sid) ORDER BY 1, 2) AS u \
     CROSS JOIN LATERAL (SELECT challenge_sid, notification_sid, ordinal, node, wake_at, deadline FROM deliveries \
     WHERE challenge_sid = u.challenge_sid AND notification_sid = u.notification_sid \
     AND node IS NOT NULL FOR UPDATE) AS d"
);
const ORDINALS: &str = "SELECT n.* FROM unnest($1, $2) AS u (challenge_sid, sid) \
                        CROSS JOIN LATERAL (SELECT challenge_sid, sid, ordinal FROM notifications \
                        WHERE challenge_sid = u.challenge_sid AND sid = u.sid AND challenge_sid BETWEEN $3 AND $4 \
                        OFFSET 0) AS n";
const WRITTEN: &str = "UPDATE deliveries d SET written = true, changed_at = u.at \
                       FROM unnest($1, $2, $3) AS u (challenge_sid, notification_sid, at) \
                       WHERE d.challenge_sid = u.challenge_sid AND d.notification_sid = u.notification_sid \
                       AND d.challenge_sid = ANY ($1)";
/// A parked delivery wakes at its deadline, a due one before it.
const GIVE_BACK: &str = "UPDATE deliveries d SET state = u.state, node = NULL, wake_at = least(u.wake_at, d.deadline), \
                         attempts = d.attempts + 1, written = false, changed_at = u.at \
                         FROM unnest($1, $2, $3, $4, $5) AS u (challenge_sid, notification_sid, state, wake_at, at) \
                         WHERE d.challenge_sid = u.challenge_sid AND d.notification_sid = u.notification_sid \
                         AND d.challenge_sid = ANY ($1)";
const RECORD: &str = "UPDATE notifications n SET attempts = n.attempts || u.line, \
                      updated_at = CASE WHEN n.ending IS NULL THEN greatest(n.updated_at, u.at) ELSE n.updated_at END \
                      FROM unnest($1, $2, $3, $4) AS u (challenge_sid, ordinal, line, at) \
                      WHERE n.challenge_sid = u.challenge_sid AND n.ordinal = u.ordinal AND n.challenge_sid = ANY ($1) \
                      AND n.challenge_sid BETWEEN $5 AND $6";
/// Skips deliveries that another transaction has locked: it ends or leases them. Waiting for them would violate the order of locks, since
/// the notifications are locked already.
const OLDER_PARKED: &str = "SELECT d.* FROM (SELECT * FROM unnest($1, $2, $3) AS u (factor_sid, challenge_sid, ordinal) \
                            ORDER BY 2) AS u CROSS JOIN LATERAL (SELECT challenge_sid, notification_sid, ordinal, written \
                            FROM deliveries WHERE factor_sid = u.factor_sid AND challenge_sid = u.challenge_sid \
                            AND ordinal < u.ordinal AND state = 'parked' ORDER BY notification_sid FOR UPDATE SKIP LOCKED) AS d";
/// Only if the address was not registered again since.
const FORGET: &str = "UPDATE factors SET token = NULL, updated_at = $6 WHERE entity_sid = $1 AND sid = $2 \
                      AND platform = $3 AND token = $4 AND addressed_at < $5";

/// Settles deliveries.
pub(crate) struct Settle(Vec<Outcome>);

impl Settle {
    /// Makes the records before the command is run.
    pub(crate) fn of(settled: &[Settled]) -> StoreResult<Self> {
        let mut outcomes = settled.iter().map(Outcome::new).collect::<StoreResult<Vec<_>>>()?;
        // Statements lock rows in the order of their arrays. The sort is stable, so earlier outcomes are written first.
        outcomes.sort_by_key(Outcome::key);
        Ok(Self(outcomes))
    }
}

#[async_trait]
impl Command for Settle {
    type Output = Settlement;
    const TIME_LIMIT: TimeLimit = TimeLimit::Duty;
    const PLANNING: Planning = Planning::Cached;

    /// A statement changes a row only once, so two outcomes of one notification are written one after the other.
    async fn run(&self, db: &Session) -> Result<Settlement, DatabaseError> {
        let mut lost = Vec::new();
        let mut rest: Vec<&Outcome> = self.0.iter().collect();
        while !rest.is_empty() {
            let mut seen = HashSet::new();
            let (now, later) = rest.into_iter().partition(|outcome| seen.insert(outcome.key()));
            lost.extend(settle(db, now).await?);
            rest = later;
        }
        // The command knows this, but returning it would take another round trip.
        Ok(Settlement { lost, may_cause_calls: true })
    }
}

/// Settles deliveries of different notifications. Returns those whose lease was lost. A delivery with `Ttl=0` has no row, so its lease cannot
/// be lost.
async fn settle(
    db: &Session,
    outcomes: Vec<&Outcome>,
) -> Result<Vec<NotificationSid>, DatabaseError> {
    let leased = leases(db, outcomes.iter().filter(|outcome| !outcome.delivery().once)).await?;
    let held = |outcome: &Outcome| {
        let Lease { node, until, .. } = outcome.settled.lease;
        let row = leased.get(&outcome.key());
        row.filter(|row| (row.node, row.until) == (node, until))
    };
    let moved: Vec<_> = outcomes
        .iter()
        .filter_map(|outcome| outcome.by_the_databases_clock(held(outcome)?, db.tolerance?))
        .collect();
    let moved_of = |outcome: &Outcome| moved.iter().find(|moved| moved.key() == outcome.key());
    let known = ordinals(db, outcomes.iter().filter(|outcome| held(outcome).is_none())).await?;

    let (mut work, mut lost) = (Work::default(), Vec::new());
    for outcome in &outcomes {
        let outcome = moved_of(outcome).unwrap_or(outcome);
        let known = known.get(&outcome.key()).copied();
        let held =
            if outcome.delivery().once { known } else { held(outcome).map(|row| row.ordinal) };
        if let Some(ordinal) = held {
            work.add(outcome, ordinal);
            continue;
        }
        lost.push(outcome.delivery().notification);
        if let Some(ordinal) = known.filter(|_| !outcome.line.is_empty()) {
            work.recorded.push((outcome, ordinal));
        }
    }
    mark_written(db, &work.written).await?;
    give_back(db, &work.given_back).await?;
    let unclosed = finish(db, &work.finished).await?;
    work.recorded.extend(unclosed);
    record(db, &work.recorded).await?;
    for (outcome, address, before) in work.forgotten {
        forget(db, outcome, address, before).await?;
    }
    Ok(lost)
}

/// The keys of outcomes, as columns; `None` without any.
fn keys<'a>(outcomes: impl Iterator<Item = &'a &'a Outcome>) -> Option<(Vec<Uuid>, Vec<Uuid>)> {
    let keys: (Vec<_>, Vec<_>) = outcomes
        .map(|outcome| outcome.key())
        .map(|(challenge, sid)| (id(challenge.as_bytes()), id(sid.as_bytes())))
        .unzip();
    (!keys.0.is_empty()).then_some(keys)
}

async fn leases<'a>(
    db: &Session,
    outcomes: impl Iterator<Item = &'a &'a Outcome>,
) -> Result<HashMap<Key, Leased>, DatabaseError> {
    let Some((challenges, notifications)) = keys(outcomes) else {
        return Ok(HashMap::new());
    };
    let rows = db.query(LEASED, params![challenges, notifications]).await?;
    Ok(rows.iter().map(lease).collect::<Result<_, _>>()?)
}

async fn ordinals<'a>(
    db: &Session,
    outcomes: impl Iterator<Item = &'a &'a Outcome>,
) -> Result<HashMap<Key, i64>, DatabaseError> {
    let Some((challenges, notifications)) = keys(outcomes) else {
        return Ok(HashMap::new());
    };
    let (first, last) = span(&challenges);
    let rows = db.query(ORDINALS, params![challenges, notifications, first, last]).await?;
    Ok(rows.iter().map(ordinal).collect::<Result<_, _>>()?)
}

fn lease(row: &Row) -> RowResult<(Key, Leased)> {
    let mut cells = cells_of(row, "deliveries");
    let key = key(&mut cells)?;
    let leased = Leased {
        ordinal: cells.take()?,
        node: cells.map(NodeId)?,
        until: cells.map(Instant::from_micros)?,
        deadline: cells.map(Instant::from_micros)?,
        read_at: cells.map(Instant::from_micros)?,
    };
    Ok((key, leased))
}

fn ordinal(row: &Row) -> RowResult<(Key, i64)> {
    let mut cells = cells_of(row, "notifications");
    Ok((key(&mut cells)?, cells.take()?))
}

fn key(cells: &mut Cells<'_>) -> RowResult<Key> {
    Ok((cells.map(ChallengeSid::from_bytes)?, cells.map(NotificationSid::from_bytes)?))
}

async fn mark_written(db: &Session, outcomes: &[&Outcome]) -> Result<(), DatabaseError> {
    if outcomes.is_empty() {
        return Ok(());
    }
    let params = params![
        column(outcomes, |outcome| id(outcome.delivery().challenge.as_bytes())),
        column(outcomes, |outcome| id(outcome.delivery().notification.as_bytes())),
        column(outcomes, |outcome| outcome.settled.at.as_micros()),
    ];
    db.execute(WRITTEN, params).await.map(|_| ())
}

async fn give_back(
    db: &Session,
    outcomes: &[(&Outcome, &'static str, Instant)],
) -> Result<(), DatabaseError> {
    if outcomes.is_empty() {
        return Ok(());
    }
    let params = params![
        column(outcomes, |(outcome, ..)| id(outcome.delivery().challenge.as_bytes())),
        column(outcomes, |(outcome, ..)| id(outcome.delivery().notification.as_bytes())),
        column(outcomes, |(_, state, _)| *state),
        column(outcomes, |(.., wake_at)| wake_at.as_micros()),
        column(outcomes, |(outcome, ..)| outcome.settled.at.as_micros()),
    ];
    db.execute(GIVE_BACK, params).await.map(|_| ())
}

/// Ends deliveries. Returns those that had ended before and whose attempt must still be recorded.
async fn finish<'a>(
    db: &Session,
    outcomes: &[(&'a Outcome, i64, Ending)],
) -> Result<Vec<(&'a Outcome, i64)>, DatabaseError> {
    let rows = outcomes.iter().filter(|(outcome, ..)| !outcome.delivery().once);
    endings::delete(db, &rows.map(|(outcome, ..)| outcome.key()).collect::<Vec<_>>()).await?;
    let close = |(outcome, ordinal, ending): &(&'a Outcome, i64, Ending)| Close {
        challenge: outcome.delivery().challenge,
        ordinal: *ordinal,
        ending: *ending,
        line: &outcome.line,
        at: outcome.settled.at,
    };
    let closed = endings::close_all(db, &column(outcomes, close)).await?;
    let closed: HashSet<_> = closed.into_iter().collect();
    let is_closed =
        |outcome: &Outcome, ordinal: i64| closed.contains(&(outcome.delivery().challenge, ordinal));
    let arrived: Vec<_> = outcomes
        .iter()
        .filter(|(outcome, ordinal, ending)| {
            ending.status == NotificationStatus::Delivered && is_closed(outcome, *ordinal)
        })
        .map(|(outcome, ordinal, _)| (*outcome, *ordinal))
        .collect();
    supersede(db, &arrived).await?;
    let rest = outcomes
        .iter()
        .filter(|(outcome, ordinal, _)| !outcome.line.is_empty() && !is_closed(outcome, *ordinal));
    Ok(rest.map(|(outcome, ordinal, _)| (*outcome, *ordinal)).collect())
}

/// Cancels the older parked deliveries of challenges, after the device has got a newer notification of them.
async fn supersede(db: &Session, arrived: &[(&Outcome, i64)]) -> Result<(), DatabaseError> {
    if arrived.is_empty() {
        return Ok(());
    }
    let params = params![
        column(arrived, |(outcome, _)| id(outcome.delivery().factor.as_bytes())),
        column(arrived, |(outcome, _)| id(outcome.delivery().challenge.as_bytes())),
        column(arrived, |(_, ordinal)| *ordinal),
    ];
    let older =
        all(db, OLDER_PARKED, params, |row| OpenDelivery::read(&mut cells_of(row, "deliveries")))
            .await?;
    let mut seen = HashSet::new();
    let ends = older.into_iter().filter(|open| seen.insert(open.notification)).filter_map(|open| {
        let by =
            arrived.iter().find(|(outcome, _)| outcome.delivery().challenge == open.challenge)?;
        Some(End { open, ending: Ending::cancelled(StatusReason::Superseded), at: by.0.settled.at })
    });
    endings::end(db, &ends.collect::<Vec<_>>()).await
}

async fn record(db: &Session, attempts: &[(&Outcome, i64)]) -> Result<(), DatabaseError> {
    if attempts.is_empty() {
        return Ok(());
    }
    let challenges = column(attempts, |(outcome, _)| id(outcome.delivery().challenge.as_bytes()));
    let (first, last) = span(&challenges);
    let params = params![
        challenges,
        column(attempts, |(_, ordinal)| *ordinal),
        column(attempts, |(outcome, _)| outcome.line.as_str()),
        column(attempts, |(outcome, _)| outcome.settled.at.as_micros()),
        first,
        last,
    ];
    db.execute(RECORD, params).await.map(|_| ())
}

async fn forget(
    db: &Session,
    outcome: &Outcome,
    address: &Address,
    before: Instant,
) -> Result<(), DatabaseError> {
    let delivery = outcome.delivery();
    let params = params![
        id(delivery.entity.as_bytes()),
        id(delivery.factor.as_bytes()),
        address.platform().as_str(),
        address.token().map(PushToken::expose),
        before.as_micros(),
        outcome.settled.at.as_micros(),
    ];
    db.execute(FORGET, params).await.map(|_| ())
}
