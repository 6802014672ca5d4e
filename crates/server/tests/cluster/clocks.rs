//! The clock of one node is wrong. Deadlines follow the database's clock, so no waiting push is affected.
//!
//! `libfaketime` moves the clock of a single process by the offset in a file.

#[path = "../common/faketime.rs"]
mod faketime;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use countersign_phone::Phone;
use countersign_testkit::postgres::TestDatabase;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::load::{Api, challenges_path};
use crate::node::Node;
use crate::stage::Stage;
use crate::{outage, until};

/// Pushes that wait for their devices.
const WAITING: usize = 20;
/// Pushes that are accepted after each jump of a clock.
const BETWEEN: usize = 6;

impl Node {
    /// Offsets its clock by the content of the file; optionally its monotonic clock too.
    fn goes_by(&mut self, offset: &Path, monotonic_too: bool) {
        self.set("LD_PRELOAD", faketime::library().to_str().expect("a path in UTF-8"));
        self.set("FAKETIME_TIMESTAMP_FILE", offset.to_str().expect("a path in UTF-8"));
        self.set("FAKETIME_NO_CACHE", "1");
        if !monotonic_too {
            self.set("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
    }
}

/// Three nodes, the second with the clock of the file; and offline phones, each with a waiting push.
async fn stage(database: &TestDatabase, offset: &Path, monotonic_too: bool) -> (Stage, Vec<Phone>) {
    let no_limit = "limits.notifications_per_challenge=0";
    let mut stage = Stage::patient(&database.url(), 3, |node| node.with_setting(no_limit)).await;
    let mut phones = Vec::new();
    for number in 0..WAITING {
        let phone = stage.phone(&format!("person-{number:04}")).await;
        let form = [("FactorSid", phone.factor_sid()), ("Details.Message", "Log in?")];
        stage.api.post(number, &challenges_path(&phone), &form).await.expect("a challenge");
        phones.push(phone);
    }
    assert_eq!(waiting(database), WAITING);
    let node = &mut stage.nodes[1];
    node.stop().await;
    node.goes_by(offset, monotonic_too);
    node.begin();
    node.is_ready().await;
    (stage, phones)
}

/// The number of waiting pushes; asserts that none has ended.
fn waiting(database: &TestDatabase) -> usize {
    let ended = "SELECT coalesce(string_agg(ending, ' '), '') FROM notifications WHERE ending <> 'delivered'";
    assert_eq!(database.psql(ended), "");
    let parked = "SELECT count(*) FROM deliveries WHERE state = 'parked'";
    database.psql(parked).parse().expect("a number")
}

/// Connects every device, and waits until each has got its push.
async fn all_are_delivered(stage: &mut Stage, phones: &[Phone], database: &TestDatabase) {
    for phone in phones {
        stage.seen.listen(phone);
    }
    until("all are delivered", async || {
        assert_eq!(
            database.psql("SELECT count(*) FROM notifications WHERE ending = 'expired'"),
            "0"
        );
        let left = "SELECT count(*) FROM notifications WHERE ending IS NULL";
        (database.psql(left) == "0").then_some(())
    })
    .await;
}

/// Opens a challenge at the node with the wrong clock; returns by how many seconds its dates are off.
async fn seconds_off(stage: &Stage, phone: &Phone) -> u64 {
    let form = [("FactorSid", phone.factor_sid()), ("Details.Message", "Once more?")];
    let opened = stage.api.post(1, &challenges_path(phone), &form).await.expect("a challenge");
    let created: jiff::Timestamp =
        opened["date_created"].as_str().expect("a date").parse().expect("a date");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a year after 1970");
    created.as_second().unsigned_abs().abs_diff(now.as_secs())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_nodes_clock_steps_and_no_waiting_push_ends() {
    let (database, folder) = (TestDatabase::new(), tempfile::tempdir().expect("a folder"));
    let offset = folder.path().join("offset");
    std::fs::write(&offset, "+0").expect("a file");
    let (mut stage, phones) = stage(&database, &offset, false).await;
    for step in ["+300", "-300"] {
        std::fs::write(&offset, step).expect("a file");
        until("the node says so", async || {
            stage.nodes[1].log().contains("this machine's clock jumped").then_some(())
        })
        .await;
        // Long enough for several rounds of its duties.
        tokio::time::sleep(outage(Duration::from_millis(2_500))).await;
        assert!(seconds_off(&stage, &phones[0]).await < 60, "{step}");
        std::fs::write(&offset, "+0").expect("a file");
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        assert!(waiting(&database) >= WAITING, "{step}");
    }
    all_are_delivered(&mut stage, &phones, &database).await;
}

/// The monotonic clock jumps too, as after a restored snapshot. Until its next reading the node has a wrong time, and the
/// database refuses commands that decide by it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_clocks_of_a_node_jump_for_half_a_second_and_no_waiting_push_ends() {
    let (database, folder) = (TestDatabase::new(), tempfile::tempdir().expect("a folder"));
    let offset = folder.path().join("offset");
    std::fs::write(&offset, "+0").expect("a file");
    let (mut stage, phones) = stage(&database, &offset, true).await;
    for _ in 0..3 {
        std::fs::write(&offset, "+300").expect("a file");
        tokio::time::sleep(Duration::from_millis(500)).await;
        std::fs::write(&offset, "+0").expect("a file");
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        assert_eq!(waiting(&database), WAITING);
    }
    all_are_delivered(&mut stage, &phones, &database).await;
}

/// Posts pushes with a TTL of 0 at the node whose clocks jump, until it is told to stop; counts those accepted.
async fn post_now_or_never(
    api: Api,
    phone: Phone,
    stop: CancellationToken,
    accepted: Arc<AtomicUsize>,
) {
    let form = [("FactorSid", phone.factor_sid()), ("Details.Message", "Log in?")];
    let challenge = api.post(1, &challenges_path(&phone), &form).await.expect("a challenge");
    let sid = challenge["sid"].as_str().expect("a SID");
    let path = format!("{}/{sid}/Notifications", challenges_path(&phone));
    while !stop.is_cancelled() {
        let push = api.post(1, &path, &[("Ttl", "0")]).await;
        accepted.fetch_add(usize::from(push.is_some()), Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

/// A push with a TTL of 0 has one attempt, at once. Its device is there, so a jump of the node's clocks ends none as too late. Every
/// push ends, also one that was committed and answered 503, since the connection broke at the jump.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_clocks_of_a_node_jump_and_a_push_with_a_ttl_of_zero_is_still_attempted() {
    let (database, folder) = (TestDatabase::new(), tempfile::tempdir().expect("a folder"));
    let offset = folder.path().join("offset");
    std::fs::write(&offset, "+0").expect("a file");
    let (mut stage, _) = stage(&database, &offset, true).await;
    let phones = stage.listening_phones(3).await;
    let (stop, mut posting) = (CancellationToken::new(), JoinSet::new());
    let accepted = Arc::new(AtomicUsize::new(0));
    for phone in phones {
        let (api, accepted) = (stage.api.clone(), Arc::clone(&accepted));
        posting.spawn(post_now_or_never(api, phone, stop.clone(), accepted));
    }
    // Before, between and after the jumps.
    let more = async || {
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        let enough = accepted.load(Ordering::Relaxed) + BETWEEN;
        let are_there = || accepted.load(Ordering::Relaxed) >= enough;
        until("pushes are accepted", async || are_there().then_some(())).await;
    };
    for ahead in ["+300", "+600", "+900"] {
        more().await;
        std::fs::write(&offset, ahead).expect("a file");
    }
    more().await;
    stop.cancel();
    posting.join_all().await;
    let accepted = accepted.load(Ordering::Relaxed);
    until("every push has ended", async || {
        let open = "SELECT count(*) FROM notifications WHERE ttl = 0 AND ending IS NULL";
        (database.psql(open) == "0").then_some(())
    })
    .await;
    // An acknowledgement that a jumped timer did not wait for may fail a push; its time was not over.
    let expired = "SELECT count(*) FROM notifications WHERE ttl = 0 AND ending = 'expired'";
    assert_eq!(database.psql(expired), "0");
    let stored = database.psql("SELECT count(*) FROM notifications WHERE ttl = 0");
    assert!(
        stored.parse::<usize>().is_ok_and(|stored| stored >= accepted),
        "{stored} of {accepted}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_starts_with_a_wrong_clock_goes_by_the_databases() {
    let (database, folder) = (TestDatabase::new(), tempfile::tempdir().expect("a folder"));
    let offset = folder.path().join("offset");
    std::fs::write(&offset, "+3600").expect("a file");
    let (mut stage, phones) = stage(&database, &offset, false).await;
    assert!(stage.nodes[1].log().contains("this machine's clock differs"));
    assert!(seconds_off(&stage, &phones[0]).await < 60);
    tokio::time::sleep(outage(Duration::from_millis(2_500))).await;
    assert!(waiting(&database) >= WAITING);
    all_are_delivered(&mut stage, &phones, &database).await;
}
