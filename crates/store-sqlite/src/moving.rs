//! Rows in the neutral form, for moving to another database. The statements are made from the list of tables.

use async_trait::async_trait;
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::moving::{CellChange, Moving, Row, Table, Value};
use countersign_store_sql::cells::{CorruptCell, RowResult};
use countersign_store_sql::values::limit;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, params, params_from_iter};

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::statement::{all, execute, one, statements};
use crate::store::SqliteStore;

statements! {
    KEY_CHECK = "SELECT key_check FROM installation WHERE id = 1";
    REPLACE_KEY_CHECK = "UPDATE installation SET key_check = ?2 WHERE id = 1 AND key_check IS ?1";
}

/// A value as a parameter.
struct Cell<'a>(&'a Value);

impl ToSql for Cell<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Nothing => ValueRef::Null,
            Value::Number(number) => ValueRef::Integer(*number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// A list of question marks.
fn marks(count: usize) -> String {
    vec!["?"; count].join(", ")
}

fn read(row: &rusqlite::Row<'_>, table: &Table, columns: usize) -> RowResult<Row> {
    let cell = |at| match row.get_ref(at) {
        Ok(ValueRef::Null) => Some(Value::Nothing),
        Ok(ValueRef::Integer(number)) => Some(Value::Number(number)),
        Ok(ValueRef::Text(text)) => String::from_utf8(text.to_vec()).ok().map(Value::Text),
        Ok(ValueRef::Blob(bytes)) => Some(Value::Bytes(bytes.to_vec())),
        Ok(ValueRef::Real(_)) | Err(_) => None,
    };
    let corrupt = |at| {
        let column = row.as_ref().column_name(at).unwrap_or("?");
        CorruptCell(format!("{}.{column}", table.name))
    };
    (0..columns).map(|at| cell(at).ok_or_else(|| corrupt(at))).collect()
}

struct Put(&'static Table, Vec<Row>);

impl Command for Put {
    type Output = ();

    fn run(&self, db: &Connection) -> Result<(), DatabaseError> {
        let Self(table, rows) = self;
        let marks = marks(table.columns().count());
        let sql = format!("INSERT INTO {} ({}) VALUES ({marks})", table.name, table.names());
        for row in rows {
            execute(db, &sql, params_from_iter(row.iter().map(Cell)))?;
        }
        Ok(())
    }
}

struct ReplaceCells(&'static Table, &'static str, Vec<CellChange>);

impl Command for ReplaceCells {
    type Output = usize;

    fn run(&self, db: &Connection) -> Result<usize, DatabaseError> {
        let Self(table, column, changes) = self;
        let is_row: String = table.key.iter().map(|(name, _)| format!("{name} = ? AND ")).collect();
        let sql = format!("UPDATE {} SET {column} = ? WHERE {is_row}{column} = ?", table.name);
        let mut replaced = 0;
        for CellChange { key, was, new } in changes {
            let (was, new) = (Value::Bytes(was.clone()), Value::Bytes(new.clone()));
            let values = [&new].into_iter().chain(key).chain([&was]);
            replaced += execute(db, &sql, params_from_iter(values.map(Cell)))?;
        }
        Ok(replaced)
    }
}

struct ReplaceKeyCheck(Option<[u8; 32]>, [u8; 32]);

impl Command for ReplaceKeyCheck {
    type Output = bool;

    fn run(&self, db: &Connection) -> Result<bool, DatabaseError> {
        Ok(execute(db, REPLACE_KEY_CHECK, params![self.0, self.1])? > 0)
    }
}

#[async_trait]
impl Moving for SqliteStore {
    async fn rows(
        &self,
        table: &'static Table,
        after: Option<&[Value]>,
        most: usize,
    ) -> StoreResult<Vec<Row>> {
        let (names, key) = (table.names(), table.key_names());
        let after = after.unwrap_or_default();
        let behind = if after.is_empty() {
            String::new()
        } else {
            format!("WHERE ({key}) > ({})", marks(after.len()))
        };
        let sql =
            format!("SELECT {names} FROM {} {behind} ORDER BY {key} LIMIT {most}", table.name);
        let columns = table.columns().count();
        let asked = params_from_iter(after.iter().map(Cell));
        self.read(|db| all(db, &sql, asked, |row| read(row, table, columns)))
    }

    async fn count(&self, table: &'static Table) -> StoreResult<u64> {
        let sql = format!("SELECT count(*) FROM {}", table.name);
        let count =
            self.read(|db| one(db, &sql, (), |row| cells_of(row, table.name).take::<i64>()))?;
        Ok(count.map_or(0, i64::unsigned_abs))
    }

    async fn last_key(&self, table: &'static Table) -> StoreResult<Option<Vec<Value>>> {
        let key = table.key_names();
        let descending = key.replace(',', " DESC,");
        let sql = format!(
            "SELECT {key} FROM {} ORDER BY {descending} DESC LIMIT {}",
            table.name,
            limit(1)
        );
        self.read(|db| one(db, &sql, (), |row| read(row, table, table.key.len())))
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

    /// SQLite needs no preparation.
    async fn expect_rows(&self, _: Instant, _: Instant) -> StoreResult<()> {
        Ok(())
    }

    async fn kept_key_check(&self) -> StoreResult<Option<[u8; 32]>> {
        let kept =
            self.read(|db| one(db, KEY_CHECK, (), |row| cells_of(row, "installation").take()))?;
        Ok(kept.flatten())
    }

    async fn replace_key_check(&self, was: Option<[u8; 32]>, value: [u8; 32]) -> StoreResult<bool> {
        self.write(ReplaceKeyCheck(was, value)).await
    }
}
