//! The cells of a row of PostgreSQL.

use countersign_store_sql::cells::{self, SqlRow};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};
use uuid::Uuid;

/// A row of a query's result.
pub(crate) struct PostgresRow<'a>(&'a Row);

/// The cells of a row that are not read yet.
pub(crate) type Cells<'a> = cells::Cells<PostgresRow<'a>>;

/// All cells of a row. `table` is named when one is corrupt.
pub(crate) const fn cells_of<'a>(row: &'a Row, table: &'static str) -> Cells<'a> {
    cells::Cells::new(PostgresRow(row), table)
}

/// A value of any type, for asking whether a cell is NULL.
struct Anything;

impl<'a> FromSql<'a> for Anything {
    fn from_sql(_: &Type, _: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self)
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

impl<'a> PostgresRow<'a> {
    fn value<T: FromSql<'a>>(&self, at: usize) -> Option<T> {
        self.0.try_get(at).ok()
    }
}

impl SqlRow for PostgresRow<'_> {
    fn is_null(&self, at: usize) -> bool {
        matches!(self.0.try_get::<_, Option<Anything>>(at), Ok(None))
    }

    fn flag(&self, at: usize) -> Option<bool> {
        self.value(at)
    }

    fn number(&self, at: usize) -> Option<i64> {
        self.value(at)
    }

    fn text(&self, at: usize) -> Option<&str> {
        self.value(at)
    }

    fn bytes(&self, at: usize) -> Option<&[u8]> {
        self.value(at)
    }

    fn id(&self, at: usize) -> Option<[u8; 16]> {
        self.value(at).map(Uuid::into_bytes)
    }

    fn column(&self, at: usize) -> &str {
        self.0.columns().get(at).map_or("?", |column| column.name())
    }
}
