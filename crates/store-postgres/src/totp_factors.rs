//! TOTP factors.

use async_trait::async_trait;
use countersign_domain::challenge::ChallengeClosedError;
use countersign_domain::factor::{FactorStatus, UNVERIFIED_FOR};
use countersign_domain::limits::is_reached;
use countersign_domain::sid::{ChallengeSid, EntitySid, FactorSid, ServiceSid};
use countersign_domain::text::{Identity, StringMap};
use countersign_domain::time::Instant;
use countersign_domain::totp::TotpFactor;
use countersign_domain::webhook::EventType;
use countersign_store::error::StoreResult;
use countersign_store::seam::{
    CodeCheck, CodeUse, Enrolled, JudgedCode, TotpEnrolment, TotpFactors, TotpUpdate,
};
use countersign_store_sql::rows::challenges::CodeChallenge;
use countersign_store_sql::values::step_number;
use countersign_store_sql::{rows, totp_factor_columns};
use tokio_postgres::Row;

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::params::{id, params};
use crate::session::Session;
use crate::statement::{exists, living, one};
use crate::store::PostgresStore;
use crate::{answers, codes, enrolment, events, services, standing};

/// The TOTP factors of living entities.
macro_rules! select {
    () => {
        concat!("SELECT ", totp_factor_columns!(), " FROM totp_factors f", living!("f"))
    };
}

const READ: &str = concat!(
    "SELECT ",
    totp_factor_columns!(),
    " FROM entities e JOIN services s ON s.sid = e.service_sid ",
    "JOIN totp_factors f ON f.entity_sid = e.sid WHERE e.service_sid = $1 AND e.identity = $2 AND f.sid = $3"
);
/// Locks the row until the end of the transaction.
const LOCK: &str = concat!(select!(), "WHERE f.entity_sid = $1 AND f.sid = $2 FOR UPDATE OF f");
pub(crate) const LIST: &str = concat!(select!(), "WHERE f.entity_sid = $1");
const LIVING: &str = "SELECT count(*) FROM totp_factors WHERE entity_sid = $1 AND (status = 'verified' OR created_at > $2)";
const INSERT: &str = "INSERT INTO totp_factors (entity_sid, sid, service_sid, identity, account_sid, friendly_name, \
                      status, secret, alg, time_step, skew, code_length, last_step, wrong_codes, created_at, updated_at) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0, $14, $15)";
const UPDATE: &str = "UPDATE totp_factors SET friendly_name = $3, status = $4, alg = $5, time_step = $6, skew = $7, \
                      code_length = $8, last_step = $9, updated_at = $10, wrong_in_a_row = 0 \
                      WHERE entity_sid = $1 AND sid = $2";
const DELETE: &str = "DELETE FROM totp_factors WHERE entity_sid = $1 AND sid = $2";
const WRONG_CODES: &str = "SELECT wrong_codes FROM totp_factors WHERE entity_sid = $1 AND sid = $2";
const COUNT_WRONG: &str =
    "UPDATE totp_factors SET wrong_codes = wrong_codes + 1 WHERE entity_sid = $1 AND sid = $2";
const ASKED: &str = concat!(
    "SELECT c.entity_sid, c.factor_sid, c.wrong_answers FROM challenges c",
    living!("c"),
    "JOIN totp_factors f ON f.entity_sid = c.entity_sid AND f.sid = c.factor_sid WHERE c.sid = $1"
);

async fn lock(
    db: &Session,
    entity: EntitySid,
    sid: FactorSid,
) -> Result<Option<TotpFactor>, DatabaseError> {
    let key = params![id(entity.as_bytes()), id(sid.as_bytes())];
    one(db, LOCK, key, |row| rows::totp_factors::totp_factor(cells_of(row, "totp_factors"))).await
}

/// Removes a factor. Returns whether it existed.
pub(crate) async fn delete(
    db: &Session,
    entity: EntitySid,
    sid: FactorSid,
    at: Instant,
) -> Result<bool, DatabaseError> {
    let Some(factor) = lock(db, entity, sid).await? else {
        return Ok(false);
    };
    db.execute(DELETE, params![id(entity.as_bytes()), id(sid.as_bytes())]).await?;
    if !factor.has_lapsed(at) {
        events::of_factor(db, EventType::FactorDeleted, (&factor).into(), at).await?;
    }
    Ok(true)
}

struct Enrol(TotpEnrolment);

#[async_trait]
impl Command for Enrol {
    type Output = Enrolled;

    fn decides_at(&self) -> Option<(Instant, Instant)> {
        Some((self.0.factor.created_at, self.0.factor.created_at))
    }

    async fn run(&self, db: &Session) -> Result<Enrolled, DatabaseError> {
        let TotpEnrolment { factor, most_per_entity, most_per_day } = &self.0;
        let (owner, now) = (&factor.owner, factor.created_at);
        let service = id(owner.service.as_bytes());
        if !exists(db, services::STAYS, params![service]).await? {
            return Ok(Enrolled::NoService);
        }
        let entity = enrolment::entity(db, owner, now).await?;
        let sid = id(entity.sid.as_bytes());
        let read = |row: &Row| cells_of(row, "totp_factors").take();
        let lapsed = (now - UNVERIFIED_FOR).as_micros();
        let have = one(db, LIVING, params![sid, lapsed], read).await?;
        if is_reached(*most_per_entity, have.unwrap_or(0)) {
            return Ok(Enrolled::TooMany);
        }
        if is_reached(*most_per_day, entity.at(now).1) {
            return Ok(Enrolled::TooManyToday);
        }
        enrolment::count(db, owner, &entity, now).await?;
        db.execute(
            INSERT,
            params![
                sid,
                id(factor.sid.as_bytes()),
                service,
                owner.identity.as_str(),
                id(owner.account.as_bytes()),
                factor.friendly_name.as_str(),
                factor.status.as_str(),
                factor.secret.as_bytes(),
                factor.config.alg.as_str(),
                i64::from(factor.config.time_step),
                i64::from(factor.config.skew),
                i64::from(factor.config.code_length),
                factor.last_step.map(step_number),
                factor.created_at.as_micros(),
                factor.updated_at.as_micros(),
            ],
        )
        .await?;
        events::of_factor(db, EventType::FactorCreated, factor.into(), now).await?;
        Ok(Enrolled::Done(entity.sid))
    }
}

struct Update(TotpUpdate);

#[async_trait]
impl Command for Update {
    type Output = CodeUse<TotpFactor>;

    fn decides_at(&self) -> Option<(Instant, Instant)> {
        Some((self.0.at, self.0.at))
    }

    async fn run(&self, db: &Session) -> Result<CodeUse<TotpFactor>, DatabaseError> {
        let TotpUpdate { entity, sid, code, most_wrong, change, at } = &self.0;
        let key = params![id(entity.as_bytes()), id(sid.as_bytes())];
        let Some(mut was) = lock(db, *entity, *sid).await? else {
            return Ok(CodeUse::NotFound);
        };
        if let Some(code) = *code {
            let read = |row: &Row| cells_of(row, "totp_factors").take::<u32>();
            let wrong = one(db, WRONG_CODES, key, read).await?;
            if is_reached(*most_wrong, wrong.unwrap_or(0)) {
                return Ok(CodeUse::Exhausted);
            }
            let check = codes::check(db, *entity, *sid, code).await?;
            codes::record(db, *entity, *sid, check).await?;
            match check {
                CodeCheck::Accepted(step) => was.last_step = Some(step),
                CodeCheck::Wrong => {
                    db.execute(COUNT_WRONG, key).await?;
                    return Ok(CodeUse::Wrong);
                }
                CodeCheck::Spent => return Ok(CodeUse::Spent),
                CodeCheck::Exhausted => return Ok(CodeUse::Exhausted),
                CodeCheck::SettingsChanged => return Ok(CodeUse::SettingsChanged),
            }
        }
        let is_proved = code.is_some() && was.status == FactorStatus::Unverified;
        let status = if code.is_some() { FactorStatus::Verified } else { was.status };
        let factor = TotpFactor { status, ..was.changed(change.clone(), *at) };
        db.execute(
            UPDATE,
            params![
                id(entity.as_bytes()),
                id(sid.as_bytes()),
                factor.friendly_name.as_str(),
                factor.status.as_str(),
                factor.config.alg.as_str(),
                i64::from(factor.config.time_step),
                i64::from(factor.config.skew),
                i64::from(factor.config.code_length),
                factor.last_step.map(step_number),
                factor.updated_at.as_micros(),
            ],
        )
        .await?;
        if is_proved {
            events::of_factor(db, EventType::FactorVerified, (&factor).into(), *at).await?;
        }
        Ok(CodeUse::Accepted(factor))
    }
}

struct AnswerByCode {
    sid: ChallengeSid,
    code: JudgedCode,
    most_wrong: u32,
    metadata: Option<StringMap>,
    at: Instant,
}

#[async_trait]
impl Command for AnswerByCode {
    type Output = Result<CodeUse<()>, ChallengeClosedError>;

    fn decides_at(&self) -> Option<(Instant, Instant)> {
        Some((self.at, self.at))
    }

    async fn run(&self, db: &Session) -> Result<Self::Output, DatabaseError> {
        let Self { sid, code, most_wrong, ref metadata, at } = *self;
        let mut locked = standing::lock(db, std::iter::once(sid)).await?;
        let read = |row: &Row| CodeChallenge::read(cells_of(row, "challenges"));
        let asked = one(db, ASKED, params![id(sid.as_bytes())], read).await?;
        let Some((asked, locked)) = asked.zip(locked.remove(&sid)) else {
            return Ok(Ok(CodeUse::NotFound));
        };
        if let Err(refused) = locked.standing.is_open(at) {
            return Ok(Err(refused));
        }
        if is_reached(most_wrong, asked.wrong_codes) {
            return Ok(Ok(CodeUse::Exhausted));
        }
        let check = codes::check(db, asked.entity, asked.factor, code).await?;
        codes::record(db, asked.entity, asked.factor, check).await?;
        Ok(Ok(match check {
            CodeCheck::Accepted(_) => {
                answers::approve(db, sid, metadata.clone(), at).await?;
                CodeUse::Accepted(())
            }
            CodeCheck::Wrong => {
                answers::count_wrong(db, sid).await?;
                CodeUse::Wrong
            }
            CodeCheck::Spent => CodeUse::Spent,
            CodeCheck::Exhausted => CodeUse::Exhausted,
            CodeCheck::SettingsChanged => CodeUse::SettingsChanged,
        }))
    }
}

#[async_trait]
impl TotpFactors for PostgresStore {
    async fn enrol_totp_factor(&self, enrolment: &TotpEnrolment) -> StoreResult<Enrolled> {
        self.write(Enrol(enrolment.clone())).await
    }

    async fn totp_factor(
        &self,
        service: ServiceSid,
        identity: &Identity,
        sid: FactorSid,
    ) -> StoreResult<Option<TotpFactor>> {
        let db = self.session().await?;
        let key = params![id(service.as_bytes()), identity.as_str(), id(sid.as_bytes())];
        Ok(one(&db, READ, key, |row| {
            rows::totp_factors::totp_factor(cells_of(row, "totp_factors"))
        })
        .await?)
    }

    async fn update_totp_factor(&self, update: &TotpUpdate) -> StoreResult<CodeUse<TotpFactor>> {
        self.write(Update(update.clone())).await
    }

    async fn answer_by_code(
        &self,
        sid: ChallengeSid,
        code: JudgedCode,
        most_wrong: u32,
        metadata: Option<&StringMap>,
        at: Instant,
    ) -> StoreResult<Result<CodeUse<()>, ChallengeClosedError>> {
        let metadata = metadata.cloned();
        self.write(AnswerByCode { sid, code, most_wrong, metadata, at }).await
    }
}
