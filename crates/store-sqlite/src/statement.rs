//! Runs statements. Every statement is prepared once for each connection and cached.

use countersign_store::seam::Updated;
use countersign_store_sql::cells::RowResult;
use rusqlite::{Connection, Params, Row};

use crate::error::DatabaseError;

/// Defines the statements of a file, and lists them for the test of the query plans.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:expr;)*) => {
        $($(#[$doc])* pub(crate) const $name: &str = $sql;)*

        #[cfg(test)]
        pub(crate) const STATEMENTS: &[(&str, &str)] = &[$((stringify!($name), $sql)),*];
    };
}
pub(crate) use statements;

/// Joins the living owner of the row `$row`: its entity `e`, and the service `s` of that. The identity leads to the entity that has
/// it now, so a row of a deleted entity finds another entity, or none, and is not joined.
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

/// Runs a statement that writes. Returns how many rows it changed.
pub(crate) fn execute(
    db: &Connection,
    sql: &str,
    params: impl Params,
) -> Result<usize, DatabaseError> {
    Ok(db.prepare_cached(sql)?.execute(params)?)
}

/// Whether a query finds a row.
pub(crate) fn exists(
    db: &Connection,
    sql: &str,
    params: impl Params,
) -> Result<bool, DatabaseError> {
    Ok(db.prepare_cached(sql)?.exists(params)?)
}

/// Reads the first row of a query.
pub(crate) fn one<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> RowResult<T>,
) -> Result<Option<T>, DatabaseError> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    Ok(rows.next()?.map(read).transpose()?)
}

/// Reads all rows of a query.
pub(crate) fn all<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    mut read: impl FnMut(&Row<'_>) -> RowResult<T>,
) -> Result<Vec<T>, DatabaseError> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

/// The result of an update that is conditional on the version of the row.
pub(crate) fn updated(
    rows: usize,
    exists: impl FnOnce() -> Result<bool, DatabaseError>,
) -> Result<Updated, DatabaseError> {
    Ok(if rows > 0 {
        Updated::Done
    } else if exists()? {
        Updated::Stale
    } else {
        Updated::NotFound
    })
}
