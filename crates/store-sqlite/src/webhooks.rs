//! Webhooks.

use async_trait::async_trait;
use countersign_domain::limits::is_reached;
use countersign_domain::sid::{ServiceSid, WebhookSid};
use countersign_domain::time::Instant;
use countersign_domain::webhook::{EventType, Webhook};
use countersign_store::document::keep_unknown_words;
use countersign_store::error::StoreResult;
use countersign_store::page::{Page, PageQuery};
use countersign_store::seam::{Inserted, Updated, Webhooks};
use countersign_store_sql::paging::keyed;
use countersign_store_sql::values::{event_words, inserted};
use countersign_store_sql::{rows, webhook_columns};
use rusqlite::{Connection, Row, params};

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::paging::{Listing, downwards, upwards};
use crate::services;
use crate::statement::{execute, exists, one, statements, updated};
use crate::store::SqliteStore;

/// The webhooks of a living service.
macro_rules! of_service {
    () => {
        "FROM webhooks w JOIN services s ON s.sid = w.service_sid WHERE w.service_sid = ?1"
    };
}

statements! {
    EXISTS = concat!("SELECT 1 ", of_service!(), " AND w.sid = ?2");
    EVENT_TYPES = concat!("SELECT w.event_types ", of_service!(), " AND w.sid = ?2");
    READ = concat!("SELECT ", webhook_columns!(), " ", of_service!(), " AND w.sid = ?2");
    UP = upwards!("w.sid"; "SELECT ", webhook_columns!(), " ", of_service!());
    DOWN = downwards!("w.sid"; "SELECT ", webhook_columns!(), " ", of_service!());
    INSERT = "INSERT INTO webhooks (sid, account_sid, service_sid, friendly_name, event_types, url, enabled, version, \
              created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING";
    UPDATE = "UPDATE webhooks SET friendly_name = ?3, event_types = ?4, url = ?5, enabled = ?6, version = ?7, \
              updated_at = ?8 WHERE service_sid = ?1 AND sid = ?2 AND updated_at = ?9";
    COUNT = "SELECT count(*) FROM webhooks WHERE service_sid = ?1";
    DELETE = "DELETE FROM webhooks WHERE service_sid = ?1 AND sid = ?2";
}

struct Create(Webhook, u32);

impl Command for Create {
    type Output = Inserted;

    fn run(&self, db: &Connection) -> Result<Inserted, DatabaseError> {
        let webhook = &self.0;
        if !exists(db, services::EXISTS, [webhook.service.as_bytes()])? {
            return Ok(Inserted::NoParent);
        }
        let read = |row: &Row<'_>| cells_of(row, "webhooks").take::<u32>();
        let have = one(db, COUNT, [webhook.service.as_bytes()], read)?.unwrap_or(0);
        if is_reached(self.1, have) {
            return Ok(Inserted::TooMany);
        }
        let rows = execute(
            db,
            INSERT,
            params![
                webhook.sid.as_bytes(),
                webhook.account.as_bytes(),
                webhook.service.as_bytes(),
                webhook.friendly_name.as_str(),
                event_words(webhook),
                webhook.url.as_str(),
                webhook.enabled,
                webhook.version.as_str(),
                webhook.created_at.as_micros(),
                webhook.updated_at.as_micros(),
            ],
        )?;
        Ok(inserted(rows))
    }
}

struct Update(Webhook, Instant);

impl Command for Update {
    type Output = Updated;

    fn run(&self, db: &Connection) -> Result<Updated, DatabaseError> {
        let Self(webhook, was) = self;
        let key = [webhook.service.as_bytes(), webhook.sid.as_bytes()];
        let read = |row: &Row<'_>| cells_of(row, "webhooks").take::<String>();
        let Some(stored) = one(db, EVENT_TYPES, key, read)? else {
            return Ok(Updated::NotFound);
        };
        let words = keep_unknown_words(&stored, &event_words(webhook), EventType::is_known);
        let rows = execute(
            db,
            UPDATE,
            params![
                key[0],
                key[1],
                webhook.friendly_name.as_str(),
                words,
                webhook.url.as_str(),
                webhook.enabled,
                webhook.version.as_str(),
                webhook.updated_at.as_micros(),
                was.as_micros(),
            ],
        )?;
        updated(rows, || Ok(true))
    }
}

struct Delete(ServiceSid, WebhookSid);

impl Command for Delete {
    type Output = bool;

    fn run(&self, db: &Connection) -> Result<bool, DatabaseError> {
        let key = [self.0.as_bytes(), self.1.as_bytes()];
        Ok(exists(db, EXISTS, key)? && execute(db, DELETE, key)? > 0)
    }
}

#[async_trait]
impl Webhooks for SqliteStore {
    async fn create_webhook(&self, webhook: &Webhook, most: u32) -> StoreResult<Inserted> {
        self.write(Create(webhook.clone(), most)).await
    }

    async fn webhook(&self, service: ServiceSid, sid: WebhookSid) -> StoreResult<Option<Webhook>> {
        self.read(|db| {
            one(db, READ, [service.as_bytes(), sid.as_bytes()], |row| {
                rows::webhooks::webhook(&mut cells_of(row, "webhooks"))
            })
        })
    }

    async fn webhooks(
        &self,
        service: ServiceSid,
        page: PageQuery<WebhookSid>,
    ) -> StoreResult<Page<Webhook>> {
        let listing = Listing { up: UP, down: DOWN, owner: service.as_bytes(), filters: &[] };
        self.read(|db| {
            listing.page(
                db,
                keyed(page, |sid| *sid.as_bytes()),
                |row| rows::webhooks::webhook(&mut cells_of(row, "webhooks")),
                |webhook| *webhook.sid.as_bytes(),
            )
        })
    }

    async fn update_webhook(&self, webhook: &Webhook, was: Instant) -> StoreResult<Updated> {
        self.write(Update(webhook.clone(), was)).await
    }

    async fn delete_webhook(&self, service: ServiceSid, sid: WebhookSid) -> StoreResult<bool> {
        self.write(Delete(service, sid)).await
    }
}
