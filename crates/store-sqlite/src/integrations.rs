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
use countersign_store_sql::paging::keyed;
use countersign_store_sql::values::{inserted, json, limit};
use countersign_store_sql::{integration_columns, rows};
use rusqlite::{Connection, Row, params};

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::paging::{Listing, downwards, upwards};
use crate::services;
use crate::statement::{all, execute, exists, one, statements, updated};
use crate::store::SqliteStore;

/// The integrations of living services, by a condition.
macro_rules! living {
    ($condition:literal) => {
        concat!(
            "FROM integrations i CROSS JOIN services s ON s.sid = i.service_sid WHERE ",
            $condition
        )
    };
}

statements! {
    EXISTS = concat!("SELECT 1 ", living!("i.service_sid = ?1 AND i.sid = ?2"));
    SETTINGS = concat!("SELECT i.settings ", living!("i.service_sid = ?1 AND i.sid = ?2"));
    READ = concat!("SELECT ", integration_columns!(), " ", living!("i.service_sid = ?1 AND i.sid = ?2"));
    BY_KEY = concat!("SELECT ", integration_columns!(), " ", living!("i.key = ?1"));
    BY_KIND = concat!("SELECT ", integration_columns!(), " ", living!("i.kind = ?1"), " ORDER BY i.sid LIMIT ?2");
    UP = upwards!("i.sid"; "SELECT ", integration_columns!(), " ", living!("i.service_sid = ?1"));
    DOWN = downwards!("i.sid"; "SELECT ", integration_columns!(), " ", living!("i.service_sid = ?1"));
    INSERT = "INSERT INTO integrations (sid, account_sid, service_sid, kind, key, secret, settings, created_at, updated_at) \
              VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING";
    UPDATE = "UPDATE integrations SET secret = ?3, settings = ?4, updated_at = ?5 \
              WHERE service_sid = ?1 AND sid = ?2 AND updated_at = ?6";
    COUNT = "SELECT count(*) FROM integrations WHERE service_sid = ?1";
    DELETE = "DELETE FROM integrations WHERE service_sid = ?1 AND sid = ?2";
}

fn read(row: &Row<'_>) -> countersign_store_sql::cells::RowResult<Integration> {
    rows::integrations::integration(cells_of(row, "integrations"))
}

struct Create {
    integration: Integration,
    settings: String,
    most: u32,
}

impl Command for Create {
    type Output = Inserted;

    fn run(&self, db: &Connection) -> Result<Inserted, DatabaseError> {
        let new = &self.integration;
        if !exists(db, services::EXISTS, [new.service.as_bytes()])? {
            return Ok(Inserted::NoParent);
        }
        let count = |row: &Row<'_>| cells_of(row, "integrations").take::<u32>();
        let have = one(db, COUNT, [new.service.as_bytes()], count)?.unwrap_or(0);
        if is_reached(self.most, have) {
            return Ok(Inserted::TooMany);
        }
        let rows = execute(
            db,
            INSERT,
            params![
                new.sid.as_bytes(),
                new.account.as_bytes(),
                new.service.as_bytes(),
                new.kind.as_str(),
                new.key.as_str(),
                new.secret.as_bytes(),
                self.settings,
                new.created_at.as_micros(),
                new.updated_at.as_micros(),
            ],
        )?;
        Ok(inserted(rows))
    }
}

struct Update {
    integration: Integration,
    settings: String,
    was: Instant,
}

impl Command for Update {
    type Output = Updated;

    fn run(&self, db: &Connection) -> Result<Updated, DatabaseError> {
        let new = &self.integration;
        let key = [new.service.as_bytes(), new.sid.as_bytes()];
        let text = |row: &Row<'_>| cells_of(row, "integrations").take::<String>();
        let Some(stored) = one(db, SETTINGS, key, text)? else { return Ok(Updated::NotFound) };
        let settings = keep_unknown(&stored, &self.settings)
            .map_err(|_| DatabaseError::Corrupt("integrations".to_owned()))?;
        let (at, was) = (new.updated_at.as_micros(), self.was.as_micros());
        let secret = new.secret.as_bytes();
        let rows = execute(db, UPDATE, params![key[0], key[1], secret, settings, at, was])?;
        updated(rows, || Ok(true))
    }
}

struct Delete(ServiceSid, IntegrationSid);

impl Command for Delete {
    type Output = bool;

    fn run(&self, db: &Connection) -> Result<bool, DatabaseError> {
        let key = [self.0.as_bytes(), self.1.as_bytes()];
        Ok(exists(db, EXISTS, key)? && execute(db, DELETE, key)? > 0)
    }
}

#[async_trait]
impl Integrations for SqliteStore {
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
        self.read(|db| one(db, READ, [service.as_bytes(), sid.as_bytes()], read))
    }

    async fn integration_by_key(&self, key: IntegrationKey) -> StoreResult<Option<Integration>> {
        self.read(|db| one(db, BY_KEY, [key.as_str()], read))
    }

    async fn integrations(
        &self,
        service: ServiceSid,
        page: PageQuery<IntegrationSid>,
    ) -> StoreResult<Page<Integration>> {
        let listing = Listing { up: UP, down: DOWN, owner: service.as_bytes(), filters: &[] };
        let page = keyed(page, |sid| *sid.as_bytes());
        self.read(|db| listing.page(db, page, read, |integration| *integration.sid.as_bytes()))
    }

    async fn integrations_of_kind(
        &self,
        kind: IntegrationKind,
        most: usize,
    ) -> StoreResult<Vec<Integration>> {
        self.read(|db| all(db, BY_KIND, params![kind.as_str(), limit(most)], read))
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
