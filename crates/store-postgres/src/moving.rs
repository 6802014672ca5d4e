//! Rows in the neutral form, for moving to another database. The statements are made from the list of tables.

use async_trait::async_trait;
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::moving::{CellChange, Column, Kind, Moving, Row, Table, Value};
use countersign_store_sql::cells::RowResult;
use countersign_store_sql::values::limit;
use uuid::Uuid;

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::params::{Field, Param, params};
use crate::session::Session;
use crate::statement::{all, one};
use crate::store::PostgresStore;
use crate::time_limits::TimeLimit;
use crate::{gather, history};

const KEY_CHECK: &str = "SELECT key_check FROM installation WHERE id = 1";
const REPLACE_KEY_CHECK: &str =
    "UPDATE installation SET key_check = $2 WHERE id = 1 AND key_check IS NOT DISTINCT FROM $1";
/// The connections of servers to the database, without this process's own connection and with those of poolers.
const OTHERS: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                      AND application_name = 'countersign' AND pid <> pg_backend_pid()";

/// Orders texts by their bytes, whatever the collation of the database.
fn in_order((name, kind): Column) -> String {
    if kind == Kind::Text { format!("{name} COLLATE \"C\"") } else { name.to_owned() }
}

/// The columns of the key, each with a direction.
fn ordered(table: &Table, direction: &str) -> String {
    let columns = table.key.iter().map(|column| in_order(*column) + direction);
    columns.collect::<Vec<_>>().join(", ")
}

fn corrupt(table: &Table, (name, _): Column) -> DatabaseError {
    DatabaseError::Corrupt(format!("{}.{name}", table.name))
}

fn read(
    row: &tokio_postgres::Row,
    table: &'static Table,
    columns: impl Iterator<Item = Column>,
) -> RowResult<Row> {
    let mut cells = cells_of(row, table.name);
    let cell = |(_, kind)| -> RowResult<Value> {
        Ok(match kind {
            Kind::Id => cells.take::<Option<[u8; 16]>>()?.map(|id| Value::Bytes(id.to_vec())),
            Kind::Bytes => cells.take::<Option<Vec<u8>>>()?.map(Value::Bytes),
            Kind::Number => cells.take::<Option<i64>>()?.map(Value::Number),
            Kind::Flag => cells.take::<Option<bool>>()?.map(|flag| Value::Number(flag.into())),
            Kind::Text => cells.take::<Option<String>>()?.map(Value::Text),
        }
        .unwrap_or(Value::Nothing))
    };
    columns.map(cell).collect()
}

/// A value as a parameter of its column's type.
fn param(
    table: &Table,
    column: Column,
    value: &Value,
) -> Result<Box<dyn Field + Sync>, DatabaseError> {
    Ok(match (column.1, value) {
        (Kind::Id, Value::Bytes(bytes)) => {
            Box::new(Uuid::from_slice(bytes).map_err(|_| corrupt(table, column))?)
        }
        (Kind::Number, Value::Number(number)) => Box::new(*number),
        (Kind::Text, Value::Text(text)) => Box::new(text.clone()),
        _ => return Err(corrupt(table, column)),
    })
}

/// The values of a column as an array parameter.
fn array(
    table: &Table,
    column: Column,
    values: impl Iterator<Item = Value>,
) -> Result<Box<dyn Field + Sync>, DatabaseError> {
    fn of<T>(
        values: impl Iterator<Item = Value>,
        cell: impl Fn(Value) -> Option<T>,
    ) -> Option<Vec<Option<T>>> {
        let cell = |value| match value {
            Value::Nothing => Some(None),
            other => cell(other).map(Some),
        };
        values.map(cell).collect()
    }
    fn boxed<T>(values: Option<Vec<Option<T>>>) -> Option<Box<dyn Field + Sync>>
    where
        Vec<Option<T>>: Field + 'static,
    {
        values.map(|values| Box::new(values) as _)
    }
    let array = match column.1 {
        Kind::Id => boxed(of(values, |value| match value {
            Value::Bytes(bytes) => Uuid::from_slice(&bytes).ok(),
            _ => None,
        })),
        Kind::Bytes => boxed(of(values, |value| match value {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        })),
        Kind::Number => boxed(of(values, |value| match value {
            Value::Number(number) => Some(number),
            _ => None,
        })),
        Kind::Flag => boxed(of(values, |value| match value {
            Value::Number(number @ (0 | 1)) => Some(number == 1),
            _ => None,
        })),
        Kind::Text => boxed(of(values, |value| match value {
            Value::Text(text) => Some(text),
            _ => None,
        })),
    };
    array.ok_or_else(|| corrupt(table, column))
}

fn borrowed(params: &[Box<dyn Field + Sync>]) -> Vec<Param<'_>> {
    params.iter().map(|param| &**param as Param<'_>).collect()
}

struct Put(&'static Table, Vec<Row>);

#[async_trait]
impl Command for Put {
    type Output = ();
    const TIME_LIMIT: TimeLimit = TimeLimit::Unlimited;

    async fn run(&self, db: &Session) -> Result<(), DatabaseError> {
        let Self(table, rows) = self;
        let values =
            |at: usize| rows.iter().map(move |row| row.get(at).cloned().unwrap_or(Value::Nothing));
        let columns = table.columns().enumerate();
        let arrays = columns.map(|(at, column)| array(table, column, values(at)));
        let arrays = arrays.collect::<Result<Vec<_>, _>>()?;
        let marks: Vec<_> = (1..=arrays.len()).map(|number| format!("${number}")).collect();
        let sql = format!(
            "INSERT INTO {} ({}) SELECT * FROM unnest({})",
            table.name,
            table.names(),
            marks.join(", ")
        );
        db.execute(&sql, &borrowed(&arrays)).await.map(|_| ())
    }
}

struct ReplaceCells(&'static Table, &'static str, Vec<CellChange>);

#[async_trait]
impl Command for ReplaceCells {
    type Output = usize;

    async fn run(&self, db: &Session) -> Result<usize, DatabaseError> {
        let Self(table, column, changes) = self;
        let key = table.key.iter().zip(3..);
        let is_row: String = key.map(|((name, _), at)| format!("{name} = ${at} AND ")).collect();
        let sql = format!("UPDATE {} SET {column} = $2 WHERE {is_row}{column} = $1", table.name);
        let mut replaced = 0;
        for CellChange { key, was, new } in changes {
            let key = table.key.iter().zip(key).map(|(column, value)| param(table, *column, value));
            let key = key.collect::<Result<Vec<_>, _>>()?;
            let (was, new) = (was.as_slice(), new.as_slice());
            let mut values: Vec<Param<'_>> = vec![&was, &new];
            values.extend(borrowed(&key));
            replaced += db.execute(&sql, &values).await?;
        }
        Ok(replaced)
    }
}

struct ReplaceKeyCheck(Option<[u8; 32]>, [u8; 32]);

#[async_trait]
impl Command for ReplaceKeyCheck {
    type Output = bool;

    async fn run(&self, db: &Session) -> Result<bool, DatabaseError> {
        let (was, value) = (self.0.as_ref().map(<[u8; 32]>::as_slice), self.1.as_slice());
        Ok(db.execute(REPLACE_KEY_CHECK, params![was, value]).await? > 0)
    }
}

impl PostgresStore {
    /// Counts the connections that servers have to the database. The store must have one connection, which is not counted.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn servers(&self) -> StoreResult<u64> {
        let db = self.session().await?;
        let count = one(&db, OTHERS, &[], |row| cells_of(row, "pg_stat_activity").take::<i64>());
        Ok(count.await?.map_or(0, i64::unsigned_abs))
    }
}

#[async_trait]
impl Moving for PostgresStore {
    async fn rows(
        &self,
        table: &'static Table,
        after: Option<&[Value]>,
        most: usize,
    ) -> StoreResult<Vec<Row>> {
        let (name, names, order) = (table.name, table.names(), ordered(table, ""));
        let after = after.unwrap_or_default().iter().zip(table.key);
        let after = after.map(|(value, column)| param(table, *column, value));
        let mut after = after.collect::<Result<Vec<_>, _>>()?;
        let behind = if after.is_empty() {
            String::new()
        } else {
            let marks: Vec<_> = (1..=after.len()).map(|number| format!("${number}")).collect();
            // The second condition follows from the first, and lets the server skip earlier partitions.
            let first = in_order(table.key[0]);
            format!("WHERE ({order}) > ({}) AND {first} >= $1", marks.join(", "))
        };
        after.push(Box::new(limit(most)));
        let last = after.len();
        let sql = format!("SELECT {names} FROM {name} {behind} ORDER BY {order} LIMIT ${last}");
        let db = self.db.unlimited_session().await?;
        let asked = borrowed(&after);
        let rows = all(&db, &sql, &asked, |row| read(row, table, table.columns())).await?;
        db.commit().await?;
        Ok(rows)
    }

    async fn count(&self, table: &'static Table) -> StoreResult<u64> {
        let db = self.db.unlimited_session().await?;
        let sql = format!("SELECT count(*) FROM {}", table.name);
        let count = one(&db, &sql, &[], |row| cells_of(row, table.name).take::<i64>()).await?;
        db.commit().await?;
        Ok(count.map_or(0, i64::unsigned_abs))
    }

    async fn last_key(&self, table: &'static Table) -> StoreResult<Option<Vec<Value>>> {
        let db = self.db.unlimited_session().await?;
        let (key, order) = (table.key_names(), ordered(table, " DESC"));
        let sql = format!("SELECT {key} FROM {} ORDER BY {order} LIMIT 1", table.name);
        let last = one(&db, &sql, &[], |row| read(row, table, table.key.iter().copied())).await?;
        db.commit().await?;
        Ok(last)
    }

    async fn put_rows(&self, table: &'static Table, rows: Vec<Row>) -> StoreResult<()> {
        self.write(Put(table, rows)).await
    }

    async fn replace_cells(
        &self,
        table: &'static Table,
        column: &'static str,
        changes: Vec<CellChange>,
    ) -> StoreResult<usize> {
        self.write(ReplaceCells(table, column, changes)).await
    }

    /// Creates the partitions of the rows.
    async fn expect_rows(&self, from: Instant, now: Instant) -> StoreResult<()> {
        let db = self.db.clone();
        let expecting = tokio::spawn(async move { history::create_from(&db, from, now).await });
        Ok(expecting.await.map_err(|_| gather::broken())??)
    }

    async fn kept_key_check(&self) -> StoreResult<Option<[u8; 32]>> {
        let db = self.session().await?;
        let read = |row: &tokio_postgres::Row| cells_of(row, "installation").take();
        Ok(one(&db, KEY_CHECK, &[], read).await?.flatten())
    }

    async fn replace_key_check(&self, was: Option<[u8; 32]>, value: [u8; 32]) -> StoreResult<bool> {
        self.write(ReplaceKeyCheck(was, value)).await
    }
}
