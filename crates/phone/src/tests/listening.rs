//! Reconnecting.

use std::time::Duration;

use tokio::join;

use super::fake_stream::{ClosedPort, FakeStream, prompt};
use super::vectors;
use crate::{Backoff, Event, Listener, Phone, PhoneError};

/// A phone without delays.
fn listen(phone: &Phone) -> Listener {
    phone.listen_with(Backoff {
        first: Duration::ZERO,
        most: Duration::ZERO,
        come_back: Duration::ZERO,
    })
}

async fn linked(listener: &mut Listener) {
    let event = listener.next().await.unwrap();
    assert!(matches!(event, Event::Linked(_)), "{event:?}");
}

async fn prompted(listener: &mut Listener) -> String {
    match listener.next().await.unwrap() {
        Event::Prompt(prompt) => prompt.notification_sid,
        other => panic!("not a prompt: {other:?}"),
    }
}

async fn lost(listener: &mut Listener) -> PhoneError {
    match listener.next().await.unwrap() {
        Event::Lost { error, .. } => error,
        other => panic!("not lost: {other:?}"),
    }
}

#[tokio::test]
async fn the_phone_reconnects_after_a_close_or_a_broken_connection() {
    let server = FakeStream::open().await;
    let phone = vectors::phone(&server.base_url());
    let server = async {
        server.link().await.close(1001, "restart").await;
        drop(server.link().await);
        let mut third = server.link().await;
        third.say(&prompt("NT3")).await;
        third.hear().await;
        third
    };
    let device = async {
        let mut listener = listen(&phone);
        linked(&mut listener).await;
        let stopped = lost(&mut listener).await;
        assert!(matches!(stopped, PhoneError::Closed(closed) if closed.code == 1001));
        linked(&mut listener).await;
        let broke = lost(&mut listener).await;
        assert!(matches!(broke, PhoneError::Closed(_) | PhoneError::Socket(_)), "{broke}");
        linked(&mut listener).await;
        assert_eq!(prompted(&mut listener).await, "NT3");
        listener
    };
    join!(server, device);
}

#[tokio::test]
async fn the_phone_retries_until_the_server_is_up() {
    let server = ClosedPort::new();
    let phone = vectors::phone(&server.base_url());
    let mut listener = listen(&phone);
    for _ in 0..3 {
        assert!(matches!(lost(&mut listener).await, PhoneError::Unreachable(_)));
    }
    let server = server.open();
    let (_visitor, ()) = join!(server.link(), linked(&mut listener));
}

#[tokio::test]
async fn a_deleted_or_replaced_factor_does_not_reconnect() {
    for code in [4404, 4409] {
        let server = FakeStream::open().await;
        let phone = vectors::phone(&server.base_url());
        let server = async { server.link().await.close(code, "").await };
        let device = async {
            let mut listener = listen(&phone);
            linked(&mut listener).await;
            listener.next().await.unwrap_err()
        };
        let ((), error) = join!(server, device);
        assert!(matches!(error, PhoneError::Closed(closed) if closed.code == code));
    }
}

#[tokio::test]
async fn the_automatic_ack_stays_off_over_connections() {
    let server = FakeStream::open().await;
    let phone = vectors::phone(&server.base_url());
    let server = async {
        let mut first = server.link().await;
        first.say(&prompt("NT1")).await;
        first.close(1001, "").await;
        let mut second = server.link().await;
        second.say(&prompt("NT2")).await;
        second.say(&prompt("NT3")).await;
        assert!(second.hear().await.contains("NT3"));
        second
    };
    let device = async {
        let mut listener = listen(&phone);
        listener.set_automatic_ack(false);
        linked(&mut listener).await;
        prompted(&mut listener).await;
        lost(&mut listener).await;
        linked(&mut listener).await;
        prompted(&mut listener).await;
        let Event::Prompt(third) = listener.next().await.unwrap() else {
            panic!("not a prompt");
        };
        listener.ack(&third).await.unwrap();
        listener
    };
    join!(server, device);
}
