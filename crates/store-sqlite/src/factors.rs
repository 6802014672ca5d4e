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
use countersign_store_sql::paging::{keyed, merge};
use countersign_store_sql::rows::deliveries::OpenDelivery;
use countersign_store_sql::rows::factors::TAKES_NUMBERS;
use countersign_store_sql::{factor_columns, rows};
use rusqlite::{Connection, params};

use crate::cells::cells_of;
use crate::command::Command;
use crate::enrolment::Enrol;
use crate::error::DatabaseError;
use crate::paging::{Listing, downwards, upwards};
use crate::parked::{first_open, parked_of};
use crate::statement::{all, execute, living, one, statements};
use crate::store::SqliteStore;
use crate::{endings, events, totp_factors};

/// The factors of living entities.
macro_rules! select {
    () => {
        concat!("SELECT ", factor_columns!(), " FROM factors f", living!("f"))
    };
}

statements! {
    READ = concat!(
        "SELECT ", factor_columns!(), " FROM entities e JOIN services s ON s.sid = e.service_sid ",
        "JOIN factors f ON f.entity_sid = e.sid WHERE e.service_sid = ?1 AND e.identity = ?2 AND f.sid = ?3"
    );
    OF_ENTITY = concat!(select!(), "WHERE f.entity_sid = ?1 AND f.sid = ?2");
    IS_STREAMED = concat!(
        "SELECT 1 FROM factors f", living!("f"), "WHERE f.entity_sid = ?1 AND f.sid = ?2 AND f.platform = 'stream'"
    );
    BY_KEY = concat!(select!(), "WHERE f.key_sid = ?1");
    UP = upwards!("f.sid"; select!(), "WHERE f.entity_sid = ?1");
    DOWN = downwards!("f.sid"; select!(), "WHERE f.entity_sid = ?1");
    UPDATE = "UPDATE factors SET status = ?3, friendly_name = ?4, platform = ?5, token = ?6, sdk_version = ?7, \
              app_id = ?8, updated_at = ?9, addressed_at = coalesce(?10, addressed_at), presence = ?11 \
              WHERE entity_sid = ?1 AND sid = ?2";
    DELETE = "DELETE FROM factors WHERE entity_sid = ?1 AND sid = ?2";
    WAKE_PARKED = concat!(
        "UPDATE deliveries SET state = 'due', wake_at = min(?4, deadline), changed_at = ?4 \
         WHERE (challenge_sid, notification_sid) IN (SELECT d.challenge_sid, d.notification_sid ",
        parked_of!("?3"),
        ")"
    );
    PARKED = concat!(
        "SELECT d.challenge_sid, d.notification_sid, d.ordinal, d.written ", parked_of!("?3")
    );
}

fn of_entity(
    db: &Connection,
    entity: EntitySid,
    sid: FactorSid,
) -> Result<Option<Factor>, DatabaseError> {
    one(db, OF_ENTITY, [entity.as_bytes(), sid.as_bytes()], |row| {
        rows::factors::factor(cells_of(row, "factors"))
    })
}

struct Update {
    entity: EntitySid,
    sid: FactorSid,
    change: FactorChange,
    at: Instant,
}

impl Command for Update {
    type Output = Option<Factor>;

    fn run(&self, db: &Connection) -> Result<Option<Factor>, DatabaseError> {
        let Some(was) = of_entity(db, self.entity, self.sid)? else {
            return Ok(None);
        };
        let changed = was.changed(self.change.clone(), self.at);
        let (factor, registered_at) = (changed.factor, changed.registered_at);
        execute(
            db,
            UPDATE,
            params![
                self.entity.as_bytes(),
                self.sid.as_bytes(),
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
        )?;
        if changed.has_moved {
            let first = first_open(self.at);
            let (sid, entity) = (self.sid.as_bytes(), self.entity.as_bytes());
            let params = params![sid, first.as_bytes(), entity, self.at.as_micros()];
            execute(db, WAKE_PARKED, params)?;
        }
        if changed.is_newly_verified {
            events::of_factor(db, EventType::FactorVerified, &factor, self.at)?;
        }
        Ok(Some(factor))
    }
}

struct Delete(EntitySid, FactorSid, Instant);

impl Command for Delete {
    type Output = bool;

    fn run(&self, db: &Connection) -> Result<bool, DatabaseError> {
        let Self(entity, sid, at) = *self;
        let Some(factor) = of_entity(db, entity, sid)? else {
            return totp_factors::delete(db, entity, sid, at);
        };
        execute(db, DELETE, [entity.as_bytes(), sid.as_bytes()])?;
        let first = first_open(at);
        let key = [sid.as_bytes(), first.as_bytes(), entity.as_bytes()];
        let parked =
            all(db, PARKED, key, |row| OpenDelivery::read(&mut cells_of(row, "deliveries")))?;
        for open in parked {
            endings::end(db, &open, Ending::cancelled(StatusReason::FactorGone), at)?;
        }
        if !factor.has_lapsed(at) {
            events::of_factor(db, EventType::FactorDeleted, &factor, at)?;
        }
        Ok(true)
    }
}

#[async_trait]
impl Factors for SqliteStore {
    async fn enrol_factor(&self, enrolment: &Enrolment) -> StoreResult<Enrolled> {
        self.write(Enrol(enrolment.clone())).await
    }

    async fn factor(
        &self,
        service: ServiceSid,
        identity: &Identity,
        sid: FactorSid,
    ) -> StoreResult<Option<Factor>> {
        self.read(|db| {
            let key = params![service.as_bytes(), identity.as_str(), sid.as_bytes()];
            one(db, READ, key, |row| rows::factors::factor(cells_of(row, "factors")))
        })
    }

    async fn factor_by_key(&self, key: FactorKeySid) -> StoreResult<Option<Factor>> {
        self.read(|db| {
            one(db, BY_KEY, [key.as_bytes()], |row| rows::factors::factor(cells_of(row, "factors")))
        })
    }

    async fn not_streamed(
        &self,
        factors: &[(EntitySid, FactorSid)],
    ) -> StoreResult<Vec<FactorSid>> {
        let factors = factors.to_vec();
        self.read_blocking(move |db| {
            let mut missing = Vec::new();
            for (entity, sid) in &factors {
                let key = [entity.as_bytes(), sid.as_bytes()];
                if one(db, IS_STREAMED, key, |_| Ok(()))?.is_none() {
                    missing.push(*sid);
                }
            }
            Ok(missing)
        })
        .await
    }

    async fn factors(
        &self,
        entity: EntitySid,
        page: PageQuery<FactorSid>,
    ) -> StoreResult<Page<AnyFactor>> {
        let owner = entity.as_bytes();
        let push = Listing { up: UP, down: DOWN, owner, filters: &[] };
        let totp = Listing { up: totp_factors::UP, down: totp_factors::DOWN, owner, filters: &[] };
        let key_of = |factor: &AnyFactor| *factor.sid().as_bytes();
        let query = keyed(page, |sid| *sid.as_bytes());
        self.read(|db| {
            let push = push.page(
                db,
                query,
                |row| {
                    let factor = rows::factors::factor(cells_of(row, "factors"))?;
                    Ok(AnyFactor::Push(Box::new(factor)))
                },
                key_of,
            )?;
            let totp = totp.page(
                db,
                query,
                |row| {
                    let factor = rows::totp_factors::totp_factor(cells_of(row, "totp_factors"))?;
                    Ok(AnyFactor::Totp(Box::new(factor)))
                },
                key_of,
            )?;
            Ok(merge(&query, push, totp, key_of))
        })
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
