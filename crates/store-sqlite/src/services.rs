//! Services.

use async_trait::async_trait;
use countersign_domain::service::Service;
use countersign_domain::sid::{AccountSid, ServiceSid};
use countersign_domain::time::Instant;
use countersign_store::document::keep_unknown;
use countersign_store::error::StoreResult;
use countersign_store::page::{Page, PageQuery};
use countersign_store::seam::{Inserted, LogoChange, Services, Updated};
use countersign_store_sql::paging::keyed;
use countersign_store_sql::values::{inserted, json};
use countersign_store_sql::{rows, service_columns};
use rusqlite::{Connection, Row, params};

use crate::accounts;
use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::paging::{Listing, downwards, upwards};
use crate::statement::{execute, exists, one, statements, updated};
use crate::store::SqliteStore;

statements! {
    EXISTS = "SELECT 1 FROM services WHERE sid = ?1";
    READ = concat!("SELECT ", service_columns!(), " FROM services WHERE sid = ?1");
    UP = upwards!("sid"; "SELECT ", service_columns!(), " FROM services WHERE account_sid = ?1");
    DOWN = downwards!("sid"; "SELECT ", service_columns!(), " FROM services WHERE account_sid = ?1");
    INSERT = concat!(
        "INSERT INTO services (", service_columns!(), ") VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING"
    );
    SETTINGS = "SELECT settings FROM services WHERE sid = ?1";
    UPDATE = "UPDATE services SET settings = ?2, updated_at = ?3, logo = CASE WHEN ?5 THEN ?6 ELSE logo END \
              WHERE sid = ?1 AND updated_at = ?4";
    LOGO = "SELECT logo FROM services WHERE sid = ?1";
    DELETE = "DELETE FROM services WHERE sid = ?1";
    /// The cleaner removes what is below.
    REMOVED = "INSERT INTO removals (kind, sid, removed_at) VALUES ('service', ?1, ?2) ON CONFLICT DO NOTHING";
}

struct Create {
    service: Service,
    settings: String,
}

impl Command for Create {
    type Output = Inserted;

    fn run(&self, db: &Connection) -> Result<Inserted, DatabaseError> {
        let service = &self.service;
        if !exists(db, accounts::EXISTS, [service.account.as_bytes()])? {
            return Ok(Inserted::NoParent);
        }
        let rows = execute(
            db,
            INSERT,
            params![
                service.sid.as_bytes(),
                service.account.as_bytes(),
                self.settings,
                service.created_at.as_micros(),
                service.updated_at.as_micros(),
            ],
        )?;
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

impl Command for Update {
    type Output = Updated;

    fn run(&self, db: &Connection) -> Result<Updated, DatabaseError> {
        let sid = self.sid.as_bytes();
        let stored = one(db, SETTINGS, [sid], |row| cells_of(row, "services").take::<String>())?;
        let Some(stored) = stored else { return Ok(Updated::NotFound) };
        let settings = keep_unknown(&stored, &self.settings)
            .map_err(|_| DatabaseError::Corrupt("services".to_owned()))?;
        let (replaces, logo) = match &self.logo {
            LogoChange::Keep => (false, None),
            LogoChange::Replace(logo) => (true, logo.as_deref()),
        };
        let (at, was) = (self.at.as_micros(), self.was.as_micros());
        let rows = execute(db, UPDATE, params![sid, settings, at, was, replaces, logo])?;
        updated(rows, || exists(db, EXISTS, [self.sid.as_bytes()]))
    }
}

struct Delete(ServiceSid, Instant);

impl Command for Delete {
    type Output = bool;

    fn run(&self, db: &Connection) -> Result<bool, DatabaseError> {
        let Self(sid, at) = self;
        if execute(db, DELETE, [sid.as_bytes()])? == 0 {
            return Ok(false);
        }
        execute(db, REMOVED, params![sid.as_bytes(), at.as_micros()])?;
        Ok(true)
    }
}

#[async_trait]
impl Services for SqliteStore {
    async fn create_service(&self, service: &Service) -> StoreResult<Inserted> {
        self.write(Create { service: service.clone(), settings: json(&service.settings)? }).await
    }

    async fn service(&self, sid: ServiceSid) -> StoreResult<Option<Service>> {
        self.read(|db| {
            one(db, READ, [sid.as_bytes()], |row| {
                rows::services::service(cells_of(row, "services"))
            })
        })
    }

    async fn services(
        &self,
        account: AccountSid,
        page: PageQuery<ServiceSid>,
    ) -> StoreResult<Page<Service>> {
        let listing = Listing { up: UP, down: DOWN, owner: account.as_bytes(), filters: &[] };
        self.read(|db| {
            listing.page(
                db,
                keyed(page, |sid| *sid.as_bytes()),
                |row| rows::services::service(cells_of(row, "services")),
                |service| *service.sid.as_bytes(),
            )
        })
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
        self.read(|db| {
            let read = |row: &Row<'_>| cells_of(row, "services").take::<Option<Vec<u8>>>();
            Ok(one(db, LOGO, [sid.as_bytes()], read)?.flatten())
        })
    }

    async fn delete_service(&self, sid: ServiceSid, at: Instant) -> StoreResult<bool> {
        self.write(Delete(sid, at)).await
    }
}
