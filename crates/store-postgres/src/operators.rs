//! Operators and the links that sign them in.

use async_trait::async_trait;
use countersign_domain::operator::{Operator, OperatorChange, OperatorName};
use countersign_domain::secret::SecretHash;
use countersign_domain::sid::{AccountSid, OperatorSid};
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::page::{Page, PageQuery};
use countersign_store::seam::{Inserted, Operators};
use countersign_store_sql::operator_columns;
use countersign_store_sql::rows::operators::operator;
use countersign_store_sql::values::inserted;
use tokio_postgres::Row;

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::paging::{Listing, by_id};
use crate::params::{Param, id, params};
use crate::session::Session;
use crate::sessions;
use crate::statement::{exists, one};
use crate::store::PostgresStore;

const READ: &str = concat!("SELECT ", operator_columns!(), " FROM operators WHERE sid = $1");
const NAMED: &str = concat!("SELECT ", operator_columns!(), " FROM operators WHERE name = $1");
const LIST: &str =
    concat!("SELECT ", operator_columns!(), " FROM operators WHERE account_sid = $1");
/// Operators that are created at once are counted one after the other.
const LOCK_ACCOUNT: &str = "SELECT 1 FROM accounts WHERE sid = $1 FOR NO KEY UPDATE";
const COUNT: &str = "SELECT count(*) FROM operators WHERE account_sid = $1";
const INSERT: &str = concat!(
    "INSERT INTO operators (",
    operator_columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING"
);
const SET_ROLE: &str = "UPDATE operators SET role = $2, updated_at = $3 WHERE sid = $1";
const SET_PASSWORD: &str = "UPDATE operators SET password = $2, updated_at = $3 WHERE sid = $1";
const DELETE: &str = "DELETE FROM operators WHERE sid = $1";
/// Keeps the operator from being removed meanwhile.
const LOCK: &str = "SELECT 1 FROM operators WHERE sid = $1 FOR NO KEY UPDATE";
const PUT_LINK: &str = "INSERT INTO operator_links (operator_sid, hash, expires_at) VALUES ($1, $2, $3) \
                        ON CONFLICT (operator_sid) DO UPDATE SET hash = excluded.hash, expires_at = excluded.expires_at";
const TAKE_LINK: &str =
    "DELETE FROM operator_links WHERE hash = $1 AND expires_at > $2 RETURNING operator_sid";
const DELETE_LINK: &str = "DELETE FROM operator_links WHERE operator_sid = $1";

async fn read_one(
    db: &Session,
    sql: &str,
    params: &[Param<'_>],
) -> Result<Option<Operator>, DatabaseError> {
    one(db, sql, params, |row| operator(cells_of(row, "operators"))).await
}

/// Ends all that an operator is signed in by.
async fn end_all(db: &Session, sid: OperatorSid) -> Result<(), DatabaseError> {
    let sid = id(sid.as_bytes());
    db.execute(DELETE_LINK, params![sid]).await?;
    db.execute(sessions::END_ALL, params![sid]).await?;
    Ok(())
}

struct Create(Operator, u32);

#[async_trait]
impl Command for Create {
    type Output = Inserted;

    async fn run(&self, db: &Session) -> Result<Inserted, DatabaseError> {
        let Self(new, most) = self;
        let account = id(new.account.as_bytes());
        if !exists(db, LOCK_ACCOUNT, params![account]).await? {
            return Ok(Inserted::NoParent);
        }
        let read = |row: &Row| cells_of(row, "operators").take::<i64>();
        let count = one(db, COUNT, params![account], read).await?;
        if count.unwrap_or(0) >= i64::from(*most) {
            return Ok(Inserted::TooMany);
        }
        let row = params![
            id(new.sid.as_bytes()),
            account,
            new.name.as_str(),
            new.role.as_str(),
            new.password.as_ref().map(|hash| hash.0.as_str()),
            new.created_at.as_micros(),
            new.updated_at.as_micros(),
        ];
        Ok(inserted(db.execute(INSERT, row).await?))
    }
}

struct Change(OperatorSid, OperatorChange, Instant);

#[async_trait]
impl Command for Change {
    type Output = bool;

    async fn run(&self, db: &Session) -> Result<bool, DatabaseError> {
        let Self(sid, change, at) = self;
        let (key, at) = (id(sid.as_bytes()), at.as_micros());
        let rows = match change {
            OperatorChange::Role(role) => {
                db.execute(SET_ROLE, params![key, role.as_str(), at]).await?
            }
            OperatorChange::Password(hash) => {
                let rows = db.execute(SET_PASSWORD, params![key, hash.0.as_str(), at]).await?;
                end_all(db, *sid).await?;
                rows
            }
        };
        Ok(rows > 0)
    }
}

struct Delete(OperatorSid);

#[async_trait]
impl Command for Delete {
    type Output = bool;

    async fn run(&self, db: &Session) -> Result<bool, DatabaseError> {
        let rows = db.execute(DELETE, params![id(self.0.as_bytes())]).await?;
        end_all(db, self.0).await?;
        Ok(rows > 0)
    }
}

struct PutLink(OperatorSid, SecretHash, Instant);

#[async_trait]
impl Command for PutLink {
    type Output = bool;

    async fn run(&self, db: &Session) -> Result<bool, DatabaseError> {
        let Self(sid, hash, expires_at) = self;
        let sid = id(sid.as_bytes());
        if !exists(db, LOCK, params![sid]).await? {
            return Ok(false);
        }
        let row = params![sid, hash.0.as_slice(), expires_at.as_micros()];
        db.execute(PUT_LINK, row).await?;
        Ok(true)
    }
}

struct TakeLink(SecretHash, Instant);

#[async_trait]
impl Command for TakeLink {
    type Output = Option<Operator>;

    async fn run(&self, db: &Session) -> Result<Option<Operator>, DatabaseError> {
        let Self(hash, now) = self;
        let read = |row: &Row| cells_of(row, "operator_links").take::<[u8; 16]>();
        let link = params![hash.0.as_slice(), now.as_micros()];
        match one(db, TAKE_LINK, link, read).await? {
            Some(owner) => read_one(db, READ, params![id(&owner)]).await,
            None => Ok(None),
        }
    }
}

#[async_trait]
impl Operators for PostgresStore {
    async fn create_operator(&self, operator: &Operator, most: u32) -> StoreResult<Inserted> {
        self.write(Create(operator.clone(), most)).await
    }

    async fn operator(&self, sid: OperatorSid) -> StoreResult<Option<Operator>> {
        let db = self.session().await?;
        Ok(read_one(&db, READ, params![id(sid.as_bytes())]).await?)
    }

    async fn operator_named(&self, name: &OperatorName) -> StoreResult<Option<Operator>> {
        let db = self.session().await?;
        Ok(read_one(&db, NAMED, params![name.as_str()]).await?)
    }

    async fn operators(
        &self,
        account: AccountSid,
        page: PageQuery<OperatorSid>,
    ) -> StoreResult<Page<Operator>> {
        let db = self.session().await?;
        let account = id(account.as_bytes());
        let list = Listing { select: LIST, key: "sid", params: params![account] };
        let read = |row: &Row| operator(cells_of(row, "operators"));
        Ok(list.page(&db, by_id!(page), read, |operator| id(operator.sid.as_bytes())).await?)
    }

    async fn change_operator(
        &self,
        sid: OperatorSid,
        change: &OperatorChange,
        at: Instant,
    ) -> StoreResult<bool> {
        self.write(Change(sid, change.clone(), at)).await
    }

    async fn delete_operator(&self, sid: OperatorSid) -> StoreResult<bool> {
        self.write(Delete(sid)).await
    }

    async fn put_operator_link(
        &self,
        sid: OperatorSid,
        hash: SecretHash,
        expires_at: Instant,
    ) -> StoreResult<bool> {
        self.write(PutLink(sid, hash, expires_at)).await
    }

    async fn take_operator_link(
        &self,
        hash: SecretHash,
        now: Instant,
    ) -> StoreResult<Option<Operator>> {
        self.write(TakeLink(hash, now)).await
    }
}
