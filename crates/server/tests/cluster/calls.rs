//! Three nodes under load with a webhook for all events: results of pushes wait for no call, transactions do not deadlock,
//! and every call is made.

#[path = "../common/full_size.rs"]
mod full_size;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_phone::{Phone, Verdict};
use countersign_standins::CommonOptions;
use countersign_standins::webhook::Webhook;
use countersign_testkit::postgres::TestDatabase;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::load::{Accepted, Api, challenges_path};
use crate::stage::Stage;
use crate::{ledger, until};

/// The load: so many devices, challenges a second and seconds.
struct Load {
    devices: usize,
    per_second: u32,
    seconds: u32,
}

const SMALL: Load = Load { devices: 10, per_second: 40, seconds: 3 };
const FULL: Load = Load { devices: 100, per_second: 300, seconds: 20 };

/// Requests under way at most. A machine that is too slow for the load gets less of it.
const UNDER_WAY: usize = 256;
/// After the last response, all pushes have ended within this time, on a busy machine.
const PUSHES_WITHIN: Duration = Duration::from_secs(20);
/// All calls are made within this time after the last response, on a busy machine.
const CALLS_WITHIN: Duration = Duration::from_secs(60);
/// One of so many challenges is answered.
const ANSWERED: usize = 10;

const EVENTS: [&str; 9] = [
    "factor.created",
    "factor.verified",
    "factor.deleted",
    "challenge.approved",
    "challenge.denied",
    "challenge.expired",
    "notification.delivered",
    "notification.failed",
    "notification.expired",
];

/// The outcome of an accepted challenge.
enum Opened {
    /// It waits for its person; its push has to be accounted for.
    Pending(Accepted),
    /// It was approved. Its push may stay at `sent`: an answer can overtake the acknowledgement.
    Approved,
}

/// Opens a challenge at a node and, if it is this one's turn, answers it.
async fn challenge(api: Api, phone: Phone, number: usize) -> Option<Opened> {
    let challenges = challenges_path(&phone);
    let form = [("FactorSid", phone.factor_sid()), ("Details.Message", "Log in?")];
    let asked = Instant::now();
    let challenge = api.post(number, &challenges, &form).await?;
    let moments = vec![(asked, Instant::now())];
    let sid = challenge["sid"].as_str().expect("a SID");
    if number.is_multiple_of(ANSWERED) {
        phone.answer(sid, Verdict::Approved).await.expect("it is approved");
        return Some(Opened::Approved);
    }
    let path = format!("{challenges}/{sid}");
    let sid = sid.parse().expect("a SID");
    Some(Opened::Pending(Accepted { sid, path, is_answered: false, moments }))
}

/// Opens challenges at the rate of the load, at one node after another, for one device after another.
async fn play(load: &Load, api: &Api, phones: &[Phone]) -> Vec<Opened> {
    let (permits, mut opened) = (Arc::new(Semaphore::new(UNDER_WAY)), JoinSet::new());
    let mut beat = tokio::time::interval(Duration::from_secs(1) / load.per_second);
    for number in 0..usize::try_from(load.per_second * load.seconds).expect("a number") {
        beat.tick().await;
        let permit = Arc::clone(&permits).acquire_owned().await.expect("it stays open");
        let (api, phone) = (api.clone(), phones[number % phones.len()].clone());
        opened.spawn(async move {
            let result = challenge(api, phone, number).await;
            drop(permit);
            result
        });
    }
    opened.join_all().await.into_iter().flatten().collect()
}

/// The calls that the stored rows require: the type, and the SID that the call is about.
fn required(database: &TestDatabase) -> HashSet<(String, String)> {
    let rows = database.psql(
        "SELECT 'factor.created YF' || replace(sid::text, '-', '') FROM factors UNION ALL \
         SELECT 'factor.verified YF' || replace(sid::text, '-', '') FROM factors UNION ALL \
         SELECT 'challenge.approved YC' || replace(sid::text, '-', '') FROM challenges WHERE state = 'approved' UNION ALL \
         SELECT 'notification.' || ending || ' NT' || replace(sid::text, '-', '') FROM notifications \
         WHERE ending IN ('delivered', 'failed', 'expired')",
    );
    let pairs = rows.lines().filter_map(|line| line.split_once(' '));
    pairs.map(|(kind, sid)| (kind.to_owned(), sid.to_owned())).collect()
}

/// The calls that reached the webhook.
fn made(webhook: &Webhook) -> HashSet<(String, String)> {
    let calls = webhook.events().all();
    let pair = |call: &countersign_standins::webhook::Event| {
        let kind = call.field("type");
        let about = match kind.split_once('.') {
            Some(("factor", _)) => "factor_sid",
            Some(("challenge", _)) => "challenge_sid",
            _ => "notification_sid",
        };
        (kind.to_owned(), call.field(about).to_owned())
    };
    calls.iter().map(pair).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_for_all_events_delay_no_result_and_lose_no_call() {
    let load = full_size::choose(SMALL, FULL);
    let database = TestDatabase::new();
    let mut stage = Stage::set_with(&database.url(), 3, |node| {
        node.with_setting("outgoing.allow=127.0.0.0/8");
    })
    .await;
    let setting = CommonOptions { keep: 100_000, ..CommonOptions::default() };
    let webhook = Webhook::start(None, setting).await.expect("it listens");
    let mut form = vec![("FriendlyName", "audit"), ("WebhookUrl", webhook.url())];
    form.extend(EVENTS.map(|event| ("EventTypes", event)));
    let path = format!("/v2/Services/{}/Webhooks", stage.service);
    stage.api.post(0, &path, &form).await.expect("a webhook");
    let phones = stage.listening_phones(load.devices).await;

    let began = Instant::now();
    let opened = play(&load, &stage.api, &phones).await;
    let (took, ended) = (began.elapsed(), Instant::now());
    until("every push has ended", async || {
        let open = database.psql("SELECT count(*) FROM notifications WHERE ending IS NULL");
        (open == "0").then_some(())
    })
    .await;
    let pushes = ended.elapsed();
    assert!(pushes < PUSHES_WITHIN, "pushes ended {pushes:.1?} later");
    let required = required(&database);
    until("every call is made", async || required.is_subset(&made(&webhook)).then_some(())).await;
    let calls = ended.elapsed();
    assert!(calls < CALLS_WITHIN, "calls were made {calls:.1?} later");
    let of_all = opened.len();
    let pending: Vec<_> = opened
        .into_iter()
        .filter_map(|one| match one {
            Opened::Pending(accepted) => Some(accepted),
            Opened::Approved => None,
        })
        .collect();
    let approved = "SELECT count(*) FROM challenges WHERE state = 'approved'";
    assert_eq!(database.psql(approved), (of_all - pending.len()).to_string());
    let told = ledger::settle(&pending, &stage.api, &stage.seen).await;
    for node in &mut stage.nodes {
        node.stop().await;
    }
    // The connections are closed, so their statistics are written.
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(database.psql(deadlocks), "0", "deadlocks");
    println!(
        "{of_all} challenges of {} devices in {took:.1?}: pushes ended {pushes:.1?} later, {} calls were made {calls:.1?} later; {told}",
        load.devices,
        required.len(),
    );
}
