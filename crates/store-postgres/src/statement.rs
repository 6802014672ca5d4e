//! Running statements.

use countersign_store::seam::{Inserted, Updated};
use tokio_postgres::Row;

use crate::database::Session;
use crate::params::Param;
use crate::trouble::Trouble;

/// The joins that find a living owner of the row `$row`: its entity, and that one's service. The identity leads to the
/// entity that has it now, so a row of an entity that was deleted meanwhile finds another one, or none.
macro_rules! living {
    ($row:literal) => {
        concat!(
            " JOIN entities e ON e.service_sid = ",
            $row,
            ".service_sid AND e.identity = ",
            $row,
            ".identity AND e.sid = ",
            $row,
            ".entity_sid JOIN services s ON s.sid = ",
            $row,
            ".service_sid "
        )
    };
}
pub(crate) use living;

/// Whether a query finds anything.
pub(crate) async fn exists(db: &Session, sql: &str, params: &[Param<'_>]) -> Result<bool, Trouble> {
    Ok(!db.query(sql, params).await?.is_empty())
}

/// The first row of a query.
pub(crate) async fn one<T>(
    db: &Session,
    sql: &str,
    params: &[Param<'_>],
    read: impl FnOnce(&Row) -> Result<T, Trouble>,
) -> Result<Option<T>, Trouble> {
    db.query(sql, params).await?.first().map(read).transpose()
}

/// All rows of a query.
pub(crate) async fn all<T>(
    db: &Session,
    sql: &str,
    params: &[Param<'_>],
    read: impl FnMut(&Row) -> Result<T, Trouble>,
) -> Result<Vec<T>, Trouble> {
    db.query(sql, params).await?.iter().map(read).collect()
}

/// What an insertion that steps aside for an existing row came to.
pub(crate) const fn inserted(rows: usize) -> Inserted {
    if rows == 0 { Inserted::NotUnique } else { Inserted::Done }
}

/// What an update on the condition that nobody was faster came to.
pub(crate) async fn updated(
    db: &Session,
    rows: usize,
    exists_sql: &str,
    key: &[Param<'_>],
) -> Result<Updated, Trouble> {
    Ok(if rows > 0 {
        Updated::Done
    } else if exists(db, exists_sql, key).await? {
        Updated::Stale
    } else {
        Updated::Gone
    })
}
