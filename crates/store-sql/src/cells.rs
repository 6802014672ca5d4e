//! Reads the cells of a row from left to right.

/// A row of a query's result. Columns are numbered from 0.
pub trait SqlRow {
    /// Whether the cell is NULL.
    fn is_null(&self, at: usize) -> bool;
    /// A boolean.
    fn flag(&self, at: usize) -> Option<bool>;
    /// A number.
    fn number(&self, at: usize) -> Option<i64>;
    /// A text.
    fn text(&self, at: usize) -> Option<&str>;
    /// Bytes.
    fn bytes(&self, at: usize) -> Option<&[u8]>;
    /// The 16 bytes of a SID or a node.
    fn id(&self, at: usize) -> Option<[u8; 16]>;
    /// The name of the column.
    fn column(&self, at: usize) -> &str;
}

/// A cell that does not hold a value of the expected type: its table and column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorruptCell(pub String);

/// The result of reading a row.
pub type RowResult<T> = Result<T, CorruptCell>;

/// A type that a cell can be read as.
pub trait Cell: Sized {
    /// Reads the cell at `at`; `None` if it holds something else.
    fn read(row: &impl SqlRow, at: usize) -> Option<Self>;
}

macro_rules! cells {
    ($($rust:ty: |$row:ident, $at:ident| $read:expr;)*) => {$(
        impl Cell for $rust {
            fn read($row: &impl SqlRow, $at: usize) -> Option<Self> {
                $read
            }
        }
    )*};
}

cells! {
    bool: |row, at| row.flag(at);
    i64: |row, at| row.number(at);
    u8: |row, at| row.number(at)?.try_into().ok();
    u16: |row, at| row.number(at)?.try_into().ok();
    u32: |row, at| row.number(at)?.try_into().ok();
    u64: |row, at| row.number(at)?.try_into().ok();
    String: |row, at| row.text(at).map(str::to_owned);
    Vec<u8>: |row, at| row.bytes(at).map(<[u8]>::to_vec);
    [u8; 16]: |row, at| row.id(at);
    [u8; 32]: |row, at| row.bytes(at)?.try_into().ok();
    [u8; 65]: |row, at| row.bytes(at)?.try_into().ok();
}

impl<T: Cell> Cell for Option<T> {
    fn read(row: &impl SqlRow, at: usize) -> Option<Self> {
        if row.is_null(at) { Some(None) } else { T::read(row, at).map(Some) }
    }
}

/// The cells of a row that are not read yet.
pub struct Cells<R> {
    row: R,
    table: &'static str,
    next: usize,
}

impl<R: SqlRow> Cells<R> {
    /// All cells of a row. `table` is named when one is corrupt.
    pub const fn new(row: R, table: &'static str) -> Self {
        Self { row, table, next: 0 }
    }

    /// The cells that follow, which belong to another table of the join.
    #[must_use]
    pub fn next_table(self, table: &'static str) -> Self {
        Self { table, ..self }
    }

    /// Whether the next cell is NULL.
    pub fn is_null(&self) -> bool {
        self.row.is_null(self.next)
    }

    /// Reads the next cell.
    ///
    /// # Errors
    /// The cell holds something else.
    pub fn take<T: Cell>(&mut self) -> RowResult<T> {
        let at = self.step();
        T::read(&self.row, at).ok_or_else(|| self.corrupt(at))
    }

    /// Reads the next cell and converts it.
    ///
    /// # Errors
    /// The cell holds something else.
    pub fn map<C: Cell, T>(&mut self, convert: impl FnOnce(C) -> T) -> RowResult<T> {
        self.take().map(convert)
    }

    /// Reads the next cell and converts it, unless it is NULL.
    ///
    /// # Errors
    /// The cell holds something else.
    pub fn map_if_any<C: Cell, T>(&mut self, convert: impl FnOnce(C) -> T) -> RowResult<Option<T>> {
        Ok(self.take::<Option<C>>()?.map(convert))
    }

    /// Reads the next cell, a text, and parses it.
    ///
    /// # Errors
    /// The cell holds something else, or the text cannot be parsed.
    pub fn parse<T>(&mut self, parse: impl FnOnce(&str) -> Option<T>) -> RowResult<T> {
        let at = self.step();
        self.row.text(at).and_then(parse).ok_or_else(|| self.corrupt(at))
    }

    /// Reads the next cell, a text, and parses it, unless it is NULL.
    ///
    /// # Errors
    /// The cell holds something else, or the text cannot be parsed.
    pub fn parse_if_any<T>(
        &mut self,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> RowResult<Option<T>> {
        if self.is_null() {
            self.step();
            Ok(None)
        } else {
            self.parse(parse).map(Some)
        }
    }

    /// The error that the cell read last contradicts the others.
    pub fn contradiction(&self) -> CorruptCell {
        self.corrupt(self.next.saturating_sub(1))
    }

    const fn step(&mut self) -> usize {
        self.next += 1;
        self.next - 1
    }

    fn corrupt(&self, at: usize) -> CorruptCell {
        CorruptCell(format!("{}.{}", self.table, self.row.column(at)))
    }
}
