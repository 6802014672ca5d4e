//! Strangers send the real binary sign-ins without bodies, on many HTTP/2 connections. Everybody else is served.

#[path = "../common/full_size.rs"]
mod full_size;
#[path = "../common/silent.rs"]
mod silent;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use countersign_phone::{Phone, ServerOptions, Verdict};
use http::{Method, Request};
use tokio::task::JoinSet;

use crate::support::{Application, Stage, client};
use silent::{Silent, connect};

/// Requests from one address that may wait (the default of `http.unauthenticated_per_address`), and streams of a connection.
const WAITING: usize = 100;
/// Rounds of ordinary requests once all strangers have asked.
const ROUNDS: usize = 20;
/// The longest that an ordinary request may take, on a busy machine: less than the 30 s for which a sign-in without a body waits.
const PATIENCE: Duration = Duration::from_secs(20);

/// How sign-ins were answered.
#[derive(Default, Debug)]
struct Answered {
    /// 429.
    refused: AtomicUsize,
    /// 408: the body did not come in time.
    given_up: AtomicUsize,
    /// Anything else.
    otherwise: AtomicUsize,
}

impl Answered {
    fn total(&self) -> usize {
        let all = [&self.refused, &self.given_up, &self.otherwise];
        all.map(|count| count.load(Ordering::Relaxed)).iter().sum()
    }
}

/// Sends sign-ins without bodies over one connection, and counts the responses until the connection ends.
async fn besiege(address: SocketAddr, cookie: String, requests: usize, answered: Arc<Answered>) {
    let mut client = connect(address, 65_535).await;
    let mut responses = JoinSet::new();
    for _ in 0..requests {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("http://{address}/console/sign-in"))
            .header("cookie", &cookie);
        client.ready().await.expect("the connection stays");
        let response = client.send_request(request.body(Silent(9)).expect("a request"));
        let answered = Arc::clone(&answered);
        responses.spawn(async move {
            let status = response.await.map(|response| response.status().as_u16());
            let count = match status {
                Ok(429) => &answered.refused,
                Ok(408) => &answered.given_up,
                _ => &answered.otherwise,
            };
            count.fetch_add(1, Ordering::Relaxed);
        });
    }
    responses.join_all().await;
}

/// A challenge that is approved, a list, and readiness; how long the slowest request took.
async fn ordinary_round(application: &Application, phone: &Phone) -> Duration {
    let mut slowest = Duration::ZERO;
    let mut took = |since: Instant| slowest = slowest.max(since.elapsed());
    let began = Instant::now();
    let path = application.challenge(phone, &[("Details.Message", "Log in?")]).await;
    took(began);
    let began = Instant::now();
    let sid = path.rsplit('/').next().expect("a SID");
    phone.answer(sid, Verdict::Approved).await.expect("it is approved");
    took(began);
    for path in [path.as_str(), "/v2/Services", "/readyz"] {
        let began = Instant::now();
        assert_eq!(application.get(path).await.0, 200, "{path}");
        took(began);
    }
    slowest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sign_ins_without_bodies_delay_no_other_request() {
    let (connections, requests) = full_size::choose((8, 64), (40, 256));
    let stage = Stage::with_account();
    let settings =
        ["--set", "limits.challenges_per_factor_per_hour=0", "--set", "http.shutdown_seconds=1"];
    let running = stage.serve(&settings).await;
    let application = Application::of(&running);
    let phone = application.phone(&ServerOptions::default()).await;
    let page = client().get(format!("{}/console/sign-in", running.base)).send().await;
    let page = page.expect("a page");
    let cookie = page.headers()["set-cookie"].to_str().expect("text");
    let cookie = cookie.split(';').next().expect("a cookie").to_owned();
    let address = running.base.strip_prefix("http://").expect("a base").parse().expect("one");

    let answered = Arc::new(Answered::default());
    let is_standing = Arc::new(AtomicBool::new(false));
    let ordinary = tokio::spawn({
        let (is_standing, application) = (Arc::clone(&is_standing), application.clone());
        async move {
            let mut slowest = Vec::new();
            let mut left = ROUNDS;
            while left > 0 {
                left -= usize::from(is_standing.load(Ordering::Relaxed));
                slowest.push(ordinary_round(&application, &phone).await);
            }
            slowest
        }
    });
    let mut strangers = JoinSet::new();
    for _ in 0..connections {
        strangers.spawn(besiege(address, cookie.clone(), requests, Arc::clone(&answered)));
    }
    // Requests that wait can fill the streams of one connection, which then sends no more.
    let expected = connections * requests - requests.max(WAITING);
    while answered.total() < expected {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    is_standing.store(true, Ordering::Relaxed);
    let mut slowest = ordinary.await.expect("everybody is served");
    slowest.sort_unstable();
    let (half, most) = (slowest[slowest.len() / 2], slowest[slowest.len() - 1]);
    println!(
        "{connections} x {requests} sign-ins without bodies, {answered:?}: {} ordinary rounds, the \
          slowest request of a round took {half:.1?} at the median and {most:.1?} at most",
        slowest.len()
    );
    assert!(most < PATIENCE, "{most:?}");
    assert_eq!(
        answered.otherwise.load(Ordering::Relaxed),
        0,
        "no sign-in was served, and none failed"
    );
    strangers.shutdown().await;
    assert_eq!(running.stop().await.code, Some(0));
}
