//! New notifications and their deliveries.

use countersign_domain::delivery::NewNotification;
use countersign_store_sql::values::{ending_cells, initial_ending, initial_state};
use uuid::Uuid;

use crate::error::DatabaseError;
use crate::params::{Param, column, id};
use crate::session::Session;

/// The names of [`NewColumns`], the parameters from `$1` to `$15`.
macro_rules! new_columns {
    () => {
        "challenge_sid, notification_sid, ttl, created_at, born_on, ending, reason, code, factor_sid, entity_sid, \
         deadline, attempts, state, node, wake_at"
    };
}
pub(crate) use new_columns;

/// Two `WITH` queries, which insert the rows of the query `new` before them: it has those columns and an `ordinal`. A notification that
/// needs no delivery has no `state`.
macro_rules! insert_new {
    () => {
        ", noted AS (INSERT INTO notifications (challenge_sid, ordinal, sid, ttl, created_at, updated_at, born_on, \
         ending, reason, code, attempts) \
         SELECT challenge_sid, ordinal, notification_sid, ttl, created_at, created_at, born_on, ending, reason, code, '' \
         FROM new), \
         caused AS (INSERT INTO deliveries (challenge_sid, notification_sid, ordinal, factor_sid, entity_sid, deadline, \
         attempts, state, node, wake_at, written, changed_at) \
         SELECT challenge_sid, notification_sid, ordinal, factor_sid, entity_sid, deadline, attempts, state, node, \
         wake_at, false, created_at FROM new WHERE state IS NOT NULL) "
    };
}
pub(crate) use insert_new;

const INSERT: &str = concat!(
    "WITH new AS (SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) AS u (",
    new_columns!(),
    ", ordinal))",
    insert_new!(),
    "SELECT 1 LIMIT 0"
);

/// The columns of new notifications and their deliveries.
pub(crate) struct NewColumns {
    challenges: Vec<Uuid>,
    notifications: Vec<Uuid>,
    ttls: Vec<i64>,
    creations: Vec<i64>,
    processes: Vec<Uuid>,
    endings: Vec<Option<&'static str>>,
    reasons: Vec<Option<&'static str>>,
    codes: Vec<Option<i64>>,
    factors: Vec<Uuid>,
    entities: Vec<Uuid>,
    deadlines: Vec<i64>,
    attempts: Vec<i64>,
    states: Vec<Option<&'static str>>,
    nodes: Vec<Option<Uuid>>,
    wakings: Vec<Option<i64>>,
}

impl NewColumns {
    /// Makes the columns.
    pub(crate) fn of(new: &[NewNotification]) -> Self {
        Self {
            challenges: column(new, |new| id(new.delivery.challenge.as_bytes())),
            notifications: column(new, |new| id(new.delivery.notification.as_bytes())),
            ttls: column(new, |new| i64::from(new.ttl)),
            creations: column(new, |new| new.created_at.as_micros()),
            processes: column(new, |new| id(&new.node.0)),
            endings: column(new, |new| ending_cells(initial_ending(new)).0),
            reasons: column(new, |new| ending_cells(initial_ending(new)).1),
            codes: column(new, |new| ending_cells(initial_ending(new)).2),
            factors: column(new, |new| id(new.delivery.factor.as_bytes())),
            entities: column(new, |new| id(new.delivery.entity.as_bytes())),
            deadlines: column(new, |new| new.delivery.deadline.as_micros()),
            attempts: column(new, |new| i64::from(new.delivery.attempts)),
            states: column(new, |new| initial_state(new).map(|(state, _)| state)),
            nodes: column(new, node),
            wakings: column(new, |new| initial_state(new).map(|(_, at)| at)),
        }
    }

    /// The challenges, in the order of the rows.
    pub(crate) fn challenges(&self) -> &Vec<Uuid> {
        &self.challenges
    }

    /// The parameters, in the order of the names.
    pub(crate) fn params(&self) -> [Param<'_>; 15] {
        [
            &self.challenges,
            &self.notifications,
            &self.ttls,
            &self.creations,
            &self.processes,
            &self.endings,
            &self.reasons,
            &self.codes,
            &self.factors,
            &self.entities,
            &self.deadlines,
            &self.attempts,
            &self.states,
            &self.nodes,
            &self.wakings,
        ]
    }
}

fn node(new: &NewNotification) -> Option<Uuid> {
    let is_leased = initial_state(new).is_some_and(|(state, _)| state == "leased");
    is_leased.then(|| id(&new.node.0))
}

/// Inserts notifications with their ordinals and, unless their initial state needs none, their deliveries.
pub(crate) async fn insert(
    db: &Session,
    new: &[(NewNotification, i64)],
) -> Result<(), DatabaseError> {
    if new.is_empty() {
        return Ok(());
    }
    let columns = NewColumns::of(&column(new, |(new, _)| *new));
    let ordinals = column(new, |(_, ordinal)| *ordinal);
    let mut params = columns.params().to_vec();
    params.push(&ordinals);
    db.execute(INSERT, &params).await.map(|_| ())
}
