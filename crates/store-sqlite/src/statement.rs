//! Running statements. Every text is prepared once for each connection and kept.

use countersign_store::seam::{Inserted, Updated};
use rusqlite::{Connection, Params, Row};

use crate::trouble::Trouble;

/// Names the statements of a file, and lists them all for the test that looks at their query plans.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:expr;)*) => {
        $($(#[$doc])* pub(crate) const $name: &str = $sql;)*

        #[cfg(test)]
        pub(crate) const STATEMENTS: &[(&str, &str)] = &[$((stringify!($name), $sql)),*];
    };
}
pub(crate) use statements;

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

/// Runs a statement that writes; how many rows it touched.
pub(crate) fn execute(db: &Connection, sql: &str, params: impl Params) -> Result<usize, Trouble> {
    Ok(db.prepare_cached(sql)?.execute(params)?)
}

/// Whether a query finds anything.
pub(crate) fn exists(db: &Connection, sql: &str, params: impl Params) -> Result<bool, Trouble> {
    Ok(db.prepare_cached(sql)?.exists(params)?)
}

/// The first row of a query.
pub(crate) fn one<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> Result<T, Trouble>,
) -> Result<Option<T>, Trouble> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    rows.next()?.map(read).transpose()
}

/// All rows of a query.
pub(crate) fn all<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    mut read: impl FnMut(&Row<'_>) -> Result<T, Trouble>,
) -> Result<Vec<T>, Trouble> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

/// What an insertion that steps aside for an existing row came to.
pub(crate) const fn inserted(rows: usize) -> Inserted {
    if rows == 0 { Inserted::NotUnique } else { Inserted::Done }
}

/// What an update on the condition that nobody was faster came to.
pub(crate) fn updated(
    rows: usize,
    exists: impl FnOnce() -> Result<bool, Trouble>,
) -> Result<Updated, Trouble> {
    Ok(if rows > 0 {
        Updated::Done
    } else if exists()? {
        Updated::Stale
    } else {
        Updated::NotFound
    })
}
