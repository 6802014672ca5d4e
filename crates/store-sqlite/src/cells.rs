//! The cells of a row of SQLite.

use countersign_store_sql::cells::{self, SqlRow};
use rusqlite::Row;
use rusqlite::types::ValueRef;

/// A row of a query's result.
pub(crate) struct SqliteRow<'a, 'stmt>(&'a Row<'stmt>);

/// The cells of a row that are not read yet.
pub(crate) type Cells<'a, 'stmt> = cells::Cells<SqliteRow<'a, 'stmt>>;

/// All cells of a row. `table` is named when one is corrupt.
pub(crate) const fn cells_of<'a, 'stmt>(
    row: &'a Row<'stmt>,
    table: &'static str,
) -> Cells<'a, 'stmt> {
    cells::Cells::new(SqliteRow(row), table)
}

impl SqliteRow<'_, '_> {
    fn value(&self, at: usize) -> Option<ValueRef<'_>> {
        self.0.get_ref(at).ok()
    }
}

impl SqlRow for SqliteRow<'_, '_> {
    fn is_null(&self, at: usize) -> bool {
        matches!(self.value(at), Some(ValueRef::Null))
    }

    fn flag(&self, at: usize) -> Option<bool> {
        self.number(at).map(|number| number != 0)
    }

    fn number(&self, at: usize) -> Option<i64> {
        self.value(at)?.as_i64().ok()
    }

    fn text(&self, at: usize) -> Option<&str> {
        self.value(at)?.as_str().ok()
    }

    fn bytes(&self, at: usize) -> Option<&[u8]> {
        self.value(at)?.as_blob().ok()
    }

    fn id(&self, at: usize) -> Option<[u8; 16]> {
        self.bytes(at)?.try_into().ok()
    }

    fn column(&self, at: usize) -> &str {
        self.0.as_ref().column_name(at).unwrap_or("?")
    }
}
