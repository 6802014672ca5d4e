//! The plans of statements, as the server runs them: no statement reads a large table whole.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod calls;
mod clients;
mod console;
mod everything;
mod log;
mod outcomes;
mod prompts;
mod search;
mod statements;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use countersign_domain::challenge::{Challenge, Verdict};
use countersign_domain::delivery::InitialState;
use countersign_domain::factor::Factor;
use countersign_domain::limits::Limits;
use countersign_domain::service_protection::ServiceProtection;
use countersign_store::conformance::Fixture;
use countersign_store::page::PageQuery;
use countersign_store::seam::{Answer, Notified, Opened, Opening, Recorded, Retention, Store};
use countersign_store_postgres::{Options, PostgresStore};
use countersign_testkit::postgres::PostgresServer;

use crate::log::{most_discarded, most_read, partitions_read};

const DAY: u64 = 24 * 60 * 60;
const KEPT: Retention = Retention { challenges: Duration::from_secs(30 * DAY) };

async fn fixture(url: String) -> Fixture {
    let store = PostgresStore::connect(Options { url, ..Options::default() }).await.unwrap();
    Fixture::new(Arc::new(store) as Arc<dyn Store>)
}

pub(crate) async fn clean(fixture: &Fixture) -> usize {
    fixture.store.clean(fixture.now(), KEPT, 500).await.unwrap()
}

/// Starts a server that logs each plan, with the rows that it read.
pub(crate) async fn explaining(folder: &Path) -> (PostgresServer, Fixture) {
    let settings = [
        "shared_preload_libraries=auto_explain",
        "auto_explain.log_min_duration=0",
        "auto_explain.log_analyze=on",
    ];
    let server = PostgresServer::start(folder, &settings);
    let fixture = fixture(server.url("postgres")).await;
    (server, fixture)
}

/// The opening of a challenge under every limit, none of which is reached.
pub(crate) fn limited(challenge: Challenge) -> Opening {
    Opening {
        challenge,
        notification: None,
        code: None,
        most_per_factor_hour: 100,
        most_per_factor_day: 100,
        most_per_entity_hour: 100,
        prompts: ServiceProtection::default().prompts(&Limits {
            push_challenges_in_a_row: 100,
            pending_push_challenges_per_factor: 100,
            ..Limits::default()
        }),
    }
}

/// Runs the most frequent commands on challenges of a factor.
pub(crate) async fn work(fixture: &Fixture, factor: &Factor) {
    for _ in 0..12 {
        let challenge = fixture.challenge(factor).await;
        let lease = fixture.leased(&challenge).await;
        fixture.due(&challenge).await;
        assert!(fixture.prospect(&lease).await.lease_holds);
        assert!(fixture.settle(&lease, fixture.delivered()).await);
        fixture.store.mark_fetched(challenge.sid, fixture.now()).await.unwrap();
        fixture.store.notifications(challenge.sid, PageQuery::first(3)).await.unwrap();
        let new = fixture.make.notification(&challenge, 300, InitialState::Due);
        assert_eq!(fixture.store.notify(&new, 9).await, Ok(Notified::Done(None)));
        let answered = fixture.store.answer_challenge(Answer::new(
            challenge.sid,
            Verdict::Approved,
            fixture.now(),
        ));
        assert_eq!(answered.await, Ok(Recorded::Done));
        assert!(fixture.challenge_now(&challenge).await.is_some());
    }
}

/// For any number of them, and also after so many runs that the server uses a generic plan.
#[tokio::test(flavor = "multi_thread")]
async fn frequent_statements_read_only_the_partition_of_their_day() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, fixture) = explaining(folder.path()).await;
    for _ in 0..12 {
        clean(&fixture).await;
        fixture.pass(DAY);
    }
    let factor = fixture.factor().await;
    let log = folder.path().join("log");
    let today = ["challenges_03_20260113", "notifications_03_20260113"];
    let since = std::fs::metadata(&log).unwrap().len();
    work(&fixture, &factor).await;
    let touched = partitions_read(&log, since);
    assert_eq!(touched.iter().map(String::as_str).collect::<Vec<_>>(), today);

    // A limit of a day counts that day and later ones.
    let since = std::fs::metadata(&log).unwrap().len();
    for _ in 0..12 {
        let challenge = fixture.make.challenge(&factor);
        let opening = limited(challenge);
        assert_eq!(fixture.store.open_challenge(&opening).await, Ok(Opened::Done));
    }
    let before =
        partitions_read(&log, since).iter().filter(|part| part[14..] < *"20260112").count();
    assert_eq!(before, 0);
}

/// A connection caches a plan that was made without statistics.
#[tokio::test(flavor = "multi_thread")]
async fn statements_planned_on_an_empty_database_read_no_table_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, fixture) = explaining(folder.path()).await;
    clean(&fixture).await;
    let log = folder.path().join("log");
    work(&fixture, &fixture.factor().await).await;
    for _ in 0..100 {
        fixture.factor().await;
    }
    let factor = fixture.factor().await;
    let since = std::fs::metadata(&log).unwrap().len();
    work(&fixture, &factor).await;
    let most = most_read(&log, since);
    assert!(most < 50, "{most} rows at once");
}

/// For an empty table the server estimates one row for every index.
#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_looked_up_by_its_key_by_a_plan_of_an_empty_table() {
    let folder = tempfile::tempdir().unwrap();
    let (server, fixture) = explaining(folder.path()).await;
    clean(&fixture).await;
    let factor = fixture.factor().await;
    for _ in 0..300 {
        fixture.leased(&fixture.challenge(&factor).await).await;
    }
    server.psql("postgres", "DELETE FROM deliveries");
    server.psql("postgres", "VACUUM ANALYZE deliveries");
    let mut leases = Vec::new();
    for _ in 0..40 {
        leases.push(fixture.leased(&fixture.challenge(&factor).await).await);
    }
    let log = folder.path().join("log");
    let since = std::fs::metadata(&log).unwrap().len();
    assert!(fixture.prospect(&leases[20]).await.lease_holds);
    assert!(fixture.settle(&leases[20], fixture.delivered()).await);
    let discarded = most_discarded(&log, since);
    assert!(discarded < 10, "{discarded} of {}", leases.len());
}
