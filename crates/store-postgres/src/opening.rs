//! The command that opens a challenge.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use async_trait::async_trait;
use countersign_domain::factor::FactorType;
use countersign_domain::protection::{PromptDecision, Protection};
use countersign_domain::sid::{ChallengeSid, EntitySid, FactorSid};
use countersign_domain::text::Message;
use countersign_domain::time::Instant;
use countersign_store::seam::{CodeCheck, Opened, Opening};
use countersign_store_sql::cells::CorruptCell;
use countersign_store_sql::rows::challenges::NewChallenge;
use countersign_store_sql::values::limit;
use uuid::Uuid;

use crate::cells::cells_of;
use crate::error::DatabaseError;
use crate::gather::Gathered;
use crate::params::{column, id, params, span};
use crate::pauses::{Known, Prompts};
use crate::session::Session;
use crate::statement::{factor_of, living};
use crate::{answers, codes, events, new_notifications, pauses};

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Locks entities before their challenges are counted, so that the next transaction counts what this one adds.
const LOCK: &str = "SELECT e.sid FROM (SELECT * FROM unnest($1, $2) AS u (service_sid, identity) ORDER BY 1, 2) AS u \
                    CROSS JOIN LATERAL (SELECT sid FROM entities WHERE service_sid = u.service_sid \
                    AND identity = u.identity FOR NO KEY UPDATE) AS e";
/// The verified factors, of both types.
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
/// The limits that are reached. Counts up to the limit, and only challenges since `$7` and `$8`, the earliest beginnings of the limits of
/// each type, that meet `$which` as well.
macro_rules! reached {
    ($which:literal) => {
        concat!(
            "SELECT u.number FROM unnest($1, $2, $3, $4, $5, $6) \
             AS u (number, entity_sid, factor_sid, push_since, totp_since, most) \
             WHERE u.most <= (SELECT count(*) FROM (SELECT 1 FROM challenges c \
             WHERE c.entity_sid = u.entity_sid ",
            $which,
            " AND (c.sid >= $7 AND c.sid < '04000000-0000-0000-0000-000000000000' \
             OR c.sid >= $8 AND c.sid < '03000000-0000-0000-0000-000000000000') \
             AND (c.sid >= u.push_since AND c.sid < '04000000-0000-0000-0000-000000000000' \
             OR c.sid >= u.totp_since AND c.sid < '03000000-0000-0000-0000-000000000000') \
             LIMIT u.most) AS counted)"
        )
    };
}
/// By the index alone, so it counts every challenge of a group.
const REACHED: &str = reached!("AND (u.factor_sid IS NULL OR c.factor_sid = u.factor_sid)");
/// For limits of entities that are reached so: of a group, only the first challenge counts.
const REACHED_BY_GROUPS: &str = reached!("AND (c.group_sid IS NULL OR c.group_sid = c.sid)");
const INSERT: &str = "INSERT INTO challenges (sid, state, expires_at, service_sid, identity, entity_sid, factor_sid, \
                      account_sid, factor_type, created_at, updated_at, wrong_answers, message, fields, date, \
                      hidden_details, metadata, quiet, presence, group_sid) \
                      SELECT u.sid, 'pending', u.expires_at, u.service_sid, u.identity, u.entity_sid, u.factor_sid, \
                      u.account_sid, u.factor_type, u.created_at, u.updated_at, 0, u.message, u.fields, u.date, \
                      u.hidden_details, u.metadata, u.quiet, u.presence, u.group_sid \
                      FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) \
                      AS u (sid, expires_at, service_sid, identity, entity_sid, factor_sid, account_sid, factor_type, \
                      created_at, updated_at, message, fields, date, hidden_details, metadata, quiet, presence, group_sid)";

/// The challenges of a batch that are stored. If the transaction that stores them is in progress, they cannot be stored twice.
const STORED: &str = "SELECT sid, state = 'pending', wrong_answers FROM challenges WHERE sid = ANY ($1) AND sid BETWEEN $2 AND $3";

/// Opens a challenge.
#[derive(Clone)]
pub(crate) struct Open(pub(crate) NewChallenge);

/// A limit of one opening.
struct Limit<'a> {
    opening: usize,
    of: &'a Opening,
    of_factor: bool,
    since: Instant,
    most: u32,
}

/// All limits of a batch.
fn limits(all: &[Open]) -> Vec<Limit<'_>> {
    let of_one = |(number, open): (usize, &'_ Open)| {
        let of = &open.0.opening;
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
            of: &all[opening].0.opening,
            of_factor,
            since,
            most,
        })
        .collect()
}

/// The openings that have reached a limit.
async fn at_their_limit(all: &[Open], db: &Session) -> Result<HashSet<usize>, DatabaseError> {
    let limits = limits(all);
    let mut reached = reached(db, REACHED, limits.iter().collect()).await?;
    let of_entities: Vec<_> = reached.extract_if(.., |limit| !limit.of_factor).collect();
    reached.extend(self::reached(db, REACHED_BY_GROUPS, of_entities).await?);
    Ok(reached.into_iter().map(|limit| limit.opening).collect())
}

/// Those of the limits that are reached, counted by this statement.
async fn reached<'l, 'o>(
    db: &Session,
    sql: &str,
    limits: Vec<&'l Limit<'o>>,
) -> Result<Vec<&'l Limit<'o>>, DatabaseError> {
    if limits.is_empty() {
        return Ok(Vec::new());
    }
    // The SIDs of each type are ordered by time.
    let since = |kind| {
        let first = move |limit: &Limit<'_>| ChallengeSid::least(kind, limit.since);
        column(&limits, |limit| id(first(limit).as_bytes()))
    };
    let factor =
        |limit: &&Limit<'_>| limit.of_factor.then(|| id(limit.of.challenge.factor.as_bytes()));
    let numbers: Vec<_> = (0..limits.len()).map(limit).collect();
    let entities = column(&limits, |limit| id(limit.of.challenge.owner.entity.as_bytes()));
    let factors: Vec<Option<Uuid>> = column(&limits, factor);
    let most = column(&limits, |limit| i64::from(limit.most));
    let (push, totp) = (since(FactorType::Push), since(FactorType::Totp));
    let (push_begin, totp_begin) = (push.iter().min().copied(), totp.iter().min().copied());
    let asked = params![numbers, entities, factors, push, totp, most, push_begin, totp_begin];
    let rows = db.query(sql, asked).await?;
    let number = |row| cells_of(row, "challenges").map(|number: u32| number as usize);
    let numbers = rows.iter().map(number).collect::<Result<Vec<_>, _>>()?;
    Ok(numbers.into_iter().filter_map(|number| limits.get(number).copied()).collect())
}

/// Stores challenges and the notifications that they cause.
pub(crate) async fn insert(
    db: &Session,
    all: &[&Open],
    quiet: &HashSet<ChallengeSid>,
) -> Result<(), DatabaseError> {
    let of = |open: &&'_ Open| open.0.opening.challenge.clone();
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
            column(all, |open| open.0.fields.as_str()),
            column(&challenges, |c| c.details.date.map(Instant::as_micros)),
            column(all, |open| open.0.hidden_details.as_deref()),
            column(all, |open| open.0.metadata.as_deref()),
            column(&challenges, |c| quiet.contains(&c.sid).then_some(true)),
            column(all, |open| open.0.presence.as_deref()),
            column(&challenges, |c| c.group.map(|group| id(group.as_bytes()))),
        ],
    )
    .await?;
    let caused: Vec<_> = all
        .iter()
        .filter_map(|open| open.0.opening.notification)
        .map(|new| (new, i64::from(!new.automatic)))
        .collect();
    new_notifications::insert(db, &caused).await
}

/// Checks the code that came with an opening, if one did, and locks its factor.
async fn check_code(db: &Session, opening: &Opening) -> Result<Option<CodeCheck>, DatabaseError> {
    let challenge = &opening.challenge;
    let Some(code) = opening.code else {
        return Ok(None);
    };
    codes::check(db, challenge.owner.entity, challenge.factor, code).await.map(Some)
}

/// Applies the code that came with a stored challenge.
async fn use_code(
    db: &Session,
    opening: &Opening,
    check: CodeCheck,
) -> Result<Opened, DatabaseError> {
    let challenge = &opening.challenge;
    codes::record(db, challenge.owner.entity, challenge.factor, check).await?;
    match check {
        CodeCheck::Accepted(_) => {
            answers::approve(db, challenge.sid, None, challenge.created_at).await?;
            Ok(Opened::Done)
        }
        CodeCheck::Wrong => {
            answers::count_wrong(db, challenge.sid).await?;
            Ok(Opened::WrongCode)
        }
        CodeCheck::Spent => Ok(Opened::SpentCode),
        CodeCheck::Exhausted => Ok(Opened::Exhausted),
        CodeCheck::SettingsChanged => Ok(Opened::SettingsChanged),
    }
}

/// The verdicts on the openings of a batch.
#[derive(Default)]
pub(crate) struct Judged {
    /// The result of each, so far.
    pub(crate) results: Vec<Opened>,
    /// The check of the code of each.
    pub(crate) checks: Vec<Option<CodeCheck>>,
    /// Those whose pushes must not disturb the person.
    pub(crate) quiet: HashSet<ChallengeSid>,
}

/// Judges the openings of a batch and locks their entities.
pub(crate) async fn judge(all: &[Open], db: &Session) -> Result<Judged, DatabaseError> {
    let services = column(all, |open| id(open.0.opening.challenge.owner.service.as_bytes()));
    let identities = column(all, |open| open.0.opening.challenge.owner.identity.as_str());
    let entities = column(all, |open| id(open.0.opening.challenge.owner.entity.as_bytes()));
    let factors = column(all, |open| id(open.0.opening.challenge.factor.as_bytes()));
    let [_, found] = db
        .query_all([(LOCK, params![services, identities]), (VERIFIED, params![entities, factors])])
        .await?;
    let sid = |row| cells_of(row, "factors").map(FactorSid::from_bytes);
    let verified = found.iter().map(sid).collect::<Result<HashSet<_>, _>>()?;
    let limited = || all.iter().map(|open| (&open.0.opening.challenge, open.0.opening.prompts));
    let (prompts, pending) = (Prompts::of(limited()), pauses::with_too_many_pending(db, limited()));
    let (full, known, pending) =
        tokio::join!(biased; at_their_limit(all, db), prompts.read(db), pending);
    let (full, known, pending) = (full?, known?, pending?);
    let (mut judged, mut begun) = (Judged::default(), Vec::new());
    for (number, open) in all.iter().enumerate() {
        let (mut result, mut check) = (Opened::Done, None);
        if !verified.contains(&open.0.opening.challenge.factor) {
            result = Opened::NoFactor;
        } else if full.contains(&number) {
            result = Opened::TooMany;
        } else if let Some(refused) = refused(&open.0.opening, &known, &mut begun) {
            result = refused;
        } else if pending.contains(&open.0.opening.challenge.sid) {
            result = Opened::TooManyPending;
        } else {
            check = check_code(db, &open.0.opening).await?;
            match check {
                Some(CodeCheck::Exhausted) => result = Opened::Exhausted,
                Some(CodeCheck::SettingsChanged) => result = Opened::SettingsChanged,
                Some(CodeCheck::Accepted(_) | CodeCheck::Spent | CodeCheck::Wrong) | None => {}
            }
        }
        if result == Opened::Done && known.is_quiet(&open.0.opening) {
            judged.quiet.insert(open.0.opening.challenge.sid);
        }
        judged.results.push(result);
        judged.checks.push(check);
    }
    if !begun.is_empty() {
        pauses::begin(db, &begun).await?;
    }
    Ok(judged)
}

/// Why a push challenge must not be opened, if the limits or a pause of its entity say so. Adds a pause that begins to `begun`.
fn refused(
    opening: &Opening,
    known: &Known,
    begun: &mut Vec<(EntitySid, Protection)>,
) -> Option<Opened> {
    let challenge = &opening.challenge;
    if challenge.factor_type != FactorType::Push {
        return None;
    }
    match known.decide(challenge, &opening.prompts) {
        PromptDecision::Open => None,
        PromptDecision::Paused(pause) => Some(Opened::Paused { pause, begins: false }),
        PromptDecision::Pause(protection, pause) => {
            begun.push((challenge.owner.entity, protection));
            Some(Opened::Paused { pause, begins: true })
        }
    }
}

#[async_trait]
impl Gathered for Open {
    type Output = Opened;

    /// Limits are counted by entity.
    fn key(&self) -> [u8; 16] {
        *self.0.opening.challenge.owner.entity.as_bytes()
    }

    fn decides_at(&self) -> Option<Instant> {
        Some(self.0.opening.challenge.created_at)
    }

    async fn run_all(all: &[Self], db: &Session) -> Result<Vec<Opened>, DatabaseError> {
        let Judged { mut results, checks, quiet } = judge(all, db).await?;
        let is_done = |result: &Opened| *result == Opened::Done;
        let opened: Vec<_> =
            all.iter().zip(&results).filter(|(_, result)| is_done(result)).collect();
        let opened: Vec<_> = opened.into_iter().map(|(open, _)| open).collect();
        if opened.is_empty() {
            return Ok(results);
        }
        insert(db, &opened, &quiet).await?;
        let mut pending = Vec::new();
        for ((open, result), check) in all.iter().zip(&mut results).zip(checks) {
            if !is_done(result) {
                continue;
            }
            if let Some(check) = check {
                *result = use_code(db, &open.0.opening, check).await?;
            }
            if check.is_none() || !is_done(result) {
                pending.push(&open.0.opening.challenge);
            }
        }
        events::watch_expiry(db, &pending).await?;
        Ok(results)
    }

    /// The code that came with a challenge was right if the challenge is approved, and used before if it was not counted as wrong.
    async fn look_up(
        all: &[Self],
        db: &Session,
    ) -> Result<Option<Vec<Option<Opened>>>, DatabaseError> {
        let sids = column(all, |open| id(open.0.opening.challenge.sid.as_bytes()));
        let (first, last) = span(&sids);
        let found = db.query(STORED, params![sids, first, last]).await?;
        let read = |row| {
            let mut cells = cells_of(row, "challenges");
            let challenge = cells.map(ChallengeSid::from_bytes)?;
            Ok((challenge, (cells.take::<bool>()?, cells.take::<u32>()?)))
        };
        let found = found.iter().map(read).collect::<Result<HashMap<_, _>, CorruptCell>>()?;
        let answer = |open: &Self| {
            let (is_pending, wrong) = *found.get(&open.0.opening.challenge.sid)?;
            Some(match open.0.opening.code {
                Some(_) if is_pending && wrong > 0 => Opened::WrongCode,
                Some(_) if is_pending => Opened::SpentCode,
                _ => Opened::Done,
            })
        };
        Ok(Some(column(all, answer)))
    }
}
