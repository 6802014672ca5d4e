//! Notifications: the history of what was pushed.

use async_trait::async_trait;
use countersign_domain::address::Address;
use countersign_domain::delivery::{Birth, DeliveryState, NewNotification, NodeId};
use countersign_domain::limits::is_reached;
use countersign_domain::notification::{AttemptRecord, Code, Ending, Notification, Reason, Status};
use countersign_domain::sid::{ChallengeSid, NotificationSid};
use countersign_domain::time::Instant;
use countersign_store::seam::{Answer, Notifications, Notified};
use countersign_store::{Page, PageQuery};
use tokio_postgres::Row;

use crate::PostgresStore;
use crate::cells::Cells;
use crate::database::{Command, Session};
use crate::deliveries::{self, Close, End};
use crate::gather::Gathered;
use crate::paging::{Listing, keyed};
use crate::params::{column, id, params};
use crate::standing::{self, Standing};
use crate::statement::{all, exists, living, one};
use crate::trouble::Trouble;

macro_rules! select {
    () => {
        concat!(
            "SELECT n.sid, n.challenge_sid, n.ordinal, n.ttl, n.created_at, n.updated_at, n.born_on, n.ending, \
             n.reason, n.code, n.attempts, d.changed_at, d.attempts, d.state, d.node, d.wake_at, d.written \
             FROM challenges c",
            living!("c"),
            "JOIN notifications n ON n.challenge_sid = c.sid \
             LEFT JOIN deliveries d ON d.challenge_sid = n.challenge_sid AND d.notification_sid = n.sid \
             WHERE c.sid = $1"
        )
    };
}

const ORDINAL: &str = "SELECT ordinal FROM notifications WHERE challenge_sid = $1 AND sid = $2";
const READ: &str = concat!(select!(), " AND n.sid = $2");
const LIST: &str = select!();
const INSERT: &str = "INSERT INTO notifications (challenge_sid, ordinal, sid, ttl, created_at, updated_at, born_on, \
                      ending, reason, code, attempts) \
                      SELECT u.challenge_sid, u.ordinal, u.sid, u.ttl, u.created_at, u.created_at, u.born_on, \
                      u.ending, u.reason, u.code, '' FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9) \
                      AS u (challenge_sid, ordinal, sid, ttl, created_at, born_on, ending, reason, code)";
const SENT: &str = "SELECT ordinal FROM notifications WHERE challenge_sid = $1 AND ending = 'sent' \
                    ORDER BY ordinal FOR NO KEY UPDATE";
const IS_SENT: &str = "SELECT 1 FROM notifications WHERE challenge_sid = $1 AND ending = 'sent' \
                       UNION ALL SELECT 1 FROM deliveries WHERE challenge_sid = $1 AND written LIMIT 1";

/// The three cells of an ending, for those that have one.
pub(crate) type EndingCells = (Option<&'static str>, Option<&'static str>, Option<i64>);

/// How it is stored.
pub(crate) fn ending_cells(ending: Option<Ending>) -> EndingCells {
    (
        ending.map(|ending| ending.status.as_str()),
        ending.and_then(|ending| ending.reason).map(Reason::as_str),
        ending.and_then(|ending| ending.code).map(|code| i64::from(code.0)),
    )
}

/// What comes after an insertion.
#[derive(Clone, Copy)]
pub(crate) enum Then {
    /// More of the same transaction.
    GoOn,
    /// Its end.
    Commit,
}

/// Inserts notifications with their ordinals and, unless their birth needs none, their deliveries.
pub(crate) async fn insert(
    db: &Session,
    new: &[(NewNotification, i64)],
    then: Then,
) -> Result<(), Trouble> {
    if new.is_empty() {
        return Ok(());
    }
    let ending = |(new, _): &(NewNotification, i64)| {
        ending_cells(match new.birth {
            Birth::Stillborn(ending) => Some(ending),
            Birth::Leased { .. } | Birth::Due | Birth::Parked | Birth::Immediate => None,
        })
    };
    let rows = deliveries::Rows::of(new);
    let notifications = params![
        column(new, |(new, _)| id(new.delivery.challenge.as_bytes())),
        column(new, |(_, ordinal)| *ordinal),
        column(new, |(new, _)| id(new.delivery.notification.as_bytes())),
        column(new, |(new, _)| i64::from(new.ttl)),
        column(new, |(new, _)| new.created_at.as_micros()),
        column(new, |(new, _)| id(&new.node.0)),
        column(new, |new| ending(new).0),
        column(new, |new| ending(new).1),
        column(new, |new| ending(new).2),
    ];
    let deliveries = rows.params();
    let statements = [(INSERT, notifications as _), (deliveries::INSERT, &deliveries as _)];
    match then {
        Then::GoOn => db.query_all(statements).await?,
        Then::Commit => db.commit_with(statements).await?,
    };
    Ok(())
}

fn notification(row: &Row) -> Result<Notification, Trouble> {
    let mut cells = Cells::of(row, "notifications");
    let mut notification = Notification {
        sid: cells.make(NotificationSid::from_bytes)?,
        challenge: cells.make(ChallengeSid::from_bytes)?,
        automatic: cells.make(|ordinal: i64| ordinal == 0)?,
        ttl: cells.take()?,
        created_at: cells.make(Instant::from_micros)?,
        updated_at: cells.make(Instant::from_micros)?,
        born_on: cells.make(NodeId)?,
        ending: ending(&mut cells)?,
        attempts: cells.parse(|lines| {
            lines.lines().map(|line| serde_json::from_str::<AttemptRecord>(line).ok()).collect()
        })?,
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

/// Three cells: the word, the reason and the code.
fn ending(cells: &mut Cells<'_>) -> Result<Option<Ending>, Trouble> {
    let status = cells.parse_if_any(Status::from_word)?;
    let reason = cells.parse_if_any(Reason::from_word)?;
    let code = cells.make(|code: Option<u32>| code.map(Code))?;
    Ok(status.map(|status| Ending { status, reason, code }))
}

/// Four cells: the word, the node, the instant and whether it was written.
fn delivery_state(cells: &mut Cells<'_>) -> Result<DeliveryState, Trouble> {
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

/// Stores a notification, below a limit.
#[derive(Clone, Copy)]
pub(crate) struct Notify(NewNotification, u32);

impl Notify {
    /// Whether it may be stored.
    fn judge(&self, standing: Option<&Standing>) -> Notified {
        let Self(new, most) = self;
        let Some(standing) = standing else {
            return Notified::Gone;
        };
        if let Err(refused) = standing.is_open(new.created_at) {
            return Notified::Refused(refused);
        }
        let reached =
            |address: &Address| address.can_be_reached() && address.platform() == new.platform;
        if !standing.address.as_ref().is_some_and(reached) {
            return Notified::Moved;
        }
        let have = u32::try_from(standing.last_ordinal).unwrap_or(u32::MAX);
        if is_reached(*most, have) { Notified::TooMany } else { Notified::Done }
    }
}

#[async_trait]
impl Gathered for Notify {
    type Answer = Notified;

    fn key(&self) -> [u8; 16] {
        *self.0.delivery.challenge.as_bytes()
    }

    async fn run_all(all: &[Self], db: &Session) -> Result<Vec<Notified>, Trouble> {
        let standings =
            standing::hold(db, all.iter().map(|Self(new, _)| new.delivery.challenge)).await?;
        let mut fine = Vec::with_capacity(all.len());
        let judge = |notify: &Self| {
            let standing = standings.get(&notify.0.delivery.challenge);
            let outcome = notify.judge(standing);
            if let (Notified::Done, Some(standing)) = (outcome, standing) {
                fine.push((notify.0, standing.last_ordinal + 1));
            }
            outcome
        };
        let outcomes = all.iter().map(judge).collect();
        insert(db, &fine, Then::Commit).await?;
        Ok(outcomes)
    }
}

struct MarkFetched(ChallengeSid, Instant);

#[async_trait]
impl Command for MarkFetched {
    type Answer = ();

    async fn run(&self, db: &Session) -> Result<(), Trouble> {
        let Self(challenge, at) = *self;
        let read = |row: &Row| Cells::of(row, "notifications").take::<i64>();
        let sent = all(db, SENT, params![id(challenge.as_bytes())], read).await?;
        let close = |ordinal| Close { challenge, ordinal, ending: Ending::DELIVERED, line: "", at };
        let closed: Vec<_> = sent.into_iter().map(close).collect();
        deliveries::close_all(db, &closed).await?;
        let open = deliveries::of_challenges(db, std::iter::once(challenge)).await?;
        let written = open.into_iter().filter(|open| open.written);
        let ends: Vec<_> =
            written.map(|open| End { open, ending: Ending::DELIVERED, at }).collect();
        deliveries::end(db, &ends).await
    }
}

#[async_trait]
impl Notifications for PostgresStore {
    async fn notify(&self, new: &NewNotification, most: u32) -> Answer<Notified> {
        self.notifying.run(Notify(*new, most)).await
    }

    async fn notification(
        &self,
        challenge: ChallengeSid,
        sid: NotificationSid,
    ) -> Answer<Option<Notification>> {
        let db = self.session().await?;
        let key = params![id(challenge.as_bytes()), id(sid.as_bytes())];
        Ok(one(&db, READ, key, notification).await?)
    }

    async fn notifications(
        &self,
        challenge: ChallengeSid,
        page: PageQuery<NotificationSid>,
    ) -> Answer<Page<Notification>> {
        let db = self.session().await?;
        let challenge = id(challenge.as_bytes());
        // The order of creation is that of the ordinals, also within a millisecond. One that is not there any more
        // went with the whole list, so its place does not matter.
        let place = match page.cursor {
            Some(cursor) => {
                let key = params![challenge, id(cursor.sid.as_bytes())];
                let read = |row: &_| Cells::of(row, "notifications").take::<i64>();
                one(&db, ORDINAL, key, read).await?.unwrap_or(0)
            }
            None => 0,
        };
        let read = |row: &Row| Ok((row.try_get::<_, i64>("ordinal")?, notification(row)?));
        let list = Listing { select: LIST, key: "n.ordinal", params: params![challenge] };
        let page = list.page(&db, keyed(page, |_| place), read, |(ordinal, _)| *ordinal).await?;
        Ok(page.map(|(_, notification)| notification))
    }

    async fn mark_fetched(&self, challenge: ChallengeSid, at: Instant) -> Answer<()> {
        let anything = {
            let db = self.session().await?;
            exists(&db, IS_SENT, params![id(challenge.as_bytes())]).await?
        };
        if anything {
            self.write(MarkFetched(challenge, at)).await?;
        }
        Ok(())
    }
}
