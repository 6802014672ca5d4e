//! Both backends have one schema: the same migrations, tables and columns.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use std::collections::BTreeSet;
use std::sync::Arc;

use countersign_store::Store;
use countersign_store::conformance::{Fixture, audit_trail};
use countersign_store::moving::{Kind, TABLES};
use countersign_store_postgres::{Options, PostgresStore};
use countersign_store_sqlite::SqliteStore;
use countersign_testkit::postgres::TestDatabase;

/// The type of a column, from either dialect.
fn kind(declared: &str) -> &str {
    match declared {
        "BLOB" | "uuid" | "bytea" => "bytes",
        "INTEGER" | "bigint" | "boolean" => "number",
        "TEXT" | "text" => "text",
        other => other,
    }
}

/// The columns of a table in their order, each with its type and whether it may be NULL.
type Column = (String, i64, String, String, bool);

fn of_sqlite(db: &rusqlite::Connection) -> BTreeSet<Column> {
    let sql = "SELECT t.name, c.cid + 1, c.name, c.type, c.\"notnull\" = 0 FROM sqlite_schema t \
               JOIN pragma_table_info(t.name) c WHERE t.type = 'table' AND t.name NOT LIKE 'refinery%'";
    let mut statement = db.prepare(sql).unwrap();
    let rows = statement.query_map((), |row| {
        let declared: String = row.get(3)?;
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, kind(&declared).to_owned(), row.get(4)?))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

fn of_postgres(database: &TestDatabase) -> BTreeSet<Column> {
    let text = database.psql(
        "SELECT table_name, ordinal_position, column_name, data_type, is_nullable = 'YES' \
         FROM information_schema.columns JOIN pg_class ON oid = to_regclass(table_name) AND NOT relispartition \
         WHERE table_schema = 'public' AND table_name NOT LIKE 'refinery%'",
    );
    let column = |line: &str| {
        let cells: Vec<_> = line.split('|').collect();
        let kind = kind(cells[3]).to_owned();
        (cells[0].to_owned(), cells[1].parse().unwrap(), cells[2].to_owned(), kind, cells[4] == "t")
    };
    text.lines().map(column).collect()
}

#[tokio::test]
async fn both_backends_have_the_same_schema() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    drop(SqliteStore::open(&path, countersign_store_sqlite::Options::default()).unwrap());
    let sqlite = rusqlite::Connection::open(&path).unwrap();
    let database = TestDatabase::new();
    let options = Options { url: database.url(), ..Options::default() };
    drop(PostgresStore::connect(options).await.unwrap());

    let (ours, theirs) = (of_sqlite(&sqlite), of_postgres(&database));
    assert!(ours.len() > 100, "the schema was read");
    assert_eq!(ours.difference(&theirs).collect::<Vec<_>>(), Vec::<&Column>::new());
    assert_eq!(theirs.difference(&ours).collect::<Vec<_>>(), Vec::<&Column>::new());

    let sql = "SELECT group_concat(version || ' ' || name, ';') \
               FROM (SELECT * FROM refinery_schema_history ORDER BY version)";
    let ours: String = sqlite.query_row(sql, (), |row| row.get(0)).unwrap();
    let theirs = database.psql(
        "SELECT string_agg(version || ' ' || name, ';' ORDER BY version) FROM refinery_schema_history",
    );
    assert_eq!(ours, theirs);
}

/// Every column of both schemas is in the list.
#[tokio::test]
async fn the_list_of_moved_tables_is_complete() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    drop(SqliteStore::open(&path, countersign_store_sqlite::Options::default()).unwrap());
    let schema = of_sqlite(&rusqlite::Connection::open(&path).unwrap());
    let columns = schema.into_iter().filter(|(table, ..)| table != "installation");
    let columns: BTreeSet<_> =
        columns.map(|(table, _, name, kind, _)| (table, name, kind)).collect();
    let listed = TABLES.iter().flat_map(|table| {
        table.columns().map(|(name, kind)| {
            let kind = match kind {
                Kind::Id | Kind::Bytes => "bytes",
                Kind::Number | Kind::Flag => "number",
                Kind::Text => "text",
            };
            (table.name.to_owned(), name.to_owned(), kind.to_owned())
        })
    });
    assert_eq!(listed.collect::<BTreeSet<_>>(), columns);
}

/// Rows can be sharded by entity over several servers only without these.
#[tokio::test]
async fn there_is_no_sequence_and_no_foreign_key() {
    let database = TestDatabase::new();
    let options = Options { url: database.url(), ..Options::default() };
    drop(PostgresStore::connect(options).await.unwrap());
    let count = database.psql(
        "SELECT (SELECT count(*) FROM pg_class WHERE relkind = 'S') \
         + (SELECT count(*) FROM pg_constraint WHERE contype = 'f')",
    );
    assert_eq!(count, "0");
}

#[tokio::test]
async fn an_action_without_its_entry_is_not_done() {
    let database = TestDatabase::new();
    let options = Options { url: database.url(), ..Options::default() };
    let store = PostgresStore::connect(options).await.unwrap();
    let fixture = Fixture::new(Arc::new(store) as Arc<dyn Store>);
    let service = fixture.make.service(&fixture.account().await);
    let store = fixture.store.audited(audit_trail::entry(&fixture, service.account));
    database.psql("DROP TABLE audit_entries");
    assert!(store.create_service(&service).await.is_err());
    assert_eq!(fixture.store.service(service.sid).await, Ok(None));
}
