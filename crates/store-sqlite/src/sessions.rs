//! Sessions of operators that ended before they expired.

use async_trait::async_trait;
use countersign_domain::session::SessionId;
use countersign_domain::sid::AccountSid;
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::seam::{Inserted, Sessions};
use rusqlite::{Connection, params};

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::statement::{execute, exists, one, statements};
use crate::store::SqliteStore;

statements! {
    HAS_ENDED = "SELECT 1 FROM sessions_ended WHERE account_sid = ?1 AND id = ?2";
    COUNT = "SELECT count(*) FROM sessions_ended WHERE account_sid = ?1 AND expires_at > ?2";
    END = "INSERT INTO sessions_ended (account_sid, id, expires_at) VALUES (?1, ?2, ?3)";
    /// Sessions that would have expired.
    FORGET = "DELETE FROM sessions_ended WHERE (account_sid, id) IN (SELECT account_sid, id FROM sessions_ended \
                         WHERE expires_at <= ?1 LIMIT ?2)";
}

struct End {
    account: AccountSid,
    id: SessionId,
    expires_at: Instant,
    most: u32,
    now: Instant,
}

impl Command for End {
    type Output = Inserted;

    fn run(&self, db: &Connection) -> Result<Inserted, DatabaseError> {
        let account = self.account.as_bytes();
        if exists(db, HAS_ENDED, params![account, self.id.0])? {
            return Ok(Inserted::Done);
        }
        let count = one(db, COUNT, params![account, self.now.as_micros()], |row| {
            cells_of(row, "sessions_ended").take::<u32>()
        })?;
        if count.unwrap_or(0) >= self.most {
            return Ok(Inserted::TooMany);
        }
        execute(db, END, params![account, self.id.0, self.expires_at.as_micros()])?;
        Ok(Inserted::Done)
    }
}

#[async_trait]
impl Sessions for SqliteStore {
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

    async fn has_session_ended(&self, account: AccountSid, id: SessionId) -> StoreResult<bool> {
        self.read(|db| exists(db, HAS_ENDED, params![account.as_bytes(), id.0]))
    }
}
