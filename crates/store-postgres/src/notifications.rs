//! Notifications: the history of pushes.

use async_trait::async_trait;
use countersign_domain::delivery::NewNotification;
use countersign_domain::ending::Ending;
use countersign_domain::notification::Notification;
use countersign_domain::sid::{ChallengeSid, NotificationSid};
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::page::{Page, PageQuery};
use countersign_store::seam::{Notifications, Notified};
use countersign_store_sql::notification_columns;
use countersign_store_sql::paging::keyed;
use countersign_store_sql::rows::notifications::notification;
use tokio_postgres::Row;

use crate::cells::cells_of;
use crate::command::Command;
use crate::endings::{self, Close, End};
use crate::error::DatabaseError;
use crate::notify::Notify;
use crate::paging::Listing;
use crate::params::{id, params};
use crate::session::Session;
use crate::statement::{all, exists, living, one};
use crate::store::PostgresStore;

macro_rules! select {
    () => {
        concat!(
            "SELECT ",
            notification_columns!(),
            " FROM challenges c",
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

struct MarkFetched(ChallengeSid, Instant);

#[async_trait]
impl Command for MarkFetched {
    type Output = ();

    async fn run(&self, db: &Session) -> Result<(), DatabaseError> {
        let Self(challenge, at) = *self;
        // Deliveries are locked before notifications, as in every command.
        let open = endings::open_deliveries(db, std::iter::once(challenge)).await?;
        let read = |row: &Row| cells_of(row, "notifications").take::<i64>();
        let sent = all(db, SENT, params![id(challenge.as_bytes())], read).await?;
        let close = |ordinal| Close { challenge, ordinal, ending: Ending::DELIVERED, line: "", at };
        let closed: Vec<_> = sent.into_iter().map(close).collect();
        endings::close_all(db, &closed).await?;
        let written = open.into_iter().filter(|open| open.written);
        let ends: Vec<_> =
            written.map(|open| End { open, ending: Ending::DELIVERED, at }).collect();
        endings::end(db, &ends).await
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
        let found = one(&db, READ, key, |row| notification(cells_of(row, "notifications"))).await?;
        Ok(found.map(|(_, notification)| notification))
    }

    async fn notifications(
        &self,
        challenge: ChallengeSid,
        page: PageQuery<NotificationSid>,
    ) -> StoreResult<Page<Notification>> {
        let db = self.session().await?;
        let challenge = id(challenge.as_bytes());
        // Ordinals are in the order of creation, also within a millisecond. Notifications are only removed together, so the place
        // of a missing one does not matter.
        let place = match page.cursor {
            Some(cursor) => {
                let key = params![challenge, id(cursor.sid.as_bytes())];
                let read = |row: &Row| cells_of(row, "notifications").take::<i64>();
                one(&db, ORDINAL, key, read).await?.unwrap_or(0)
            }
            None => 0,
        };
        let read = |row: &Row| notification(cells_of(row, "notifications"));
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
