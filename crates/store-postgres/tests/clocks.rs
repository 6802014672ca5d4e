//! Nodes whose clock is wrong: commands are compared with the database's clock.

#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

#[path = "clocks/guards.rs"]
mod guards;

use std::sync::Arc;
use std::time::Duration;

use countersign_domain::call_permits::{CallConcurrency, PermitPool};
use countersign_domain::challenge::Verdict;
use countersign_domain::delivery::InitialState;
use countersign_domain::ending::{Ending, NotificationStatus};
use countersign_domain::factor::FactorChange;
use countersign_domain::outcome::{AfterAttempt, Outcome};
use countersign_domain::protection::PromptLimits;
use countersign_domain::settled::{DeliveryEvent, Settled};
use countersign_domain::sid::WebhookSid;
use countersign_domain::time::Instant;
use countersign_domain::totp_code::CodeVerdict;
use countersign_domain::webhook::{EventType, Webhook};
use countersign_store::conformance::Fixture;
use countersign_store::error::StoreResult;
use countersign_store::seam::{
    Answer, CallsWanted, Enrolled, Enrolment, Inserted, Notified, Opened, Opening, Recorded,
    Retention,
};
use countersign_store::{Store, StoreError};
use countersign_store_postgres::{Options, PostgresStore, Tolerance};
use countersign_testkit::postgres::TestDatabase;
use tokio::sync::Notify;

const SECOND: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_secs(300);
const DAYS: Duration = Duration::from_secs(90 * 24 * 60 * 60);
const TOLERANCE: Tolerance = Tolerance { ahead: SECOND, behind: Duration::from_secs(60) };

/// Longer than any command takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A node with the database's clock, which is notified when the clocks differ.
async fn node(database: &TestDatabase) -> (Fixture, Arc<Notify>) {
    let options = Options { url: database.url(), timeout: PATIENCE, ..Options::default() };
    let store = PostgresStore::connect(options).await.unwrap();
    let disagreed = Arc::new(Notify::new());
    store.compare_clocks(TOLERANCE, Arc::clone(&disagreed));
    let fixture = Fixture::new(Arc::new(store) as Arc<dyn Store>);
    set_right(&fixture, database);
    (fixture, disagreed)
}

fn set_right(fixture: &Fixture, database: &TestDatabase) {
    let now = database.psql("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint");
    fixture.make.clock.set(Instant::from_micros(now.parse().unwrap()));
}

async fn is_given_up<T: std::fmt::Debug>(
    what: &str,
    disagreed: &Notify,
    answer: impl Future<Output = StoreResult<T>>,
) {
    match answer.await {
        Err(StoreError::Unavailable(why)) => assert!(why.contains("clocks"), "{what}: {why}"),
        other => panic!("{what}: {other:?}"),
    }
    disagreed.notified().await;
}

#[tokio::test]
async fn a_command_that_decides_by_a_wrong_time_fails_and_writes_nothing() {
    let database = TestDatabase::new();
    let (fixture, disagreed) = node(&database).await;
    let factor = fixture.factor().await;
    let challenge = fixture.challenge(&factor).await;
    let totp = fixture.totp_factor().await;
    let code_challenge = fixture.code_challenge(&totp).await;
    let asked = fixture.make.notification(&challenge, 300, InitialState::Parked);
    assert_eq!(fixture.store.notify(&asked, 0).await, Ok(Notified::Done(None)));
    let due = fixture.make.notification(&fixture.challenge(&factor).await, 300, InitialState::Due);
    assert_eq!(fixture.store.notify(&due, 0).await, Ok(Notified::Done(None)));
    let service = fixture.store.service(factor.owner.service).await.unwrap().unwrap();
    let hook = Webhook { event_types: vec![EventType::All], ..fixture.make.webhook(&service) };
    assert_eq!(fixture.store.create_webhook(&hook, 0).await, Ok(Inserted::Done));
    fixture.factor_of(&service, &fixture.make.identity()).await;
    // Due by every clock.
    database.psql("UPDATE webhook_calls SET wake_at = 0");
    let all = "SELECT string_agg(t, ' ' ORDER BY t) FROM (SELECT d::text AS t FROM deliveries d UNION ALL \
               SELECT n::text FROM notifications n UNION ALL SELECT c::text FROM challenges c UNION ALL \
               SELECT f::text FROM factors f UNION ALL SELECT f::text FROM totp_factors f UNION ALL \
               SELECT c::text FROM webhook_calls c UNION ALL \
               SELECT inhrelid::regclass::text FROM pg_inherits) AS rows";
    let before = database.psql(all);

    let right = fixture.now();
    let code = fixture.shown(&totp, CodeVerdict::Right(7));
    for wrong in [right + STEP, right - STEP, right + DAYS] {
        fixture.make.clock.step_wall(wrong);
        let (store, node, later) = (&fixture.store, fixture.make.node, wrong + 30 * SECOND);
        let given_up = disagreed.as_ref();
        is_given_up("expire", given_up, store.expire(wrong, 9)).await;
        is_given_up("rescue", given_up, store.rescue(wrong, 9)).await;
        is_given_up("lease_due", given_up, store.lease_due(node, wrong, later, 9)).await;
        let parked = store.lease_parked(factor.sid, node, wrong, later, 9);
        is_given_up("lease_parked", given_up, parked).await;
        let permits = PermitPool { free: 9, ..PermitPool::default() };
        let turn = WebhookSid::from_bytes([0; 16]);
        let concurrency = CallConcurrency::default();
        let wanted = CallsWanted { node, now: wrong, until: later, permits, concurrency, turn };
        is_given_up("lease_calls", given_up, store.lease_calls(&wanted)).await;
        let verdict = Verdict::Approved;
        let answer = store.answer_challenge(Answer::new(challenge.sid, verdict, wrong));
        is_given_up("answer_challenge", given_up, answer).await;
        let by_code = store.answer_by_code(code_challenge.sid, code, 0, None, wrong);
        is_given_up("answer_by_code", given_up, by_code).await;
        let new = fixture.make.notification(&challenge, 300, InitialState::Due);
        is_given_up("notify", given_up, store.notify(&new, 0)).await;
        let opening = Opening {
            challenge: fixture.make.challenge(&factor),
            notification: None,
            code: None,
            most_per_factor_hour: 0,
            most_per_factor_day: 0,
            most_per_entity_hour: 0,
            prompts: PromptLimits::OFF,
        };
        is_given_up("open_challenge", given_up, store.open_challenge(&opening)).await;
        let again = fixture.make.factor(&factor.owner);
        let enrolment =
            Enrolment { factor: again, token: None, most_per_entity: 0, most_per_day: 0 };
        is_given_up("enrol_factor", given_up, store.enrol_factor(&enrolment)).await;
        let retention = Retention { challenges: STEP };
        is_given_up("clean", given_up, store.clean(wrong, retention, 9)).await;
        let change = FactorChange { verified: true, ..FactorChange::default() };
        let (entity, sid) = (factor.owner.entity, factor.sid);
        let update = store.update_factor(entity, sid, &change, wrong);
        is_given_up("update_factor", given_up, update).await;
    }
    assert_eq!(database.psql(all), before);

    set_right(&fixture, &database);
    let (now, later) = (fixture.now(), fixture.later(30));
    assert_eq!(fixture.store.expire(now, 9).await, Ok(0));
    let leases = fixture.store.lease_due(fixture.make.node, now, later, 9).await.unwrap();
    assert_eq!(leases.len(), 1);
    let recorded =
        fixture.store.answer_challenge(Answer::new(challenge.sid, Verdict::Approved, now)).await;
    assert_eq!(recorded, Ok(Recorded::Done));
    assert_eq!(fixture.open(&fixture.make.challenge(&factor), None).await, Opened::Done);
    let again = fixture.make.factor(&factor.owner);
    assert!(matches!(fixture.enrol(&again, None).await, Enrolled::Done(_)));
}

/// Deliveries that a node had leased when its clock jumped become due at once, at times of the database's clock.
#[tokio::test]
async fn a_push_that_ended_by_a_clock_that_was_ahead_is_due_again() {
    let database = TestDatabase::new();
    let (fixture, _) = node(&database).await;
    let factor = fixture.factor().await;
    let mut leases = Vec::new();
    for _ in 0..3 {
        let challenge = fixture.challenge(&factor).await;
        let until = fixture.later(30);
        let new = fixture.make.notification(&challenge, 120, InitialState::Leased { until });
        fixture.store.notify(&new, 0).await.unwrap();
        leases.push(new.lease().unwrap());
    }
    let wrong = fixture.now() + STEP;
    let happenings = [
        DeliveryEvent::Ended(Ending::EXPIRED),
        fixture.attempted(Outcome::Unacknowledged, AfterAttempt::Done(Ending::EXPIRED)),
        fixture.attempted(
            Outcome::Later { not_before: None },
            AfterAttempt::Retry { at: wrong + 5 * SECOND },
        ),
    ];
    let settled = leases.iter().zip(happenings);
    let settled: Vec<_> =
        settled.map(|(lease, what)| Settled { lease: *lease, event: what, at: wrong }).collect();
    assert_eq!(fixture.store.settle(&settled).await.unwrap().lost, []);
    let states = "SELECT string_agg(state, ' ') FROM deliveries";
    assert_eq!(database.psql(states), "due due due");
    set_right(&fixture, &database);
    let due_soon = fixture.later(6).as_micros();
    let soon = format!("SELECT count(*) FROM deliveries WHERE wake_at <= {due_soon}");
    assert_eq!(database.psql(&soon), "3");

    // By the right clock they end: when the second is due.
    let due = database.psql("SELECT wake_at FROM deliveries ORDER BY wake_at OFFSET 1 LIMIT 1");
    fixture.make.clock.set(Instant::from_micros(due.parse().unwrap()));
    let node = fixture.make.node;
    let leases = fixture.store.lease_due(node, fixture.now(), fixture.later(30), 9).await.unwrap();
    assert_eq!(leases.len(), 2, "the third is retried in five seconds");
    let what = DeliveryEvent::Ended(Ending::EXPIRED);
    let settled = Settled { lease: leases[0], event: what, at: fixture.now() };
    fixture.store.settle(&[settled]).await.unwrap();
    assert_eq!(fixture.ending(&leases[0]).await.unwrap().status, NotificationStatus::Expired);
}
