//! SIGTERM: the server finishes requests in work, tells devices to reconnect, and ends within its time.

use std::time::{Duration, Instant};

use countersign_phone::{PhoneError, ServerOptions};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::{ACCOUNT, Application, Running, Stage, TOKEN, client, signal};

/// Waits until the server works on this many requests of the account, beside the one that asks.
async fn serving(running: &Running, expected: usize) {
    for _ in 0..3_000 {
        let look = client().get(format!("{}/v2/Services", running.base));
        let answer = look.basic_auth(ACCOUNT, Some(TOKEN)).send().await.expect("it answers");
        let count = answer.headers()["twilio-concurrent-requests"].to_str().expect("a number");
        if count.parse::<usize>().is_ok_and(|count| count > expected) {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("nobody is served");
}

#[tokio::test]
async fn a_long_poll_is_answered_a_stream_is_closed_and_the_rest_is_told_to_go() {
    let stage = Stage::with_account();
    let running = stage.serve(&["--set", "http.shutdown_seconds=10"]).await;
    let application = Application::of(&running);
    let phone = application.phone(&ServerOptions::default()).await;
    let mut stream = phone.connect().await.unwrap();
    let path = application.challenge(&phone, &[("Details.Message", "Log in?")]).await;
    stream.next_prompt().await.unwrap();
    let waiting = {
        let (application, path) = (application.clone(), format!("{path}?WaitSeconds=50"));
        tokio::spawn(async move { application.get(&path).await })
    };
    serving(&running, 1).await;

    let began = Instant::now();
    let base = running.base.clone();
    signal(running.id(), "TERM");
    let (status, body) = waiting.await.unwrap();
    assert_eq!((status, &body["status"]), (200, &"pending".into()));
    let Err(PhoneError::Closed(closed)) = stream.next_prompt().await else {
        panic!("it is closed")
    };
    assert_eq!(closed.code, 1001);
    let done = running.end().await;
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(done.stderr.contains("countersign has stopped"), "{done:?}");
    assert!(client().get(format!("{base}/healthz")).send().await.is_err(), "nobody listens");

    let again = stage.serve(&[]).await;
    let (_, body) = Application::of(&again).get(&format!("{path}/Notifications")).await;
    assert_eq!(body["notifications"][0]["status"], "delivered", "written down before it ended");
}

/// Begins a request whose body does not end.
async fn half_a_request(running: &Running) -> TcpStream {
    let address = running.base.strip_prefix("http://").expect("a base");
    let mut half = TcpStream::connect(address).await.expect("a connection");
    let request = "POST /v2/Services HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\
                   Authorization: Basic QUMwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMTowMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\nFriendly";
    half.write_all(request.as_bytes()).await.expect("written");
    serving(running, 1).await;
    half
}

#[tokio::test]
async fn a_client_that_never_finishes_does_not_keep_it_up() {
    let stage = Stage::with_account();
    let running = stage.serve(&["--set", "http.shutdown_seconds=1"]).await;
    let half = half_a_request(&running).await;
    let began = Instant::now();
    let done = running.stop().await;
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    drop(half);
}

#[tokio::test]
async fn an_interrupt_stops_the_server_gracefully() {
    let stage = Stage::with_account();
    let running = stage.serve(&[]).await;
    signal(running.id(), "INT");
    let done = running.end().await;
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stderr.contains("countersign has stopped"), "{done:?}");
}

#[tokio::test]
async fn a_second_interrupt_ends_it_at_once_with_a_failure() {
    let stage = Stage::with_account();
    let long = ["--set", "http.shutdown_seconds=300", "--set", "http.body_seconds=300"];
    let running = stage.serve(&long).await;
    let half = half_a_request(&running).await;
    signal(running.id(), "INT");
    running.says("countersign is stopping").await;
    signal(running.id(), "INT");
    let done = running.end().await;
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stderr.contains("stopped at once by a second interrupt"), "{done:?}");
    drop(half);
}
