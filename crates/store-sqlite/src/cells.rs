//! Reading the cells of a row from left to right. One that is not what it should be names its table and column.

use rusqlite::Row;
use rusqlite::types::{FromSql, ValueRef};

use crate::trouble::Trouble;

/// The cells of a row that are still to be read.
pub(crate) struct Cells<'a, 'row> {
    row: &'a Row<'row>,
    table: &'static str,
    next: usize,
}

impl<'a, 'row> Cells<'a, 'row> {
    /// From the first one on.
    pub(crate) fn of(row: &'a Row<'row>, table: &'static str) -> Self {
        Self { row, table, next: 0 }
    }

    /// The cells that follow those of the table before it in a join.
    pub(crate) fn then(self, table: &'static str) -> Self {
        Self { table, ..self }
    }

    /// Whether the next cell is empty.
    pub(crate) fn is_null(&self) -> bool {
        matches!(self.row.get_ref(self.next), Ok(ValueRef::Null))
    }

    /// The next cell.
    pub(crate) fn take<T: FromSql>(&mut self) -> Result<T, Trouble> {
        let at = self.step();
        self.row.get(at).map_err(|_| self.corrupt(at))
    }

    /// The next cell as something that any value of its type can be made into.
    pub(crate) fn make<R: FromSql, T>(&mut self, make: impl FnOnce(R) -> T) -> Result<T, Trouble> {
        self.take().map(make)
    }

    /// The next cell, a text, as what it stands for.
    pub(crate) fn parse<T>(&mut self, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, Trouble> {
        let at = self.step();
        let text = self.row.get_ref(at).ok().and_then(|cell| cell.as_str().ok());
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
        let column = self.row.as_ref().column_name(at).unwrap_or("?");
        Trouble::Corrupt(format!("{}.{column}", self.table))
    }
}
