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

/// The side of a cursor on which a page lies, in the order of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The items that follow the cursor.
    After,
    /// The items that precede the cursor.
    Before,
}

/// A place in a list, beside an item that need not exist any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor<S> {
    /// The item.
    pub sid: S,
    /// The side of the item.
    pub side: Side,
}

/// The part of a list that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageQuery<S> {
    /// The most items: 1 to 1,000.
    pub size: u16,
    /// The order of the list.
    pub order: Order,
    /// Where the page lies; without one, at the start of the list.
    pub cursor: Option<Cursor<S>>,
}

impl<S> PageQuery<S> {
    /// The first page, oldest first.
    pub const fn first(size: u16) -> Self {
        Self { size, order: Order::Ascending, cursor: None }
    }
}

/// A part of a list, in the order of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Whether items precede the first one.
    pub has_previous: bool,
    /// Whether items follow the last one.
    pub has_next: bool,
}

impl<T> Page<T> {
    /// Converts the items.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(f).collect(),
            has_previous: self.has_previous,
            has_next: self.has_next,
        }
    }
}
