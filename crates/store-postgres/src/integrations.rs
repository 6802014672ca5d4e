//! Integrations.

use async_trait::async_trait;
use countersign_domain::integration::{Integration, IntegrationKey, IntegrationKind};
use countersign_domain::limits::is_reached;
use countersign_domain::sid::{IntegrationSid, ServiceSid};
use countersign_domain::time::Instant;
use countersign_store::document::keep_unknown;
use countersign_store::error::StoreResult;
use countersign_store::page::{Page, PageQuery};
use countersign_store::seam::{Inserted, Integrations, Updated};
use countersign_store_sql::cells::RowResult;
use countersign_store_sql::values::{inserted, json, limit};
use countersign_store_sql::{integration_columns, rows};
use tokio_postgres::Row;

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::paging::{Listing, by_id};
use crate::params::{id, params};
use crate::services;
use crate::session::Session;
use crate::statement::{all, exists, one, updated};
use crate::store::PostgresStore;

/// The integrations of living services, by a condition.
macro_rules! living {
    ($condition:literal) => {
        concat!("FROM integrations i JOIN services s ON s.sid = i.service_sid WHERE ", $condition)
    };
}

const EXISTS: &str = concat!("SELECT 1 ", living!("i.service_sid = $1 AND i.sid = $2"));
const SETTINGS: &str = concat!("SELECT i.settings ", living!("i.service_sid = $1 AND i.sid = $2"));
const READ: &str =
    concat!("SELECT ", integration_columns!(), " ", living!("i.service_sid = $1 AND i.sid = $2"));
const BY_KEY: &str = concat!("SELECT ", integration_columns!(), " ", living!("i.key = $1"));
const BY_KIND: &str = concat!(
    "SELECT ",
    integration_columns!(),
    " ",
    living!("i.kind = $1"),
    " ORDER BY i.sid LIMIT $2"
);
const LIST: &str = concat!("SELECT ", integration_columns!(), " ", living!("i.service_sid = $1"));
const INSERT: &str = "INSERT INTO integrations (sid, account_sid, service_sid, kind, key, secret, settings, created_at, \
                      updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING";
const UPDATE: &str = "UPDATE integrations SET secret = $3, settings = $4, updated_at = $5 \
                      WHERE service_sid = $1 AND sid = $2 AND updated_at = $6";
const COUNT: &str = "SELECT count(*) FROM integrations WHERE service_sid = $1";
const DELETE: &str = "DELETE FROM integrations WHERE service_sid = $1 AND sid = $2";

fn read(row: &Row) -> RowResult<Integration> {
    rows::integrations::integration(cells_of(row, "integrations"))
}

struct Create {
    integration: Integration,
    settings: String,
    most: u32,
}

#[async_trait]
impl Command for Create {
    type Output = Inserted;

    async fn run(&self, db: &Session) -> Result<Inserted, DatabaseError> {
        let new = &self.integration;
        let service = id(new.service.as_bytes());
        if !exists(db, services::LOCK, params![service]).await? {
            return Ok(Inserted::NoParent);
        }
        let count = |row: &Row| cells_of(row, "integrations").take::<u32>();
        let have = one(db, COUNT, params![service], count).await?.unwrap_or(0);
        if is_reached(self.most, have) {
            return Ok(Inserted::TooMany);
        }
        let row = params![
            id(new.sid.as_bytes()),
            id(new.account.as_bytes()),
            service,
            new.kind.as_str(),
            new.key.as_str(),
            new.secret.as_bytes(),
            self.settings,
            new.created_at.as_micros(),
            new.updated_at.as_micros(),
        ];
        Ok(inserted(db.execute(INSERT, row).await?))
    }
}

struct Update {
    integration: Integration,
    settings: String,
    was: Instant,
}

#[async_trait]
impl Command for Update {
    type Output = Updated;

    async fn run(&self, db: &Session) -> Result<Updated, DatabaseError> {
        let new = &self.integration;
        let (service, sid) = (id(new.service.as_bytes()), id(new.sid.as_bytes()));
        let text = |row: &Row| cells_of(row, "integrations").take::<String>();
        let Some(stored) = one(db, SETTINGS, params![service, sid], text).await? else {
            return Ok(Updated::NotFound);
        };
        let settings = keep_unknown(&stored, &self.settings)
            .map_err(|_| DatabaseError::Corrupt("integrations".to_owned()))?;
        let (at, was) = (new.updated_at.as_micros(), self.was.as_micros());
        let change = params![service, sid, new.secret.as_bytes(), settings, at, was];
        let rows = db.execute(UPDATE, change).await?;
        updated(db, rows, EXISTS, params![service, sid]).await
    }
}

struct Delete(ServiceSid, IntegrationSid);

#[async_trait]
impl Command for Delete {
    type Output = bool;

    async fn run(&self, db: &Session) -> Result<bool, DatabaseError> {
        let (service, sid) = (id(self.0.as_bytes()), id(self.1.as_bytes()));
        Ok(exists(db, EXISTS, params![service, sid]).await?
            && db.execute(DELETE, params![service, sid]).await? > 0)
    }
}

#[async_trait]
impl Integrations for PostgresStore {
    async fn create_integration(
        &self,
        integration: &Integration,
        most: u32,
    ) -> StoreResult<Inserted> {
        let settings = json(&integration.settings)?;
        self.write(Create { integration: integration.clone(), settings, most }).await
    }

    async fn integration(
        &self,
        service: ServiceSid,
        sid: IntegrationSid,
    ) -> StoreResult<Option<Integration>> {
        let db = self.session().await?;
        let key = params![id(service.as_bytes()), id(sid.as_bytes())];
        Ok(one(&db, READ, key, read).await?)
    }

    async fn integration_by_key(&self, key: IntegrationKey) -> StoreResult<Option<Integration>> {
        let db = self.session().await?;
        Ok(one(&db, BY_KEY, params![key.as_str()], read).await?)
    }

    async fn integrations(
        &self,
        service: ServiceSid,
        page: PageQuery<IntegrationSid>,
    ) -> StoreResult<Page<Integration>> {
        let db = self.session().await?;
        let service = id(service.as_bytes());
        let list = Listing { select: LIST, key: "i.sid", params: params![service] };
        Ok(list.page(&db, by_id!(page), read, |it| id(it.sid.as_bytes())).await?)
    }

    async fn integrations_of_kind(
        &self,
        kind: IntegrationKind,
        most: usize,
    ) -> StoreResult<Vec<Integration>> {
        let db = self.session().await?;
        Ok(all(&db, BY_KIND, params![kind.as_str(), limit(most)], read).await?)
    }

    async fn update_integration(
        &self,
        integration: &Integration,
        was: Instant,
    ) -> StoreResult<Updated> {
        let settings = json(&integration.settings)?;
        self.write(Update { integration: integration.clone(), settings, was }).await
    }

    async fn delete_integration(
        &self,
        service: ServiceSid,
        sid: IntegrationSid,
    ) -> StoreResult<bool> {
        self.write(Delete(service, sid)).await
    }
}
