//! Pages of a list, read from an index in either direction.

use countersign_store::{Cursor, Order, Page, PageQuery, Side};
use rusqlite::types::ToSql;
use rusqlite::{Connection, Row};

use crate::statement::all;
use crate::trouble::Trouble;

/// The statement of a list towards greater keys: `?1` is whose list it is, `?2` the key where it begins, `?3` how many.
macro_rules! upwards {
    ($key:literal; $($query:tt)*) => {
        concat!($($query)*, " AND ", $key, " > ?2 ORDER BY ", $key, " LIMIT ?3")
    };
}
pub(crate) use upwards;

/// The same towards smaller ones.
macro_rules! downwards {
    ($key:literal; $($query:tt)*) => {
        concat!($($query)*, " AND ", $key, " < ?2 ORDER BY ", $key, " DESC LIMIT ?3")
    };
}
pub(crate) use downwards;

/// What a list is ordered by.
pub(crate) trait Key: Copy {
    /// A place between keys, or at one.
    type Place: ToSql;
    /// The place of the key itself.
    fn place(self) -> Self::Place;
    /// The place right below the key, or right above it.
    fn beside(self, above: bool) -> Self::Place;
    /// Below, or above, all that can be in a list.
    fn beyond(above: bool) -> Self::Place;
}

/// A blob that begins another one is the smaller of the two.
impl Key for [u8; 16] {
    type Place = Vec<u8>;

    fn place(self) -> Vec<u8> {
        self.to_vec()
    }

    fn beside(self, above: bool) -> Vec<u8> {
        if above {
            return [self.as_slice(), &[0]].concat();
        }
        u128::from_be_bytes(self)
            .checked_sub(1)
            .map_or_else(Vec::new, |below| below.to_be_bytes().to_vec())
    }

    fn beyond(above: bool) -> Vec<u8> {
        if above { vec![0xff; 17] } else { Vec::new() }
    }
}

/// Ordinals, which are never negative.
impl Key for i64 {
    type Place = i64;

    fn place(self) -> i64 {
        self
    }

    fn beside(self, above: bool) -> i64 {
        self.saturating_add(if above { 1 } else { -1 })
    }

    fn beyond(above: bool) -> i64 {
        if above { i64::MAX } else { -1 }
    }
}

/// A query by SIDs as one by the keys behind them.
pub(crate) fn keyed<S, K>(query: PageQuery<S>, key: impl FnOnce(S) -> K) -> PageQuery<K> {
    PageQuery {
        size: query.size,
        order: query.order,
        cursor: query.cursor.map(|cursor| Cursor { sid: key(cursor.sid), side: cursor.side }),
    }
}

/// A list: its two statements and what they ask for beside the place and the size.
pub(crate) struct Listing<'a> {
    /// Made by [`upwards!`].
    pub(crate) up: &'static str,
    /// Made by [`downwards!`].
    pub(crate) down: &'static str,
    /// `?1`.
    pub(crate) owner: &'a dyn ToSql,
    /// `?4` and on.
    pub(crate) filters: &'a [&'a dyn ToSql],
}

/// The page of two lists together, made of the pages that the same query found in each.
pub(crate) fn merge<S, T, K: Ord>(
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

impl Listing<'_> {
    /// Reads a page, and looks whether anything lies on either side of it.
    pub(crate) fn page<K: Key, T>(
        &self,
        db: &Connection,
        query: PageQuery<K>,
        read: impl Fn(&Row<'_>) -> Result<T, Trouble>,
        key_of: impl FnOnce(&T) -> K,
    ) -> Result<Page<T>, Trouble> {
        let size = usize::from(query.size);
        let side = query.cursor.map_or(Side::After, |cursor| cursor.side);
        let up = (query.order == Order::Ascending) == (side == Side::After);
        let from = query.cursor.map_or_else(|| K::beyond(!up), |cursor| cursor.sid.place());

        let mut items = self.rows(db, up, &from, query.size + 1, &read)?;
        let more = items.len() > size;
        items.truncate(size);
        let others = match query.cursor {
            None => false,
            Some(cursor) => {
                // the cursor's own item is among the others, if it is still there
                let edge = items
                    .first()
                    .map_or_else(|| cursor.sid.beside(up), |item| key_of(item).place());
                !self.rows(db, !up, &edge, 1, &read)?.is_empty()
            }
        };
        let (has_previous, has_next) = match side {
            Side::After => (others, more),
            Side::Before => {
                items.reverse();
                (more, others)
            }
        };
        Ok(Page { items, has_previous, has_next })
    }

    fn rows<T>(
        &self,
        db: &Connection,
        up: bool,
        from: &dyn ToSql,
        most: u16,
        read: &impl Fn(&Row<'_>) -> Result<T, Trouble>,
    ) -> Result<Vec<T>, Trouble> {
        let mut params: Vec<&dyn ToSql> = vec![self.owner, from, &most];
        params.extend(self.filters);
        all(db, if up { self.up } else { self.down }, params.as_slice(), read)
    }
}
