//! Runs statements.

use countersign_store::seam::Updated;
use countersign_store_sql::cells::RowResult;
use tokio_postgres::Row;

use crate::error::DatabaseError;
use crate::params::Param;
use crate::session::Session;

// A plan is cached, and may have been made when the tables were small or had no statistics: then the server prefers a join that
// reads all entities. `OFFSET 0` keeps it from turning a look-up for each row into such a join.

/// Joins the living `owner` of the row `$row`: its entity, with the settings of that entity's service. The identity leads to the
/// entity that has it now, so a row of a deleted entity finds another entity, or none, and is not joined.
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

/// Joins the factor of the row `$row`, from the table `$table`; NULLs if it does not exist.
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

/// Whether a query finds a row.
pub(crate) async fn exists(
    db: &Session,
    sql: &str,
    params: &[Param<'_>],
) -> Result<bool, DatabaseError> {
    Ok(!db.query(sql, params).await?.is_empty())
}

/// Reads the first row of a query.
pub(crate) async fn one<T>(
    db: &Session,
    sql: &str,
    params: &[Param<'_>],
    read: impl FnOnce(&Row) -> RowResult<T>,
) -> Result<Option<T>, DatabaseError> {
    Ok(db.query(sql, params).await?.first().map(read).transpose()?)
}

/// Reads all rows of a query.
pub(crate) async fn all<T>(
    db: &Session,
    sql: &str,
    params: &[Param<'_>],
    read: impl FnMut(&Row) -> RowResult<T>,
) -> Result<Vec<T>, DatabaseError> {
    Ok(db.query(sql, params).await?.iter().map(read).collect::<Result<_, _>>()?)
}

/// The result of an update that is conditional on the version of the row.
pub(crate) async fn updated(
    db: &Session,
    rows: usize,
    exists_sql: &str,
    key: &[Param<'_>],
) -> Result<Updated, DatabaseError> {
    Ok(if rows > 0 {
        Updated::Done
    } else if exists(db, exists_sql, key).await? {
        Updated::Stale
    } else {
        Updated::NotFound
    })
}
