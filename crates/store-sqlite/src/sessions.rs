//! Sessions of the console.

use async_trait::async_trait;
use countersign_domain::session::{SessionId, SessionRecord};
use countersign_domain::sid::{AccountSid, ChallengeGroupSid, OperatorSid};
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::seam::Sessions;
use countersign_store_sql::rows::sessions::{opener_cells, session, stage_cells};
use countersign_store_sql::session_columns;
use countersign_store_sql::values::limit;
use rusqlite::{Connection, params};

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::statement::{all, execute, one, statements};
use crate::store::SqliteStore;

statements! {
    READ = concat!("SELECT ", session_columns!(), " FROM console_sessions WHERE id = ?1");
    NEWEST = concat!(
        "SELECT ", session_columns!(), " FROM console_sessions WHERE account_sid = ?1 ORDER BY opened_at DESC LIMIT ?2"
    );
    INSERT = concat!(
        "INSERT INTO console_sessions (", session_columns!(), ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
    );
    /// Those besides the new one.
    KEEP_NEWEST = "DELETE FROM console_sessions WHERE id IN (SELECT id FROM console_sessions WHERE opener_sid = ?1 \
                   AND id <> ?3 ORDER BY opened_at DESC LIMIT -1 OFFSET ?2)";
    SEE = "UPDATE console_sessions SET seen_at = ?2 WHERE id = ?1 AND seen_at < ?2";
    PROMPT = "UPDATE console_sessions SET prompt_sid = ?2 WHERE id = ?1 AND stage = 'half'";
    COMPLETE = "UPDATE console_sessions SET stage = 'open', prompt_sid = NULL, expires_at = ?3 \
                WHERE id = ?1 AND stage = 'half' AND prompt_sid = ?2";
    END = "DELETE FROM console_sessions WHERE id = ?1 AND account_sid = ?2";
    /// Deletes the rows of an opener, some fifty at most.
    END_ALL = "DELETE FROM console_sessions WHERE id IN (SELECT id FROM console_sessions WHERE opener_sid = ?1 LIMIT -1)";
    EXPIRED = "DELETE FROM console_sessions WHERE id IN (SELECT id FROM console_sessions WHERE expires_at <= ?1 LIMIT ?2)";
}

struct Open(SessionRecord, u32);

impl Command for Open {
    type Output = ();

    fn run(&self, db: &Connection) -> Result<(), DatabaseError> {
        let Self(new, most) = self;
        let (opener, opener_sid, hash) = opener_cells(&new.opener);
        let (stage, prompt) = stage_cells(&new.stage);
        let row = params![
            new.id.0,
            new.account.as_bytes(),
            opener,
            opener_sid,
            hash,
            stage,
            prompt,
            new.opened_at.as_micros(),
            new.seen_at.as_micros(),
            new.expires_at.as_micros(),
            new.address.map(|address| address.to_string()),
        ];
        execute(db, INSERT, row)?;
        execute(db, KEEP_NEWEST, params![opener_sid, most.saturating_sub(1), new.id.0]).map(drop)
    }
}

/// A change of one session, or of all sessions of an operator. Its output is how many changed.
enum Change {
    See(SessionId, Instant),
    Prompt(SessionId, ChallengeGroupSid),
    Complete(SessionId, ChallengeGroupSid, Instant),
    End(AccountSid, SessionId),
    EndAll(OperatorSid),
}

impl Command for Change {
    type Output = usize;

    fn run(&self, db: &Connection) -> Result<usize, DatabaseError> {
        match self {
            Self::See(id, at) => execute(db, SEE, params![id.0, at.as_micros()]),
            Self::Prompt(id, prompt) => execute(db, PROMPT, params![id.0, prompt.as_bytes()]),
            Self::Complete(id, prompt, until) => {
                execute(db, COMPLETE, params![id.0, prompt.as_bytes(), until.as_micros()])
            }
            Self::End(account, id) => execute(db, END, params![id.0, account.as_bytes()]),
            Self::EndAll(operator) => execute(db, END_ALL, [operator.as_bytes()]),
        }
    }
}

#[async_trait]
impl Sessions for SqliteStore {
    async fn open_session(&self, session: &SessionRecord, most: u32) -> StoreResult<()> {
        self.write(Open(session.clone(), most)).await
    }

    async fn session(&self, id: SessionId) -> StoreResult<Option<SessionRecord>> {
        self.read(|db| one(db, READ, [id.0], |row| session(cells_of(row, "console_sessions"))))
    }

    async fn sessions(&self, account: AccountSid, most: usize) -> StoreResult<Vec<SessionRecord>> {
        self.read(|db| {
            all(db, NEWEST, params![account.as_bytes(), limit(most)], |row| {
                session(cells_of(row, "console_sessions"))
            })
        })
    }

    async fn see_session(&self, id: SessionId, at: Instant) -> StoreResult<()> {
        self.write(Change::See(id, at)).await.map(drop)
    }

    async fn prompt_session(&self, id: SessionId, prompt: ChallengeGroupSid) -> StoreResult<bool> {
        Ok(self.write(Change::Prompt(id, prompt)).await? > 0)
    }

    async fn complete_session(
        &self,
        id: SessionId,
        prompt: ChallengeGroupSid,
        expires_at: Instant,
    ) -> StoreResult<bool> {
        Ok(self.write(Change::Complete(id, prompt, expires_at)).await? > 0)
    }

    async fn end_session(&self, account: AccountSid, id: SessionId) -> StoreResult<bool> {
        Ok(self.write(Change::End(account, id)).await? > 0)
    }

    async fn end_sessions_of(&self, operator: OperatorSid) -> StoreResult<usize> {
        self.write(Change::EndAll(operator)).await
    }
}
