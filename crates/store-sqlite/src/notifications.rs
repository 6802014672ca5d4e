//! Notifications: the history of pushes.

use async_trait::async_trait;
use countersign_domain::address::Address;
use countersign_domain::delivery::NewNotification;
use countersign_domain::ending::Ending;
use countersign_domain::limits::is_reached;
use countersign_domain::notification::Notification;
use countersign_domain::sid::{ChallengeSid, NotificationSid};
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::page::{Page, PageQuery};
use countersign_store::seam::{Notifications, Notified};
use countersign_store_sql::notification_columns;
use countersign_store_sql::paging::keyed;
use countersign_store_sql::rows::notifications::notification;
use rusqlite::{Connection, Row};

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::paging::{Listing, downwards, upwards};
use crate::statement::{all, exists, living, one, statements};
use crate::store::SqliteStore;
use crate::{endings, new_notifications, prospect};

macro_rules! select {
    () => {
        concat!(
            "SELECT ",
            notification_columns!(),
            " FROM challenges c",
            living!("c"),
            "JOIN notifications n ON n.challenge_sid = c.sid \
             LEFT JOIN deliveries d ON d.challenge_sid = n.challenge_sid AND d.notification_sid = n.sid \
             WHERE c.sid = ?1"
        )
    };
}

statements! {
    /// The number of explicit notifications, since their ordinals begin with 1. One seek, whatever their number.
    LAST = "SELECT max(ordinal) FROM notifications WHERE challenge_sid = ?1";
    READ = concat!(select!(), " AND n.sid = ?2");
    UP = upwards!("n.ordinal"; select!());
    DOWN = downwards!("n.ordinal"; select!());
    SENT = "SELECT ordinal FROM notifications WHERE challenge_sid = ?1 AND ending = 'sent'";
    IS_SENT = "SELECT 1 FROM notifications WHERE challenge_sid = ?1 AND ending = 'sent' \
               UNION ALL SELECT 1 FROM deliveries WHERE challenge_sid = ?1 AND written";
}

struct Notify(NewNotification, u32);

impl Command for Notify {
    type Output = Notified;

    fn run(&self, db: &Connection) -> Result<Notified, DatabaseError> {
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
            cells_of(row, "notifications").take::<Option<i64>>()
        })?;
        let have = last.flatten().unwrap_or(0);
        if is_reached(*most, u32::try_from(have).unwrap_or(u32::MAX)) {
            return Ok(Notified::TooMany);
        }
        new_notifications::insert(db, new, have + 1)?;
        let begins = new.lease().is_some();
        Ok(Notified::Done(if begins { Some(outlook.prospect()?) } else { None }))
    }
}

struct MarkFetched(ChallengeSid, Instant);

impl Command for MarkFetched {
    type Output = ();

    fn run(&self, db: &Connection) -> Result<(), DatabaseError> {
        let Self(challenge, at) = *self;
        let sent = all(db, SENT, [challenge.as_bytes()], |row| {
            cells_of(row, "notifications").take::<i64>()
        })?;
        for ordinal in sent {
            endings::close(db, challenge, ordinal, Ending::DELIVERED, "", at)?;
        }
        for open in endings::open_deliveries(db, challenge)? {
            if open.written {
                endings::end(db, &open, Ending::DELIVERED, at)?;
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
        let found = self.read(|db| {
            let key = [challenge.as_bytes(), sid.as_bytes()];
            one(db, READ, key, |row| notification(cells_of(row, "notifications")))
        })?;
        Ok(found.map(|(_, notification)| notification))
    }

    async fn notifications(
        &self,
        challenge: ChallengeSid,
        page: PageQuery<NotificationSid>,
    ) -> StoreResult<Page<Notification>> {
        let listing = Listing { up: UP, down: DOWN, owner: challenge.as_bytes(), filters: &[] };
        // Ordinals are in the order of creation, also within a millisecond. Notifications are only removed together, so the place
        // of a missing one does not matter.
        self.read(|db| {
            let place = match page.cursor {
                Some(cursor) => endings::ordinal(db, challenge, cursor.sid)?.unwrap_or(0),
                None => 0,
            };
            let read = |row: &Row<'_>| notification(cells_of(row, "notifications"));
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
