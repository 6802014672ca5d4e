//! Rows in the neutral form, in and out. Their statements are made of the list of tables, and are few.

use async_trait::async_trait;
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::moving::{Moving, Row, Table, Value};
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, params, params_from_iter};

use crate::cells::Cells;
use crate::statement::{all, execute, one, statements};
use crate::trouble::Trouble;
use crate::writer::Command;
use crate::{SqliteStore, limit};

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

/// So many question marks with commas between.
fn marks(count: usize) -> String {
    vec!["?"; count].join(", ")
}

fn read(row: &rusqlite::Row<'_>, table: &Table, columns: usize) -> Result<Row, Trouble> {
    let mut cells = Cells::of(row, table.name);
    let mut cell = || -> Result<Value, Trouble> {
        Ok(match cells.take::<rusqlite::types::Value>()? {
            rusqlite::types::Value::Null => Value::Nothing,
            rusqlite::types::Value::Integer(number) => Value::Number(number),
            rusqlite::types::Value::Text(text) => Value::Text(text),
            rusqlite::types::Value::Blob(bytes) => Value::Bytes(bytes),
            rusqlite::types::Value::Real(_) => return Err(cells.senseless()),
        })
    };
    (0..columns).map(|_| cell()).collect()
}

struct Put(&'static Table, Vec<Row>);

impl Command for Put {
    type Answer = ();

    fn run(&self, db: &Connection) -> Result<(), Trouble> {
        let Self(table, rows) = self;
        let marks = marks(table.columns().count());
        let sql = format!("INSERT INTO {} ({}) VALUES ({marks})", table.name, table.names());
        for row in rows {
            execute(db, &sql, params_from_iter(row.iter().map(Cell)))?;
        }
        Ok(())
    }
}

struct ReplaceKeyCheck(Option<[u8; 32]>, [u8; 32]);

impl Command for ReplaceKeyCheck {
    type Answer = bool;

    fn run(&self, db: &Connection) -> Result<bool, Trouble> {
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
            self.read(|db| one(db, &sql, (), |row| Cells::of(row, table.name).take::<i64>()))?;
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

    /// Nothing is to be made ready.
    async fn expect_rows(&self, _: Instant, _: Instant) -> StoreResult<()> {
        Ok(())
    }

    async fn kept_key_check(&self) -> StoreResult<Option<[u8; 32]>> {
        let kept =
            self.read(|db| one(db, KEY_CHECK, (), |row| Cells::of(row, "installation").take()))?;
        Ok(kept.flatten())
    }

    async fn replace_key_check(&self, was: Option<[u8; 32]>, value: [u8; 32]) -> StoreResult<bool> {
        self.write(ReplaceKeyCheck(was, value)).await
    }
}
