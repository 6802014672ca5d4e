//! Pages of a list, read from an index in either direction.

use countersign_store::{Cursor, Order, Page, PageQuery, Side};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::database::Session;
use crate::params::{Field, Param};
use crate::statement::all;
use crate::trouble::Trouble;

/// What a list is ordered by.
pub(crate) trait Key: Field + Copy + Send {}

impl Key for Uuid {}
impl Key for i64 {}

/// A query by SIDs as one by the keys behind them.
pub(crate) fn keyed<S, K>(query: PageQuery<S>, key: impl FnOnce(S) -> K) -> PageQuery<K> {
    PageQuery {
        size: query.size,
        order: query.order,
        cursor: query.cursor.map(|cursor| Cursor { sid: key(cursor.sid), side: cursor.side }),
    }
}

/// A query by SIDs as one by the 16 bytes behind them.
macro_rules! by_id {
    ($page:expr) => {
        $crate::paging::keyed($page, |sid| $crate::params::id(sid.as_bytes()))
    };
}
pub(crate) use by_id;

/// A list.
pub(crate) struct Listing<'a> {
    /// The query, which ends with a condition.
    pub(crate) select: &'static str,
    /// The column that it is ordered by.
    pub(crate) key: &'static str,
    /// What it asks for: `$1` and on.
    pub(crate) params: &'a [Param<'a>],
}

/// Where a look at a list begins.
struct From<'a, K> {
    /// Towards greater keys.
    up: bool,
    /// At this key, or at the end of the list.
    key: Option<&'a K>,
    /// Whether that one is among what is looked for.
    inclusive: bool,
}

impl Listing<'_> {
    /// Reads a page, and looks whether anything lies on either side of it.
    pub(crate) async fn page<K: Key, T>(
        &self,
        db: &Session,
        query: PageQuery<K>,
        read: impl Fn(&Row) -> Result<T, Trouble> + Send + Sync,
        key_of: impl FnOnce(&T) -> K + Send,
    ) -> Result<Page<T>, Trouble>
    where
        T: Send,
    {
        let size = usize::from(query.size);
        let side = query.cursor.map_or(Side::After, |cursor| cursor.side);
        let up = (query.order == Order::Ascending) == (side == Side::After);
        let cursor = query.cursor.map(|cursor| cursor.sid);

        let from = From { up, key: cursor.as_ref(), inclusive: false };
        let mut items = self.rows(db, from, size + 1, &read).await?;
        let more = items.len() > size;
        items.truncate(size);
        let others = match cursor {
            None => false,
            Some(cursor) => {
                // the cursor's own item is among the others, if it is still there
                let (edge, inclusive) =
                    items.first().map_or((cursor, true), |item| (key_of(item), false));
                let from = From { up: !up, key: Some(&edge), inclusive };
                !self.rows(db, from, 1, &read).await?.is_empty()
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

    async fn rows<K: Key, T>(
        &self,
        db: &Session,
        from: From<'_, K>,
        most: usize,
        read: &(impl Fn(&Row) -> Result<T, Trouble> + Send + Sync),
    ) -> Result<Vec<T>, Trouble> {
        let (select, key) = (self.select, self.key);
        let most = crate::limit(most);
        let mut params = self.params.to_vec();
        params.push(&most);
        let limit = params.len();
        let mut condition = String::new();
        if let Some(place) = from.key {
            params.push(place);
            let compare = match (from.up, from.inclusive) {
                (true, false) => ">",
                (true, true) => ">=",
                (false, false) => "<",
                (false, true) => "<=",
            };
            condition = format!(" AND {key} {compare} ${}", params.len());
        }
        let direction = if from.up { "" } else { " DESC" };
        let sql = format!("{select}{condition} ORDER BY {key}{direction} LIMIT ${limit}");
        all(db, &sql, &params, read).await
    }
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
