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
use rusqlite::{Connection, params};

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::paging::{downwards, upwards};
use crate::statement::{execute, exists, living, one, statements};
use crate::store::SqliteStore;
use crate::{answers, codes, enrolment, events, services, standing};

/// The TOTP factors of living entities.
macro_rules! select {
    () => {
        concat!("SELECT ", totp_factor_columns!(), " FROM totp_factors f", living!("f"))
    };
}

statements! {
    READ = concat!(
        "SELECT ", totp_factor_columns!(), " FROM entities e JOIN services s ON s.sid = e.service_sid ",
        "JOIN totp_factors f ON f.entity_sid = e.sid WHERE e.service_sid = ?1 AND e.identity = ?2 AND f.sid = ?3"
    );
    OF_ENTITY = concat!(select!(), "WHERE f.entity_sid = ?1 AND f.sid = ?2");
    UP = upwards!("f.sid"; select!(), "WHERE f.entity_sid = ?1");
    DOWN = downwards!("f.sid"; select!(), "WHERE f.entity_sid = ?1");
    LIVING = "SELECT count(*) FROM totp_factors WHERE entity_sid = ?1 AND (status = 'verified' OR created_at > ?2)";
    INSERT = "INSERT INTO totp_factors (entity_sid, sid, service_sid, identity, account_sid, friendly_name, status, \
              secret, alg, time_step, skew, code_length, last_step, wrong_codes, created_at, updated_at) \
              VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, 0, ?14, ?15)";
    UPDATE = "UPDATE totp_factors SET friendly_name = ?3, status = ?4, alg = ?5, time_step = ?6, skew = ?7, \
              code_length = ?8, last_step = ?9, updated_at = ?10, wrong_in_a_row = 0 WHERE entity_sid = ?1 AND sid = ?2";
    DELETE = "DELETE FROM totp_factors WHERE entity_sid = ?1 AND sid = ?2";
    WRONG_CODES = "SELECT wrong_codes FROM totp_factors WHERE entity_sid = ?1 AND sid = ?2";
    COUNT_WRONG = "UPDATE totp_factors SET wrong_codes = wrong_codes + 1 WHERE entity_sid = ?1 AND sid = ?2";
    ASKED = concat!(
        "SELECT c.entity_sid, c.factor_sid, c.wrong_answers FROM challenges c", living!("c"),
        "JOIN totp_factors f ON f.entity_sid = c.entity_sid AND f.sid = c.factor_sid WHERE c.sid = ?1"
    );
}

fn of_entity(
    db: &Connection,
    entity: EntitySid,
    sid: FactorSid,
) -> Result<Option<TotpFactor>, DatabaseError> {
    one(db, OF_ENTITY, [entity.as_bytes(), sid.as_bytes()], |row| {
        rows::totp_factors::totp_factor(cells_of(row, "totp_factors"))
    })
}

/// Removes a factor. Returns whether it existed.
pub(crate) fn delete(
    db: &Connection,
    entity: EntitySid,
    sid: FactorSid,
    at: Instant,
) -> Result<bool, DatabaseError> {
    let Some(factor) = of_entity(db, entity, sid)? else {
        return Ok(false);
    };
    execute(db, DELETE, [entity.as_bytes(), sid.as_bytes()])?;
    if !factor.has_lapsed(at) {
        events::of_factor(db, EventType::FactorDeleted, &factor, at)?;
    }
    Ok(true)
}

struct Enrol(TotpEnrolment);

impl Command for Enrol {
    type Output = Enrolled;

    fn run(&self, db: &Connection) -> Result<Enrolled, DatabaseError> {
        let TotpEnrolment { factor, most_per_entity, most_per_day } = &self.0;
        let (owner, now) = (&factor.owner, factor.created_at);
        if !exists(db, services::EXISTS, [owner.service.as_bytes()])? {
            return Ok(Enrolled::NoService);
        }
        let existing = enrolment::entity(db, owner)?;
        if let Some(entity) = &existing {
            let params = params![entity.sid.as_bytes(), (now - UNVERIFIED_FOR).as_micros()];
            let have = one(db, LIVING, params, |row| cells_of(row, "totp_factors").take())?;
            if is_reached(*most_per_entity, have.unwrap_or(0)) {
                return Ok(Enrolled::TooMany);
            }
            if is_reached(*most_per_day, entity.at(now).1) {
                return Ok(Enrolled::TooManyToday);
            }
        }
        let entity = enrolment::count(db, owner, existing, now)?;
        execute(
            db,
            INSERT,
            params![
                entity.as_bytes(),
                factor.sid.as_bytes(),
                owner.service.as_bytes(),
                owner.identity.as_str(),
                owner.account.as_bytes(),
                factor.friendly_name.as_str(),
                factor.status.as_str(),
                factor.secret.as_bytes(),
                factor.config.alg.as_str(),
                factor.config.time_step,
                factor.config.skew,
                factor.config.code_length,
                factor.last_step.map(step_number),
                factor.created_at.as_micros(),
                factor.updated_at.as_micros(),
            ],
        )?;
        events::of_factor(db, EventType::FactorCreated, factor, now)?;
        Ok(Enrolled::Done(entity))
    }
}

struct Update(TotpUpdate);

impl Command for Update {
    type Output = CodeUse<TotpFactor>;

    fn run(&self, db: &Connection) -> Result<CodeUse<TotpFactor>, DatabaseError> {
        let TotpUpdate { entity, sid, code, most_wrong, change, at } = &self.0;
        let key = [entity.as_bytes(), sid.as_bytes()];
        if of_entity(db, *entity, *sid)?.is_none() {
            return Ok(CodeUse::NotFound);
        }
        if let Some(code) = code {
            let wrong =
                one(db, WRONG_CODES, key, |row| cells_of(row, "totp_factors").take::<u32>())?;
            if is_reached(*most_wrong, wrong.unwrap_or(0)) {
                return Ok(CodeUse::Exhausted);
            }
            let check = codes::check(db, *entity, *sid, *code)?;
            codes::record(db, *entity, *sid, check)?;
            match check {
                CodeCheck::Accepted(_) => {}
                CodeCheck::Wrong => {
                    execute(db, COUNT_WRONG, key)?;
                    return Ok(CodeUse::Wrong);
                }
                CodeCheck::Spent => return Ok(CodeUse::Spent),
                CodeCheck::Exhausted => return Ok(CodeUse::Exhausted),
                CodeCheck::SettingsChanged => return Ok(CodeUse::SettingsChanged),
            }
        }
        let Some(was) = of_entity(db, *entity, *sid)? else {
            return Ok(CodeUse::NotFound);
        };
        let is_proved = code.is_some() && was.status == FactorStatus::Unverified;
        let status = if code.is_some() { FactorStatus::Verified } else { was.status };
        let factor = TotpFactor { status, ..was.changed(change.clone(), *at) };
        execute(
            db,
            UPDATE,
            params![
                entity.as_bytes(),
                sid.as_bytes(),
                factor.friendly_name.as_str(),
                factor.status.as_str(),
                factor.config.alg.as_str(),
                factor.config.time_step,
                factor.config.skew,
                factor.config.code_length,
                factor.last_step.map(step_number),
                factor.updated_at.as_micros(),
            ],
        )?;
        if is_proved {
            events::of_factor(db, EventType::FactorVerified, &factor, *at)?;
        }
        Ok(CodeUse::Accepted(factor))
    }
}

struct AnswerByCode {
    sid: ChallengeSid,
    code: JudgedCode,
    most_wrong: u32,
    metadata: Option<String>,
    at: Instant,
}

impl Command for AnswerByCode {
    type Output = Result<CodeUse<()>, ChallengeClosedError>;

    fn run(&self, db: &Connection) -> Result<Self::Output, DatabaseError> {
        let Self { sid, code, most_wrong, ref metadata, at } = *self;
        let asked = one(db, ASKED, [sid.as_bytes()], |row| {
            CodeChallenge::read(cells_of(row, "challenges"))
        })?;
        let Some((asked, standing)) = asked.zip(standing::read(db, sid)?) else {
            return Ok(Ok(CodeUse::NotFound));
        };
        if let Err(refused) = standing.lifecycle.is_open(at) {
            return Ok(Err(refused));
        }
        if is_reached(most_wrong, asked.wrong_codes) {
            return Ok(Ok(CodeUse::Exhausted));
        }
        let check = codes::check(db, asked.entity, asked.factor, code)?;
        codes::record(db, asked.entity, asked.factor, check)?;
        Ok(Ok(match check {
            CodeCheck::Accepted(_) => {
                answers::approve(db, sid, metadata.as_deref(), at)?;
                CodeUse::Accepted(())
            }
            CodeCheck::Wrong => {
                answers::count_wrong(db, sid)?;
                CodeUse::Wrong
            }
            CodeCheck::Spent => CodeUse::Spent,
            CodeCheck::Exhausted => CodeUse::Exhausted,
            CodeCheck::SettingsChanged => CodeUse::SettingsChanged,
        }))
    }
}

#[async_trait]
impl TotpFactors for SqliteStore {
    async fn enrol_totp_factor(&self, enrolment: &TotpEnrolment) -> StoreResult<Enrolled> {
        self.write(Enrol(enrolment.clone())).await
    }

    async fn totp_factor(
        &self,
        service: ServiceSid,
        identity: &Identity,
        sid: FactorSid,
    ) -> StoreResult<Option<TotpFactor>> {
        self.read(|db| {
            let key = params![service.as_bytes(), identity.as_str(), sid.as_bytes()];
            one(db, READ, key, |row| rows::totp_factors::totp_factor(cells_of(row, "totp_factors")))
        })
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
        let metadata = metadata.map(StringMap::to_text);
        self.write(AnswerByCode { sid, code, most_wrong, metadata, at }).await
    }
}
