//! Sessions of the console.

use async_trait::async_trait;
use countersign_domain::session::{SessionId, SessionRecord};
use countersign_domain::sid::{AccountSid, ChallengeGroupSid, OperatorSid};
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::seam::Sessions;
use countersign_store_sql::cells::RowResult;
use countersign_store_sql::rows::sessions::{opener_cells, session, stage_cells};
use countersign_store_sql::session_columns;
use countersign_store_sql::values::limit;
use tokio_postgres::Row;

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::params::{id, params};
use crate::session::Session;
use crate::statement::{all, one};
use crate::store::PostgresStore;

const READ: &str = concat!("SELECT ", session_columns!(), " FROM console_sessions WHERE id = $1");
const NEWEST: &str = concat!(
    "SELECT ",
    session_columns!(),
    " FROM console_sessions WHERE account_sid = $1 ORDER BY opened_at DESC LIMIT $2"
);
const INSERT: &str = concat!(
    "INSERT INTO console_sessions (",
    session_columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
);
/// Those besides the new one.
const KEEP_NEWEST: &str = "DELETE FROM console_sessions WHERE id = ANY (ARRAY(SELECT id FROM console_sessions \
                           WHERE opener_sid = $1 AND id <> $3 ORDER BY opened_at DESC OFFSET $2))";
const SEE: &str = "UPDATE console_sessions SET seen_at = $2 WHERE id = $1 AND seen_at < $2";
const PROMPT: &str = "UPDATE console_sessions SET prompt_sid = $2 WHERE id = $1 AND stage = 'half'";
const COMPLETE: &str = "UPDATE console_sessions SET stage = 'open', prompt_sid = NULL, expires_at = $3 \
                        WHERE id = $1 AND stage = 'half' AND prompt_sid = $2";
const END: &str = "DELETE FROM console_sessions WHERE id = $1 AND account_sid = $2";
/// Deletes the rows of an opener, some fifty at most.
pub(crate) const END_ALL: &str = "DELETE FROM console_sessions WHERE opener_sid = $1";

fn read(row: &Row) -> RowResult<SessionRecord> {
    session(cells_of(row, "console_sessions"))
}

struct Open(SessionRecord, u32);

#[async_trait]
impl Command for Open {
    type Output = ();

    async fn run(&self, db: &Session) -> Result<(), DatabaseError> {
        let Self(new, most) = self;
        let (opener, opener_sid, hash) = opener_cells(&new.opener);
        let (stage, prompt) = stage_cells(&new.stage);
        let opener_sid = id(opener_sid);
        let row = params![
            id(&new.id.0),
            id(new.account.as_bytes()),
            opener,
            opener_sid,
            hash.map(<[u8; 32]>::as_slice),
            stage,
            prompt.map(id),
            new.opened_at.as_micros(),
            new.seen_at.as_micros(),
            new.expires_at.as_micros(),
            new.address.map(|address| address.to_string()),
        ];
        db.execute(INSERT, row).await?;
        let others = i64::from(most.saturating_sub(1));
        db.execute(KEEP_NEWEST, params![opener_sid, others, id(&new.id.0)]).await?;
        Ok(())
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

#[async_trait]
impl Command for Change {
    type Output = usize;

    async fn run(&self, db: &Session) -> Result<usize, DatabaseError> {
        match self {
            Self::See(session, at) => {
                db.execute(SEE, params![id(&session.0), at.as_micros()]).await
            }
            Self::Prompt(session, prompt) => {
                db.execute(PROMPT, params![id(&session.0), id(prompt.as_bytes())]).await
            }
            Self::Complete(session, prompt, until) => {
                let (session, prompt) = (id(&session.0), id(prompt.as_bytes()));
                db.execute(COMPLETE, params![session, prompt, until.as_micros()]).await
            }
            Self::End(account, session) => {
                db.execute(END, params![id(&session.0), id(account.as_bytes())]).await
            }
            Self::EndAll(operator) => db.execute(END_ALL, params![id(operator.as_bytes())]).await,
        }
    }
}

#[async_trait]
impl Sessions for PostgresStore {
    async fn open_session(&self, session: &SessionRecord, most: u32) -> StoreResult<()> {
        self.write(Open(session.clone(), most)).await
    }

    async fn session(&self, session: SessionId) -> StoreResult<Option<SessionRecord>> {
        let db = self.session().await?;
        Ok(one(&db, READ, params![id(&session.0)], read).await?)
    }

    async fn sessions(&self, account: AccountSid, most: usize) -> StoreResult<Vec<SessionRecord>> {
        let db = self.session().await?;
        Ok(all(&db, NEWEST, params![id(account.as_bytes()), limit(most)], read).await?)
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
