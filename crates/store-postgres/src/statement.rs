//! Running statements.

use countersign_store::seam::{Inserted, Updated};
use tokio_postgres::Row;

use crate::database::Session;
use crate::params::Param;
use crate::trouble::Trouble;

// A plan is kept, and was perhaps made when the tables were small or had not been counted yet: then the server would
// rather read all entities than look for one. `OFFSET 0` keeps it from turning a look-up for each row into such a join.

/// Joins the living `owner` of the row `$row`: its entity, with the settings of that one's service. The identity leads to the
/// entity that has it now, so a row of an entity that was deleted meanwhile finds another one, or none.
macro_rules! living {
    ($row:literal) => {
        concat!(
            " CROSS JOIN LATERAL (SELECT s.settings FROM entities e JOIN services s ON s.sid = e.service_sid \
             WHERE e.service_sid = ",
            $row,
            ".service_sid AND e.identity = ",
            $row,
            ".identity AND e.sid = ",
            $row,
            ".entity_sid OFFSET 0) AS owner "
        )
    };
}
pub(crate) use living;

/// Joins the factor of the row `$row`, which is of the table `$table`; NULLs if it is gone.
macro_rules! factor_of {
    ($row:literal, $table:literal as $factor:literal) => {
        concat!(
            " LEFT JOIN LATERAL (SELECT * FROM ",
            $table,
            " WHERE entity_sid = ",
            $row,
            ".entity_sid AND sid = ",
            $row,
            ".factor_sid OFFSET 0) AS ",
            $factor,
            " ON true "
        )
    };
}
pub(crate) use factor_of;

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
        Updated::NotFound
    })
}
