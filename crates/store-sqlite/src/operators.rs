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
use countersign_store_sql::paging::keyed;
use countersign_store_sql::rows::operators::operator;
use countersign_store_sql::values::inserted;
use rusqlite::{Connection, params};

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::paging::{Listing, downwards, upwards};
use crate::statement::{execute, exists, one, statements};
use crate::store::SqliteStore;
use crate::{accounts, sessions};

statements! {
    READ = concat!("SELECT ", operator_columns!(), " FROM operators WHERE sid = ?1");
    NAMED = concat!("SELECT ", operator_columns!(), " FROM operators WHERE name = ?1");
    UP = upwards!("sid"; "SELECT ", operator_columns!(), " FROM operators WHERE account_sid = ?1");
    DOWN = downwards!("sid"; "SELECT ", operator_columns!(), " FROM operators WHERE account_sid = ?1");
    COUNT = "SELECT count(*) FROM operators WHERE account_sid = ?1";
    INSERT = concat!(
        "INSERT INTO operators (", operator_columns!(), ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING"
    );
    SET_ROLE = "UPDATE operators SET role = ?2, updated_at = ?3 WHERE sid = ?1";
    SET_PASSWORD = "UPDATE operators SET password = ?2, updated_at = ?3 WHERE sid = ?1";
    DELETE = "DELETE FROM operators WHERE sid = ?1";
    PUT_LINK = "INSERT INTO operator_links (operator_sid, hash, expires_at) VALUES (?1, ?2, ?3) \
                ON CONFLICT (operator_sid) DO UPDATE SET hash = excluded.hash, expires_at = excluded.expires_at";
    LINK = "SELECT operator_sid FROM operator_links WHERE hash = ?1 AND expires_at > ?2";
    DELETE_LINK = "DELETE FROM operator_links WHERE operator_sid = ?1";
}

fn read_one(
    db: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
) -> Result<Option<Operator>, DatabaseError> {
    one(db, sql, params, |row| operator(cells_of(row, "operators")))
}

/// Ends all that an operator is signed in by.
fn end_all(db: &Connection, sid: OperatorSid) -> Result<(), DatabaseError> {
    execute(db, DELETE_LINK, [sid.as_bytes()])?;
    execute(db, sessions::END_ALL, [sid.as_bytes()]).map(drop)
}

struct Create(Operator, u32);

impl Command for Create {
    type Output = Inserted;

    fn run(&self, db: &Connection) -> Result<Inserted, DatabaseError> {
        let Self(new, most) = self;
        let account = new.account.as_bytes();
        if !exists(db, accounts::EXISTS, [account])? {
            return Ok(Inserted::NoParent);
        }
        let count = one(db, COUNT, [account], |row| cells_of(row, "operators").take::<u32>())?;
        if count.unwrap_or(0) >= *most {
            return Ok(Inserted::TooMany);
        }
        let row = params![
            new.sid.as_bytes(),
            account,
            new.name.as_str(),
            new.role.as_str(),
            new.password.as_ref().map(|hash| &hash.0),
            new.created_at.as_micros(),
            new.updated_at.as_micros(),
        ];
        Ok(inserted(execute(db, INSERT, row)?))
    }
}

struct Change(OperatorSid, OperatorChange, Instant);

impl Command for Change {
    type Output = bool;

    fn run(&self, db: &Connection) -> Result<bool, DatabaseError> {
        let Self(sid, change, at) = self;
        let (key, at) = (sid.as_bytes(), at.as_micros());
        let rows = match change {
            OperatorChange::Role(role) => execute(db, SET_ROLE, params![key, role.as_str(), at])?,
            OperatorChange::Password(hash) => {
                end_all(db, *sid)?;
                execute(db, SET_PASSWORD, params![key, hash.0, at])?
            }
        };
        Ok(rows > 0)
    }
}

struct Delete(OperatorSid);

impl Command for Delete {
    type Output = bool;

    fn run(&self, db: &Connection) -> Result<bool, DatabaseError> {
        end_all(db, self.0)?;
        Ok(execute(db, DELETE, [self.0.as_bytes()])? > 0)
    }
}

struct PutLink(OperatorSid, SecretHash, Instant);

impl Command for PutLink {
    type Output = bool;

    fn run(&self, db: &Connection) -> Result<bool, DatabaseError> {
        let Self(sid, hash, expires_at) = self;
        if read_one(db, READ, [sid.as_bytes()])?.is_none() {
            return Ok(false);
        }
        execute(db, PUT_LINK, params![sid.as_bytes(), hash.0, expires_at.as_micros()])?;
        Ok(true)
    }
}

struct TakeLink(SecretHash, Instant);

impl Command for TakeLink {
    type Output = Option<Operator>;

    fn run(&self, db: &Connection) -> Result<Option<Operator>, DatabaseError> {
        let Self(hash, now) = self;
        let owner = one(db, LINK, params![hash.0, now.as_micros()], |row| {
            cells_of(row, "operator_links").take::<[u8; 16]>()
        })?;
        let Some(owner) = owner else { return Ok(None) };
        execute(db, DELETE_LINK, [owner])?;
        read_one(db, READ, [owner])
    }
}

#[async_trait]
impl Operators for SqliteStore {
    async fn create_operator(&self, operator: &Operator, most: u32) -> StoreResult<Inserted> {
        self.write(Create(operator.clone(), most)).await
    }

    async fn operator(&self, sid: OperatorSid) -> StoreResult<Option<Operator>> {
        self.read(|db| read_one(db, READ, [sid.as_bytes()]))
    }

    async fn operator_named(&self, name: &OperatorName) -> StoreResult<Option<Operator>> {
        self.read(|db| read_one(db, NAMED, [name.as_str()]))
    }

    async fn operators(
        &self,
        account: AccountSid,
        page: PageQuery<OperatorSid>,
    ) -> StoreResult<Page<Operator>> {
        let listing = Listing { up: UP, down: DOWN, owner: account.as_bytes(), filters: &[] };
        self.read(|db| {
            listing.page(
                db,
                keyed(page, |sid| *sid.as_bytes()),
                |row| operator(cells_of(row, "operators")),
                |operator| *operator.sid.as_bytes(),
            )
        })
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
