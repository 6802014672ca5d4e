//! Challenges.

use async_trait::async_trait;
use countersign_domain::answer_context::ChallengeContext;
use countersign_domain::challenge::{Challenge, ChallengeStatus, MAX_LIFETIME};
use countersign_domain::factor::Factor;
use countersign_domain::factor::FactorType;
use countersign_domain::presence_check::{CodeRefusal, confirm};
use countersign_domain::sid::{ChallengeSid, EntitySid, FactorSid, ServiceSid};
use countersign_domain::signed_answer::SignedAnswer;
use countersign_domain::text::{Identity, StringMap};
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::page::{Page, PageQuery};
use countersign_store::seam::{
    Answer, ChallengeFilter, Challenges, Confirmation, Confirmed, Opened, Opening, Recorded,
};
use countersign_store_sql::paging::{keyed, merge};
use countersign_store_sql::rows::challenges::{
    NewChallenge, challenge_and_factor, context, signed_answer,
};
use countersign_store_sql::{challenge_columns, context_columns, factor_columns, rows};
use rusqlite::{Connection, params};

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::opening::Open;
use crate::paging::{Key, Listing};
use crate::statement::{living, one, statements};
use crate::store::SqliteStore;
use crate::{answers, standing};

/// The challenges of a living entity; `?4` is a factor, `?5` a status at `?6`.
macro_rules! of_entity {
    () => {
        concat!(
            "SELECT ",
            challenge_columns!(),
            " FROM challenges c",
            living!("c"),
            "WHERE c.entity_sid = ?1 AND (?4 IS NULL OR c.factor_sid = ?4) AND (?5 IS NULL OR ?5 = \
             CASE WHEN c.ended_by IS NOT NULL OR c.state = 'pending' AND c.expires_at <= ?6 THEN 'expired' ELSE c.state END)"
        )
    };
}

statements! {
    READ = concat!(
        "SELECT ", challenge_columns!(), ", ", factor_columns!(), " FROM challenges c", living!("c"),
        "LEFT JOIN factors f ON f.entity_sid = c.entity_sid AND f.sid = c.factor_sid ",
        "WHERE c.sid = ?1 AND c.service_sid = ?2 AND c.identity = ?3"
    );
    CONTEXT = concat!("SELECT ", context_columns!(), " FROM challenges c", living!("c"), "WHERE c.sid = ?1");
    SIGNED = concat!(
        "SELECT s.jws, s.key FROM challenges c",
        living!("c"),
        "JOIN signed_answers s ON s.challenge_sid = c.sid WHERE c.sid = ?1"
    );
    /// Between `?7` and `?8`: one bound on each side, so that the index is read only between them.
    UP = concat!(of_entity!(), " AND c.sid > max(?2, ?7) AND c.sid < ?8 ORDER BY c.sid LIMIT ?3");
    DOWN = concat!(of_entity!(), " AND c.sid > ?7 AND c.sid < min(?2, ?8) ORDER BY c.sid DESC LIMIT ?3");
}

/// Reads a page of the challenges of one type. The SIDs of a type are adjacent.
fn of_type(
    db: &Connection,
    kind: FactorType,
    entity: EntitySid,
    filter: ChallengeFilter,
    now: Instant,
    query: PageQuery<[u8; 16]>,
) -> Result<Page<Challenge>, DatabaseError> {
    // Devices ask for pending challenges often, and the entity may have a long history. Every pending challenge was created
    // within the longest lifetime.
    let oldest = match filter.status {
        Some(ChallengeStatus::Pending) => {
            ChallengeSid::least(kind, now - MAX_LIFETIME).as_bytes().beside(false)
        }
        _ => vec![kind.lead()],
    };
    let beyond = [kind.lead() + 1];
    let listing = Listing {
        up: UP,
        down: DOWN,
        owner: entity.as_bytes(),
        filters: &[
            &filter.factor.as_ref().map(FactorSid::as_bytes),
            &filter.status.map(ChallengeStatus::as_str),
            &now.as_micros(),
            &oldest,
            &beyond,
        ],
    };
    listing.page(
        db,
        query,
        |row| rows::challenges::challenge(&mut cells_of(row, "challenges")),
        |challenge| *challenge.sid.as_bytes(),
    )
}

struct Update {
    sid: ChallengeSid,
    metadata: String,
    while_open: bool,
    at: Instant,
}

impl Command for Update {
    type Output = Recorded;

    fn run(&self, db: &Connection) -> Result<Recorded, DatabaseError> {
        let Some(standing) = standing::read(db, self.sid)? else {
            return Ok(Recorded::NotFound);
        };
        if self.while_open
            && let Err(refused) = standing.lifecycle.is_open(self.at)
        {
            return Ok(Recorded::Refused(refused));
        }
        answers::update(db, self.sid, &self.metadata, self.at)?;
        Ok(Recorded::Done)
    }
}

impl Command for Confirmation {
    type Output = Confirmed;

    fn run(&self, db: &Connection) -> Result<Confirmed, DatabaseError> {
        let Some(standing) = standing::read(db, self.challenge)? else {
            return Ok(Confirmed::NotFound);
        };
        let Some(presence) = standing.presence else {
            return Ok(Confirmed::NotFound);
        };
        match confirm(&presence, standing.lifecycle, &self.code, self.at) {
            Ok(changed) => {
                if let Some(changed) = changed {
                    answers::note_presence(db, self.challenge, &changed)?;
                }
                Ok(Confirmed::Done)
            }
            Err(refusal) => {
                if let CodeRefusal::Wrong(counted) = &refusal {
                    answers::note_presence(db, self.challenge, counted)?;
                }
                Ok(Confirmed::Refused(refusal))
            }
        }
    }
}

struct CountWrong(ChallengeSid);

impl Command for CountWrong {
    type Output = u32;

    fn run(&self, db: &Connection) -> Result<u32, DatabaseError> {
        if standing::read(db, self.0)?.is_none() {
            return Ok(0);
        }
        answers::count_wrong(db, self.0)
    }
}

#[async_trait]
impl Challenges for SqliteStore {
    async fn open_challenge(&self, opening: &Opening) -> StoreResult<Opened> {
        self.write(Open(NewChallenge::new(opening)?)).await
    }

    async fn challenge(
        &self,
        service: ServiceSid,
        identity: &Identity,
        sid: ChallengeSid,
    ) -> StoreResult<Option<(Challenge, Option<Factor>)>> {
        self.read(|db| {
            let key = params![sid.as_bytes(), service.as_bytes(), identity.as_str()];
            one(db, READ, key, |row| challenge_and_factor(cells_of(row, "challenges")))
        })
    }

    async fn challenges(
        &self,
        entity: EntitySid,
        filter: ChallengeFilter,
        now: Instant,
        page: PageQuery<ChallengeSid>,
    ) -> StoreResult<Page<Challenge>> {
        let query = keyed(page, |sid| *sid.as_bytes());
        let of = |kind| self.read(|db| of_type(db, kind, entity, filter, now, query));
        let Some(factor) = filter.factor else {
            let (totp, push) = (of(FactorType::Totp)?, of(FactorType::Push)?);
            return Ok(merge(&query, totp, push, |challenge| *challenge.sid.as_bytes()));
        };
        of(factor.kind())
    }

    async fn answer_challenge(&self, answer: Answer) -> StoreResult<Recorded> {
        self.write(answer).await
    }

    async fn confirm_presence(&self, confirmation: Confirmation) -> StoreResult<Confirmed> {
        self.write(confirmation).await
    }

    async fn challenge_context(&self, sid: ChallengeSid) -> StoreResult<Option<ChallengeContext>> {
        self.read(|db| {
            one(db, CONTEXT, [sid.as_bytes()], |row| context(cells_of(row, "challenges")))
        })
    }

    async fn signed_answer(&self, sid: ChallengeSid) -> StoreResult<Option<SignedAnswer>> {
        self.read(|db| {
            one(db, SIGNED, [sid.as_bytes()], |row| signed_answer(cells_of(row, "signed_answers")))
        })
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
