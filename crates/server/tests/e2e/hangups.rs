//! Callers that hang up: a queued write is committed, and everything that follows the commit happens.

mod routes;

use std::collections::BTreeSet;

use countersign_phone::{Phone, Verdict, jwt};
use futures_util::future::join_all;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Caller, TestApp, open, request_bytes};

/// Sends a request, closes the sending side, and waits until the server has ended the connection. Returns the response,
/// which is empty if the server sent none.
async fn hang_up(app: &TestApp, caller: &Caller, method: &str, path: &str, form: &str) -> String {
    let mut stream = open(app.address(), &request_bytes(caller, method, path, form)).await;
    // The server may reset the connection of a caller that is gone.
    let _ = stream.shutdown().await;
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard).await;
    String::from_utf8_lossy(&heard).into_owned()
}

/// Hangs up on a request while its write is under way.
async fn abandon(app: &TestApp, caller: &Caller, method: &str, path: &str, form: &str) {
    let held = app.hold_writes().await;
    let heard = hang_up(app, caller, method, path, form).await;
    assert_eq!(heard, "", "{method} {path} ended before its write");
    drop(held);
}

/// The form of an answer to a challenge, signed.
async fn answer(phone: &Phone, challenge: &str, verdict: Verdict) -> String {
    let challenge = phone.challenge(challenge).await.expect("it is asked");
    let fields = challenge.fields_to_sign.as_deref().expect("it is pending");
    let payload = jwt::answer_jwt(phone.key(), &challenge.body, fields, verdict).expect("signed");
    format!("AuthPayload={payload}")
}

/// Polls until a condition holds that the test gets no event for.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..20_000 {
        if holds().await {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("it never happened: {what}");
}

/// Yields to the runtime this many times.
async fn turns(count: usize) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_connected_device_gets_the_push_of_a_caller_that_hangs_up() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let mut stream = phone.connect().await.unwrap();
    let challenges = app.challenges_path(&phone);

    let form = format!("FactorSid={}&Details.Message=Log+in%3F", phone.factor_sid());
    abandon(&app, &app.api(), "POST", &challenges, &form).await;
    let challenge = stream.next_prompt().await.unwrap().challenge_sid;

    let notifications = format!("{challenges}/{challenge}/Notifications");
    for form in ["Ttl=150", "Ttl=0"] {
        abandon(&app, &app.api(), "POST", &notifications, form).await;
        assert_eq!(stream.next_prompt().await.unwrap().challenge_sid, challenge, "{form}");
    }
    app.deliver_everything().await;
    assert_eq!(app.standing(&phone, &challenge).await, ["delivered -"; 3]);
}

#[tokio::test]
async fn a_push_whose_caller_resets_its_stream_is_delivered() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let mut stream = phone.connect().await.unwrap();
    let challenge = app.challenge(&phone, "Log in?").await;
    stream.next_prompt().await.unwrap();

    let socket = TcpStream::connect(app.address()).await.unwrap();
    let io = TokioIo::new(socket);
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let connection = tokio::spawn(connection);
    let uri = |path: &str| format!("http://{}{path}", app.address());
    let path = format!("{}/{challenge}/Notifications", app.challenges_path(&phone));
    let post = app.api().request(reqwest::Method::POST, &path).build().unwrap();
    let credentials = post.headers()["authorization"].clone();
    let request = hyper::Request::post(uri(&path)).header("authorization", credentials);
    let request = request.body(Full::new(Bytes::from_static(b"Ttl=0"))).unwrap();

    let held = app.hold_writes().await;
    let asked = client.send_request(request);
    // The server has read the request once it has answered a later one.
    let look = || hyper::Request::get(uri("/healthz")).body(Full::default()).unwrap();
    assert_eq!(client.send_request(look()).await.unwrap().status(), 200);
    drop(asked);
    assert_eq!(client.send_request(look()).await.unwrap().status(), 200);
    drop(held);

    assert_eq!(stream.next_prompt().await.unwrap().challenge_sid, challenge);
    connection.abort();
}

#[tokio::test]
async fn an_answer_whose_device_hangs_up_wakes_the_application_and_dismisses_the_prompt() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let challenge = app.challenge(&phone, "Log in?").await;
    let path = format!("{}/{challenge}", app.challenges_path(&phone));
    let (api, waiting) = (app.api(), format!("{path}?WaitSeconds=50"));
    let waiting = app.begin(async move { api.get(&waiting).await }).await;

    let form = answer(&phone, &challenge, Verdict::Denied).await;
    abandon(&app, &app.device(&phone), "POST", &path, &form).await;
    assert_eq!(waiting.await.unwrap().expect(200)["status"], "denied");
    assert_eq!(app.standing(&phone, &challenge).await, ["cancelled answered"]);
}

#[tokio::test]
async fn every_writing_route_is_carried_out_though_its_caller_hangs_up() {
    let app = TestApp::start().await;
    let description = app.api().get("/openapi.json").await.expect(200);
    let paths = description["paths"].as_object().unwrap();
    let mut left: BTreeSet<String> = paths
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().keys();
            methods.filter(|method| ["post", "delete"].contains(&method.as_str())).map(
                move |method| {
                    let plain: Vec<_> = path
                        .split('/')
                        .map(|part| if part.starts_with('{') { "*" } else { part })
                        .collect();
                    format!("{} {}", method.to_uppercase(), plain.join("/"))
                },
            )
        })
        .collect();
    for route in routes::all(&app).await {
        assert!(left.remove(&route.pattern), "{} is no writing route", route.pattern);
        let caller = if route.by_device { app.device(&route.phone) } else { app.api() };
        let before = app.api().get(&route.shows).await;
        abandon(&app, &caller, route.method, &route.path, &route.form).await;
        if route.sign.is_empty() {
            continue;
        }
        until(&route.pattern, async || {
            let after = app.api().get(&route.shows).await;
            (after.status, &after.body) != (before.status, &before.body)
        })
        .await;
        let after = app.api().get(&route.shows).await;
        let text = after.body.to_string();
        assert!(text.contains(&route.sign), "{}: {text}", route.pattern);
    }
    assert!(left.is_empty(), "not tried: {left:?}");
}

#[tokio::test]
async fn nothing_is_left_under_way_when_many_callers_time_out() {
    let app = TestApp::start_with(&["limits.push_challenges_in_a_row=0"]).await;
    let phone = app.enrol_phone("alice-0001").await;
    let mut stream = phone.connect().await.unwrap();
    let listening = tokio::spawn(async move { while stream.next_prompt().await.is_ok() {} });
    let mut challenges = Vec::new();
    for number in 0..20 {
        challenges.push(app.challenge(&phone, &format!("Log in {number}?")).await);
    }
    let api = app.api();
    // Each caller hangs up at another stage of its call: after 0, 5, 10 … yields.
    let calls = challenges.iter().flat_map(|one| ["150", "0", "300"].map(|ttl| (one, ttl)));
    let calls = calls.enumerate().map(|(number, (challenge, ttl))| {
        let path = format!("{}/{challenge}/Notifications", app.challenges_path(&phone));
        let api = &api;
        async move {
            let form = [("Ttl", ttl)];
            tokio::select! {
                biased;
                _ = api.post(&path, &form) => {}
                () = turns(number * 5) => {}
            }
        }
    });
    join_all(calls).await;
    until("no request is under way", async || app.serving().await == 1).await;
    app.deliver_everything().await;
    let standing = join_all(challenges.iter().map(|one| app.standing(&phone, one))).await;
    let standing: Vec<_> = standing.iter().flatten().collect();
    assert!(standing.len() > challenges.len(), "some calls were carried out: {standing:?}");
    let is_over = |one: &&String| ["delivered -", "cancelled superseded"].contains(&one.as_str());
    assert!(standing.iter().all(is_over), "{standing:?}");
    listening.abort();
}
