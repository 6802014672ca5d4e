//! Faulty device streams: they deliver nothing, and disturb no other stream.

use std::time::Duration;

use countersign_domain::world::Clock as _;
use countersign_phone::{DeviceKey, Phone, Platform, jwt};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::error::Error;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::support::TestApp;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(app: &TestApp, phone: &Phone) -> Result<Socket, Error> {
    let path = format!("{}/Stream", app.factor_path(phone));
    connect_async(format!("ws://{}{path}", app.address())).await.map(|(socket, _)| socket)
}

async fn text(socket: &mut Socket) -> String {
    match socket.next().await {
        Some(Ok(Message::Text(text))) => text.to_string(),
        other => panic!("a text: {other:?}"),
    }
}

/// The code and the reason with which the server ends it.
async fn end(socket: &mut Socket) -> (u16, String) {
    loop {
        match socket.next().await {
            Some(Ok(Message::Close(Some(close)))) => {
                return (close.code.into(), close.reason.to_string());
            }
            Some(Ok(_)) => {}
            other => panic!("a close: {other:?}"),
        }
    }
}

fn token(app: &TestApp, phone: &Phone, nonce: Option<&str>) -> String {
    let device =
        jwt::Device { credential_sid: phone.credential_sid(), account_sid: phone.account_sid() };
    jwt::device_jwt(phone.key(), device, app.clock.now().as_seconds(), nonce).expect("a token")
}

/// A linked stream that acknowledges nothing.
async fn linked(app: &TestApp, phone: &Phone) -> Socket {
    let mut socket = connect(app, phone).await.expect("a socket");
    let nonce = text(&mut socket).await;
    socket.send(Message::text(token(app, phone, Some(&nonce)))).await.expect("sent");
    assert!(text(&mut socket).await.contains("linked"));
    socket
}

#[tokio::test]
async fn a_first_frame_that_does_not_link_is_refused_with_its_reason() {
    let app = TestApp::start().await;
    let (alice, bob) = tokio::join!(app.enrol_phone("alice-0001"), app.enrol_phone("bob-00001"));
    let quiet = app.enrol("carol-001", Platform::None).await;
    let challenge = app.challenge(&alice, "Log in?").await;
    for (whose, of, with_nonce, code) in
        [(&alice, &alice, false, 20154), (&alice, &bob, true, 20403), (&quiet, &quiet, true, 20403)]
    {
        let mut socket = connect(&app, whose).await.unwrap();
        let nonce = text(&mut socket).await;
        let token = token(&app, of, with_nonce.then_some(nonce.as_str()));
        socket.send(Message::text(token)).await.unwrap();
        let (close, reason) = end(&mut socket).await;
        let reason: Value = serde_json::from_str(&reason).unwrap();
        assert_eq!((close, &reason["code"]), (4401, &json!(code)));
        assert_eq!(reason["server_time"], "2026-01-01T12:00:00Z");
    }
    for (frame, code, refusal) in [
        (Message::text("nonsense"), 4401, "20152"),
        (Message::text(""), 4401, "20152"),
        (Message::binary(vec![1, 2, 3]), 1003, ""),
        (Message::text("x".repeat(4_097)), 1009, ""),
    ] {
        let mut socket = connect(&app, &alice).await.unwrap();
        text(&mut socket).await;
        socket.send(frame).await.unwrap();
        let (close, reason) = end(&mut socket).await;
        assert_eq!(close, code);
        assert!(reason.contains(refusal), "{reason}");
    }
    assert_eq!(app.standing(&alice, &challenge).await, ["queued device_offline"]);
}

#[tokio::test]
async fn failed_first_frames_count_as_failed_credentials_of_their_address() {
    let setting = "limits.failed_credentials_per_address_per_minute=6";
    let app = TestApp::start_with(&[setting]).await;
    let alice = app.enrol_phone("alice-0001").await;
    let newcomer = app.stranger().await;
    let first_frame = async |frame: Message| {
        let mut socket = connect(&app, &alice).await.unwrap();
        text(&mut socket).await;
        socket.send(frame).await.unwrap();
        end(&mut socket).await.0
    };
    let stranger = DeviceKey::generate().unwrap();
    let device =
        jwt::Device { credential_sid: alice.credential_sid(), account_sid: alice.account_sid() };
    let forged = jwt::device_jwt(&stranger, device, app.clock.now().as_seconds(), None).unwrap();
    for (frame, code) in [
        (Message::text("nonsense"), 4401),
        (Message::text(""), 4401),
        (Message::text(forged), 4401),
        (Message::text(token(&app, &alice, None)), 4401),
        (Message::binary(vec![1, 2, 3]), 1003),
    ] {
        assert_eq!(first_frame(frame).await, code);
    }
    assert_eq!(newcomer.get("/v2/Services").await.status, 200, "five have failed");
    assert_eq!(first_frame(Message::text("x".repeat(4_097))).await, 1009);

    assert_eq!(app.stranger().await.get("/v2/Services").await.refusal(), (429, 20429));
    assert_eq!(first_frame(Message::text("nonsense")).await, 1013, "it is not judged");
    let mut socket = connect(&app, &alice).await.unwrap();
    let nonce = text(&mut socket).await;
    socket.send(Message::text(token(&app, &alice, Some(&nonce)))).await.unwrap();
    assert!(text(&mut socket).await.contains("linked"), "a key that worked from here is judged");
    app.clock.advance(Duration::from_secs(60));
    assert_eq!(first_frame(Message::text("nonsense")).await, 4401);
}

#[tokio::test]
async fn streams_of_a_suspended_account_end_and_come_back_when_it_is_resumed() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let account = app.account.parse().unwrap();
    let mut socket = linked(&app, &phone).await;
    app.server().verify.suspend_account(account).await.unwrap();
    assert_eq!(end(&mut socket).await.0, 1013);

    app.clock.advance(Duration::from_secs(2));
    let mut refused = connect(&app, &phone).await.unwrap();
    let nonce = text(&mut refused).await;
    refused.send(Message::text(token(&app, &phone, Some(&nonce)))).await.unwrap();
    assert_eq!(end(&mut refused).await.0, 1013);

    app.server().verify.resume_account(account).await.unwrap();
    app.clock.advance(Duration::from_secs(2));
    linked(&app, &phone).await;
}

#[tokio::test]
async fn strangers_that_say_nothing_have_five_seconds_and_twenty_places() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        let mut socket = connect(&app, &phone).await.unwrap();
        text(&mut socket).await;
        silent.push(socket);
    }
    let Err(Error::Http(refusal)) = connect(&app, &phone).await else { panic!("one too many") };
    assert_eq!(refusal.status(), 429);
    assert_eq!(app.api().get("/v2/Services").await.status, 200, "the rest goes on");

    app.clock.advance(Duration::from_secs(5));
    for socket in &mut silent {
        let (close, reason) = end(socket).await;
        assert_eq!((close, reason.contains("20003")), (4401, true), "{reason}");
    }
    linked(&app, &phone).await;
}

#[tokio::test]
async fn an_invalid_frame_ends_the_stream_and_delivers_nothing() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let challenge = app.challenge(&phone, "Log in?").await;
    for (frame, code) in [
        (Message::text("nonsense"), 1007),
        (Message::text("[]"), 1007),
        (Message::text("null"), 1007),
        (Message::text(r#"{"type":"ack""#), 1007),
        (Message::text(r#"{"type":"approve"}"#), 1002),
        (Message::text(r#"{"type":"ack"}"#), 1002),
        (Message::text(r#"{"type":"ack","notification_sid":"YC1"}"#), 1002),
        (Message::text("{}"), 1002),
        (Message::binary(vec![0; 16]), 1003),
        (Message::text(format!(r#"{{"type":"{}"}}"#, "x".repeat(4_096))), 1009),
    ] {
        let mut socket = linked(&app, &phone).await;
        assert!(text(&mut socket).await.contains("Log in?"), "replayed until it is acknowledged");
        socket.send(frame.clone()).await.unwrap();
        assert_eq!(end(&mut socket).await.0, code, "{frame}");
        // A device may connect once a second.
        app.deliver_everything().await;
        app.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(app.standing(&phone, &challenge).await, ["queued device_offline"]);
}

#[tokio::test]
async fn an_ack_of_something_else_changes_nothing() {
    let app = TestApp::start().await;
    let (alice, bob) = tokio::join!(app.enrol_phone("alice-0001"), app.enrol_phone("bob-00001"));
    let challenge = app.challenge(&alice, "Log in?").await;
    let others = app.challenge(&bob, "Pay?").await;
    let sid = async |phone, challenge| {
        app.notifications(phone, challenge).await[0]["sid"].as_str().unwrap().to_owned()
    };
    let (mine, foreign) = (sid(&alice, &challenge).await, sid(&bob, &others).await);
    let mut socket = linked(&app, &alice).await;
    text(&mut socket).await;
    let ack =
        |sid: &str| Message::text(json!({"type": "ack", "notification_sid": sid}).to_string());
    for stray in [&foreign, "NT00000000000000000000000000000000"] {
        socket.send(ack(stray)).await.unwrap();
    }
    // Unknown members are for a later version.
    let own = json!({"type": "ack", "notification_sid": mine, "later": [1]});
    socket.send(Message::text(own.to_string())).await.unwrap();
    app.deliver_everything().await;
    assert_eq!(app.standing(&alice, &challenge).await, ["delivered -"]);
    assert_eq!(app.standing(&bob, &others).await, ["queued device_offline"]);
}

#[tokio::test]
async fn a_stream_asked_for_without_an_upgrade_is_426() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let path = format!("{}/Stream", app.factor_path(&phone));
    let reply = app.device(&phone).get(&path).await;
    assert_eq!(reply.refusal(), (426, 20426));
    assert_eq!(reply.header("upgrade"), "websocket");
    let malformed = path.replace(phone.factor_sid(), "YF1");
    let url = format!("ws://{}{malformed}", app.address());
    let Err(Error::Http(refusal)) = connect_async(url).await else { panic!("no such path") };
    assert_eq!(refusal.status(), 400);
}

#[tokio::test]
async fn a_newer_connection_replaces_the_older_one_and_a_deleted_factor_ends_it() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let mut older = linked(&app, &phone).await;
    app.clock.advance(Duration::from_secs(1));
    let mut newer = linked(&app, &phone).await;
    assert_eq!(end(&mut older).await.0, 4409);
    app.device(&phone).delete(&app.factor_path(&phone)).await.expect(204);
    assert_eq!(end(&mut newer).await.0, 4404);
    let mut gone = connect(&app, &phone).await.unwrap();
    let nonce = text(&mut gone).await;
    gone.send(Message::text(token(&app, &phone, Some(&nonce)))).await.unwrap();
    let (close, reason) = end(&mut gone).await;
    assert_eq!((close, reason.contains("20151")), (4401, true), "{reason}");
}
