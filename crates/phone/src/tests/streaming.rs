//! One connection of the device stream.

use serde_json::{Value, json};
use tokio::join;

use super::fake_api::{FakeApi, Reply};
use super::fake_stream::{FakeStream, ack, linked, prompt, refusal};
use super::vectors;
use crate::{PhoneError, Stream, Told};

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

async fn closed(stream: &mut Stream) -> (u16, String) {
    match stream.next_prompt().await {
        Err(PhoneError::Closed(closed)) => (closed.code, closed.reason),
        other => panic!("not closed: {other:?}"),
    }
}

#[tokio::test]
async fn a_prompt_is_read_and_acknowledged() {
    let server = FakeStream::open().await;
    let phone = vectors::phone(&server.base_url());
    let server = async {
        let mut connection = server.link().await;
        connection.say(&json!({"type": "weather", "unknown": true})).await;
        connection.say(&prompt("NT1")).await;
        assert_eq!(json_of(&connection.hear().await), ack("NT1"));
        connection
    };
    let device = async {
        let mut stream = phone.connect().await.unwrap();
        assert_eq!(stream.linked().ping_seconds, 45);
        let prompt = stream.next_prompt().await.unwrap();
        (stream, prompt)
    };
    let (_visitor, (_stream, prompt)) = join!(server, device);
    assert_eq!(prompt.notification_sid, "NT1");
    assert_eq!(prompt.challenge_sid, vectors::CHALLENGE_SID);
    assert_eq!(prompt.message, "Log in from Lisbon?");
    assert_eq!(prompt.expires_at.as_millisecond(), 1_700_000_300_512);
}

#[tokio::test]
async fn the_end_of_a_prompt_is_told_and_skipped_by_a_phone_that_waits_for_prompts() {
    let server = FakeStream::open().await;
    let phone = vectors::phone(&server.base_url());
    let ended = json!({"type": "challenge_ended", "challenge_sid": vectors::CHALLENGE_SID,
        "factor_sid": vectors::FACTOR_SID, "reason": "answered_elsewhere", "new": 1});
    let server = async {
        let mut connection = server.link().await;
        connection.say(&ended).await;
        connection.say(&ended).await;
        connection.say(&prompt("NT1")).await;
        connection.hear().await;
        connection
    };
    let device = async {
        let mut stream = phone.connect().await.unwrap();
        let Told::Ended(ended) = stream.next().await.unwrap() else { panic!("not an end") };
        assert_eq!(ended.challenge_sid, vectors::CHALLENGE_SID);
        assert_eq!(ended.reason, "answered_elsewhere");
        assert_eq!(stream.next_prompt().await.unwrap().notification_sid, "NT1");
        stream
    };
    join!(server, device);
}

#[tokio::test]
async fn without_automatic_ack_only_explicit_acks_are_sent() {
    let server = FakeStream::open().await;
    let phone = vectors::phone(&server.base_url());
    let server = async {
        let mut connection = server.link().await;
        connection.say(&prompt("NT1")).await;
        connection.say(&prompt("NT2")).await;
        assert_eq!(json_of(&connection.hear().await), ack("NT2"));
        connection
    };
    let device = async {
        let mut stream = phone.connect().await.unwrap();
        stream.set_automatic_ack(false);
        stream.next_prompt().await.unwrap();
        let second = stream.next_prompt().await.unwrap();
        stream.ack(&second).await.unwrap();
        stream
    };
    join!(server, device);
}

#[tokio::test]
async fn pings_are_answered_while_a_prompt_is_awaited() {
    let server = FakeStream::open().await;
    let phone = vectors::phone(&server.base_url());
    let server = async {
        let mut connection = server.link().await;
        connection.ping().await;
        connection.ping().await;
        connection.say(&prompt("NT1")).await;
        connection
    };
    let device = async {
        let mut stream = phone.connect().await.unwrap();
        stream.next_prompt().await.unwrap();
        stream
    };
    join!(server, device);
}

#[tokio::test]
async fn a_close_is_reported_with_code_and_reason_every_time() {
    let server = FakeStream::open().await;
    let phone = vectors::phone(&server.base_url());
    let server = async { server.link().await.close(4409, "replaced").await };
    let device = async {
        let mut stream = phone.connect().await.unwrap();
        for _ in 0..2 {
            assert_eq!(closed(&mut stream).await, (4409, "replaced".to_owned()));
        }
    };
    join!(server, device);
}

#[tokio::test]
async fn the_phone_sends_a_close_frame() {
    let server = FakeStream::open().await;
    let phone = vectors::phone(&server.base_url());
    let server = async { server.link().await.hear_close().await };
    let device = async { phone.connect().await.unwrap().close().await };
    let (code, ()) = join!(server, device);
    assert_eq!(code, 1000);
}

#[tokio::test]
async fn a_rejected_phone_corrects_its_clock_and_retries_once() {
    let server = FakeStream::open().await;
    let phone = vectors::phone(&server.base_url());
    let server = async {
        let mut first = server.admit().await;
        assert_eq!(first.authenticate().await["nbf"], vectors::NOW);
        first.close(4401, &refusal("2023-11-14T23:13:20Z")).await;
        let mut second = server.admit().await;
        assert_eq!(second.authenticate().await["nbf"], vectors::NOW + 3600);
        second.say(&linked()).await;
        second
    };
    let (_visitor, stream) = join!(server, phone.connect());
    stream.unwrap();
    assert_eq!(phone.clock_offset(), 3600);
}

#[tokio::test]
async fn a_phone_that_is_rejected_twice_gives_up() {
    let server = FakeStream::open().await;
    let phone = vectors::phone(&server.base_url());
    let server = async {
        for _ in 0..2 {
            let mut connection = server.admit().await;
            connection.authenticate().await;
            connection.close(4401, &refusal("2023-11-14T22:13:20Z")).await;
        }
    };
    let ((), refused) = join!(server, phone.connect());
    let Err(PhoneError::Closed(closed)) = refused else {
        panic!("not closed");
    };
    assert_eq!(closed.refusal().unwrap().code, 20151);
}

#[tokio::test]
async fn a_rejection_without_the_time_is_final() {
    let server = FakeStream::open().await;
    let phone = vectors::phone(&server.base_url());
    let server = async { server.admit().await.close(4401, "go away").await };
    let ((), refused) = join!(server, phone.connect());
    assert!(matches!(refused, Err(PhoneError::Closed(closed)) if closed.reason == "go away"));
}

#[tokio::test]
async fn violations_of_the_protocol_are_malformed() {
    let server = FakeStream::open().await;
    let phone = vectors::phone(&server.base_url());
    for first in ["hello", r#"{"type":"linked"}"#] {
        let server = async {
            let mut connection = server.admit().await;
            connection.say_text(first).await;
            connection
        };
        let (_visitor, refused) = join!(server, phone.connect());
        assert!(matches!(refused, Err(PhoneError::Malformed(_))), "{first}");
    }
}

#[tokio::test]
async fn a_prompt_for_another_factor_is_not_shown() {
    let server = FakeStream::open().await;
    let phone = vectors::phone(&server.base_url());
    let server = async {
        let mut connection = server.link().await;
        let mut foreign = prompt("NT1");
        foreign["factor_sid"] = "YF2".into();
        connection.say(&foreign).await;
        connection
    };
    let device = async { phone.connect().await.unwrap().next_prompt().await };
    let (_visitor, refused) = join!(server, device);
    assert!(matches!(refused, Err(PhoneError::WrongFactor(sid)) if sid == "YF2"));
}

#[tokio::test]
async fn a_rejected_upgrade_is_the_apis_error() {
    let refused = Reply::error(503, 20503, "Service unavailable");
    let api = FakeApi::start([refused, Reply::json(200, json!({}))]).await;
    let phone = vectors::phone(&api.base_url);
    assert_eq!(phone.connect().await.unwrap_err().code(), Some(20503));
    assert!(matches!(phone.connect().await, Err(PhoneError::Malformed(_))));
    assert_eq!(api.asked()[0].headers["upgrade"], "websocket");
}
