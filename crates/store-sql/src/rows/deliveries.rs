//! Deliveries.

use countersign_domain::delivery::Delivery;
use countersign_domain::ending::Ending;
use countersign_domain::sid::{ChallengeSid, EntitySid, FactorSid, NotificationSid};
use countersign_domain::time::Instant;

use crate::cells::{Cells, RowResult, SqlRow};

/// Reads the cells `notification_sid, challenge_sid, factor_sid, entity_sid, deadline, attempts`.
///
/// # Errors
/// A cell is corrupt.
pub fn delivery<R: SqlRow>(cells: &mut Cells<R>) -> RowResult<Delivery> {
    Ok(Delivery {
        notification: cells.map(NotificationSid::from_bytes)?,
        challenge: cells.map(ChallengeSid::from_bytes)?,
        factor: cells.map(FactorSid::from_bytes)?,
        entity: cells.map(EntitySid::from_bytes)?,
        deadline: cells.map(Instant::from_micros)?,
        attempts: cells.take()?,
        once: false,
    })
}

/// A delivery that is about to end, leased or not.
#[derive(Debug, Clone, Copy)]
pub struct OpenDelivery {
    /// Its challenge.
    pub challenge: ChallengeSid,
    /// Its notification.
    pub notification: NotificationSid,
    /// The ordinal of its notification.
    pub ordinal: i64,
    /// Whether it was written to the device's stream, and not acknowledged.
    pub written: bool,
}

impl OpenDelivery {
    /// Reads the cells `challenge_sid, notification_sid, ordinal, written`.
    ///
    /// # Errors
    /// A cell is corrupt.
    pub fn read<R: SqlRow>(cells: &mut Cells<R>) -> RowResult<Self> {
        Ok(Self {
            challenge: cells.map(ChallengeSid::from_bytes)?,
            notification: cells.map(NotificationSid::from_bytes)?,
            ordinal: cells.take()?,
            written: cells.take()?,
        })
    }
}

/// Reads a delivery whose deadline has passed, and its ending: the cells of [`OpenDelivery::read`], the number of attempts, and
/// whether it was parked.
///
/// # Errors
/// A cell is corrupt.
pub fn overdue<R: SqlRow>(mut cells: Cells<R>) -> RowResult<(OpenDelivery, Ending)> {
    let open = OpenDelivery::read(&mut cells)?;
    let (attempts, was_parked) = (cells.take()?, cells.take()?);
    Ok((open, Ending::overdue(was_parked, attempts)))
}
