use std::path::{Path, PathBuf};

use super::*;

const PAGE: usize = 4_096;

/// A database with checksums and some rows in a table and its index; closed.
fn stage(rows: usize) -> (tempfile::TempDir, PathBuf) {
    assert!(install());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let db = Connection::open(&path).unwrap();
    assert_eq!(ends(&db), Ok(Ends::Empty));
    reserve(&db).unwrap();
    db.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (x PRIMARY KEY, y);").unwrap();
    for number in 0..rows {
        db.execute("INSERT INTO t VALUES (?1, randomblob(700))", [number as i64]).unwrap();
    }
    drop(db);
    (folder, path)
}

fn mapped(path: &Path) -> Connection {
    let db = Connection::open(path).unwrap();
    db.execute_batch("PRAGMA mmap_size = 100000000").unwrap();
    db
}

/// Everything that a file says, read by both ways through its table.
fn read_all(db: &Connection) -> Result<(i64, Vec<u8>), Error> {
    let count =
        db.query_row("SELECT sum(x) FROM t INDEXED BY sqlite_autoindex_t_1", (), |row| row.get(0))?;
    let mut all = Vec::new();
    let mut statement = db.prepare("SELECT y FROM t NOT INDEXED ORDER BY rowid")?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        all.extend(row.get::<_, Vec<u8>>(0)?);
    }
    Ok((count, all))
}

#[test]
fn every_page_of_a_new_file_has_the_checksum_of_cksumvfs() {
    let (_folder, path) = stage(100);
    let file = std::fs::read(&path).unwrap();
    assert_eq!(file[20], 8);
    for page in file.chunks(PAGE) {
        let (mut one, mut two) = (0_u32, 0_u32);
        for pair in page[..PAGE - 8].chunks(8) {
            let word = |at: usize| u32::from_le_bytes(pair[at..at + 4].try_into().unwrap());
            one = one.wrapping_add(word(0)).wrapping_add(two);
            two = two.wrapping_add(word(4)).wrapping_add(one);
        }
        assert_eq!(page[PAGE - 8..], [one.to_le_bytes(), two.to_le_bytes()].concat());
    }
}

#[test]
fn a_flipped_bit_in_any_page_is_refused_or_changes_nothing() {
    let (_folder, path) = stage(100);
    let file = std::fs::read(&path).unwrap();
    let right = read_all(&mapped(&path)).unwrap();
    let (mut refused, pages) = (0, file.len() / PAGE);
    for page in 0..pages {
        for (byte, is_mapped) in
            [(7, true), (7, false), (2_000, true), (4_000, false), (4_090, true)]
        {
            let mut wrong = file.clone();
            wrong[page * PAGE + byte] ^= 4;
            std::fs::write(&path, wrong).unwrap();
            let db = if is_mapped { mapped(&path) } else { Connection::open(&path).unwrap() };
            match read_all(&db) {
                Ok(found) => assert_eq!(found, right, "page {page}, byte {byte}"),
                Err(error) => {
                    assert!(page == 0 || is_wrong_page(&error), "{error}");
                    refused += 1;
                }
            }
        }
    }
    assert!(pages > 20 && refused >= (pages - 1) * 5, "{refused} refusals of {pages} pages");
}

#[test]
fn a_file_without_checksums_is_read_as_it_is_and_gets_them_by_a_vacuum() {
    assert!(install());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let db = Connection::open(&path).unwrap();
    db.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (x PRIMARY KEY, y);").unwrap();
    db.execute("INSERT INTO t VALUES (1, randomblob(90000))", ()).unwrap();
    let before = read_all(&db).unwrap();
    drop(db);
    let db = Connection::open(&path).unwrap();
    assert_eq!(ends(&db), Ok(Ends::Content));
    reserve(&db).unwrap();
    db.execute_batch("VACUUM").unwrap();
    drop(db);
    let db = mapped(&path);
    assert_eq!(ends(&db), Ok(Ends::Checksums));
    assert_eq!(read_all(&db).unwrap(), before);
    drop(db);
    let mut file = std::fs::read(&path).unwrap();
    file[9 * PAGE + 100] ^= 1;
    std::fs::write(&path, file).unwrap();
    assert!(read_all(&mapped(&path)).is_err_and(|error| is_wrong_page(&error)));
}

#[test]
fn pages_that_one_connection_copies_into_the_file_are_checked_in_the_map_of_another() {
    let (_folder, path) = stage(50);
    let (writer, reader) = (mapped(&path), mapped(&path));
    for round in 0..20 {
        read_all(&reader).unwrap();
        writer.execute("UPDATE t SET y = randomblob(700) WHERE x % 20 = ?1", [round]).unwrap();
        writer.query_row("PRAGMA wal_checkpoint(PASSIVE)", (), |_| Ok(())).unwrap();
        assert_eq!(read_all(&reader).unwrap(), read_all(&writer).unwrap());
    }
}
