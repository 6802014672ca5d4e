//! Services.

use async_trait::async_trait;
use countersign_domain::service::Service;
use countersign_domain::sid::{AccountSid, ServiceSid};
use countersign_domain::time::Instant;
use countersign_store::document::keep_unknown;
use countersign_store::error::StoreResult;
use countersign_store::page::{Page, PageQuery};
use countersign_store::seam::{Inserted, LogoChange, Services, Updated};
use countersign_store_sql::values::{inserted, json};
use countersign_store_sql::{rows, service_columns};
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

const EXISTS: &str = "SELECT 1 FROM services WHERE sid = $1";
/// Whether a service exists. It is not deleted before the end of the transaction.
pub(crate) const STAYS: &str = "SELECT 1 FROM services WHERE sid = $1 FOR KEY SHARE";
/// Locks a service before something of it is counted, so that the next transaction counts what this one adds.
pub(crate) const LOCK: &str = "SELECT 1 FROM services WHERE sid = $1 FOR NO KEY UPDATE";
const READ: &str = concat!("SELECT ", service_columns!(), " FROM services WHERE sid = $1");
const LIST: &str = concat!("SELECT ", service_columns!(), " FROM services WHERE account_sid = $1");
const INSERT: &str = concat!(
    "INSERT INTO services (",
    service_columns!(),
    ") VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING"
);
/// Locked until the end of the transaction.
const SETTINGS: &str = "SELECT settings::text FROM services WHERE sid = $1 FOR UPDATE";
const UPDATE: &str = "UPDATE services SET settings = $2, updated_at = $3, logo = CASE WHEN $5 THEN $6 ELSE logo END \
                      WHERE sid = $1 AND updated_at = $4";
const LOGO: &str = "SELECT logo FROM services WHERE sid = $1";
const DELETE: &str = "DELETE FROM services WHERE sid = $1";
/// The cleaner removes what is below.
const REMOVED: &str = "INSERT INTO removals (kind, sid, removed_at) VALUES ('service', $1, $2) ON CONFLICT DO NOTHING";

struct Create {
    service: Service,
    settings: String,
}

#[async_trait]
impl Command for Create {
    type Output = Inserted;

    async fn run(&self, db: &Session) -> Result<Inserted, DatabaseError> {
        let service = &self.service;
        let account = id(service.account.as_bytes());
        if !exists(db, accounts::EXISTS, params![account]).await? {
            return Ok(Inserted::NoParent);
        }
        let rows = db
            .execute(
                INSERT,
                params![
                    id(service.sid.as_bytes()),
                    account,
                    self.settings,
                    service.created_at.as_micros(),
                    service.updated_at.as_micros(),
                ],
            )
            .await?;
        Ok(inserted(rows))
    }
}

struct Update {
    sid: ServiceSid,
    settings: String,
    logo: LogoChange,
    at: Instant,
    was: Instant,
}

#[async_trait]
impl Command for Update {
    type Output = Updated;

    async fn run(&self, db: &Session) -> Result<Updated, DatabaseError> {
        let sid = id(self.sid.as_bytes());
        let read = |row: &Row| cells_of(row, "services").take::<String>();
        let Some(stored) = one(db, SETTINGS, params![sid], read).await? else {
            return Ok(Updated::NotFound);
        };
        let settings = keep_unknown(&stored, &self.settings)
            .map_err(|_| DatabaseError::Corrupt("services".to_owned()))?;
        let (replaces, logo) = match &self.logo {
            LogoChange::Keep => (false, None),
            LogoChange::Replace(logo) => (true, logo.as_deref()),
        };
        let (at, was) = (self.at.as_micros(), self.was.as_micros());
        let change = params![sid, settings, at, was, replaces, logo];
        let rows = db.execute(UPDATE, change).await?;
        updated(db, rows, EXISTS, params![sid]).await
    }
}

struct Delete(ServiceSid, Instant);

#[async_trait]
impl Command for Delete {
    type Output = bool;

    async fn run(&self, db: &Session) -> Result<bool, DatabaseError> {
        let sid = id(self.0.as_bytes());
        if db.execute(DELETE, params![sid]).await? == 0 {
            return Ok(false);
        }
        db.execute(REMOVED, params![sid, self.1.as_micros()]).await?;
        Ok(true)
    }
}

#[async_trait]
impl Services for PostgresStore {
    async fn create_service(&self, service: &Service) -> StoreResult<Inserted> {
        self.write(Create { service: service.clone(), settings: json(&service.settings)? }).await
    }

    async fn service(&self, sid: ServiceSid) -> StoreResult<Option<Service>> {
        let db = self.session().await?;
        let read = |row: &Row| rows::services::service(cells_of(row, "services"));
        Ok(one(&db, READ, params![id(sid.as_bytes())], read).await?)
    }

    async fn services(
        &self,
        account: AccountSid,
        page: PageQuery<ServiceSid>,
    ) -> StoreResult<Page<Service>> {
        let db = self.session().await?;
        let account = id(account.as_bytes());
        let list = Listing { select: LIST, key: "sid", params: params![account] };
        let read = |row: &Row| rows::services::service(cells_of(row, "services"));
        Ok(list.page(&db, by_id!(page), read, |service| id(service.sid.as_bytes())).await?)
    }

    async fn update_service(
        &self,
        service: &Service,
        logo: LogoChange,
        was: Instant,
    ) -> StoreResult<Updated> {
        self.write(Update {
            sid: service.sid,
            settings: json(&service.settings)?,
            logo,
            at: service.updated_at,
            was,
        })
        .await
    }

    async fn service_logo(&self, sid: ServiceSid) -> StoreResult<Option<Vec<u8>>> {
        let db = self.session().await?;
        let read = |row: &Row| cells_of(row, "services").take::<Option<Vec<u8>>>();
        Ok(one(&db, LOGO, params![id(sid.as_bytes())], read).await?.flatten())
    }

    async fn delete_service(&self, sid: ServiceSid, at: Instant) -> StoreResult<bool> {
        self.write(Delete(sid, at)).await
    }
}
