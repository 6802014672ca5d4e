//! Challenges. `opening.rs` opens them, `answers.rs` records verdicts.

use async_trait::async_trait;
use countersign_domain::answer_context::ChallengeContext;
use countersign_domain::challenge::{Challenge, ChallengeStatus, MAX_LIFETIME};
use countersign_domain::factor::Factor;
use countersign_domain::factor::FactorType;
use countersign_domain::presence_check::{CodeRefusal, confirm};
use countersign_domain::sid::{ChallengeSid, EntitySid, ServiceSid};
use countersign_domain::signed_answer::SignedAnswer;
use countersign_domain::text::{Identity, StringMap};
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::page::{Page, PageQuery};
use countersign_store::seam::{
    Answer, ChallengeFilter, Challenges, Confirmation, Confirmed, Opened, Opening, Recorded,
};
use countersign_store_sql::paging::merge;
use countersign_store_sql::rows::challenges::{
    NewChallenge, challenge_and_factor, context, signed_answer,
};
use countersign_store_sql::{challenge_columns, context_columns, factor_columns, rows};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::answers;
use crate::cells::cells_of;
use crate::command::{Command, Planning};
use crate::error::DatabaseError;
use crate::gather::Gathered as _;
use crate::opening::Open;
use crate::paging::{Listing, by_id};
use crate::params::{id, params};
use crate::session::Session;
use crate::standing;
use crate::statement::{factor_of, living, one};
use crate::store::PostgresStore;

const READ: &str = concat!(
    "SELECT ",
    challenge_columns!(),
    ", ",
    factor_columns!(),
    " FROM challenges c",
    living!("c"),
    factor_of!("c", "factors" as "f"),
    "WHERE c.sid = $1 AND c.service_sid = $2 AND c.identity = $3"
);
const CONTEXT: &str =
    concat!("SELECT ", context_columns!(), " FROM challenges c", living!("c"), "WHERE c.sid = $1");
const SIGNED: &str = concat!(
    "SELECT s.jws, s.key FROM challenges c",
    living!("c"),
    "JOIN signed_answers s ON s.challenge_sid = c.sid WHERE c.sid = $1"
);
/// The challenges of a living entity; `$2` is a factor, `$3` a status at `$4`. Between `$5` and `$6`, so that the index is read only
/// between them.
const LIST: &str = concat!(
    "SELECT ",
    challenge_columns!(),
    " FROM challenges c",
    living!("c"),
    "WHERE c.entity_sid = $1 AND ($2 IS NULL OR c.factor_sid = $2) AND ($3 IS NULL OR $3 = ",
    "CASE WHEN c.ended_by IS NOT NULL OR c.state = 'pending' AND c.expires_at <= $4 THEN 'expired' ELSE c.state END) ",
    "AND c.sid >= $5 AND c.sid < $6"
);
const UPDATE: &str = "UPDATE challenges SET metadata = $2, updated_at = $3 WHERE sid = $1";

struct Update {
    sid: ChallengeSid,
    metadata: String,
    while_open: bool,
    at: Instant,
}

#[async_trait]
impl Command for Update {
    type Output = Recorded;

    fn decides_at(&self) -> Option<(Instant, Instant)> {
        Some((self.at, self.at))
    }

    async fn run(&self, db: &Session) -> Result<Recorded, DatabaseError> {
        let locked = standing::lock(db, std::iter::once(self.sid)).await?;
        let Some(found) = locked.get(&self.sid) else {
            return Ok(Recorded::NotFound);
        };
        if self.while_open
            && let Err(refused) = found.standing.is_open(self.at)
        {
            return Ok(Recorded::Refused(refused));
        }
        let change = params![id(self.sid.as_bytes()), self.metadata, self.at.as_micros()];
        db.execute(UPDATE, change).await?;
        Ok(Recorded::Done)
    }
}

#[async_trait]
impl Command for Confirmation {
    type Output = Confirmed;

    fn decides_at(&self) -> Option<(Instant, Instant)> {
        Some((self.at, self.at))
    }

    async fn run(&self, db: &Session) -> Result<Confirmed, DatabaseError> {
        let mut locked = standing::lock(db, std::iter::once(self.challenge)).await?;
        let Some(found) = locked.remove(&self.challenge) else {
            return Ok(Confirmed::NotFound);
        };
        let Some(presence) = found.presence else {
            return Ok(Confirmed::NotFound);
        };
        match confirm(&presence, found.standing, &self.code, self.at) {
            Ok(changed) => {
                if let Some(changed) = changed {
                    answers::note_presences(db, &[(self.challenge, changed)]).await?;
                }
                Ok(Confirmed::Done)
            }
            Err(refusal) => {
                if let CodeRefusal::Wrong(counted) = &refusal {
                    answers::note_presences(db, &[(self.challenge, counted.clone())]).await?;
                }
                Ok(Confirmed::Refused(refusal))
            }
        }
    }
}

/// An opening that shares its transaction with no other.
struct Alone(Open);

#[async_trait]
impl Command for Alone {
    type Output = Opened;
    const PLANNING: Planning = Open::PLANNING;

    fn decides_at(&self) -> Option<(Instant, Instant)> {
        self.0.decides_at().map(|at| (at, at))
    }

    async fn run(&self, db: &Session) -> Result<Opened, DatabaseError> {
        let mut opened = Open::run_all(std::slice::from_ref(&self.0), db).await?;
        Ok(opened.pop().expect("a batch has a result for each command"))
    }
}

struct CountWrong(ChallengeSid);

#[async_trait]
impl Command for CountWrong {
    type Output = u32;

    async fn run(&self, db: &Session) -> Result<u32, DatabaseError> {
        if standing::lock(db, std::iter::once(self.0)).await?.is_empty() {
            return Ok(0);
        }
        answers::count_wrong(db, self.0).await
    }
}

/// Reads a page of the challenges of one type. The SIDs of a type are adjacent.
async fn of_type(
    db: &Session,
    kind: FactorType,
    entity: EntitySid,
    filter: ChallengeFilter,
    now: Instant,
    query: PageQuery<Uuid>,
) -> Result<Page<Challenge>, DatabaseError> {
    // Devices ask for pending challenges often, and the entity may have a long history. Every pending challenge was created
    // within the longest lifetime.
    let since = match filter.status {
        Some(ChallengeStatus::Pending) => now - MAX_LIFETIME,
        _ => Instant::from_micros(0),
    };
    let oldest = id(ChallengeSid::least(kind, since).as_bytes());
    let mut beyond = [0; 16];
    beyond[0] = kind.lead() + 1;
    let factor = filter.factor.map(|factor| id(factor.as_bytes()));
    let status = filter.status.map(ChallengeStatus::as_str);
    let entity = id(entity.as_bytes());
    let asked = params![entity, factor, status, now.as_micros(), oldest, id(&beyond)];
    let list = Listing { select: LIST, key: "c.sid", params: asked };
    let read = |row: &Row| rows::challenges::challenge(&mut cells_of(row, "challenges"));
    list.page(db, query, read, |challenge| id(challenge.sid.as_bytes())).await
}

#[async_trait]
impl Challenges for PostgresStore {
    async fn open_challenge(&self, opening: &Opening) -> StoreResult<Opened> {
        let open = Open(NewChallenge::new(opening)?);
        match self.entry {
            None => self.opening.run(open).await,
            // The entry of the audit trail belongs to this challenge alone.
            Some(_) => self.write(Alone(open)).await,
        }
    }

    async fn challenge(
        &self,
        service: ServiceSid,
        identity: &Identity,
        sid: ChallengeSid,
    ) -> StoreResult<Option<(Challenge, Option<Factor>)>> {
        let db = self.session().await?;
        let key = params![id(sid.as_bytes()), id(service.as_bytes()), identity.as_str()];
        let read = |row: &Row| challenge_and_factor(cells_of(row, "challenges"));
        Ok(one(&db, READ, key, read).await?)
    }

    async fn challenges(
        &self,
        entity: EntitySid,
        filter: ChallengeFilter,
        now: Instant,
        page: PageQuery<ChallengeSid>,
    ) -> StoreResult<Page<Challenge>> {
        let db = self.session().await?;
        let query = by_id!(page);
        let Some(factor) = filter.factor else {
            let totp = of_type(&db, FactorType::Totp, entity, filter, now, query).await?;
            let push = of_type(&db, FactorType::Push, entity, filter, now, query).await?;
            return Ok(merge(&query, totp, push, |challenge| id(challenge.sid.as_bytes())));
        };
        Ok(of_type(&db, factor.kind(), entity, filter, now, query).await?)
    }

    async fn answer_challenge(&self, answer: Answer) -> StoreResult<Recorded> {
        self.answering.run(answer).await
    }

    async fn confirm_presence(&self, confirmation: Confirmation) -> StoreResult<Confirmed> {
        self.write(confirmation).await
    }

    async fn challenge_context(&self, sid: ChallengeSid) -> StoreResult<Option<ChallengeContext>> {
        let db = self.session().await?;
        let read = |row: &Row| context(cells_of(row, "challenges"));
        Ok(one(&db, CONTEXT, params![id(sid.as_bytes())], read).await?)
    }

    async fn signed_answer(&self, sid: ChallengeSid) -> StoreResult<Option<SignedAnswer>> {
        let db = self.session().await?;
        let read = |row: &Row| signed_answer(cells_of(row, "signed_answers"));
        Ok(one(&db, SIGNED, params![id(sid.as_bytes())], read).await?)
    }

    async fn update_challenge(
        &self,
        sid: ChallengeSid,
        metadata: &StringMap,
        while_open: bool,
        at: Instant,
    ) -> StoreResult<Recorded> {
        self.write(Update { sid, metadata: metadata.to_text(), while_open, at }).await
    }

    async fn count_wrong_answer(&self, sid: ChallengeSid) -> StoreResult<u32> {
        self.write(CountWrong(sid)).await
    }
}
