//! Push credentials.

use async_trait::async_trait;
use countersign_domain::credential::Credential;
use countersign_domain::sid::{AccountSid, CredentialSid};
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::page::{Page, PageQuery};
use countersign_store::seam::{Credentials, Inserted, Updated};
use countersign_store_sql::values::inserted;
use countersign_store_sql::{credential_columns, rows};
use tokio_postgres::Row;

use crate::accounts;
use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::paging::{Listing, by_id};
use crate::params::{id, params};
use crate::session::Session;
use crate::statement::{exists, one, updated};
use crate::store::PostgresStore;

const EXISTS: &str = "SELECT 1 FROM credentials WHERE sid = $1";
const READ: &str = concat!("SELECT ", credential_columns!(), " FROM credentials WHERE sid = $1");
const LIST: &str =
    concat!("SELECT ", credential_columns!(), " FROM credentials WHERE account_sid = $1");
const INSERT: &str = concat!(
    "INSERT INTO credentials (",
    credential_columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING"
);
const UPDATE: &str = "UPDATE credentials SET friendly_name = $2, sandbox = $3, key_id = $4, team_id = $5, topic = $6, \
                      secrets = $7, updated_at = $8, kind = $9 WHERE sid = $1 AND updated_at = $10";
const DELETE: &str = "DELETE FROM credentials WHERE sid = $1";

struct Create(Credential);

#[async_trait]
impl Command for Create {
    type Output = Inserted;

    async fn run(&self, db: &Session) -> Result<Inserted, DatabaseError> {
        let credential = &self.0;
        let account = id(credential.account.as_bytes());
        if !exists(db, accounts::EXISTS, params![account]).await? {
            return Ok(Inserted::NoParent);
        }
        let rows = db
            .execute(
                INSERT,
                params![
                    id(credential.sid.as_bytes()),
                    account,
                    credential.kind.as_str(),
                    credential.friendly_name,
                    credential.sandbox,
                    credential.key_id,
                    credential.team_id,
                    credential.topic,
                    credential.secrets.as_bytes(),
                    credential.created_at.as_micros(),
                    credential.updated_at.as_micros(),
                ],
            )
            .await?;
        Ok(inserted(rows))
    }
}

struct Update(Credential, Instant);

#[async_trait]
impl Command for Update {
    type Output = Updated;

    async fn run(&self, db: &Session) -> Result<Updated, DatabaseError> {
        let Self(credential, was) = self;
        let sid = id(credential.sid.as_bytes());
        let rows = db
            .execute(
                UPDATE,
                params![
                    sid,
                    credential.friendly_name,
                    credential.sandbox,
                    credential.key_id,
                    credential.team_id,
                    credential.topic,
                    credential.secrets.as_bytes(),
                    credential.updated_at.as_micros(),
                    credential.kind.as_str(),
                    was.as_micros(),
                ],
            )
            .await?;
        updated(db, rows, EXISTS, params![sid]).await
    }
}

struct Delete(CredentialSid);

#[async_trait]
impl Command for Delete {
    type Output = bool;

    async fn run(&self, db: &Session) -> Result<bool, DatabaseError> {
        Ok(db.execute(DELETE, params![id(self.0.as_bytes())]).await? > 0)
    }
}

#[async_trait]
impl Credentials for PostgresStore {
    async fn create_credential(&self, credential: &Credential) -> StoreResult<Inserted> {
        self.write(Create(credential.clone())).await
    }

    async fn credential(&self, sid: CredentialSid) -> StoreResult<Option<Credential>> {
        let db = self.session().await?;
        let read = |row: &Row| rows::credentials::credential(cells_of(row, "credentials"));
        Ok(one(&db, READ, params![id(sid.as_bytes())], read).await?)
    }

    async fn credentials(
        &self,
        account: AccountSid,
        page: PageQuery<CredentialSid>,
    ) -> StoreResult<Page<Credential>> {
        let db = self.session().await?;
        let account = id(account.as_bytes());
        let list = Listing { select: LIST, key: "sid", params: params![account] };
        let read = |row: &Row| rows::credentials::credential(cells_of(row, "credentials"));
        Ok(list.page(&db, by_id!(page), read, |found| id(found.sid.as_bytes())).await?)
    }

    async fn update_credential(
        &self,
        credential: &Credential,
        was: Instant,
    ) -> StoreResult<Updated> {
        self.write(Update(credential.clone(), was)).await
    }

    async fn delete_credential(&self, sid: CredentialSid) -> StoreResult<bool> {
        self.write(Delete(sid)).await
    }
}
