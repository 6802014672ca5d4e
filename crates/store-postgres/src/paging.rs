//! Pages of a list, read from an index in either direction.

use countersign_store::page::{Page, PageQuery};
use countersign_store_sql::cells::RowResult;
use countersign_store_sql::paging::{PagePlan, Start};
use countersign_store_sql::values::limit;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::error::DatabaseError;
use crate::params::{Field, Param};
use crate::session::Session;
use crate::statement::all;

/// A key that a list is ordered by.
pub(crate) trait Key: Field + Copy + Send {}

impl Key for Uuid {}
impl Key for i64 {}

/// Converts a query by SIDs into a query by UUIDs.
macro_rules! by_id {
    ($page:expr) => {
        ::countersign_store_sql::paging::keyed($page, |sid| $crate::params::id(sid.as_bytes()))
    };
}
pub(crate) use by_id;

/// A list.
pub(crate) struct Listing<'a> {
    /// The query, which ends with a condition.
    pub(crate) select: &'static str,
    /// The column that the list is ordered by.
    pub(crate) key: &'static str,
    /// The parameters from `$1` on.
    pub(crate) params: &'a [Param<'a>],
}

impl Listing<'_> {
    /// Reads a page.
    pub(crate) async fn page<K: Key, T>(
        &self,
        db: &Session,
        query: PageQuery<K>,
        read: impl Fn(&Row) -> RowResult<T> + Send + Sync,
        key_of: impl FnOnce(&T) -> K + Send,
    ) -> Result<Page<T>, DatabaseError>
    where
        T: Send,
    {
        let plan = PagePlan::new(&query);
        let mut items = self.rows(db, plan.start(), plan.rows(), &read).await?;
        let continues = plan.cut(&mut items);
        let other_side = match plan.other_side(&items, key_of) {
            Some(start) => !self.rows(db, start, 1, &read).await?.is_empty(),
            None => false,
        };
        Ok(plan.page(items, continues, other_side))
    }

    async fn rows<K: Key, T>(
        &self,
        db: &Session,
        start: Start<K>,
        most: usize,
        read: &(impl Fn(&Row) -> RowResult<T> + Send + Sync),
    ) -> Result<Vec<T>, DatabaseError> {
        let (select, key) = (self.select, self.key);
        let most = limit(most);
        let mut params = self.params.to_vec();
        params.push(&most);
        let last = params.len();
        let mut condition = String::new();
        if let Some(place) = &start.key {
            params.push(place);
            let compare = match (start.ascending, start.inclusive) {
                (true, false) => ">",
                (true, true) => ">=",
                (false, false) => "<",
                (false, true) => "<=",
            };
            condition = format!(" AND {key} {compare} ${}", params.len());
        }
        let direction = if start.ascending { "" } else { " DESC" };
        let sql = format!("{select}{condition} ORDER BY {key}{direction} LIMIT ${last}");
        all(db, &sql, &params, read).await
    }
}
