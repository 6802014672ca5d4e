use rusqlite::{Connection, OpenFlags, StatementStatus, config::DbConfig};
#[test]
fn reprepare() {
    for qpsg in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let p = dir.path().join("x.db");
        let w = Connection::open(&p).unwrap();
        w.execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;").unwrap();
        w.execute_batch(include_str!("../../store-sqlite/migrations/V1__first_schema.sql")).unwrap();
        w.execute_batch("insert into services values (x'01',x'02','{}',1,1); insert into entities values (x'01','x',x'03',x'02',1,1,1,1);
          insert into challenges values (x'00000000000000000000000000000000','pending',1,x'01','x',x'03',x'04',x'02','push',1,1,NULL,0,'m','[]',NULL,NULL,NULL);").unwrap();
        let db = Connection::open_with_flags(&p, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX).unwrap();
        db.execute_batch("PRAGMA query_only = ON; PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 268435456;").unwrap();
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, qpsg).unwrap();
        let sql = "SELECT c.sid, f.sid FROM challenges c JOIN entities e ON e.service_sid = c.service_sid AND e.identity = c.identity AND e.sid = c.entity_sid JOIN services s ON s.sid = c.service_sid LEFT JOIN factors f ON f.entity_sid = c.entity_sid AND f.sid = c.factor_sid WHERE c.sid = ?1 AND c.service_sid = ?2 AND c.identity = ?3";
        let mut total = [0;3];
        for i in 0..10u8 {
            let mut st = db.prepare_cached(sql).unwrap();
            let b = [0u8; 16];
            let found = st.exists((b, [1u8], "x")).unwrap();
            total[0] += i32::from(found);
            total[1] = st.get_status(StatementStatus::RePrepare);
            drop(st);
            w.execute("UPDATE challenges SET wrong_answers = ?1", [i]).unwrap();
        }
        for stmt in [
            "SELECT max(ordinal) FROM notifications WHERE challenge_sid = ?1",
            "SELECT c.state, c.answered_at, c.expires_at, f.sid IS NOT NULL FROM challenges c JOIN entities e ON e.service_sid = c.service_sid AND e.identity = c.identity AND e.sid = c.entity_sid JOIN services s ON s.sid = c.service_sid LEFT JOIN factors f ON f.entity_sid = c.entity_sid AND f.sid = c.factor_sid WHERE c.sid = ?1",
            "SELECT 1 FROM challenges WHERE sid = ?1 AND identity = ?1",
        ] {
            let mut st = db.prepare(stmt).unwrap();
            for i in 0..10u8 { let _ = st.exists([[i; 16]]).unwrap(); }
            println!("  {} {}", st.get_status(StatementStatus::RePrepare), &stmt[..40]);
        }
        println!("qpsg={qpsg} {total:?} {:?}", db.query_row("select count(*) from sqlite_master where name like 'sqlite_stat%'", [], |r| r.get::<_,i64>(0)));
    }
}
