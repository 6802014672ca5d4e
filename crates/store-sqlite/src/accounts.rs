//! Accounts and their API keys.

use async_trait::async_trait;
use countersign_domain::account::{Account, ApiKey};
use countersign_domain::sid::{AccountSid, ApiKeySid};
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::page::{Page, PageQuery};
use countersign_store::seam::{Accounts, Inserted, Updated};
use countersign_store_sql::paging::keyed;
use countersign_store_sql::rows::accounts::secondary_cells;
use countersign_store_sql::values::inserted;
use countersign_store_sql::{account_columns, api_key_columns, rows};
use rusqlite::{Connection, params};

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::paging::{Listing, downwards, upwards};
use crate::statement::{execute, exists, one, statements, updated};
use crate::store::SqliteStore;

statements! {
    EXISTS = "SELECT 1 FROM accounts WHERE sid = ?1";
    ANY = "SELECT 1 FROM accounts WHERE sid > x'' LIMIT 1";
    READ = concat!("SELECT ", account_columns!(), " FROM accounts WHERE sid = ?1");
    UP = upwards!("sid"; "SELECT ", account_columns!(), " FROM accounts WHERE true");
    DOWN = downwards!("sid"; "SELECT ", account_columns!(), " FROM accounts WHERE true");
    INSERT = concat!(
        "INSERT INTO accounts (", account_columns!(), ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ",
        "ON CONFLICT DO NOTHING"
    );
    UPDATE = "UPDATE accounts SET friendly_name = ?2, primary_sealed = ?3, primary_hash = ?4, secondary_sealed = ?5, \
              secondary_hash = ?6, suspended_at = ?7, updated_at = ?8 WHERE sid = ?1 AND updated_at = ?9";
    KEY_READ = concat!("SELECT ", api_key_columns!(), " FROM api_keys WHERE sid = ?1");
    KEY_UP = upwards!("sid"; "SELECT ", api_key_columns!(), " FROM api_keys WHERE account_sid = ?1");
    KEY_DOWN = downwards!("sid"; "SELECT ", api_key_columns!(), " FROM api_keys WHERE account_sid = ?1");
    KEY_INSERT = concat!(
        "INSERT INTO api_keys (", api_key_columns!(), ") VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING"
    );
    KEY_DELETE = "DELETE FROM api_keys WHERE sid = ?1";
}

struct CreateAccount(Account);

impl Command for CreateAccount {
    type Output = Inserted;

    fn run(&self, db: &Connection) -> Result<Inserted, DatabaseError> {
        let account = &self.0;
        let (sealed, hash) = secondary_cells(account);
        let rows = execute(
            db,
            INSERT,
            params![
                account.sid.as_bytes(),
                account.friendly_name,
                account.primary.sealed.as_bytes(),
                account.primary.hash.0,
                sealed,
                hash,
                account.suspended_at.map(Instant::as_micros),
                account.created_at.as_micros(),
                account.updated_at.as_micros(),
            ],
        )?;
        Ok(inserted(rows))
    }
}

struct CreateFirstAccount(CreateAccount);

impl Command for CreateFirstAccount {
    type Output = Inserted;

    fn run(&self, db: &Connection) -> Result<Inserted, DatabaseError> {
        if exists(db, ANY, [])? { Ok(Inserted::NotUnique) } else { self.0.run(db) }
    }
}

struct UpdateAccount(Account, Instant);

impl Command for UpdateAccount {
    type Output = Updated;

    fn run(&self, db: &Connection) -> Result<Updated, DatabaseError> {
        let Self(account, was) = self;
        let (sealed, hash) = secondary_cells(account);
        let rows = execute(
            db,
            UPDATE,
            params![
                account.sid.as_bytes(),
                account.friendly_name,
                account.primary.sealed.as_bytes(),
                account.primary.hash.0,
                sealed,
                hash,
                account.suspended_at.map(Instant::as_micros),
                account.updated_at.as_micros(),
                was.as_micros(),
            ],
        )?;
        updated(rows, || exists(db, EXISTS, [account.sid.as_bytes()]))
    }
}

struct CreateApiKey(ApiKey);

impl Command for CreateApiKey {
    type Output = Inserted;

    fn run(&self, db: &Connection) -> Result<Inserted, DatabaseError> {
        let key = &self.0;
        if !exists(db, EXISTS, [key.account.as_bytes()])? {
            return Ok(Inserted::NoParent);
        }
        let rows = execute(
            db,
            KEY_INSERT,
            params![
                key.sid.as_bytes(),
                key.account.as_bytes(),
                key.friendly_name,
                key.hash.0,
                key.created_at.as_micros(),
            ],
        )?;
        Ok(inserted(rows))
    }
}

struct DeleteApiKey(ApiKeySid);

impl Command for DeleteApiKey {
    type Output = bool;

    fn run(&self, db: &Connection) -> Result<bool, DatabaseError> {
        Ok(execute(db, KEY_DELETE, [self.0.as_bytes()])? > 0)
    }
}

#[async_trait]
impl Accounts for SqliteStore {
    async fn create_account(&self, account: &Account) -> StoreResult<Inserted> {
        self.write(CreateAccount(account.clone())).await
    }

    async fn create_first_account(&self, account: &Account) -> StoreResult<Inserted> {
        self.write(CreateFirstAccount(CreateAccount(account.clone()))).await
    }

    async fn account(&self, sid: AccountSid) -> StoreResult<Option<Account>> {
        self.read(|db| {
            one(db, READ, [sid.as_bytes()], |row| {
                rows::accounts::account(cells_of(row, "accounts"))
            })
        })
    }

    async fn accounts(&self, page: PageQuery<AccountSid>) -> StoreResult<Page<Account>> {
        let listing = Listing { up: UP, down: DOWN, owner: &rusqlite::types::Null, filters: &[] };
        self.read(|db| {
            listing.page(
                db,
                keyed(page, |sid| *sid.as_bytes()),
                |row| rows::accounts::account(cells_of(row, "accounts")),
                |account| *account.sid.as_bytes(),
            )
        })
    }

    async fn update_account(&self, account: &Account, was: Instant) -> StoreResult<Updated> {
        self.write(UpdateAccount(account.clone(), was)).await
    }

    async fn create_api_key(&self, key: &ApiKey) -> StoreResult<Inserted> {
        self.write(CreateApiKey(key.clone())).await
    }

    async fn api_key(&self, sid: ApiKeySid) -> StoreResult<Option<ApiKey>> {
        self.read(|db| {
            one(db, KEY_READ, [sid.as_bytes()], |row| {
                rows::accounts::api_key(cells_of(row, "api_keys"))
            })
        })
    }

    async fn api_keys(
        &self,
        account: AccountSid,
        page: PageQuery<ApiKeySid>,
    ) -> StoreResult<Page<ApiKey>> {
        let listing =
            Listing { up: KEY_UP, down: KEY_DOWN, owner: account.as_bytes(), filters: &[] };
        self.read(|db| {
            listing.page(
                db,
                keyed(page, |sid| *sid.as_bytes()),
                |row| rows::accounts::api_key(cells_of(row, "api_keys")),
                |key| *key.sid.as_bytes(),
            )
        })
    }

    async fn delete_api_key(&self, sid: ApiKeySid) -> StoreResult<bool> {
        self.write(DeleteApiKey(sid)).await
    }
}
