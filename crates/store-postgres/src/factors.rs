//! Push factors, and the lists of factors of both types. `enrolment.rs` stores new ones.

use async_trait::async_trait;
use countersign_domain::address::PushToken;
use countersign_domain::ending::{Ending, StatusReason};
use countersign_domain::factor::{AnyFactor, Factor, FactorChange};
use countersign_domain::sid::{EntitySid, FactorKeySid, FactorSid, ServiceSid};
use countersign_domain::text::Identity;
use countersign_domain::time::Instant;
use countersign_domain::webhook::EventType;
use countersign_store::error::StoreResult;
use countersign_store::page::{Page, PageQuery};
use countersign_store::seam::{Enrolled, Enrolment, Factors};
use countersign_store_sql::paging::merge;
use countersign_store_sql::rows::deliveries::OpenDelivery;
use countersign_store_sql::rows::factors::TAKES_NUMBERS;
use countersign_store_sql::{factor_columns, rows};
use tokio_postgres::Row;

use crate::cells::cells_of;
use crate::command::Command;
use crate::endings::{self, End};
use crate::enrolment::Enrol;
use crate::error::DatabaseError;
use crate::paging::{Listing, by_id};
use crate::params::{column, id, params};
use crate::session::Session;
use crate::statement::{all, living, one};
use crate::store::PostgresStore;
use crate::{events, totp_factors};

/// The factors of living entities.
macro_rules! select {
    () => {
        concat!("SELECT ", factor_columns!(), " FROM factors f", living!("f"))
    };
}

const READ: &str = concat!(
    "SELECT ",
    factor_columns!(),
    " FROM entities e JOIN services s ON s.sid = e.service_sid ",
    "JOIN factors f ON f.entity_sid = e.sid WHERE e.service_sid = $1 AND e.identity = $2 AND f.sid = $3"
);
/// Locks the row until the end of the transaction.
const LOCK: &str = concat!(select!(), "WHERE f.entity_sid = $1 AND f.sid = $2 FOR UPDATE OF f");
const BY_KEY: &str = concat!(select!(), "WHERE f.key_sid = $1");
const LIST: &str = concat!(select!(), "WHERE f.entity_sid = $1");
const NOT_STREAMED: &str = concat!(
    "SELECT u.sid FROM unnest($1, $2) AS u (entity_sid, sid) LEFT JOIN LATERAL (SELECT true AS there FROM factors f",
    living!("f"),
    "WHERE f.entity_sid = u.entity_sid AND f.sid = u.sid AND f.platform = 'stream' OFFSET 0) AS f ON true WHERE f.there IS NULL"
);
const UPDATE: &str = "UPDATE factors SET status = $3, friendly_name = $4, platform = $5, token = $6, sdk_version = $7, \
                      app_id = $8, updated_at = $9, addressed_at = coalesce($10, addressed_at), presence = $11 \
                      WHERE entity_sid = $1 AND sid = $2";
const DELETE: &str = "DELETE FROM factors WHERE entity_sid = $1 AND sid = $2";
const WAKE_PARKED: &str = "UPDATE deliveries SET state = 'due', wake_at = least($2, deadline), changed_at = $2 \
                           WHERE factor_sid = $1 AND state = 'parked'";
const PARKED: &str = "SELECT challenge_sid, notification_sid, ordinal, written FROM deliveries \
                      WHERE factor_sid = $1 AND state = 'parked' ORDER BY challenge_sid, notification_sid FOR UPDATE";

async fn lock(
    db: &Session,
    entity: EntitySid,
    sid: FactorSid,
) -> Result<Option<Factor>, DatabaseError> {
    let key = params![id(entity.as_bytes()), id(sid.as_bytes())];
    one(db, LOCK, key, |row| rows::factors::factor(cells_of(row, "factors"))).await
}

struct Update {
    entity: EntitySid,
    sid: FactorSid,
    change: FactorChange,
    at: Instant,
}

#[async_trait]
impl Command for Update {
    type Output = Option<Factor>;

    fn decides_at(&self) -> Option<(Instant, Instant)> {
        Some((self.at, self.at))
    }

    async fn run(&self, db: &Session) -> Result<Option<Factor>, DatabaseError> {
        let Some(was) = lock(db, self.entity, self.sid).await? else {
            return Ok(None);
        };
        let changed = was.changed(self.change.clone(), self.at);
        let (factor, registered_at) = (changed.factor, changed.registered_at);
        let sid = id(self.sid.as_bytes());
        db.execute(
            UPDATE,
            params![
                id(self.entity.as_bytes()),
                sid,
                factor.status.as_str(),
                factor.friendly_name.as_str(),
                factor.address.platform().as_str(),
                factor.address.token().map(PushToken::expose),
                factor.sdk_version.as_str(),
                factor.app_id.as_str(),
                self.at.as_micros(),
                registered_at.map(Instant::as_micros),
                factor.takes_numbers.then_some(TAKES_NUMBERS),
            ],
        )
        .await?;
        if changed.has_moved {
            db.execute(WAKE_PARKED, params![sid, self.at.as_micros()]).await?;
        }
        if changed.is_newly_verified {
            events::of_factor(db, EventType::FactorVerified, (&factor).into(), self.at).await?;
        }
        Ok(Some(factor))
    }
}

struct Delete(EntitySid, FactorSid, Instant);

#[async_trait]
impl Command for Delete {
    type Output = bool;

    fn decides_at(&self) -> Option<(Instant, Instant)> {
        Some((self.2, self.2))
    }

    async fn run(&self, db: &Session) -> Result<bool, DatabaseError> {
        let Self(entity, sid, at) = *self;
        let Some(factor) = lock(db, entity, sid).await? else {
            return totp_factors::delete(db, entity, sid, at).await;
        };
        let sid = id(sid.as_bytes());
        db.execute(DELETE, params![id(entity.as_bytes()), sid]).await?;
        let read = |row: &Row| OpenDelivery::read(&mut cells_of(row, "deliveries"));
        let parked = all(db, PARKED, params![sid], read).await?;
        let end = |open| End { open, ending: Ending::cancelled(StatusReason::FactorGone), at };
        endings::end(db, &parked.into_iter().map(end).collect::<Vec<_>>()).await?;
        if !factor.has_lapsed(at) {
            events::of_factor(db, EventType::FactorDeleted, (&factor).into(), at).await?;
        }
        Ok(true)
    }
}

#[async_trait]
impl Factors for PostgresStore {
    async fn enrol_factor(&self, enrolment: &Enrolment) -> StoreResult<Enrolled> {
        self.write(Enrol(enrolment.clone())).await
    }

    async fn factor(
        &self,
        service: ServiceSid,
        identity: &Identity,
        sid: FactorSid,
    ) -> StoreResult<Option<Factor>> {
        let db = self.session().await?;
        let key = params![id(service.as_bytes()), identity.as_str(), id(sid.as_bytes())];
        Ok(one(&db, READ, key, |row| rows::factors::factor(cells_of(row, "factors"))).await?)
    }

    async fn factor_by_key(&self, key: FactorKeySid) -> StoreResult<Option<Factor>> {
        let db = self.session().await?;
        let read = |row: &Row| rows::factors::factor(cells_of(row, "factors"));
        Ok(one(&db, BY_KEY, params![id(key.as_bytes())], read).await?)
    }

    async fn not_streamed(
        &self,
        factors: &[(EntitySid, FactorSid)],
    ) -> StoreResult<Vec<FactorSid>> {
        let db = self.session().await?;
        let entities = column(factors, |(entity, _)| id(entity.as_bytes()));
        let sids = column(factors, |(_, sid)| id(sid.as_bytes()));
        let read = |row: &Row| cells_of(row, "factors").map(FactorSid::from_bytes);
        Ok(all(&db, NOT_STREAMED, params![entities, sids], read).await?)
    }

    async fn factors(
        &self,
        entity: EntitySid,
        page: PageQuery<FactorSid>,
    ) -> StoreResult<Page<AnyFactor>> {
        let owner = id(entity.as_bytes());
        let push = Listing { select: LIST, key: "f.sid", params: params![owner] };
        let totp = Listing { select: totp_factors::LIST, ..push };
        let key_of = |factor: &AnyFactor| id(factor.sid().as_bytes());
        let query = by_id!(page);
        let db = self.session().await?;
        let read = |row: &Row| {
            let factor = rows::factors::factor(cells_of(row, "factors"))?;
            Ok(AnyFactor::Push(Box::new(factor)))
        };
        let push = push.page(&db, query, read, key_of).await?;
        let read = |row: &Row| {
            let factor = rows::totp_factors::totp_factor(cells_of(row, "totp_factors"))?;
            Ok(AnyFactor::Totp(Box::new(factor)))
        };
        let totp = totp.page(&db, query, read, key_of).await?;
        Ok(merge(&query, push, totp, key_of))
    }

    async fn update_factor(
        &self,
        entity: EntitySid,
        sid: FactorSid,
        change: &FactorChange,
        at: Instant,
    ) -> StoreResult<Option<Factor>> {
        self.write(Update { entity, sid, change: change.clone(), at }).await
    }

    async fn delete_factor(
        &self,
        entity: EntitySid,
        sid: FactorSid,
        at: Instant,
    ) -> StoreResult<bool> {
        self.write(Delete(entity, sid, at)).await
    }
}
