//! Webhooks on a server that several nodes share: outcomes, answers and calls at the same time.

#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_domain::call_permits::{CallConcurrency, PermitPool};
use countersign_domain::challenge::{Challenge, Verdict};
use countersign_domain::delivery::{InitialState, Lease, NewNotification};
use countersign_domain::event::CallId;
use countersign_domain::factor::Factor;
use countersign_domain::node::NodeId;
use countersign_domain::settled::Settled;
use countersign_domain::sid::WebhookSid;
use countersign_domain::webhook::{EventType, Webhook};
use countersign_domain::webhook_call::{AfterCall, CallLease, CallOutcome};
use countersign_store::conformance::Fixture;
use countersign_store::seam::{
    Answer, Calls as _, CallsWanted, Challenges as _, Deliveries as _, Inserted, Recorded,
    Webhooks as _,
};
use countersign_store_postgres::{Options, PostgresStore};
use countersign_testkit::postgres::TestDatabase;
use tokio::task::JoinSet;

const NODES: usize = 3;
const DEVICES: usize = 100;
const ROUNDS: usize = 6;

/// Longer than any command takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

async fn connect(database: &TestDatabase) -> Arc<PostgresStore> {
    let options = Options { url: database.url(), timeout: PATIENCE, ..Options::default() };
    Arc::new(PostgresStore::connect(options).await.unwrap())
}

/// The calls that the application has taken, and those in progress.
#[derive(Default)]
struct Receiver {
    taken: HashMap<CallId, usize>,
    in_flight: HashSet<(WebhookSid, String)>,
    overlaps: usize,
}

/// The webhook and factor whose calls keep their order.
fn line_of(lease: &CallLease) -> (WebhookSid, String) {
    let factor = lease.parameters.iter().find(|(name, _)| name == "factor_sid").unwrap();
    (lease.webhook.sid, factor.1.clone())
}

/// Makes calls until that many were taken.
async fn call_until(
    node: Arc<PostgresStore>,
    by: NodeId,
    fixture: Fixture,
    receiver: Arc<Mutex<Receiver>>,
    all: usize,
) {
    let mut turn = WebhookSid::from_bytes([0; 16]);
    let mut concurrency = CallConcurrency::default();
    while receiver.lock().unwrap().taken.len() < all {
        let (now, until) = (fixture.now(), fixture.later(30));
        let permits = PermitPool { free: 256, ..PermitPool::default() };
        let wanted =
            CallsWanted { node: by, now, until, permits, concurrency: concurrency.clone(), turn };
        let found = node.lease_calls(&wanted).await.unwrap();
        turn = found.turn;
        let mut settling = JoinSet::new();
        for lease in found.leases {
            concurrency.record(lease.webhook.sid, &CallOutcome::Taken(200), Duration::ZERO);
            {
                let mut receiver = receiver.lock().unwrap();
                *receiver.taken.entry(lease.id).or_default() += 1;
                if !receiver.in_flight.insert(line_of(&lease)) {
                    receiver.overlaps += 1;
                }
            }
            let (node, receiver) = (Arc::clone(&node), Arc::clone(&receiver));
            settling.spawn(async move {
                receiver.lock().unwrap().in_flight.remove(&line_of(&lease));
                let taken = AfterCall::Taken { status: 200 };
                assert_eq!(node.settle_call(&lease, taken, "".into(), now).await, Ok(true));
            });
        }
        settling.join_all().await;
        tokio::task::yield_now().await;
    }
}

/// Stores one push for each device, leased by a node.
async fn push_all(fixture: &Fixture, devices: &[Factor]) -> Vec<(Challenge, Lease)> {
    let mut pushes = Vec::new();
    for device in devices {
        let challenge = fixture.challenge(device).await;
        let birth = InitialState::Leased { until: fixture.later(30) };
        let new = NewNotification {
            platform: device.address.platform(),
            ..fixture.make.notification(&challenge, 300, birth)
        };
        fixture.store.notify(&new, 0).await.unwrap();
        pushes.push((challenge, new.lease().unwrap()));
    }
    pushes
}

/// Three nodes settle the pushes of a hundred devices in batches, in any order, while the devices answer earlier challenges and webhooks are
/// called.
#[tokio::test(flavor = "multi_thread")]
async fn results_answers_and_calls_of_three_nodes_never_deadlock() {
    let database = TestDatabase::new();
    let fixture = Fixture::new(connect(&database).await);
    let service = fixture.service().await;
    let mut nodes = Vec::new();
    for _ in 0..NODES {
        nodes.push(connect(&database).await);
    }
    let mut devices = Vec::new();
    for _ in 0..DEVICES {
        devices.push(fixture.factor_of(&service, &fixture.make.identity()).await);
    }
    for _ in 0..2 {
        let event_types = vec![EventType::All, EventType::NotificationDelivered];
        let webhook = Webhook { event_types, ..fixture.make.webhook(&service) };
        assert_eq!(nodes[0].create_webhook(&webhook, 0).await, Ok(Inserted::Done));
    }
    let receiver = Arc::new(Mutex::new(Receiver::default()));
    let all = 2 * 2 * DEVICES * ROUNDS;
    let mut callers = JoinSet::new();
    for node in &nodes {
        let by = fixture.make.other_node();
        callers.spawn(call_until(
            Arc::clone(node),
            by,
            fixture.clone(),
            Arc::clone(&receiver),
            all,
        ));
    }
    let mut to_answer = Vec::new();
    for round in 0..=ROUNDS {
        fixture.pass(1);
        let last = round == ROUNDS;
        let pushes = if last { Vec::new() } else { push_all(&fixture, &devices).await };
        let mut work = JoinSet::new();
        for (number, node) in nodes.iter().enumerate() {
            let of_node = |at: usize| (at * 7 + round) % NODES == number;
            let mut own: Vec<_> = pushes
                .iter()
                .enumerate()
                .filter(|(at, _)| of_node(*at))
                .map(|(_, (_, lease))| Settled {
                    lease: *lease,
                    event: fixture.delivered(),
                    at: fixture.now(),
                })
                .collect();
            if number % 2 == 1 {
                own.reverse();
            }
            let node = Arc::clone(node);
            work.spawn(async move {
                let settlement = node.settle(&own).await.unwrap();
                assert_eq!(settlement.lost, []);
            });
        }
        for (at, (challenge, _)) in to_answer.iter().enumerate() {
            let challenge: &Challenge = challenge;
            let (node, sid, now) = (Arc::clone(&nodes[at % NODES]), challenge.sid, fixture.now());
            work.spawn(async move {
                let recorded =
                    node.answer_challenge(Answer::new(sid, Verdict::Approved, now)).await;
                assert_eq!(recorded, Ok(Recorded::Done));
            });
        }
        work.join_all().await;
        to_answer = pushes;
    }
    let done = tokio::time::timeout(Duration::from_secs(60), callers.join_all()).await;
    let receiver = std::mem::take(&mut *receiver.lock().unwrap());
    assert!(done.is_ok(), "{} of {all} calls were made", receiver.taken.len());
    assert!(receiver.taken.values().all(|times| *times == 1), "each once");
    assert_eq!(receiver.overlaps, 0, "of one device one at a time");
    drop((fixture, nodes));
    let others = "SELECT count(*) FROM pg_stat_activity \
                  WHERE datname = current_database() AND pid <> pg_backend_pid()";
    // The counters of a process are complete when it has ended.
    while database.psql(others) != "0" {
        tokio::task::yield_now().await;
    }
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(database.psql(deadlocks), "0");
}
