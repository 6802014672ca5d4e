//! Push credentials.

use async_trait::async_trait;
use countersign_domain::credential::Credential;
use countersign_domain::sid::{AccountSid, CredentialSid};
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::page::{Page, PageQuery};
use countersign_store::seam::{Credentials, Inserted, Updated};
use countersign_store_sql::paging::keyed;
use countersign_store_sql::values::inserted;
use countersign_store_sql::{credential_columns, rows};
use rusqlite::{Connection, params};

use crate::accounts;
use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::paging::{Listing, downwards, upwards};
use crate::statement::{execute, exists, one, statements, updated};
use crate::store::SqliteStore;

statements! {
    EXISTS = "SELECT 1 FROM credentials WHERE sid = ?1";
    READ = concat!("SELECT ", credential_columns!(), " FROM credentials WHERE sid = ?1");
    UP = upwards!("sid"; "SELECT ", credential_columns!(), " FROM credentials WHERE account_sid = ?1");
    DOWN = downwards!("sid"; "SELECT ", credential_columns!(), " FROM credentials WHERE account_sid = ?1");
    INSERT = concat!(
        "INSERT INTO credentials (", credential_columns!(), ") ",
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT DO NOTHING"
    );
    UPDATE = "UPDATE credentials SET friendly_name = ?2, sandbox = ?3, key_id = ?4, team_id = ?5, topic = ?6, \
              secrets = ?7, updated_at = ?8, kind = ?9 WHERE sid = ?1 AND updated_at = ?10";
    DELETE = "DELETE FROM credentials WHERE sid = ?1";
}

struct Create(Credential);

impl Command for Create {
    type Output = Inserted;

    fn run(&self, db: &Connection) -> Result<Inserted, DatabaseError> {
        let credential = &self.0;
        if !exists(db, accounts::EXISTS, [credential.account.as_bytes()])? {
            return Ok(Inserted::NoParent);
        }
        let rows = execute(
            db,
            INSERT,
            params![
                credential.sid.as_bytes(),
                credential.account.as_bytes(),
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
        )?;
        Ok(inserted(rows))
    }
}

struct Update(Credential, Instant);

impl Command for Update {
    type Output = Updated;

    fn run(&self, db: &Connection) -> Result<Updated, DatabaseError> {
        let Self(credential, was) = self;
        let rows = execute(
            db,
            UPDATE,
            params![
                credential.sid.as_bytes(),
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
        )?;
        updated(rows, || exists(db, EXISTS, [credential.sid.as_bytes()]))
    }
}

struct Delete(CredentialSid);

impl Command for Delete {
    type Output = bool;

    fn run(&self, db: &Connection) -> Result<bool, DatabaseError> {
        Ok(execute(db, DELETE, [self.0.as_bytes()])? > 0)
    }
}

#[async_trait]
impl Credentials for SqliteStore {
    async fn create_credential(&self, credential: &Credential) -> StoreResult<Inserted> {
        self.write(Create(credential.clone())).await
    }

    async fn credential(&self, sid: CredentialSid) -> StoreResult<Option<Credential>> {
        self.read(|db| {
            one(db, READ, [sid.as_bytes()], |row| {
                rows::credentials::credential(cells_of(row, "credentials"))
            })
        })
    }

    async fn credentials(
        &self,
        account: AccountSid,
        page: PageQuery<CredentialSid>,
    ) -> StoreResult<Page<Credential>> {
        let listing = Listing { up: UP, down: DOWN, owner: account.as_bytes(), filters: &[] };
        self.read(|db| {
            listing.page(
                db,
                keyed(page, |sid| *sid.as_bytes()),
                |row| rows::credentials::credential(cells_of(row, "credentials")),
                |credential| *credential.sid.as_bytes(),
            )
        })
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
