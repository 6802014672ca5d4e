//! Pages have checksums: in new files, in copies, and in files of earlier builds.

#![expect(clippy::unwrap_used, reason = "what a test unwraps is what it tries")]

use std::path::Path;

use countersign_store::error::StoreError;
use countersign_store::seam::Upkeep;
use countersign_store_sqlite::{Depth, Options, SqliteStore, copy_file};
use rusqlite::Connection;

const PAGE: usize = 4_096;

fn open(path: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(path, Options::default())
}

fn has_checksums(path: &Path) -> bool {
    std::fs::read(path).unwrap()[20] == 8
}

#[tokio::test]
async fn a_copy_has_the_checksums_of_its_source() {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (folder.path().join("source.db"), folder.path().join("target.db"));
    let store = open(&source).unwrap();
    std::fs::File::create(&target).unwrap();
    // Some of its pages are still in the log.
    copy_file(&source, &target, |_, _| {}).unwrap();
    drop(store);
    assert!(has_checksums(&source) && has_checksums(&target));
    for path in [source, target] {
        assert_eq!(open(&path).unwrap().faults(Depth::Full).await, Ok(Vec::new()));
    }
}

#[tokio::test]
async fn a_file_of_an_earlier_build_gets_checksums_and_keeps_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let earlier = Connection::open(&path).unwrap();
    earlier
        .execute_batch(
            "PRAGMA journal_mode = WAL; CREATE TABLE old (x); INSERT INTO old VALUES (7);",
        )
        .unwrap();
    drop(earlier);
    assert!(!has_checksums(&path));
    let store = open(&path).unwrap();
    store.check().await.unwrap();
    assert_eq!(store.faults(Depth::Full).await, Ok(Vec::new()));
    drop(store);
    assert!(has_checksums(&path));
    let db = Connection::open(&path).unwrap();
    assert_eq!(db.query_row("SELECT x FROM old", (), |row| row.get::<_, i64>(0)), Ok(7));
}

#[tokio::test]
async fn a_flipped_bit_in_a_page_is_found_by_the_check() {
    const ROOT: &str = "SELECT rootpage FROM sqlite_schema WHERE name = 'webhooks'";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    drop(open(&path).unwrap());
    let root: i64 = Connection::open(&path).unwrap().query_row(ROOT, (), |row| row.get(0)).unwrap();
    let mut file = std::fs::read(&path).unwrap();
    file[usize::try_from(root).unwrap() * PAGE - 9] ^= 1;
    std::fs::write(&path, file).unwrap();
    let store = open(&path).unwrap();
    let faults = store.faults(Depth::Quick).await.unwrap();
    assert!(faults.len() == 1 && faults[0].contains("checksum"), "{faults:?}");
}
