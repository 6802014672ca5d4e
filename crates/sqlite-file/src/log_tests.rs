use super::*;

/// A database in the mode of the server, with some transactions in its log, and the bytes of that.
fn stage(transactions: usize) -> (tempfile::TempDir, PathBuf, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let (original, path) = (folder.path().join("original.db"), folder.path().join("store.db"));
    let db = Connection::open(&original).unwrap();
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (x);",
    )
    .unwrap();
    for number in 0..transactions {
        db.execute("INSERT INTO t VALUES (randomblob(9000 + ?1))", [number as i64]).unwrap();
    }
    std::fs::copy(&original, &path).unwrap();
    let log = std::fs::read(path_of(&original)).unwrap();
    std::fs::write(path_of(&path), &log).unwrap();
    (folder, path, log)
}

fn opened(path: &Path) -> Result<i64, String> {
    let db = Connection::open(path).unwrap();
    secure(&db, path)?;
    Ok(db.query_row("SELECT count(*) FROM t", (), |row| row.get(0)).unwrap())
}

fn refused(path: &Path) -> Option<String> {
    opened(path).err()
}

#[test]
fn a_whole_log_is_written_over_itself_and_read() {
    let (_folder, path, log) = stage(5);
    let file = File::open(path_of(&path)).unwrap();
    assert_eq!(examine(&file).unwrap(), Log { valid: log.len() as u64 });
    write_anew(&path_of(&path)).unwrap();
    assert_eq!(std::fs::read(path_of(&path)).unwrap(), log);
    assert_eq!(opened(&path), Ok(5));
}

#[test]
fn a_log_whose_last_write_was_cut_off_is_read_up_to_there() {
    let (_folder, path, log) = stage(5);
    // Sectors of the last transaction that never reached the disk, or its end.
    let mut torn = log.clone();
    let last = torn.len() - 2 * 4_120;
    torn[last + 512..last + 1_536].fill(0);
    for bytes in [torn, log[..log.len() - 100].to_vec(), log[..log.len() - 4_120].to_vec()] {
        std::fs::write(path_of(&path), bytes).unwrap();
        let copy = path.with_extension("copy");
        std::fs::copy(&path, &copy).unwrap();
        std::fs::copy(path_of(&path), path_of(&copy)).unwrap();
        assert_eq!(opened(&copy), Ok(4));
    }
}

#[test]
fn one_wrong_bit_anywhere_in_a_log_is_refused_and_the_log_stays() {
    let (_folder, path, log) = stage(3);
    for byte in (0..log.len()).step_by(131).chain([24, 31, 32, 36, 40, 48, 55, log.len() - 1]) {
        let mut wrong = log.clone();
        wrong[byte] ^= 0x10;
        std::fs::write(path_of(&path), &wrong).unwrap();
        let error = refused(&path).unwrap_or_else(|| panic!("byte {byte} is taken"));
        assert!(error.contains("store.db-wal: "), "it names the file: {error}");
        assert_eq!(std::fs::read(path_of(&path)).unwrap(), wrong, "byte {byte}");
    }
}

#[test]
fn a_damaged_frame_before_whole_transactions_is_refused() {
    let (_folder, path, mut log) = stage(5);
    log[6 * 4_120..6 * 4_120 + 700].fill(0x55);
    std::fs::write(path_of(&path), &log).unwrap();
    let error = refused(&path).unwrap();
    assert!(error.contains("is damaged, and transactions follow"), "{error}");
}

#[test]
fn frames_of_an_earlier_round_beyond_the_end_are_no_damage() {
    let (_folder, path, _) = stage(9);
    let db = Connection::open(&path).unwrap();
    let _reader = Connection::open(&path).unwrap();
    db.query_row("PRAGMA wal_checkpoint(RESTART)", (), |_| Ok(())).unwrap();
    db.execute("INSERT INTO t VALUES ('first of the next round')", ()).unwrap();
    let file = File::open(path_of(&path)).unwrap();
    let valid = examine(&file).unwrap().valid;
    assert!(valid > 0 && valid < file.metadata().unwrap().len());
    secure(&db, &path).unwrap();
}
