//! Pages of a list, read from an index in either direction.

use countersign_store::page::{Page, PageQuery};
use countersign_store_sql::cells::RowResult;
use countersign_store_sql::paging::{PagePlan, Start};
use countersign_store_sql::values::limit;
use rusqlite::types::ToSql;
use rusqlite::{Connection, Row};

use crate::error::DatabaseError;
use crate::statement::all;

/// The statement that reads a list towards greater keys: `?1` is the owner of the list, `?2` the key behind which the read begins,
/// `?3` the most rows.
macro_rules! upwards {
    ($key:literal; $($query:tt)*) => {
        concat!($($query)*, " AND ", $key, " > ?2 ORDER BY ", $key, " LIMIT ?3")
    };
}
pub(crate) use upwards;

/// The statement that reads a list towards smaller keys.
macro_rules! downwards {
    ($key:literal; $($query:tt)*) => {
        concat!($($query)*, " AND ", $key, " < ?2 ORDER BY ", $key, " DESC LIMIT ?3")
    };
}
pub(crate) use downwards;

/// A key that a list is ordered by.
pub(crate) trait Key: Copy {
    /// A place at a key or between two keys.
    type Place: ToSql;
    /// The place of the key itself.
    fn place(self) -> Self::Place;
    /// The place right below the key, or right above it.
    fn beside(self, above: bool) -> Self::Place;
    /// The place below, or above, all keys.
    fn beyond(above: bool) -> Self::Place;
}

/// Of two blobs, one that is a prefix of the other is the smaller.
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

/// Ordinals are never negative.
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

/// A list: its two statements, and their parameters besides the place and the size.
pub(crate) struct Listing<'a> {
    /// Made by `upwards!`.
    pub(crate) up: &'static str,
    /// Made by `downwards!`.
    pub(crate) down: &'static str,
    /// The parameter `?1`.
    pub(crate) owner: &'a dyn ToSql,
    /// The parameters from `?4` on.
    pub(crate) filters: &'a [&'a dyn ToSql],
}

impl Listing<'_> {
    /// Reads a page.
    pub(crate) fn page<K: Key, T>(
        &self,
        db: &Connection,
        query: PageQuery<K>,
        read: impl Fn(&Row<'_>) -> RowResult<T>,
        key_of: impl FnOnce(&T) -> K,
    ) -> Result<Page<T>, DatabaseError> {
        let plan = PagePlan::new(&query);
        let mut items = self.rows(db, plan.start(), plan.rows(), &read)?;
        let continues = plan.cut(&mut items);
        let other_side = match plan.other_side(&items, key_of) {
            Some(start) => !self.rows(db, start, 1, &read)?.is_empty(),
            None => false,
        };
        Ok(plan.page(items, continues, other_side))
    }

    fn rows<K: Key, T>(
        &self,
        db: &Connection,
        start: Start<K>,
        most: usize,
        read: &impl Fn(&Row<'_>) -> RowResult<T>,
    ) -> Result<Vec<T>, DatabaseError> {
        let up = start.ascending;
        let from = match start.key {
            None => K::beyond(!up),
            Some(key) if start.inclusive => key.beside(!up),
            Some(key) => key.place(),
        };
        let most = limit(most);
        let mut params: Vec<&dyn ToSql> = vec![self.owner, &from, &most];
        params.extend(self.filters);
        all(db, if up { self.up } else { self.down }, params.as_slice(), read)
    }
}
