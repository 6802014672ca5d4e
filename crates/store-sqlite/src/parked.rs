//! How the parked deliveries of a factor are found: by its challenges that may still be open. An index of deliveries by factor would
//! be written at another place for each push.

use countersign_domain::challenge::MAX_LIFETIME;
use countersign_domain::factor::FactorType;
use countersign_domain::sid::ChallengeSid;
use countersign_domain::time::Instant;

/// The parked deliveries `d` of the factor `?1`, which belongs to `$entity`, of its challenges `c` from `?2` on. The `+` keeps SQLite
/// from passing the parked deliveries of everybody.
macro_rules! parked_of {
    ($entity:literal) => {
        concat!(
            "FROM challenges c INDEXED BY challenges_of_entity \
             CROSS JOIN deliveries d ON d.challenge_sid = c.sid AND +d.state = 'parked' \
             WHERE c.entity_sid = ",
            $entity,
            " AND c.sid >= ?2 AND c.factor_sid = ?1"
        )
    };
}
pub(crate) use parked_of;

/// The least SID of the challenges that may be open at `now`.
pub(crate) fn first_open(now: Instant) -> ChallengeSid {
    ChallengeSid::least(FactorType::Push, now - MAX_LIFETIME)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use countersign_store::conformance::Fixture;
    use countersign_store::seam::Deliveries as _;
    use rusqlite::Connection;

    use crate::{Options, SqliteStore};

    /// Takes back the migration that removed the index.
    const BEFORE: &str = "CREATE INDEX deliveries_parked ON deliveries (factor_sid, challenge_sid, deadline) \
                          WHERE state = 'parked'; DROP INDEX factors_by_sid; \
                          DELETE FROM refinery_schema_history WHERE version >= 31; \
                          UPDATE installation SET serves_from = 6;";

    #[tokio::test]
    async fn deliveries_that_were_parked_in_the_file_of_an_earlier_build_are_leased() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let open = || SqliteStore::open(&path, Options::default()).unwrap();
        let fixture = Fixture::new(Arc::new(open()));
        let factor = fixture.factor().await;
        let parked = fixture.parked(&fixture.challenge(&factor).await).await.delivery;
        let (node, now, until) = (fixture.make.node, fixture.now(), fixture.later(30));
        drop(fixture);
        Connection::open(&path).unwrap().execute_batch(BEFORE).unwrap();

        let leases = open().lease_parked(factor.sid, node, now, until, 10).await.unwrap();
        let leased: Vec<_> = leases.iter().map(|lease| lease.delivery.notification).collect();
        assert_eq!(leased, [parked.notification]);
        let serves_from = "SELECT serves_from FROM installation";
        let file = Connection::open(&path).unwrap();
        assert_eq!(file.query_row(serves_from, (), |row| row.get::<_, i64>(0)), Ok(31));
    }
}
