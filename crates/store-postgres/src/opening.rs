//! The command that opens a challenge.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use async_trait::async_trait;
use countersign_domain::factor::FactorType;
use countersign_domain::sid::{ChallengeSid, FactorSid};
use countersign_domain::text::Message;
use countersign_domain::time::Instant;
use countersign_store::seam::{CodeCheck, Opened, Opening};
use uuid::Uuid;

use crate::cells::Cells;
use crate::database::Session;
use crate::gather::Gathered;
use crate::params::{column, id, params, span};
use crate::statement::{factor_of, living};
use crate::trouble::Trouble;
use crate::{answers, births, challenges, events, totp_factors};

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Whoever counts what an entity has holds its row, so that the next one counts what was added.
const HOLD: &str = "SELECT e.sid FROM (SELECT * FROM unnest($1, $2) AS u (service_sid, identity) ORDER BY 1, 2) AS u \
                    CROSS JOIN LATERAL (SELECT sid FROM entities WHERE service_sid = u.service_sid \
                    AND identity = u.identity FOR NO KEY UPDATE) AS e";
/// Those that are verified, of either type.
const VERIFIED: &str = concat!(
    "SELECT f.sid FROM unnest($1, $2) AS u (entity_sid, factor_sid)",
    factor_of!("u", "factors" as "f"),
    living!("f"),
    "WHERE f.status = 'verified' UNION ALL ",
    "SELECT f.sid FROM unnest($1, $2) AS u (entity_sid, factor_sid)",
    factor_of!("u", "totp_factors" as "f"),
    living!("f"),
    "WHERE f.status = 'verified'"
);
/// Which of the limits are reached; nothing is counted further than to the limit, and nowhere before `$7` and `$8`, the
/// earliest of the instants that they reach back to.
const REACHED: &str = "SELECT u.opening FROM unnest($1, $2, $3, $4, $5, $6) \
                       AS u (opening, entity_sid, factor_sid, push_since, totp_since, most) \
                       WHERE u.most <= (SELECT count(*) FROM (SELECT 1 FROM challenges c \
                       WHERE c.entity_sid = u.entity_sid \
                       AND (u.factor_sid IS NULL OR c.factor_sid = u.factor_sid) \
                       AND (c.sid >= $7 AND c.sid < '04000000-0000-0000-0000-000000000000' \
                       OR c.sid >= $8 AND c.sid < '03000000-0000-0000-0000-000000000000') \
                       AND (c.sid >= u.push_since AND c.sid < '04000000-0000-0000-0000-000000000000' \
                       OR c.sid >= u.totp_since AND c.sid < '03000000-0000-0000-0000-000000000000') \
                       LIMIT u.most) AS counted)";
const INSERT: &str = "INSERT INTO challenges (sid, state, expires_at, service_sid, identity, entity_sid, factor_sid, \
                      account_sid, factor_type, created_at, updated_at, wrong_answers, message, fields, date, \
                      hidden_details, metadata) \
                      SELECT u.sid, 'pending', u.expires_at, u.service_sid, u.identity, u.entity_sid, u.factor_sid, \
                      u.account_sid, u.factor_type, u.created_at, u.updated_at, 0, u.message, u.fields, u.date, \
                      u.hidden_details, u.metadata \
                      FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) \
                      AS u (sid, expires_at, service_sid, identity, entity_sid, factor_sid, account_sid, factor_type, \
                      created_at, updated_at, message, fields, date, hidden_details, metadata)";

/// If the one that makes them is still at it, none of them can be made a second time.
const STORED: &str = "SELECT sid, state = 'pending', wrong_answers FROM challenges WHERE sid = ANY ($1) AND sid BETWEEN $2 AND $3";

/// Opens a challenge; its texts are made ready before it is queued.
#[derive(Clone)]
pub(crate) struct Open {
    pub(crate) opening: Opening,
    pub(crate) fields: String,
    pub(crate) hidden_details: Option<String>,
    pub(crate) metadata: Option<String>,
}

/// A limit of one opening.
struct Limit<'a> {
    opening: usize,
    of: &'a Opening,
    of_factor: bool,
    since: Instant,
    most: u32,
}

/// All limits that are set.
fn limits(all: &[Open]) -> Vec<Limit<'_>> {
    let of_one = |(number, open): (usize, &'_ Open)| {
        let of = &open.opening;
        let now = of.challenge.created_at;
        [
            (true, now - HOUR, of.most_per_factor_hour),
            (true, now - DAY, of.most_per_factor_day),
            (false, now - HOUR, of.most_per_entity_hour),
        ]
        .map(|(of_factor, since, most)| (number, of_factor, since, most))
    };
    let of_all = all.iter().enumerate().flat_map(of_one);
    of_all
        .filter(|(.., most)| *most > 0)
        .map(|(opening, of_factor, since, most)| Limit {
            opening,
            of: &all[opening].opening,
            of_factor,
            since,
            most,
        })
        .collect()
}

/// The openings for which a limit is reached.
async fn at_their_limit(all: &[Open], db: &Session) -> Result<HashSet<usize>, Trouble> {
    let limits = limits(all);
    if limits.is_empty() {
        return Ok(HashSet::new());
    }
    // the SIDs of each type are ordered by time among themselves
    let since = |kind| {
        let first = move |limit: &Limit<'_>| ChallengeSid::least(kind, limit.since);
        column(&limits, |limit| id(first(limit).as_bytes()))
    };
    let factor =
        |limit: &Limit<'_>| limit.of_factor.then(|| id(limit.of.challenge.factor.as_bytes()));
    let numbers = column(&limits, |limit| crate::limit(limit.opening));
    let entities = column(&limits, |limit| id(limit.of.challenge.owner.entity.as_bytes()));
    let factors: Vec<Option<Uuid>> = column(&limits, factor);
    let most = column(&limits, |limit| i64::from(limit.most));
    let (push, totp) = (since(FactorType::Push), since(FactorType::Totp));
    let (push_begin, totp_begin) = (push.iter().min().copied(), totp.iter().min().copied());
    let asked = params![numbers, entities, factors, push, totp, most, push_begin, totp_begin];
    let rows = db.query(REACHED, asked).await?;
    let number = |row| Cells::of(row, "challenges").make(|number: u32| number as usize);
    rows.iter().map(number).collect()
}

async fn insert(db: &Session, all: &[&Open]) -> Result<(), Trouble> {
    let of = |open: &&'_ Open| open.opening.challenge.clone();
    let challenges: Vec<_> = all.iter().map(of).collect();
    db.execute(
        INSERT,
        params![
            column(&challenges, |c| id(c.sid.as_bytes())),
            column(&challenges, |c| c.expires_at.as_micros()),
            column(&challenges, |c| id(c.owner.service.as_bytes())),
            column(&challenges, |c| c.owner.identity.as_str()),
            column(&challenges, |c| id(c.owner.entity.as_bytes())),
            column(&challenges, |c| id(c.factor.as_bytes())),
            column(&challenges, |c| id(c.owner.account.as_bytes())),
            column(&challenges, |c| c.factor_type.as_str()),
            column(&challenges, |c| c.created_at.as_micros()),
            column(&challenges, |c| c.updated_at.as_micros()),
            column(&challenges, |c| c.details.message.as_ref().map_or("", Message::as_str)),
            column(all, |open| open.fields.as_str()),
            column(&challenges, |c| c.details.date.map(Instant::as_micros)),
            column(all, |open| open.hidden_details.as_deref()),
            column(all, |open| open.metadata.as_deref()),
        ],
    )
    .await?;
    let caused: Vec<_> = all
        .iter()
        .filter_map(|open| open.opening.notification)
        .map(|new| (new, i64::from(!new.automatic)))
        .collect();
    births::insert(db, &caused).await
}

/// What the code that came with an opening comes to, if any did. Its factor is held.
async fn fate(db: &Session, opening: &Opening) -> Result<Option<CodeCheck>, Trouble> {
    let challenge = &opening.challenge;
    let Some(code) = opening.code else {
        return Ok(None);
    };
    totp_factors::fate(db, challenge.owner.entity, challenge.factor, code).await.map(Some)
}

/// The result for a stored challenge, by the fate of its code.
async fn answer(db: &Session, opening: &Opening, fate: CodeCheck) -> Result<Opened, Trouble> {
    let challenge = &opening.challenge;
    totp_factors::note(db, challenge.owner.entity, challenge.factor, fate).await?;
    match fate {
        CodeCheck::Accepted(_) => {
            answers::approve(db, challenge.sid, None, challenge.created_at).await?;
            Ok(Opened::Done)
        }
        CodeCheck::Wrong => {
            challenges::count_wrong(db, challenge.sid).await?;
            Ok(Opened::WrongCode)
        }
        CodeCheck::Spent => Ok(Opened::SpentCode),
        CodeCheck::Exhausted => Ok(Opened::Exhausted),
        CodeCheck::SettingsChanged => Ok(Opened::SettingsChanged),
    }
}

#[async_trait]
impl Gathered for Open {
    type Answer = Opened;

    /// What is counted is counted by entity.
    fn key(&self) -> [u8; 16] {
        *self.opening.challenge.owner.entity.as_bytes()
    }

    fn decides_at(&self) -> Option<Instant> {
        Some(self.opening.challenge.created_at)
    }

    async fn run_all(all: &[Self], db: &Session) -> Result<Vec<Opened>, Trouble> {
        let services = column(all, |open| id(open.opening.challenge.owner.service.as_bytes()));
        let identities = column(all, |open| open.opening.challenge.owner.identity.as_str());
        let entities = column(all, |open| id(open.opening.challenge.owner.entity.as_bytes()));
        let factors = column(all, |open| id(open.opening.challenge.factor.as_bytes()));
        let [_, found] = db
            .query_all([
                (HOLD, params![services, identities]),
                (VERIFIED, params![entities, factors]),
            ])
            .await?;
        let sid = |row| Cells::of(row, "factors").make(FactorSid::from_bytes);
        let verified = found.iter().map(sid).collect::<Result<HashSet<_>, _>>()?;
        let full = at_their_limit(all, db).await?;

        let judge = |(number, open): (usize, &Self)| {
            if !verified.contains(&open.opening.challenge.factor) {
                Opened::NoFactor
            } else if full.contains(&number) {
                Opened::TooMany
            } else {
                Opened::Done
            }
        };
        let mut outcomes: Vec<_> = all.iter().enumerate().map(judge).collect();
        let fine = |outcome: &Opened| *outcome == Opened::Done;
        let mut fates = vec![None; all.len()];
        for ((open, outcome), place) in all.iter().zip(&mut outcomes).zip(&mut fates) {
            if fine(outcome) {
                *place = fate(db, &open.opening).await?;
                match place {
                    Some(CodeCheck::Exhausted) => *outcome = Opened::Exhausted,
                    Some(CodeCheck::SettingsChanged) => *outcome = Opened::SettingsChanged,
                    Some(CodeCheck::Accepted(_) | CodeCheck::Spent | CodeCheck::Wrong) | None => {}
                }
            }
        }
        let opened: Vec<_> = all
            .iter()
            .zip(&outcomes)
            .filter(|(_, outcome)| fine(outcome))
            .map(|(open, _)| open)
            .collect();
        if opened.is_empty() {
            return Ok(outcomes);
        }
        insert(db, &opened).await?;
        let mut pending = Vec::new();
        for ((open, outcome), fate) in all.iter().zip(&mut outcomes).zip(fates) {
            if !fine(outcome) {
                continue;
            }
            if let Some(fate) = fate {
                *outcome = answer(db, &open.opening, fate).await?;
            }
            if fate.is_none() || !fine(outcome) {
                pending.push(&open.opening.challenge);
            }
        }
        events::watch_expiry(db, &pending).await?;
        Ok(outcomes)
    }
    /// A code that came with it was right if the challenge is approved, and spent before if it was not counted as wrong.
    async fn look_again(
        all: &[Self],
        db: &Session,
    ) -> Result<Option<Vec<Option<Opened>>>, Trouble> {
        let sids = column(all, |open| id(open.opening.challenge.sid.as_bytes()));
        let (first, last) = span(&sids);
        let found = db.query(STORED, params![sids, first, last]).await?;
        let read = |row| {
            let mut cells = Cells::of(row, "challenges");
            let challenge = cells.make(ChallengeSid::from_bytes)?;
            Ok((challenge, (cells.take::<bool>()?, cells.take::<u32>()?)))
        };
        let found = found.iter().map(read).collect::<Result<HashMap<_, _>, Trouble>>()?;
        let answer = |open: &Self| {
            let (is_pending, wrong) = *found.get(&open.opening.challenge.sid)?;
            Some(match open.opening.code {
                Some(_) if is_pending && wrong > 0 => Opened::WrongCode,
                Some(_) if is_pending => Opened::SpentCode,
                _ => Opened::Done,
            })
        };
        Ok(Some(column(all, answer)))
    }
}
