//! Reading the cells of a row from left to right. One that is not what it should be names its table and column.

use tokio_postgres::Row;
use tokio_postgres::types::FromSql;
use uuid::Uuid;

use crate::trouble::Trouble;

/// What a cell can be read as.
pub(crate) trait Cell: Sized {
    /// Reads the cell at `at`.
    fn read(row: &Row, at: usize) -> Option<Self>;
}

macro_rules! plain {
    ($($rust:ty)*) => {$(
        impl Cell for $rust {
            fn read(row: &Row, at: usize) -> Option<Self> {
                row.try_get(at).ok()
            }
        }
    )*};
}
plain!(bool i64 String Vec<u8>);

macro_rules! narrow {
    ($($rust:ty)*) => {$(
        impl Cell for $rust {
            fn read(row: &Row, at: usize) -> Option<Self> {
                row.try_get::<_, i64>(at).ok()?.try_into().ok()
            }
        }
    )*};
}
narrow!(u8 u16 u32);

impl Cell for [u8; 16] {
    fn read(row: &Row, at: usize) -> Option<Self> {
        row.try_get::<_, Uuid>(at).ok().map(Uuid::into_bytes)
    }
}

impl Cell for [u8; 32] {
    fn read(row: &Row, at: usize) -> Option<Self> {
        row.try_get::<_, &[u8]>(at).ok()?.try_into().ok()
    }
}

impl Cell for [u8; 65] {
    fn read(row: &Row, at: usize) -> Option<Self> {
        row.try_get::<_, &[u8]>(at).ok()?.try_into().ok()
    }
}

impl<T: Cell> Cell for Option<T> {
    fn read(row: &Row, at: usize) -> Option<Self> {
        if is_null(row, at) { Some(None) } else { T::read(row, at).map(Some) }
    }
}

/// A value of any type, of which only is asked whether it is there.
struct Anything;

impl<'a> FromSql<'a> for Anything {
    fn from_sql(
        _: &tokio_postgres::types::Type,
        _: &'a [u8],
    ) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self)
    }

    fn accepts(_: &tokio_postgres::types::Type) -> bool {
        true
    }
}

fn is_null(row: &Row, at: usize) -> bool {
    matches!(row.try_get::<_, Option<Anything>>(at), Ok(None))
}

/// The cells of a row that are still to be read.
pub(crate) struct Cells<'a> {
    row: &'a Row,
    table: &'static str,
    next: usize,
}

impl<'a> Cells<'a> {
    /// From the first one on.
    pub(crate) fn of(row: &'a Row, table: &'static str) -> Self {
        Self { row, table, next: 0 }
    }

    /// The cells that follow those of the table before it in a join.
    pub(crate) fn then(self, table: &'static str) -> Self {
        Self { table, ..self }
    }

    /// Whether the next cell is empty.
    pub(crate) fn is_null(&self) -> bool {
        is_null(self.row, self.next)
    }

    /// The next cell.
    pub(crate) fn take<T: Cell>(&mut self) -> Result<T, Trouble> {
        let at = self.step();
        T::read(self.row, at).ok_or_else(|| self.corrupt(at))
    }

    /// The next cell as something that any value of its type can be made into.
    pub(crate) fn make<R: Cell, T>(&mut self, make: impl FnOnce(R) -> T) -> Result<T, Trouble> {
        self.take().map(make)
    }

    /// The next cell, a text, as what it stands for.
    pub(crate) fn parse<T>(&mut self, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, Trouble> {
        let at = self.step();
        let text = self.row.try_get::<_, &str>(at).ok();
        text.and_then(parse).ok_or_else(|| self.corrupt(at))
    }

    /// The next cell, a text or empty, likewise.
    pub(crate) fn parse_if_any<T>(
        &mut self,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Trouble> {
        if self.is_null() {
            self.step();
            Ok(None)
        } else {
            self.parse(parse).map(Some)
        }
    }

    /// The trouble that the cell read last makes no sense beside the others.
    pub(crate) fn senseless(&self) -> Trouble {
        self.corrupt(self.next.saturating_sub(1))
    }

    fn step(&mut self) -> usize {
        self.next += 1;
        self.next - 1
    }

    fn corrupt(&self, at: usize) -> Trouble {
        let column = self.row.columns().get(at).map_or("?", |column| column.name());
        Trouble::Corrupt(format!("{}.{column}", self.table))
    }
}
