//! Entities.

use std::time::Duration;

use countersign_domain::entity::{Entity, Owner};
use countersign_domain::sid::{AccountSid, EntitySid, ServiceSid};
use countersign_domain::text::{AccountLabel, Identity};
use countersign_domain::time::Instant;

use crate::cells::{Cells, RowResult, SqlRow};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The columns of [`entity`], of the table alias `e`.
#[macro_export]
macro_rules! entity_columns {
    () => {
        "e.account_sid, e.service_sid, e.sid, e.identity, e.label, e.created_at, e.updated_at"
    };
}

/// Reads an entity.
///
/// # Errors
/// A cell is corrupt.
pub fn entity<R: SqlRow>(mut cells: Cells<R>) -> RowResult<Entity> {
    Ok(Entity {
        owner: owner(&mut cells)?,
        label: cells.parse_if_any(|text| AccountLabel::parse(text).ok())?,
        created_at: cells.map(Instant::from_micros)?,
        updated_at: cells.map(Instant::from_micros)?,
    })
}

/// Reads four cells: account, service, entity and identity.
pub(super) fn owner<R: SqlRow>(cells: &mut Cells<R>) -> RowResult<Owner> {
    Ok(Owner {
        account: cells.map(AccountSid::from_bytes)?,
        service: cells.map(ServiceSid::from_bytes)?,
        entity: cells.map(EntitySid::from_bytes)?,
        identity: cells.parse(|text| Identity::parse(text).ok())?,
    })
}

/// An entity and the day in which its new factors are counted.
#[derive(Debug, Clone, Copy)]
pub struct EntityDay {
    /// The entity.
    pub sid: EntitySid,
    began_at: Instant,
    factors: u32,
}

impl EntityDay {
    /// Reads the cells `sid, day_began_at, day_factors`.
    ///
    /// # Errors
    /// A cell is corrupt.
    pub fn read<R: SqlRow>(mut cells: Cells<R>) -> RowResult<Self> {
        Ok(Self {
            sid: cells.map(EntitySid::from_bytes)?,
            began_at: cells.map(Instant::from_micros)?,
            factors: cells.take()?,
        })
    }

    /// The beginning of the day that a factor created at `now` is counted in, and the number of factors before it.
    pub fn at(&self, now: Instant) -> (Instant, u32) {
        if self.factors == 0 || now >= self.began_at + DAY {
            (now, 0)
        } else {
            (self.began_at, self.factors)
        }
    }
}
