//! What became of leased deliveries. The whole slice is one command, of a few statements over arrays.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use countersign_domain::address::{Address, PushToken};
use countersign_domain::delivery::{Delivery, Lease};
use countersign_domain::ending::{Ending, NotificationStatus, StatusReason};
use countersign_domain::node::NodeId;
use countersign_domain::outcome::AfterAttempt;
use countersign_domain::settled::{DeliveryEvent, Settled};
use countersign_domain::sid::{ChallengeSid, NotificationSid};
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::seam::Settlement;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::bounds::Hurry;
use crate::cells::Cells;
use crate::clock::{Tolerance, arrived_at};
use crate::command::{Command, Runs};
use crate::database::Session;
use crate::deliveries::{self, Close, End, Open};
use crate::json;
use crate::params::{column, id, params, span};
use crate::statement::all;
use crate::trouble::Trouble;

/// What is leased of those, held until the end of the transaction. Only that has a node; asked for the state, the database may
/// choose a plan that goes through all that is leased for each of them.
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
/// Parked, it wakes at its deadline; due, before it.
const GIVE_BACK: &str = "UPDATE deliveries d SET state = u.state, node = NULL, wake_at = least(u.wake_at, d.deadline), \
                         attempts = d.attempts + 1, written = false, changed_at = u.at \
                         FROM unnest($1, $2, $3, $4, $5) AS u (challenge_sid, notification_sid, state, wake_at, at) \
                         WHERE d.challenge_sid = u.challenge_sid AND d.notification_sid = u.notification_sid \
                         AND d.challenge_sid = ANY ($1)";
const RECORD: &str = "UPDATE notifications n SET attempts = n.attempts || u.line, \
                      updated_at = greatest(n.updated_at, u.at) \
                      FROM unnest($1, $2, $3, $4) AS u (challenge_sid, ordinal, line, at) \
                      WHERE n.challenge_sid = u.challenge_sid AND n.ordinal = u.ordinal AND n.challenge_sid = ANY ($1) \
                      AND n.challenge_sid BETWEEN $5 AND $6";
/// Passes over those that somebody holds: they are ended, or taken, by whoever does. Waiting for them would be against the order
/// of locks, since the notifications are held already.
const OLDER_PARKED: &str = "SELECT d.* FROM (SELECT * FROM unnest($1, $2, $3) AS u (factor_sid, challenge_sid, ordinal) \
                            ORDER BY 2) AS u CROSS JOIN LATERAL (SELECT challenge_sid, notification_sid, ordinal, written \
                            FROM deliveries WHERE factor_sid = u.factor_sid AND challenge_sid = u.challenge_sid \
                            AND ordinal < u.ordinal AND state = 'parked' ORDER BY notification_sid FOR UPDATE SKIP LOCKED) AS d";
/// Only if nobody has registered the address again since.
const FORGET: &str = "UPDATE factors SET token = NULL, updated_at = $6 WHERE entity_sid = $1 AND sid = $2 \
                      AND platform = $3 AND token = $4 AND addressed_at < $5";

type Key = (ChallengeSid, NotificationSid);

/// Settles them.
pub(crate) struct Settle(Vec<Piece>);

#[derive(Clone)]
struct Piece {
    settled: Settled,
    /// The attempt as the notification's row keeps it; empty if none was made.
    line: String,
    /// It ended because its time was over, by a clock that was ahead: by the database's it is not over.
    is_premature: bool,
}

impl Piece {
    fn delivery(&self) -> &Delivery {
        &self.settled.lease.delivery
    }

    fn key(&self) -> Key {
        (self.delivery().challenge, self.delivery().notification)
    }

    /// The piece by the database's clock, if the node's was ahead when it was judged: its times are moved back by as much.
    fn by_the_databases_clock(&self, row: &Leased, tolerance: Tolerance) -> Option<Self> {
        let ahead = self.settled.at.since(row.told_at);
        if ahead <= tolerance.ahead {
            return None;
        }
        let mut piece = self.clone();
        piece.settled.at = row.told_at;
        piece.is_premature = row.told_at < row.deadline;
        if let DeliveryEvent::Attempted { after: AfterAttempt::Retry { at }, .. } =
            &mut piece.settled.event
        {
            *at = *at - ahead;
        }
        Some(piece)
    }
}

impl Settle {
    /// Makes the texts ready before the command is run.
    pub(crate) fn of(settled: &[Settled]) -> StoreResult<Self> {
        let piece = |settled: &Settled| {
            let line = match &settled.event {
                DeliveryEvent::Attempted { record, .. } => json(record)? + "\n",
                DeliveryEvent::Written | DeliveryEvent::Ended(_) => String::new(),
            };
            Ok(Piece { settled: settled.clone(), line, is_premature: false })
        };
        let mut pieces = settled.iter().map(piece).collect::<StoreResult<Vec<_>>>()?;
        // statements lock rows in the order of their arrays; stable, so what was settled first is written first
        pieces.sort_by_key(Piece::key);
        Ok(Self(pieces))
    }
}

#[async_trait]
impl Command for Settle {
    type Answer = Settlement;
    const HURRY: Hurry = Hurry::Duty;
    const RUNS: Runs = Runs::PlannedOnce;

    /// A statement changes a row once, so two pieces about one notification are written one after the other.
    async fn run(&self, db: &Session) -> Result<Settlement, Trouble> {
        let mut lost = Vec::new();
        let mut rest: Vec<&Piece> = self.0.iter().collect();
        while !rest.is_empty() {
            let mut seen = HashSet::new();
            let (now, later) = rest.into_iter().partition(|piece| seen.insert(piece.key()));
            lost.extend(settle(db, now).await?);
            rest = later;
        }
        // it was looked at, but to tell would take another round trip
        Ok(Settlement { lost, may_cause_calls: true })
    }
}

/// What is to be written, sorted by how.
#[derive(Default)]
struct Work<'a> {
    written: Vec<&'a Piece>,
    given_back: Vec<(&'a Piece, &'static str, Instant)>,
    /// With the ordinal.
    finished: Vec<(&'a Piece, i64, Ending)>,
    recorded: Vec<(&'a Piece, i64)>,
    forgotten: Vec<(&'a Piece, &'a Address, Instant)>,
}

impl<'a> Work<'a> {
    /// A piece whose lease held.
    fn add(&mut self, piece: &'a Piece, ordinal: i64) {
        match &piece.settled.event {
            // without a row to remember it, `sent` is said at once; the ack may still make it `delivered`
            DeliveryEvent::Written if piece.delivery().once => {
                self.finished.push((piece, ordinal, Ending::SENT));
            }
            DeliveryEvent::Written => self.written.push(piece),
            DeliveryEvent::Ended(ending)
                if piece.is_premature && ending.status == NotificationStatus::Expired =>
            {
                self.give_back(piece, ordinal, "due", piece.settled.at);
            }
            DeliveryEvent::Ended(ending) => self.finished.push((piece, ordinal, *ending)),
            DeliveryEvent::Attempted { after, forget, .. } => {
                match *after {
                    AfterAttempt::Done(ending)
                        if piece.is_premature && ending.status == NotificationStatus::Expired =>
                    {
                        self.give_back(piece, ordinal, "due", piece.settled.at);
                    }
                    AfterAttempt::Done(ending) => self.finished.push((piece, ordinal, ending)),
                    AfterAttempt::Park => {
                        self.give_back(piece, ordinal, "parked", piece.delivery().deadline);
                    }
                    AfterAttempt::Retry { at } => self.give_back(piece, ordinal, "due", at),
                }
                if let Some((address, before)) = forget {
                    self.forgotten.push((piece, address, *before));
                }
            }
        }
    }

    fn give_back(&mut self, piece: &'a Piece, ordinal: i64, state: &'static str, wake_at: Instant) {
        self.given_back.push((piece, state, wake_at));
        self.recorded.push((piece, ordinal));
    }
}

/// Settles pieces of different notifications; those whose lease was lost. A `Ttl=0` has no row that another could have
/// taken.
async fn settle(db: &Session, pieces: Vec<&Piece>) -> Result<Vec<NotificationSid>, Trouble> {
    let leased = leases(db, pieces.iter().filter(|piece| !piece.delivery().once)).await?;
    let held = |piece: &Piece| {
        let Lease { node, until, .. } = piece.settled.lease;
        let row = leased.get(&piece.key());
        row.filter(|row| (row.node, row.until) == (node, until))
    };
    let moved: Vec<_> = pieces
        .iter()
        .filter_map(|piece| piece.by_the_databases_clock(held(piece)?, db.tolerance?))
        .collect();
    let moved_of = |piece: &Piece| moved.iter().find(|moved| moved.key() == piece.key());
    let known = ordinals(db, pieces.iter().filter(|piece| held(piece).is_none())).await?;

    let (mut work, mut lost) = (Work::default(), Vec::new());
    for piece in &pieces {
        let piece = moved_of(piece).unwrap_or(piece);
        let known = known.get(&piece.key()).copied();
        let held = if piece.delivery().once { known } else { held(piece).map(|row| row.ordinal) };
        if let Some(ordinal) = held {
            work.add(piece, ordinal);
            continue;
        }
        lost.push(piece.delivery().notification);
        if let Some(ordinal) = known.filter(|_| !piece.line.is_empty()) {
            work.recorded.push((piece, ordinal));
        }
    }
    mark_written(db, &work.written).await?;
    give_back(db, &work.given_back).await?;
    let unclosed = finish(db, &work.finished).await?;
    work.recorded.extend(unclosed);
    record(db, &work.recorded).await?;
    for (piece, address, before) in work.forgotten {
        forget(db, piece, address, before).await?;
    }
    Ok(lost)
}

/// The keys of pieces, for statements; `None` without any.
fn keys<'a>(pieces: impl Iterator<Item = &'a &'a Piece>) -> Option<(Vec<Uuid>, Vec<Uuid>)> {
    let keys: (Vec<_>, Vec<_>) = pieces
        .map(|piece| piece.key())
        .map(|(challenge, sid)| (id(challenge.as_bytes()), id(sid.as_bytes())))
        .unzip();
    (!keys.0.is_empty()).then_some(keys)
}

/// A row that is leased.
struct Leased {
    ordinal: i64,
    node: NodeId,
    until: Instant,
    deadline: Instant,
    /// What the database's clock showed when the row was asked for.
    told_at: Instant,
}

async fn leases<'a>(
    db: &Session,
    pieces: impl Iterator<Item = &'a &'a Piece>,
) -> Result<HashMap<Key, Leased>, Trouble> {
    let Some((challenges, notifications)) = keys(pieces) else {
        return Ok(HashMap::new());
    };
    let rows = db.query(LEASED, params![challenges, notifications]).await?;
    rows.iter().map(lease).collect()
}

async fn ordinals<'a>(
    db: &Session,
    pieces: impl Iterator<Item = &'a &'a Piece>,
) -> Result<HashMap<Key, i64>, Trouble> {
    let Some((challenges, notifications)) = keys(pieces) else {
        return Ok(HashMap::new());
    };
    let (first, last) = span(&challenges);
    let rows = db.query(ORDINALS, params![challenges, notifications, first, last]).await?;
    rows.iter().map(ordinal).collect()
}

fn lease(row: &Row) -> Result<(Key, Leased), Trouble> {
    let mut cells = Cells::of(row, "deliveries");
    let key = key(&mut cells)?;
    let leased = Leased {
        ordinal: cells.take()?,
        node: cells.make(NodeId)?,
        until: cells.make(Instant::from_micros)?,
        deadline: cells.make(Instant::from_micros)?,
        told_at: cells.make(Instant::from_micros)?,
    };
    Ok((key, leased))
}

fn ordinal(row: &Row) -> Result<(Key, i64), Trouble> {
    let mut cells = Cells::of(row, "notifications");
    Ok((key(&mut cells)?, cells.take()?))
}

fn key(cells: &mut Cells<'_>) -> Result<Key, Trouble> {
    Ok((cells.make(ChallengeSid::from_bytes)?, cells.make(NotificationSid::from_bytes)?))
}

async fn mark_written(db: &Session, pieces: &[&Piece]) -> Result<(), Trouble> {
    if pieces.is_empty() {
        return Ok(());
    }
    let params = params![
        column(pieces, |piece| id(piece.delivery().challenge.as_bytes())),
        column(pieces, |piece| id(piece.delivery().notification.as_bytes())),
        column(pieces, |piece| piece.settled.at.as_micros()),
    ];
    db.execute(WRITTEN, params).await.map(|_| ())
}

async fn give_back(
    db: &Session,
    pieces: &[(&Piece, &'static str, Instant)],
) -> Result<(), Trouble> {
    if pieces.is_empty() {
        return Ok(());
    }
    let params = params![
        column(pieces, |(piece, ..)| id(piece.delivery().challenge.as_bytes())),
        column(pieces, |(piece, ..)| id(piece.delivery().notification.as_bytes())),
        column(pieces, |(_, state, _)| *state),
        column(pieces, |(.., wake_at)| wake_at.as_micros()),
        column(pieces, |(piece, ..)| piece.settled.at.as_micros()),
    ];
    db.execute(GIVE_BACK, params).await.map(|_| ())
}

/// Ends them. Those that had ended before, with an attempt that is still to be recorded.
async fn finish<'a>(
    db: &Session,
    pieces: &[(&'a Piece, i64, Ending)],
) -> Result<Vec<(&'a Piece, i64)>, Trouble> {
    let rows = pieces.iter().filter(|(piece, ..)| !piece.delivery().once);
    deliveries::delete(db, &rows.map(|(piece, ..)| piece.key()).collect::<Vec<_>>()).await?;
    let close = |(piece, ordinal, ending): &(&'a Piece, i64, Ending)| Close {
        challenge: piece.delivery().challenge,
        ordinal: *ordinal,
        ending: *ending,
        line: &piece.line,
        at: piece.settled.at,
    };
    let closed = deliveries::close_all(db, &column(pieces, close)).await?;
    let closed: HashSet<_> = closed.into_iter().collect();
    let is_closed =
        |piece: &Piece, ordinal: i64| closed.contains(&(piece.delivery().challenge, ordinal));
    let arrived: Vec<_> = pieces
        .iter()
        .filter(|(piece, ordinal, ending)| {
            ending.status == NotificationStatus::Delivered && is_closed(piece, *ordinal)
        })
        .map(|(piece, ordinal, _)| (*piece, *ordinal))
        .collect();
    supersede(db, &arrived).await?;
    let rest = pieces
        .iter()
        .filter(|(piece, ordinal, _)| !piece.line.is_empty() && !is_closed(piece, *ordinal));
    Ok(rest.map(|(piece, ordinal, _)| (*piece, *ordinal)).collect())
}

/// The device has these notifications: older ones of the same challenges would tell it nothing new.
async fn supersede(db: &Session, arrived: &[(&Piece, i64)]) -> Result<(), Trouble> {
    if arrived.is_empty() {
        return Ok(());
    }
    let params = params![
        column(arrived, |(piece, _)| id(piece.delivery().factor.as_bytes())),
        column(arrived, |(piece, _)| id(piece.delivery().challenge.as_bytes())),
        column(arrived, |(_, ordinal)| *ordinal),
    ];
    let older = all(db, OLDER_PARKED, params, Open::read).await?;
    let mut seen = HashSet::new();
    let ends = older.into_iter().filter(|open| seen.insert(open.notification)).filter_map(|open| {
        let by = arrived.iter().find(|(piece, _)| piece.delivery().challenge == open.challenge)?;
        Some(End { open, ending: Ending::cancelled(StatusReason::Superseded), at: by.0.settled.at })
    });
    deliveries::end(db, &ends.collect::<Vec<_>>()).await
}

async fn record(db: &Session, attempts: &[(&Piece, i64)]) -> Result<(), Trouble> {
    if attempts.is_empty() {
        return Ok(());
    }
    let challenges = column(attempts, |(piece, _)| id(piece.delivery().challenge.as_bytes()));
    let (first, last) = span(&challenges);
    let params = params![
        challenges,
        column(attempts, |(_, ordinal)| *ordinal),
        column(attempts, |(piece, _)| piece.line.as_str()),
        column(attempts, |(piece, _)| piece.settled.at.as_micros()),
        first,
        last,
    ];
    db.execute(RECORD, params).await.map(|_| ())
}

async fn forget(
    db: &Session,
    piece: &Piece,
    address: &Address,
    before: Instant,
) -> Result<(), Trouble> {
    let delivery = piece.delivery();
    let params = params![
        id(delivery.entity.as_bytes()),
        id(delivery.factor.as_bytes()),
        address.platform().as_str(),
        address.token().map(PushToken::expose),
        before.as_micros(),
        piece.settled.at.as_micros(),
    ];
    db.execute(FORGET, params).await.map(|_| ())
}
