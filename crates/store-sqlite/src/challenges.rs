//! Challenges.

use async_trait::async_trait;
use countersign_domain::challenge::{
    Challenge, ChallengeLifecycle, ChallengeStatus, MAX_LIFETIME, Verdict,
};
use countersign_domain::ending::{Ending, StatusReason};
use countersign_domain::factor::{Factor, FactorType};
use countersign_domain::sid::{ChallengeSid, EntitySid, FactorSid, ServiceSid};
use countersign_domain::text::{Identity, StringMap};
use countersign_domain::time::Instant;
use countersign_domain::webhook::EventType;
use countersign_store::error::StoreResult;
use countersign_store::seam::{ChallengeFilter, Challenges, Opened, Opening, Recorded};
use countersign_store::{Page, PageQuery};
use rusqlite::{Connection, params};

use crate::cells::Cells;
use crate::paging::{Key, Listing, keyed, merge};
use crate::rows::{self, challenge_columns, factor_columns};
use crate::statement::{execute, exists, living, one, statements};
use crate::trouble::Trouble;
use crate::writer::Command;
use crate::{SqliteStore, deliveries, events, json, opening};

/// The challenges of a living entity. `?4` is a factor, `?5` a status at `?6`.
macro_rules! of_entity {
    () => {
        concat!(
            "SELECT ",
            challenge_columns!(),
            " FROM challenges c",
            living!("c"),
            "WHERE c.entity_sid = ?1 AND (?4 IS NULL OR c.factor_sid = ?4) AND (?5 IS NULL OR ?5 = \
             CASE WHEN c.state = 'pending' AND c.expires_at <= ?6 THEN 'expired' ELSE c.state END)"
        )
    };
}

statements! {
    STANDING = concat!(
        "SELECT c.state, c.answered_at, c.expires_at, f.sid IS NOT NULL FROM challenges c", living!("c"),
        "LEFT JOIN factors f ON f.entity_sid = c.entity_sid AND f.sid = c.factor_sid WHERE c.sid = ?1"
    );
    READ = concat!(
        "SELECT ", challenge_columns!(), ", ", factor_columns!(), " FROM challenges c", living!("c"),
        "LEFT JOIN factors f ON f.entity_sid = c.entity_sid AND f.sid = c.factor_sid ",
        "WHERE c.sid = ?1 AND c.service_sid = ?2 AND c.identity = ?3"
    );
    /// Between `?7` and `?8`: one bound on each side, so that the index is entered and left there.
    UP = concat!(of_entity!(), " AND c.sid > max(?2, ?7) AND c.sid < ?8 ORDER BY c.sid LIMIT ?3");
    DOWN = concat!(of_entity!(), " AND c.sid > ?7 AND c.sid < min(?2, ?8) ORDER BY c.sid DESC LIMIT ?3");
    ANSWER = "UPDATE challenges SET state = ?2, answered_at = ?3, updated_at = ?3 WHERE sid = ?1";
    UPDATE = "UPDATE challenges SET metadata = ?2, updated_at = ?3 WHERE sid = ?1";
    COUNT_WRONG = "UPDATE challenges SET wrong_answers = wrong_answers + 1 WHERE sid = ?1 RETURNING wrong_answers";
}

/// Where a challenge of a living entity stands, and whether its push factor is there.
pub(crate) fn standing(
    db: &Connection,
    sid: ChallengeSid,
) -> Result<Option<(ChallengeLifecycle, bool)>, Trouble> {
    one(db, STANDING, [sid.as_bytes()], |row| {
        let mut cells = Cells::of(row, "challenges");
        Ok((rows::standing(&mut cells)?, cells.then("factors").take()?))
    })
}

/// Counts one more wrong answer; how many there are.
pub(crate) fn count_wrong(db: &Connection, sid: ChallengeSid) -> Result<u32, Trouble> {
    let count = one(db, COUNT_WRONG, [sid.as_bytes()], |row| Cells::of(row, "challenges").take())?;
    Ok(count.unwrap_or(0))
}

/// Records the right code of a challenge that is open with the metadata that came with it, and tells of it; it has no
/// deliveries.
pub(crate) fn approve(
    db: &Connection,
    sid: ChallengeSid,
    metadata: Option<&str>,
    at: Instant,
) -> Result<(), Trouble> {
    record(db, sid, Verdict::Approved, metadata, at)?;
    events::of_challenge(db, EventType::ChallengeApproved, sid, at)
}

/// Writes down an answer of a challenge that is open, and the metadata that came with it.
fn record(
    db: &Connection,
    sid: ChallengeSid,
    verdict: Verdict,
    metadata: Option<&str>,
    at: Instant,
) -> Result<(), Trouble> {
    let word = match verdict {
        Verdict::Approved => ChallengeStatus::Approved.as_str(),
        Verdict::Denied => ChallengeStatus::Denied.as_str(),
    };
    execute(db, ANSWER, params![sid.as_bytes(), word, at.as_micros()])?;
    if let Some(metadata) = metadata {
        execute(db, UPDATE, params![sid.as_bytes(), metadata, at.as_micros()])?;
    }
    Ok(())
}

/// A page of the challenges of one type, which lie together.
fn of_type(
    db: &Connection,
    kind: FactorType,
    entity: EntitySid,
    filter: ChallengeFilter,
    now: Instant,
    query: PageQuery<[u8; 16]>,
) -> Result<Page<Challenge>, Trouble> {
    // A device asks for what is pending again and again, and its entity may have a long history. All that is pending was
    // made within the longest lifetime.
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
        |row| rows::challenge(&mut Cells::of(row, "challenges")),
        |challenge| *challenge.sid.as_bytes(),
    )
}

struct RecordAnswer {
    sid: ChallengeSid,
    verdict: Verdict,
    metadata: Option<String>,
    at: Instant,
}

impl Command for RecordAnswer {
    type Answer = Recorded;

    fn run(&self, db: &Connection) -> Result<Recorded, Trouble> {
        let Some((standing, true)) = standing(db, self.sid)? else {
            return Ok(Recorded::NotFound);
        };
        if let Err(refused) = standing.is_open(self.at) {
            return Ok(Recorded::Refused(refused));
        }
        record(db, self.sid, self.verdict, self.metadata.as_deref(), self.at)?;
        for open in deliveries::of_challenge(db, self.sid)? {
            let ending =
                if open.written { Ending::SENT } else { Ending::cancelled(StatusReason::Answered) };
            open.end(db, ending, self.at)?;
        }
        events::of_challenge(db, EventType::of_verdict(self.verdict), self.sid, self.at)?;
        Ok(Recorded::Done)
    }
}

struct Update {
    sid: ChallengeSid,
    metadata: String,
    while_open: bool,
    at: Instant,
}

impl Command for Update {
    type Answer = Recorded;

    fn run(&self, db: &Connection) -> Result<Recorded, Trouble> {
        let Some((standing, _)) = standing(db, self.sid)? else {
            return Ok(Recorded::NotFound);
        };
        if self.while_open
            && let Err(refused) = standing.is_open(self.at)
        {
            return Ok(Recorded::Refused(refused));
        }
        execute(db, UPDATE, params![self.sid.as_bytes(), self.metadata, self.at.as_micros()])?;
        Ok(Recorded::Done)
    }
}

struct CountWrong(ChallengeSid);

impl Command for CountWrong {
    type Answer = u32;

    fn run(&self, db: &Connection) -> Result<u32, Trouble> {
        if !exists(db, STANDING, [self.0.as_bytes()])? {
            return Ok(0);
        }
        count_wrong(db, self.0)
    }
}

#[async_trait]
impl Challenges for SqliteStore {
    async fn open_challenge(&self, opening: &Opening) -> StoreResult<Opened> {
        let challenge = &opening.challenge;
        self.write(opening::Open {
            fields: json(&challenge.details.fields)?,
            hidden_details: challenge.hidden_details.as_ref().map(StringMap::to_text),
            metadata: challenge.metadata.as_ref().map(StringMap::to_text),
            opening: opening.clone(),
        })
        .await
    }

    async fn challenge(
        &self,
        service: ServiceSid,
        identity: &Identity,
        sid: ChallengeSid,
    ) -> StoreResult<Option<(Challenge, Option<Factor>)>> {
        self.read(|db| {
            let key = params![sid.as_bytes(), service.as_bytes(), identity.as_str()];
            one(db, READ, key, |row| {
                let mut cells = Cells::of(row, "challenges");
                let challenge = rows::challenge(&mut cells)?;
                let cells = cells.then("factors");
                if cells.is_null() {
                    return Ok((challenge, None));
                }
                Ok((challenge, Some(rows::factor(cells)?)))
            })
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

    async fn answer_challenge(
        &self,
        sid: ChallengeSid,
        verdict: Verdict,
        metadata: Option<&StringMap>,
        at: Instant,
    ) -> StoreResult<Recorded> {
        let metadata = metadata.map(StringMap::to_text);
        self.write(RecordAnswer { sid, verdict, metadata, at }).await
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
