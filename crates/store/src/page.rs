//! Pages of a list. Lists are ordered by SID, which is the order of creation.

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Oldest first.
    #[default]
    Ascending,
    /// Newest first.
    Descending,
}

/// On which side of a cursor the page lies, in the order of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The items that follow the cursor.
    After,
    /// The items that lead up to it.
    Before,
}

/// A place in a list: beside an item, which need not exist any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor<S> {
    /// The item.
    pub sid: S,
    /// Which side of it.
    pub side: Side,
}

/// Which part of a list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageQuery<S> {
    /// At most that many items: 1 to 1,000.
    pub size: u16,
    /// In which order.
    pub order: Order,
    /// Where; from the start if absent.
    pub cursor: Option<Cursor<S>>,
}

impl<S> PageQuery<S> {
    /// The first page, oldest first.
    pub const fn first(size: u16) -> Self {
        Self { size, order: Order::Ascending, cursor: None }
    }
}

/// A part of a list, always in the list's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Whether some come before the first of them.
    pub has_previous: bool,
    /// Whether some come after the last.
    pub has_next: bool,
}

impl<T> Page<T> {
    /// The same page of other items.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(f).collect(),
            has_previous: self.has_previous,
            has_next: self.has_next,
        }
    }
}
