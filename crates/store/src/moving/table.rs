//! A table, as moving sees it.

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 16 bytes: a SID or a node.
    Id,
    /// Bytes.
    Bytes,
    /// A number, or an instant.
    Number,
    /// A boolean: [`Value::Number`](super::Value::Number) 1 or 0.
    Flag,
    /// Text.
    Text,
}

/// A column: its name and its type.
pub type Column = (&'static str, Kind);

pub(super) const fn id(name: &'static str) -> Column {
    (name, Kind::Id)
}

pub(super) const fn bytes(name: &'static str) -> Column {
    (name, Kind::Bytes)
}

pub(super) const fn number(name: &'static str) -> Column {
    (name, Kind::Number)
}

pub(super) const fn flag(name: &'static str) -> Column {
    (name, Kind::Flag)
}

pub(super) const fn text(name: &'static str) -> Column {
    (name, Kind::Text)
}

/// A table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// The columns of its primary key, by which the rows are ordered, bytewise. They come first.
    pub key: &'static [Column],
    /// The other columns.
    pub rest: &'static [Column],
}

impl Table {
    /// All columns, in the order of a [`Row`](super::Row)'s values.
    pub fn columns(&self) -> impl Iterator<Item = Column> + Clone {
        self.key.iter().chain(self.rest).copied()
    }

    /// The names of all columns, separated by commas.
    pub fn names(&self) -> String {
        list(self.columns())
    }

    /// The names of the columns of the key, separated by commas.
    pub fn key_names(&self) -> String {
        list(self.key.iter().copied())
    }
}

fn list(columns: impl Iterator<Item = Column>) -> String {
    columns.map(|(name, _)| name).collect::<Vec<_>>().join(", ")
}
