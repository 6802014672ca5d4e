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
use countersign_store_sql::values::{event_words, inserted};
use countersign_store_sql::{rows, webhook_columns};
use tokio_postgres::Row;

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::paging::{Listing, by_id};
use crate::params::{id, params};
use crate::services;
use crate::session::Session;
use crate::statement::{exists, one, updated};
use crate::store::PostgresStore;

/// The webhooks of a living service.
macro_rules! of_service {
    () => {
        "FROM webhooks w JOIN services s ON s.sid = w.service_sid WHERE w.service_sid = $1"
    };
}

const EXISTS: &str = concat!("SELECT 1 ", of_service!(), " AND w.sid = $2");
const EVENT_TYPES: &str = concat!("SELECT w.event_types ", of_service!(), " AND w.sid = $2");
const READ: &str = concat!("SELECT ", webhook_columns!(), " ", of_service!(), " AND w.sid = $2");
const LIST: &str = concat!("SELECT ", webhook_columns!(), " ", of_service!());
const INSERT: &str = "INSERT INTO webhooks (sid, account_sid, service_sid, friendly_name, event_types, url, enabled, \
                      version, created_at, updated_at) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING";
const UPDATE: &str = "UPDATE webhooks SET friendly_name = $3, event_types = $4, url = $5, enabled = $6, version = $7, \
                      updated_at = $8 WHERE service_sid = $1 AND sid = $2 AND updated_at = $9";
const COUNT: &str = "SELECT count(*) FROM webhooks WHERE service_sid = $1";
const DELETE: &str = "DELETE FROM webhooks WHERE service_sid = $1 AND sid = $2";

struct Create(Webhook, u32);

#[async_trait]
impl Command for Create {
    type Output = Inserted;

    async fn run(&self, db: &Session) -> Result<Inserted, DatabaseError> {
        let webhook = &self.0;
        let service = id(webhook.service.as_bytes());
        if !exists(db, services::LOCK, params![service]).await? {
            return Ok(Inserted::NoParent);
        }
        let read = |row: &Row| cells_of(row, "webhooks").take::<u32>();
        let have = one(db, COUNT, params![service], read).await?.unwrap_or(0);
        if is_reached(self.1, have) {
            return Ok(Inserted::TooMany);
        }
        let rows = db
            .execute(
                INSERT,
                params![
                    id(webhook.sid.as_bytes()),
                    id(webhook.account.as_bytes()),
                    service,
                    webhook.friendly_name.as_str(),
                    event_words(webhook),
                    webhook.url.as_str(),
                    webhook.enabled,
                    webhook.version.as_str(),
                    webhook.created_at.as_micros(),
                    webhook.updated_at.as_micros(),
                ],
            )
            .await?;
        Ok(inserted(rows))
    }
}

struct Update(Webhook, Instant);

#[async_trait]
impl Command for Update {
    type Output = Updated;

    async fn run(&self, db: &Session) -> Result<Updated, DatabaseError> {
        let Self(webhook, was) = self;
        let (service, sid) = (id(webhook.service.as_bytes()), id(webhook.sid.as_bytes()));
        let read = |row: &Row| cells_of(row, "webhooks").take::<String>();
        let Some(stored) = one(db, EVENT_TYPES, params![service, sid], read).await? else {
            return Ok(Updated::NotFound);
        };
        let words = keep_unknown_words(&stored, &event_words(webhook), EventType::is_known);
        let rows = db
            .execute(
                UPDATE,
                params![
                    service,
                    sid,
                    webhook.friendly_name.as_str(),
                    words,
                    webhook.url.as_str(),
                    webhook.enabled,
                    webhook.version.as_str(),
                    webhook.updated_at.as_micros(),
                    was.as_micros(),
                ],
            )
            .await?;
        updated(db, rows, EXISTS, params![service, sid]).await
    }
}

struct Delete(ServiceSid, WebhookSid);

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
impl Webhooks for PostgresStore {
    async fn create_webhook(&self, webhook: &Webhook, most: u32) -> StoreResult<Inserted> {
        self.write(Create(webhook.clone(), most)).await
    }

    async fn webhook(&self, service: ServiceSid, sid: WebhookSid) -> StoreResult<Option<Webhook>> {
        let db = self.session().await?;
        let key = params![id(service.as_bytes()), id(sid.as_bytes())];
        let read = |row: &Row| rows::webhooks::webhook(&mut cells_of(row, "webhooks"));
        Ok(one(&db, READ, key, read).await?)
    }

    async fn webhooks(
        &self,
        service: ServiceSid,
        page: PageQuery<WebhookSid>,
    ) -> StoreResult<Page<Webhook>> {
        let db = self.session().await?;
        let service = id(service.as_bytes());
        let list = Listing { select: LIST, key: "w.sid", params: params![service] };
        let read = |row: &Row| rows::webhooks::webhook(&mut cells_of(row, "webhooks"));
        Ok(list.page(&db, by_id!(page), read, |webhook| id(webhook.sid.as_bytes())).await?)
    }

    async fn update_webhook(&self, webhook: &Webhook, was: Instant) -> StoreResult<Updated> {
        self.write(Update(webhook.clone(), was)).await
    }

    async fn delete_webhook(&self, service: ServiceSid, sid: WebhookSid) -> StoreResult<bool> {
        self.write(Delete(service, sid)).await
    }
}
