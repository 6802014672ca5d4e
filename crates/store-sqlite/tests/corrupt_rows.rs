//! Rows that something outside of the server has damaged.

use std::sync::Arc;

use countersign_domain::sid::ChallengeSid;
use countersign_domain::summary::COUNTED_BACK;
use countersign_store::conformance::Fixture;
use countersign_store_sqlite::{Options, SqliteStore};
use rusqlite::Connection;

#[tokio::test]
async fn corrupt_challenges_do_not_keep_others_from_being_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = SqliteStore::open(path.clone(), Options::default()).unwrap();
    let fixture = Fixture::new(Arc::new(store));
    let factor = fixture.factor().await;
    let mut challenges = Vec::new();
    for _ in 0..3 {
        challenges.push(fixture.challenge(&factor).await.sid);
        fixture.pass(1);
    }
    let db = Connection::open(path).unwrap();
    for (sql, sid) in [
        ("UPDATE challenges SET account_sid = x'01' WHERE sid = ?1", challenges[0]),
        ("UPDATE challenges SET state = 'lost' WHERE sid = ?1", challenges[1]),
    ] {
        db.pragma_update(None, "ignore_check_constraints", true).unwrap();
        assert!(db.execute(sql, [sid.as_bytes()]).unwrap() > 0, "{sql}");
    }
    let kind = challenges[0].kind();
    let least = ChallengeSid::least(kind, fixture.now() - COUNTED_BACK);
    let end = ChallengeSid::least(kind, fixture.later(1));
    let found = fixture.store.challenges_to_count(least, end, 9).await.unwrap();
    let found: Vec<_> = found.iter().map(|(sid, read)| (*sid, read.is_some())).collect();
    assert_eq!(found, [(challenges[0], false), (challenges[1], false), (challenges[2], true)]);
}
