//! Notifications: the history of what was pushed.

use async_trait::async_trait;
use countersign_domain::address::Address;
use countersign_domain::attempt_record::AttemptRecord;
use countersign_domain::delivery::{DeliveryState, InitialState, NewNotification};
use countersign_domain::ending::{Ending, ErrorCode, NotificationStatus, StatusReason};
use countersign_domain::limits::is_reached;
use countersign_domain::node::NodeId;
use countersign_domain::notification::Notification;
use countersign_domain::sid::{ChallengeSid, NotificationSid};
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::seam::{Notifications, Notified};
use countersign_store::{Page, PageQuery};
use rusqlite::{Connection, Row, params};

use crate::cells::Cells;
use crate::paging::{Listing, downwards, keyed, upwards};
use crate::statement::{all, execute, exists, living, one, statements};
use crate::trouble::Trouble;
use crate::writer::Command;
use crate::{SqliteStore, deliveries, events, prospect};

macro_rules! select {
    () => {
        concat!(
            "SELECT n.sid, n.challenge_sid, n.ordinal, n.ttl, n.created_at, n.updated_at, n.born_on, n.ending, \
             n.reason, n.code, n.attempts, d.changed_at, d.attempts, d.state, d.node, d.wake_at, d.written \
             FROM challenges c",
            living!("c"),
            "JOIN notifications n ON n.challenge_sid = c.sid \
             LEFT JOIN deliveries d ON d.challenge_sid = n.challenge_sid AND d.notification_sid = n.sid \
             WHERE c.sid = ?1"
        )
    };
}

statements! {
    /// How many explicit ones there are, since their ordinals begin with 1. A seek, whatever there is.
    LAST = "SELECT max(ordinal) FROM notifications WHERE challenge_sid = ?1";
    /// From the newest backwards, since it is nearly always the newest that is looked for.
    ORDINAL = "SELECT ordinal FROM notifications WHERE challenge_sid = ?1 AND sid = ?2 ORDER BY ordinal DESC LIMIT 1";
    NAME = "SELECT sid FROM notifications WHERE challenge_sid = ?1 AND ordinal = ?2";
    READ = concat!(select!(), " AND n.sid = ?2");
    UP = upwards!("n.ordinal"; select!());
    DOWN = downwards!("n.ordinal"; select!());
    INSERT = "INSERT INTO notifications (challenge_sid, ordinal, sid, ttl, created_at, updated_at, born_on, ending, \
              reason, code, attempts) VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, ?7, ?8, ?9, '')";
    /// An ending is final, but for the one step from `sent` to `delivered`.
    CLOSE = "UPDATE notifications SET ending = ?3, reason = ?4, code = ?5, updated_at = ?6, attempts = attempts || ?7 \
             WHERE challenge_sid = ?1 AND ordinal = ?2 \
             AND (ending IS NULL OR (ending = 'sent' AND ?3 = 'delivered'))";
    RECORD = "UPDATE notifications SET attempts = attempts || ?3, updated_at = max(updated_at, ?4) WHERE challenge_sid = ?1 AND ordinal = ?2";
    SENT = "SELECT ordinal FROM notifications WHERE challenge_sid = ?1 AND ending = 'sent'";
    IS_SENT = "SELECT 1 FROM notifications WHERE challenge_sid = ?1 AND ending = 'sent' \
               UNION ALL SELECT 1 FROM deliveries WHERE challenge_sid = ?1 AND written";
}

/// Inserts a notification and, unless its birth needs none, its delivery.
pub(crate) fn insert(db: &Connection, new: &NewNotification, ordinal: i64) -> Result<(), Trouble> {
    let ending = match new.initial_state {
        InitialState::Ended(ending) => Some(ending),
        InitialState::Leased { .. }
        | InitialState::Due
        | InitialState::Parked
        | InitialState::Immediate => None,
    };
    execute(
        db,
        INSERT,
        params![
            new.delivery.challenge.as_bytes(),
            ordinal,
            new.delivery.notification.as_bytes(),
            new.ttl,
            new.created_at.as_micros(),
            new.node.0,
            ending.map(|ending| ending.status.as_str()),
            ending.and_then(|ending| ending.reason).map(StatusReason::as_str),
            ending.and_then(|ending| ending.code).map(|code| code.0),
        ],
    )?;
    deliveries::insert(db, new, ordinal)
}

/// Writes how a notification ended, and the `line` of its last attempt; whether it could still end so.
pub(crate) fn close(
    db: &Connection,
    challenge: ChallengeSid,
    ordinal: i64,
    ending: Ending,
    line: &str,
    at: Instant,
) -> Result<bool, Trouble> {
    let rows = execute(
        db,
        CLOSE,
        params![
            challenge.as_bytes(),
            ordinal,
            ending.status.as_str(),
            ending.reason.map(StatusReason::as_str),
            ending.code.map(|code| code.0),
            at.as_micros(),
            line,
        ],
    )?;
    if rows > 0 {
        events::of_notification(db, challenge, || name(db, challenge, ordinal), ending, at)?;
    }
    Ok(rows > 0)
}

fn name(
    db: &Connection,
    challenge: ChallengeSid,
    ordinal: i64,
) -> Result<Option<NotificationSid>, Trouble> {
    one(db, NAME, params![challenge.as_bytes(), ordinal], |row| {
        Cells::of(row, "notifications").make(NotificationSid::from_bytes)
    })
}

/// Adds the `line` of an attempt.
pub(crate) fn record(
    db: &Connection,
    challenge: ChallengeSid,
    ordinal: i64,
    line: &str,
    at: Instant,
) -> Result<(), Trouble> {
    let params = params![challenge.as_bytes(), ordinal, line, at.as_micros()];
    execute(db, RECORD, params).map(|_| ())
}

/// The ordinal of a notification.
pub(crate) fn ordinal(
    db: &Connection,
    challenge: ChallengeSid,
    sid: NotificationSid,
) -> Result<Option<i64>, Trouble> {
    one(db, ORDINAL, [challenge.as_bytes(), sid.as_bytes()], |row| {
        Cells::of(row, "notifications").take()
    })
}

fn notification(row: &Row<'_>) -> Result<Notification, Trouble> {
    let mut cells = Cells::of(row, "notifications");
    let mut notification = Notification {
        sid: cells.make(NotificationSid::from_bytes)?,
        challenge: cells.make(ChallengeSid::from_bytes)?,
        automatic: cells.make(|ordinal: i64| ordinal == 0)?,
        ttl: cells.take()?,
        created_at: cells.make(Instant::from_micros)?,
        updated_at: cells.make(Instant::from_micros)?,
        created_on: cells.make(NodeId)?,
        ending: ending(&mut cells)?,
        attempts: cells.parse(|lines| Some(attempts(lines)))?,
        delivery: None,
    };
    let mut cells = cells.then("deliveries");
    if let Some(changed_at) = cells.take::<Option<i64>>()? {
        notification.updated_at = notification.updated_at.max(Instant::from_micros(changed_at));
        let attempts = cells.take()?;
        notification.delivery = Some((delivery_state(&mut cells)?, attempts));
    }
    Ok(notification)
}

/// Reads the attempts that this release knows the words of; a newer one may have written others.
fn attempts(lines: &str) -> Vec<AttemptRecord> {
    lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Three cells: the word, the reason and the code.
fn ending(cells: &mut Cells<'_, '_>) -> Result<Option<Ending>, Trouble> {
    let status = cells.parse_if_any(NotificationStatus::from_word)?;
    // of a newer release, a reason may be unknown here
    let reason = cells.parse_if_any(|word| Some(StatusReason::from_word(word)))?.flatten();
    let code = cells.make(|code: Option<u32>| code.map(ErrorCode))?;
    Ok(status.map(|status| Ending { status, reason, code }))
}

/// Four cells: the word, the node, the instant and whether it was written.
fn delivery_state(cells: &mut Cells<'_, '_>) -> Result<DeliveryState, Trouble> {
    let word: String = cells.take()?;
    let node = cells.make(|node: Option<[u8; 16]>| node.map(NodeId))?;
    let wake_at = cells.make(Instant::from_micros)?;
    let written = cells.take()?;
    match (word.as_str(), node) {
        ("due", None) => Ok(DeliveryState::Due { at: wake_at }),
        ("parked", None) => Ok(DeliveryState::Parked),
        ("leased", Some(node)) => Ok(DeliveryState::Leased { node, until: wake_at, written }),
        _ => Err(cells.senseless()),
    }
}

struct Notify(NewNotification, u32);

impl Command for Notify {
    type Answer = Notified;

    fn run(&self, db: &Connection) -> Result<Notified, Trouble> {
        let Self(new, most) = self;
        let challenge = new.delivery.challenge;
        let Some(outlook) = prospect::outlook(db, challenge)? else {
            return Ok(Notified::NotFound);
        };
        if let Err(refused) = outlook.standing.is_open(new.created_at) {
            return Ok(Notified::Refused(refused));
        }
        let reached =
            |address: &Address| address.can_be_reached() && address.platform() == new.platform;
        if !outlook.target.as_ref().is_some_and(|target| reached(&target.address)) {
            return Ok(Notified::PlatformChanged);
        }
        let last = one(db, LAST, [challenge.as_bytes()], |row| {
            Cells::of(row, "notifications").take::<Option<i64>>()
        })?;
        let have = last.flatten().unwrap_or(0);
        if is_reached(*most, u32::try_from(have).unwrap_or(u32::MAX)) {
            return Ok(Notified::TooMany);
        }
        insert(db, new, have + 1)?;
        let begins = new.lease().is_some();
        Ok(Notified::Done(if begins { Some(outlook.prospect()?) } else { None }))
    }
}

struct MarkFetched(ChallengeSid, Instant);

impl Command for MarkFetched {
    type Answer = ();

    fn run(&self, db: &Connection) -> Result<(), Trouble> {
        let Self(challenge, at) = *self;
        let sent = all(db, SENT, [challenge.as_bytes()], |row| {
            Cells::of(row, "notifications").take::<i64>()
        })?;
        for ordinal in sent {
            close(db, challenge, ordinal, Ending::DELIVERED, "", at)?;
        }
        for open in deliveries::of_challenge(db, challenge)? {
            if open.written {
                open.end(db, Ending::DELIVERED, at)?;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Notifications for SqliteStore {
    async fn notify(&self, new: &NewNotification, most: u32) -> StoreResult<Notified> {
        self.write(Notify(*new, most)).await
    }

    async fn notification(
        &self,
        challenge: ChallengeSid,
        sid: NotificationSid,
    ) -> StoreResult<Option<Notification>> {
        self.read(|db| {
            let key = [challenge.as_bytes(), sid.as_bytes()];
            one(db, READ, key, notification)
        })
    }

    async fn notifications(
        &self,
        challenge: ChallengeSid,
        page: PageQuery<NotificationSid>,
    ) -> StoreResult<Page<Notification>> {
        let listing = Listing { up: UP, down: DOWN, owner: challenge.as_bytes(), filters: &[] };
        // The order of creation is that of the ordinals, also within a millisecond. One that is not there any more
        // went with the whole list, so its place does not matter.
        self.read(|db| {
            let place = match page.cursor {
                Some(cursor) => ordinal(db, challenge, cursor.sid)?.unwrap_or(0),
                None => 0,
            };
            let read = |row: &Row<'_>| Ok((row.get::<_, i64>("ordinal")?, notification(row)?));
            let page = listing.page(db, keyed(page, |_| place), read, |(ordinal, _)| *ordinal)?;
            Ok(page.map(|(_, notification)| notification))
        })
    }

    async fn mark_fetched(&self, challenge: ChallengeSid, at: Instant) -> StoreResult<()> {
        if self.read(|db| exists(db, IS_SENT, [challenge.as_bytes()]))? {
            self.write(MarkFetched(challenge, at)).await?;
        }
        Ok(())
    }
}
