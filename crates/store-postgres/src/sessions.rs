//! Sessions of operators that ended before they expired.

use async_trait::async_trait;
use countersign_domain::session::SessionId;
use countersign_domain::sid::AccountSid;
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::seam::{Inserted, Sessions};
use tokio_postgres::Row;

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::params::{id, params};
use crate::session::Session;
use crate::statement::{exists, one};
use crate::store::PostgresStore;

const HAS_ENDED: &str = "SELECT 1 FROM sessions_ended WHERE account_sid = $1 AND id = $2";
const COUNT: &str =
    "SELECT count(*) FROM sessions_ended WHERE account_sid = $1 AND expires_at > $2";
/// Two requests may end the same session at once.
const END: &str = "INSERT INTO sessions_ended (account_sid, id, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";

struct End {
    account: AccountSid,
    id: SessionId,
    expires_at: Instant,
    most: u32,
    now: Instant,
}

#[async_trait]
impl Command for End {
    type Output = Inserted;

    async fn run(&self, db: &Session) -> Result<Inserted, DatabaseError> {
        let (account, session) = (id(self.account.as_bytes()), id(&self.id.0));
        if exists(db, HAS_ENDED, params![account, session]).await? {
            return Ok(Inserted::Done);
        }
        let read = |row: &Row| cells_of(row, "sessions_ended").take::<i64>();
        let count = one(db, COUNT, params![account, self.now.as_micros()], read).await?;
        if count.unwrap_or(0) >= i64::from(self.most) {
            return Ok(Inserted::TooMany);
        }
        db.execute(END, params![account, session, self.expires_at.as_micros()]).await?;
        Ok(Inserted::Done)
    }
}

#[async_trait]
impl Sessions for PostgresStore {
    async fn end_session(
        &self,
        account: AccountSid,
        id: SessionId,
        expires_at: Instant,
        most: u32,
        now: Instant,
    ) -> StoreResult<Inserted> {
        self.write(End { account, id, expires_at, most, now }).await
    }

    async fn has_session_ended(
        &self,
        account: AccountSid,
        session: SessionId,
    ) -> StoreResult<bool> {
        let db = self.session().await?;
        Ok(exists(&db, HAS_ENDED, params![id(account.as_bytes()), id(&session.0)]).await?)
    }
}
