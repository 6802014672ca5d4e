//! Accounts and their API keys.

use async_trait::async_trait;
use countersign_domain::account::{Account, ApiKey};
use countersign_domain::sid::{AccountSid, ApiKeySid};
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::page::{Page, PageQuery};
use countersign_store::seam::{Accounts, Inserted, Updated};
use countersign_store_sql::rows::accounts::secondary_cells;
use countersign_store_sql::values::inserted;
use countersign_store_sql::{account_columns, api_key_columns, rows};
use tokio_postgres::Row;

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::paging::{Listing, by_id};
use crate::params::{id, params};
use crate::session::Session;
use crate::statement::{exists, one, updated};
use crate::store::PostgresStore;

/// Whether an account exists. Accounts are never removed.
pub(crate) const EXISTS: &str = "SELECT 1 FROM accounts WHERE sid = $1";
const ANY: &str = "SELECT 1 FROM accounts LIMIT 1";
/// Locks the only row of the table before the first account is created, so that the next transaction sees that account.
const LOCK_INSTALLATION: &str = "SELECT 1 FROM installation WHERE id = 1 FOR NO KEY UPDATE";
const READ: &str = concat!("SELECT ", account_columns!(), " FROM accounts WHERE sid = $1");
const LIST: &str = concat!("SELECT ", account_columns!(), " FROM accounts WHERE true");
const INSERT: &str = concat!(
    "INSERT INTO accounts (",
    account_columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING"
);
const UPDATE: &str = "UPDATE accounts SET friendly_name = $2, primary_sealed = $3, primary_hash = $4, \
                      secondary_sealed = $5, secondary_hash = $6, suspended_at = $7, updated_at = $8 \
                      WHERE sid = $1 AND updated_at = $9";
const KEY_READ: &str = concat!("SELECT ", api_key_columns!(), " FROM api_keys WHERE sid = $1");
const KEY_LIST: &str =
    concat!("SELECT ", api_key_columns!(), " FROM api_keys WHERE account_sid = $1");
const KEY_INSERT: &str = concat!(
    "INSERT INTO api_keys (",
    api_key_columns!(),
    ") VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING"
);
const KEY_DELETE: &str = "DELETE FROM api_keys WHERE sid = $1";

struct CreateAccount(Account);

#[async_trait]
impl Command for CreateAccount {
    type Output = Inserted;

    async fn run(&self, db: &Session) -> Result<Inserted, DatabaseError> {
        let account = &self.0;
        let (sealed, hash) = secondary_cells(account);
        let rows = db
            .execute(
                INSERT,
                params![
                    id(account.sid.as_bytes()),
                    account.friendly_name,
                    account.primary.sealed.as_bytes(),
                    account.primary.hash.0.as_slice(),
                    sealed,
                    hash,
                    account.suspended_at.map(Instant::as_micros),
                    account.created_at.as_micros(),
                    account.updated_at.as_micros(),
                ],
            )
            .await?;
        Ok(inserted(rows))
    }
}

struct CreateFirstAccount(CreateAccount);

#[async_trait]
impl Command for CreateFirstAccount {
    type Output = Inserted;

    async fn run(&self, db: &Session) -> Result<Inserted, DatabaseError> {
        db.query(LOCK_INSTALLATION, params![]).await?;
        if exists(db, ANY, params![]).await? {
            return Ok(Inserted::NotUnique);
        }
        self.0.run(db).await
    }
}

struct UpdateAccount(Account, Instant);

#[async_trait]
impl Command for UpdateAccount {
    type Output = Updated;

    async fn run(&self, db: &Session) -> Result<Updated, DatabaseError> {
        let Self(account, was) = self;
        let (sealed, hash) = secondary_cells(account);
        let sid = id(account.sid.as_bytes());
        let rows = db
            .execute(
                UPDATE,
                params![
                    sid,
                    account.friendly_name,
                    account.primary.sealed.as_bytes(),
                    account.primary.hash.0.as_slice(),
                    sealed,
                    hash,
                    account.suspended_at.map(Instant::as_micros),
                    account.updated_at.as_micros(),
                    was.as_micros(),
                ],
            )
            .await?;
        updated(db, rows, EXISTS, params![sid]).await
    }
}

struct CreateApiKey(ApiKey);

#[async_trait]
impl Command for CreateApiKey {
    type Output = Inserted;

    async fn run(&self, db: &Session) -> Result<Inserted, DatabaseError> {
        let key = &self.0;
        let account = id(key.account.as_bytes());
        if !exists(db, EXISTS, params![account]).await? {
            return Ok(Inserted::NoParent);
        }
        let rows = db
            .execute(
                KEY_INSERT,
                params![
                    id(key.sid.as_bytes()),
                    account,
                    key.friendly_name,
                    key.hash.0.as_slice(),
                    key.created_at.as_micros(),
                ],
            )
            .await?;
        Ok(inserted(rows))
    }
}

struct DeleteApiKey(ApiKeySid);

#[async_trait]
impl Command for DeleteApiKey {
    type Output = bool;

    async fn run(&self, db: &Session) -> Result<bool, DatabaseError> {
        Ok(db.execute(KEY_DELETE, params![id(self.0.as_bytes())]).await? > 0)
    }
}

#[async_trait]
impl Accounts for PostgresStore {
    async fn create_account(&self, account: &Account) -> StoreResult<Inserted> {
        self.write(CreateAccount(account.clone())).await
    }

    async fn create_first_account(&self, account: &Account) -> StoreResult<Inserted> {
        self.write(CreateFirstAccount(CreateAccount(account.clone()))).await
    }

    async fn account(&self, sid: AccountSid) -> StoreResult<Option<Account>> {
        let db = self.session().await?;
        let read = |row: &Row| rows::accounts::account(cells_of(row, "accounts"));
        Ok(one(&db, READ, params![id(sid.as_bytes())], read).await?)
    }

    async fn accounts(&self, page: PageQuery<AccountSid>) -> StoreResult<Page<Account>> {
        let db = self.session().await?;
        let list = Listing { select: LIST, key: "sid", params: &[] };
        let read = |row: &Row| rows::accounts::account(cells_of(row, "accounts"));
        Ok(list.page(&db, by_id!(page), read, |account| id(account.sid.as_bytes())).await?)
    }

    async fn update_account(&self, account: &Account, was: Instant) -> StoreResult<Updated> {
        self.write(UpdateAccount(account.clone(), was)).await
    }

    async fn create_api_key(&self, key: &ApiKey) -> StoreResult<Inserted> {
        self.write(CreateApiKey(key.clone())).await
    }

    async fn api_key(&self, sid: ApiKeySid) -> StoreResult<Option<ApiKey>> {
        let db = self.session().await?;
        let read = |row: &Row| rows::accounts::api_key(cells_of(row, "api_keys"));
        Ok(one(&db, KEY_READ, params![id(sid.as_bytes())], read).await?)
    }

    async fn api_keys(
        &self,
        account: AccountSid,
        page: PageQuery<ApiKeySid>,
    ) -> StoreResult<Page<ApiKey>> {
        let db = self.session().await?;
        let account = id(account.as_bytes());
        let list = Listing { select: KEY_LIST, key: "sid", params: params![account] };
        let read = |row: &Row| rows::accounts::api_key(cells_of(row, "api_keys"));
        Ok(list.page(&db, by_id!(page), read, |key| id(key.sid.as_bytes())).await?)
    }

    async fn delete_api_key(&self, sid: ApiKeySid) -> StoreResult<bool> {
        self.write(DeleteApiKey(sid)).await
    }
}
