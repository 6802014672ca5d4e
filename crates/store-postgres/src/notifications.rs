//! Notifications: the history of what was pushed.

use async_trait::async_trait;
use countersign_domain::attempt_record::AttemptRecord;
use countersign_domain::delivery::{DeliveryState, NewNotification};
use countersign_domain::ending::{Ending, ErrorCode, NotificationStatus, StatusReason};
use countersign_domain::node::NodeId;
use countersign_domain::notification::Notification;
use countersign_domain::sid::{ChallengeSid, NotificationSid};
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::seam::{Notifications, Notified};
use countersign_store::{Page, PageQuery};
use tokio_postgres::Row;

use crate::PostgresStore;
use crate::cells::Cells;
use crate::command::Command;
use crate::database::Session;
use crate::deliveries::{self, Close, End};
use crate::notify::Notify;
use crate::paging::{Listing, keyed};
use crate::params::{id, params};
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
        ending.and_then(|ending| ending.reason).map(StatusReason::as_str),
        ending.and_then(|ending| ending.code).map(|code| i64::from(code.0)),
    )
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
fn ending(cells: &mut Cells<'_>) -> Result<Option<Ending>, Trouble> {
    let status = cells.parse_if_any(NotificationStatus::from_word)?;
    // of a newer release, a reason may be unknown here
    let reason = cells.parse_if_any(|word| Some(StatusReason::from_word(word)))?.flatten();
    let code = cells.make(|code: Option<u32>| code.map(ErrorCode))?;
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

struct MarkFetched(ChallengeSid, Instant);

#[async_trait]
impl Command for MarkFetched {
    type Answer = ();

    async fn run(&self, db: &Session) -> Result<(), Trouble> {
        let Self(challenge, at) = *self;
        // deliveries are locked before notifications, as everywhere
        let open = deliveries::of_challenges(db, std::iter::once(challenge)).await?;
        let read = |row: &Row| Cells::of(row, "notifications").take::<i64>();
        let sent = all(db, SENT, params![id(challenge.as_bytes())], read).await?;
        let close = |ordinal| Close { challenge, ordinal, ending: Ending::DELIVERED, line: "", at };
        let closed: Vec<_> = sent.into_iter().map(close).collect();
        deliveries::close_all(db, &closed).await?;
        let written = open.into_iter().filter(|open| open.written);
        let ends: Vec<_> =
            written.map(|open| End { open, ending: Ending::DELIVERED, at }).collect();
        deliveries::end(db, &ends).await
    }
}

#[async_trait]
impl Notifications for PostgresStore {
    async fn notify(&self, new: &NewNotification, most: u32) -> StoreResult<Notified> {
        self.notifying.run(Notify { new: *new, most }).await
    }

    async fn notification(
        &self,
        challenge: ChallengeSid,
        sid: NotificationSid,
    ) -> StoreResult<Option<Notification>> {
        let db = self.session().await?;
        let key = params![id(challenge.as_bytes()), id(sid.as_bytes())];
        Ok(one(&db, READ, key, notification).await?)
    }

    async fn notifications(
        &self,
        challenge: ChallengeSid,
        page: PageQuery<NotificationSid>,
    ) -> StoreResult<Page<Notification>> {
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

    async fn mark_fetched(&self, challenge: ChallengeSid, at: Instant) -> StoreResult<()> {
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
