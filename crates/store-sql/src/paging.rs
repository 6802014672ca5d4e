//! Pages of a list, read from an index in either direction.
//!
//! A page takes two reads: one for its items and one more, which shows whether the list continues, and one for a single item on
//! the other side of the cursor.

use countersign_store::page::{Cursor, Order, Page, PageQuery, Side};

/// Converts a query by SIDs into a query by keys.
pub fn keyed<S, K>(query: PageQuery<S>, key: impl FnOnce(S) -> K) -> PageQuery<K> {
    PageQuery {
        size: query.size,
        order: query.order,
        cursor: query.cursor.map(|cursor| Cursor { sid: key(cursor.sid), side: cursor.side }),
    }
}

/// Where a read of a list begins, and its direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start<K> {
    /// Towards greater keys.
    pub ascending: bool,
    /// The key; without one, the end of the list.
    pub key: Option<K>,
    /// Whether an item with the key itself is read.
    pub inclusive: bool,
}

/// The plan for reading a page.
#[derive(Debug, Clone, Copy)]
pub struct PagePlan<K> {
    size: usize,
    side: Side,
    ascending: bool,
    cursor: Option<K>,
}

impl<K: Copy> PagePlan<K> {
    /// Plans a query.
    pub fn new(query: &PageQuery<K>) -> Self {
        let side = query.cursor.map_or(Side::After, |cursor| cursor.side);
        Self {
            size: usize::from(query.size),
            side,
            ascending: (query.order == Order::Ascending) == (side == Side::After),
            cursor: query.cursor.map(|cursor| cursor.sid),
        }
    }

    /// The start of the first read.
    pub const fn start(&self) -> Start<K> {
        Start { ascending: self.ascending, key: self.cursor, inclusive: false }
    }

    /// The number of rows of the first read.
    pub const fn rows(&self) -> usize {
        self.size + 1
    }

    /// Cuts the items of the first read to the page. Returns whether the list continues.
    pub fn cut<T>(&self, items: &mut Vec<T>) -> bool {
        let continues = items.len() > self.size;
        items.truncate(self.size);
        continues
    }

    /// The start of the second read, of one row; `None` if nothing can lie there.
    pub fn other_side<T>(&self, items: &[T], key_of: impl FnOnce(&T) -> K) -> Option<Start<K>> {
        let cursor = self.cursor?;
        // The cursor's own item lies on the other side, if it still exists.
        let (key, inclusive) = items.first().map_or((cursor, true), |item| (key_of(item), false));
        Some(Start { ascending: !self.ascending, key: Some(key), inclusive })
    }

    /// The page of the items, given whether the list continues behind them and on the other side.
    pub fn page<T>(&self, mut items: Vec<T>, continues: bool, other_side: bool) -> Page<T> {
        let (has_previous, has_next) = match self.side {
            Side::After => (other_side, continues),
            Side::Before => {
                items.reverse();
                (continues, other_side)
            }
        };
        Page { items, has_previous, has_next }
    }
}

/// Merges the pages that one query found in two lists into the page of both lists together.
pub fn merge<S, T, K: Ord>(
    query: &PageQuery<S>,
    one: Page<T>,
    other: Page<T>,
    key_of: impl Fn(&T) -> K,
) -> Page<T> {
    let (mut items, size) = (one.items, usize::from(query.size));
    items.extend(other.items);
    items.sort_by_key(key_of);
    if query.order == Order::Descending {
        items.reverse();
    }
    let over = items.len() > size;
    let (mut has_previous, mut has_next) =
        (one.has_previous || other.has_previous, one.has_next || other.has_next);
    if query.cursor.as_ref().is_some_and(|cursor| cursor.side == Side::Before) {
        items.drain(..items.len().saturating_sub(size));
        has_previous |= over;
    } else {
        items.truncate(size);
        has_next |= over;
    }
    Page { items, has_previous, has_next }
}
