//! Pauses of entities: what push challenges are judged by, and how pauses are stored and removed.

use std::collections::{HashMap, HashSet};

use countersign_domain::challenge::{Challenge, MAX_LIFETIME};
use countersign_domain::factor::FactorType;
use countersign_domain::protection::{Pause, Prompt, PromptDecision, PromptLimits, Protection};
use countersign_domain::sid::{ChallengeSid, EntitySid};
use countersign_domain::time::Instant;
use countersign_store::seam::Opening;
use countersign_store_sql::rows::protections::{prompt, protection};
use countersign_store_sql::{prompt_columns, prompt_condition, protection_columns};
use uuid::Uuid;

use crate::cells::cells_of;
use crate::error::DatabaseError;
use crate::params::{column, id, params};
use crate::session::Session;

pub(crate) const READ: &str =
    concat!("SELECT ", protection_columns!(), " FROM protections WHERE entity_sid = ANY ($1)");
/// The newest push challenges of each entity; `$4` is the earliest of the instants that they are read from.
const NEWEST: &str = concat!(
    "SELECT ",
    prompt_columns!(),
    " FROM unnest($1, $2, $3) AS u (entity_sid, since, look) CROSS JOIN LATERAL \
     (SELECT sid, entity_sid, group_sid, created_at, state, answered_at, ended_by, expires_at FROM challenges \
     WHERE entity_sid = u.entity_sid AND sid >= u.since AND sid >= $4 \
     AND sid < '04000000-0000-0000-0000-000000000000' AND ",
    prompt_condition!(),
    " ORDER BY sid DESC LIMIT u.look) AS c ORDER BY c.entity_sid, c.sid DESC"
);
/// The challenges of a batch whose factors have as many pending ones as is permitted. A pending challenge was opened within the longest
/// lifetime, since `u.since`; `$6` is the earliest of these.
const PENDING: &str = "SELECT u.sid FROM unnest($1, $2, $3, $4, $5, $7) AS u (sid, entity_sid, factor_sid, since, now, most) \
                       WHERE u.most <= (SELECT count(*) FROM (SELECT 1 FROM challenges c \
                       WHERE c.entity_sid = u.entity_sid AND c.factor_sid = u.factor_sid AND c.sid >= u.since AND c.sid >= $6 \
                       AND c.sid < '04000000-0000-0000-0000-000000000000' AND c.state = 'pending' AND c.expires_at > u.now \
                       LIMIT u.most) AS counted)";
/// Stores rows of protections, in place of those that are there.
macro_rules! write {
    () => {
        "INSERT INTO protections (entity_sid, counts_from, reason, level, paused_until, cause) \
         SELECT * FROM unnest($1, $2, $3, $4, $5, $6) ON CONFLICT (entity_sid) DO UPDATE \
         SET counts_from = excluded.counts_from, reason = excluded.reason, level = excluded.level, \
         paused_until = excluded.paused_until, cause = excluded.cause"
    };
}

pub(crate) const REPLACE: &str = write!();
/// Not over a pause for another reason, which was stored meanwhile.
const BEGIN: &str = concat!(
    write!(),
    " WHERE protections.reason IS NULL OR protections.reason = 'in_a_row' OR protections.paused_until <= excluded.counts_from"
);
/// Not over a longer pause by the application.
const REPORT: &str = concat!(
    write!(),
    " WHERE protections.reason IS NULL OR protections.reason <> 'application' OR protections.paused_until <= excluded.paused_until"
);
const APPROVED: &str =
    "DELETE FROM protections WHERE entity_sid = ANY ($1) AND reason = 'in_a_row'";

/// The push challenges of a batch that may be refused, at most one of each entity.
pub(crate) struct Prompts {
    entities: Vec<Uuid>,
    since: Vec<Uuid>,
    look: Vec<i64>,
    first: Option<Uuid>,
}

impl Prompts {
    /// Those of them that are push challenges.
    pub(crate) fn of<'a>(all: impl Iterator<Item = (&'a Challenge, PromptLimits)>) -> Self {
        let asked: Vec<_> =
            all.filter(|(challenge, _)| challenge.factor_type == FactorType::Push).collect();
        let least = |(challenge, limits): &(&Challenge, PromptLimits)| {
            let since = limits.look_since(challenge.created_at);
            id(ChallengeSid::least(FactorType::Push, since).as_bytes())
        };
        let since = column(&asked, least);
        Self {
            entities: column(&asked, |(challenge, _)| id(challenge.owner.entity.as_bytes())),
            look: column(&asked, |(_, limits)| i64::from(limits.look())),
            first: since.iter().min().copied(),
            since,
        }
    }

    /// Reads what they are judged by. Their entities are locked.
    pub(crate) async fn read(&self, db: &Session) -> Result<Known, DatabaseError> {
        if self.entities.is_empty() {
            return Ok(Known::default());
        }
        let [stored, newest] = db
            .query_all([
                (READ, params![self.entities]),
                (NEWEST, params![self.entities, self.since, self.look, self.first]),
            ])
            .await?;
        let read = |row| protection(cells_of(row, "protections"));
        let stored = stored.iter().map(read).collect::<Result<HashMap<_, _>, _>>()?;
        let mut prompts = HashMap::<_, Vec<Prompt>>::new();
        for row in &newest {
            let (entity, prompt) = prompt(cells_of(row, "challenges"))?;
            prompts.entry(entity).or_default().push(prompt);
        }
        Ok(Known { stored, prompts })
    }
}

/// Those of the challenges whose factors have as many pending ones as is permitted. Their entities are locked. Reads nothing without
/// a limit.
pub(crate) async fn with_too_many_pending<'a>(
    db: &Session,
    all: impl Iterator<Item = (&'a Challenge, PromptLimits)>,
) -> Result<HashSet<ChallengeSid>, DatabaseError> {
    let asked: Vec<_> = all
        .filter(|(of, limits)| of.factor_type == FactorType::Push && limits.most_pending > 0)
        .collect();
    if asked.is_empty() {
        return Ok(HashSet::new());
    }
    let since = column(&asked, |(of, _)| {
        id(ChallengeSid::least(FactorType::Push, of.created_at - MAX_LIFETIME).as_bytes())
    });
    let key = params![
        column(&asked, |(of, _)| id(of.sid.as_bytes())),
        column(&asked, |(of, _)| id(of.owner.entity.as_bytes())),
        column(&asked, |(of, _)| id(of.factor.as_bytes())),
        since,
        column(&asked, |(of, _)| of.created_at.as_micros()),
        since.iter().min().copied(),
        column(&asked, |(_, limits)| i64::from(limits.most_pending)),
    ];
    let rows = db.query(PENDING, key).await?;
    let sid = |row| cells_of(row, "challenges").map(ChallengeSid::from_bytes);
    Ok(rows.iter().map(sid).collect::<Result<_, _>>()?)
}

/// The facts by which the push challenges of a batch are judged.
#[derive(Default)]
pub(crate) struct Known {
    stored: HashMap<EntitySid, Protection>,
    prompts: HashMap<EntitySid, Vec<Prompt>>,
}

impl Known {
    /// Whether a push challenge of an entity may be opened.
    pub(crate) fn decide(&self, challenge: &Challenge, limits: &PromptLimits) -> PromptDecision {
        let entity = &challenge.owner.entity;
        let newest = self.prompts.get(entity).map_or(&[][..], Vec::as_slice);
        limits.decide(challenge.sid, challenge.created_at, self.stored.get(entity).copied(), newest)
    }

    /// Whether the pushes of a challenge that may be opened must not disturb the person.
    pub(crate) fn is_quiet(&self, opening: &Opening) -> bool {
        let (challenge, limits) = (&opening.challenge, &opening.prompts);
        let entity = &challenge.owner.entity;
        let newest = self.prompts.get(entity).map_or(&[][..], Vec::as_slice);
        challenge.factor_type == FactorType::Push
            && limits.is_quiet(challenge.created_at, self.stored.get(entity).copied(), newest)
    }
}

/// Ends the pauses that too many challenges in a row have caused: these entities have approved one.
pub(crate) async fn approved(
    db: &Session,
    entities: &HashSet<EntitySid>,
) -> Result<(), DatabaseError> {
    let entities = column(entities, |entity| id(entity.as_bytes()));
    db.execute(APPROVED, params![entities]).await.map(|_| ())
}

/// Stores pauses that begin now because of too many challenges in a row.
pub(crate) async fn begin(
    db: &Session,
    all: &[(EntitySid, Protection)],
) -> Result<(), DatabaseError> {
    write(db, BEGIN, all).await
}

/// Stores pauses that begin now because people have reported challenges.
pub(crate) async fn report(
    db: &Session,
    all: &[(EntitySid, Protection)],
) -> Result<(), DatabaseError> {
    write(db, REPORT, all).await
}

/// Stores protections by one of the statements of this file.
pub(crate) async fn write(
    db: &Session,
    sql: &str,
    all: &[(EntitySid, Protection)],
) -> Result<(), DatabaseError> {
    let until = |pause: Option<Pause>| pause.and_then(|pause| pause.until).map(Instant::as_micros);
    let row = params![
        column(all, |(entity, _)| id(entity.as_bytes())),
        column(all, |(_, protection)| protection.counts_from.as_micros()),
        column(all, |(_, protection)| protection.pause.map(|pause| pause.reason.as_str())),
        column(all, |(_, protection)| i64::from(protection.pause.map_or(0, |pause| pause.level))),
        column(all, |(_, protection)| until(protection.pause)),
        column(all, |(_, protection)| protection.cause.map(|sid| id(sid.as_bytes()))),
    ];
    db.execute(sql, row).await.map(|_| ())
}
