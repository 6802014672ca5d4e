//! New notifications and the deliveries that they cause: their columns, and how rows are made of them.

use countersign_domain::delivery::{InitialState, NewNotification};
use uuid::Uuid;

use crate::database::Session;
use crate::notifications::{EndingCells, ending_cells};
use crate::params::{Param, column, id};
use crate::trouble::Trouble;

/// The names of [`Columns`], the parameters from `$1` to `$15`.
macro_rules! birth_columns {
    () => {
        "challenge_sid, notification_sid, ttl, created_at, born_on, ending, reason, code, factor_sid, entity_sid, \
         deadline, attempts, state, node, wake_at"
    };
}
pub(crate) use birth_columns;

/// Two more of the `WITH` queries of a statement: they insert what the one before them, `born`, has in those columns and in
/// its `ordinal`. A birth that needs no delivery has no `state`.
macro_rules! insert_born {
    () => {
        ", noted AS (INSERT INTO notifications (challenge_sid, ordinal, sid, ttl, created_at, updated_at, born_on, \
         ending, reason, code, attempts) \
         SELECT challenge_sid, ordinal, notification_sid, ttl, created_at, created_at, born_on, ending, reason, code, '' \
         FROM born), \
         caused AS (INSERT INTO deliveries (challenge_sid, notification_sid, ordinal, factor_sid, entity_sid, deadline, \
         attempts, state, node, wake_at, written, changed_at) \
         SELECT challenge_sid, notification_sid, ordinal, factor_sid, entity_sid, deadline, attempts, state, node, \
         wake_at, false, created_at FROM born WHERE state IS NOT NULL) "
    };
}
pub(crate) use insert_born;

const INSERT: &str = concat!(
    "WITH born AS (SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) AS u (",
    birth_columns!(),
    ", ordinal))",
    insert_born!(),
    "SELECT 1 LIMIT 0"
);

/// The columns of new notifications and their deliveries.
pub(crate) struct Columns {
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
    wakings: Vec<i64>,
}

impl Columns {
    /// Those of these.
    pub(crate) fn of(new: &[NewNotification]) -> Self {
        Self {
            challenges: column(new, |new| id(new.delivery.challenge.as_bytes())),
            notifications: column(new, |new| id(new.delivery.notification.as_bytes())),
            ttls: column(new, |new| i64::from(new.ttl)),
            creations: column(new, |new| new.created_at.as_micros()),
            processes: column(new, |new| id(&new.node.0)),
            endings: column(new, |new| ending(new).0),
            reasons: column(new, |new| ending(new).1),
            codes: column(new, |new| ending(new).2),
            factors: column(new, |new| id(new.delivery.factor.as_bytes())),
            entities: column(new, |new| id(new.delivery.entity.as_bytes())),
            deadlines: column(new, |new| new.delivery.deadline.as_micros()),
            attempts: column(new, |new| i64::from(new.delivery.attempts)),
            states: column(new, state),
            nodes: column(new, node),
            wakings: column(new, wake_at),
        }
    }

    /// The challenges, in the order of the rows.
    pub(crate) fn challenges(&self) -> &Vec<Uuid> {
        &self.challenges
    }

    /// In the order of their names.
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

fn ending(new: &NewNotification) -> EndingCells {
    ending_cells(match new.initial_state {
        InitialState::Ended(ending) => Some(ending),
        InitialState::Leased { .. }
        | InitialState::Due
        | InitialState::Parked
        | InitialState::Immediate => None,
    })
}

fn state(new: &NewNotification) -> Option<&'static str> {
    match new.initial_state {
        InitialState::Leased { .. } => Some("leased"),
        InitialState::Due => Some("due"),
        InitialState::Parked => Some("parked"),
        InitialState::Immediate | InitialState::Ended(_) => None,
    }
}

fn node(new: &NewNotification) -> Option<Uuid> {
    matches!(new.initial_state, InitialState::Leased { .. }).then(|| id(&new.node.0))
}

/// What is parked wakes at its deadline.
fn wake_at(new: &NewNotification) -> i64 {
    let deadline = new.delivery.deadline;
    let at = match new.initial_state {
        InitialState::Leased { until } => until,
        InitialState::Due => new.created_at.min(deadline),
        InitialState::Parked | InitialState::Immediate | InitialState::Ended(_) => deadline,
    };
    at.as_micros()
}

/// Inserts notifications with their ordinals and, unless their birth needs none, their deliveries.
pub(crate) async fn insert(db: &Session, new: &[(NewNotification, i64)]) -> Result<(), Trouble> {
    if new.is_empty() {
        return Ok(());
    }
    let columns = Columns::of(&column(new, |(new, _)| *new));
    let ordinals = column(new, |(_, ordinal)| *ordinal);
    let mut params = columns.params().to_vec();
    params.push(&ordinals);
    db.execute(INSERT, &params).await.map(|_| ())
}
