//! Device streams over real sockets. Tests wait for events; time passes only when the clock is moved.

use std::sync::Arc;
use std::time::Duration;

use countersign_bus::{Bus, Changed, OfferOutcome};
use countersign_domain::text::Message as Question;
use countersign_domain::time::Instant;
use countersign_verify::services::ServiceStatus;
use rstest::rstest;
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

use super::support::{Hanging, Server};
use super::{START, ack, an_offer, device, factor, service, token};
use crate::socket::admission::Bounds;

fn later() -> Instant {
    START + Duration::from_secs(3_600)
}

/// Sends a token and expects a rejection.
async fn refusal(server: &Server, n: u8, claims: u8, nonce: Option<&str>) -> Value {
    let mut client = server.open(n).await;
    let fresh = client.text().await;
    client.say(&token(claims, nonce.unwrap_or(&fresh))).await;
    let (code, reason) = client.close().await;
    assert_eq!(code, 4401);
    serde_json::from_str(&reason).unwrap()
}

#[tokio::test]
async fn a_prompt_is_delivered_and_acknowledged() {
    let mut server = Server::start();
    let mut client = server.link(7).await;
    assert_eq!(
        (server.context.admission.linked(), server.context.admission.unauthenticated()),
        (1, 0)
    );

    let reception = server.offer(an_offer(1, later()));
    let prompt: Value = serde_json::from_str(&client.text().await).unwrap();
    assert_eq!(prompt["type"], "verify_push_challenge");
    assert_eq!(prompt["notification_sid"], an_offer(1, later()).notification.to_string());
    client.say(&ack(1)).await;
    assert_eq!(reception.await.unwrap(), OfferOutcome::Acknowledged);
}

/// The engine may be full because it waits for the acks of this socket.
#[tokio::test]
async fn prompts_are_delivered_while_the_engine_is_full() {
    let server = Server::start();
    let limiter: Vec<_> = std::iter::from_fn(|| server.context.handover.reserve()).collect();
    let mut client = server.open(7).await;
    let nonce = client.text().await;
    client.say(&token(7, &nonce)).await;
    client.text().await;
    let reception = server.offer(an_offer(1, later()));
    client.text().await;
    client.say(&ack(1)).await;
    assert_eq!(reception.await.unwrap(), OfferOutcome::Acknowledged);
    drop(limiter);
}

#[tokio::test]
async fn a_prompt_without_an_ack_does_not_end_the_stream() {
    let mut server = Server::start();
    let mut client = server.link(7).await;
    let reception = server.offer(an_offer(1, later()));
    client.text().await;
    client.settle().await;
    server.clock.advance(10);
    assert_eq!(reception.await.unwrap(), OfferOutcome::Unacknowledged);

    client.say(&ack(1)).await;
    let reception = server.offer(an_offer(2, later()));
    client.text().await;
    client.say(&ack(2)).await;
    assert_eq!(reception.await.unwrap(), OfferOutcome::Acknowledged);
}

#[tokio::test]
async fn a_device_that_vanishes_acknowledges_nothing() {
    let mut server = Server::start();
    let mut client = server.link(7).await;
    let reception = server.offer(an_offer(1, later()));
    client.text().await;
    client.settle().await;
    drop(client);
    assert_eq!(reception.await.unwrap(), OfferOutcome::Unacknowledged);
    server.quiet().await;
    assert!(!server.bus.is_attached(factor(7)).await);
    assert_eq!(server.context.admission.linked(), 0);
}

#[tokio::test]
async fn a_rejection_contains_a_reason_and_the_time() {
    let server = Server::start();
    let unknown = refusal(&server, 7, 9, None).await;
    assert_eq!(
        (&unknown["code"], &unknown["message"]),
        (&20151.into(), &"Authentication Failed".into())
    );
    assert_eq!(unknown["server_time"], "2026-11-22T10:00:00Z");
    assert_eq!(refusal(&server, 7, 7, Some("another")).await["code"], 20154);
    assert_eq!(refusal(&server, 7, 8, None).await["code"], 20403);
    let mut client = server.open(7).await;
    client.text().await;
    client.say("no token").await;
    let (_, reason) = client.close().await;
    assert!(reason.starts_with(r#"{"code":20152,"#), "{reason}");
    server.quiet().await;
    assert_eq!(server.context.admission.unauthenticated(), 0);
}

#[tokio::test]
async fn a_silent_client_is_rejected_after_five_seconds() {
    let server = Server::start();
    let mut client = server.open(7).await;
    client.text().await;
    client.settle().await;
    server.clock.advance(5);
    let (code, reason) = client.close().await;
    assert_eq!(code, 4401);
    assert!(reason.starts_with(r#"{"code":20003,"#), "{reason}");
}

#[tokio::test]
async fn a_device_that_cannot_be_checked_in_time_must_reconnect() {
    let hanging = Arc::new(Hanging::default());
    let server = Server::judged_by(hanging.clone(), Bounds::default());
    let mut client = server.open(7).await;
    let nonce = client.text().await;
    client.say(&token(7, &nonce)).await;
    hanging.asked.notified().await;
    server.clock.advance(10);
    assert_eq!(client.close().await.0, 1013);
}

#[tokio::test]
async fn a_newer_connection_replaces_the_older_at_most_once_a_second() {
    let mut server = Server::start();
    let first = server.link(7).await;
    let mut hasty = server.open(7).await;
    let nonce = hasty.text().await;
    hasty.say(&token(7, &nonce)).await;
    assert_eq!(hasty.close().await.0, 1013);

    server.clock.advance(1);
    let mut second = server.link(7).await;
    assert_eq!(first.close().await.0, 4409);
    let reception = server.offer(an_offer(1, later()));
    second.text().await;
    second.say(&ack(1)).await;
    assert_eq!(reception.await.unwrap(), OfferOutcome::Acknowledged);
}

/// Otherwise a device could not reconnect until the clock has caught up.
#[tokio::test]
async fn setting_the_clock_back_affects_no_limit() {
    let mut server = Server::start();
    server.clock.step(START + Duration::from_secs(7_200));
    let first = server.link(7).await;
    server.clock.step(START);
    server.clock.advance(1);
    let mut second = server.link(7).await;
    assert_eq!(first.close().await.0, 4409);

    let reception = server.offer(an_offer(1, later()));
    second.text().await;
    second.settle().await;
    server.clock.step(START);
    server.clock.advance(10);
    assert_eq!(reception.await.unwrap(), OfferOutcome::Unacknowledged);
    server.clock.advance(100);
    assert_eq!(second.close().await.0, 1001, "the device was silent");
}

#[tokio::test]
async fn setting_the_clock_forward_ends_no_stream() {
    let mut server = Server::start();
    let mut client = server.link(7).await;
    client.settle().await;
    server.clock.step(START + Duration::from_secs(86_400));
    client.settle().await;
    server.clock.step(START);
    let reception = server.offer(an_offer(1, later()));
    client.text().await;
    client.say(&ack(1)).await;
    assert_eq!(reception.await.unwrap(), OfferOutcome::Acknowledged);
}

#[tokio::test]
async fn the_stream_of_a_deleted_factor_is_closed() {
    let mut server = Server::start();
    let client = server.link(7).await;
    server.bus.dismiss(factor(7)).await;
    assert_eq!(client.close().await.0, 4404);
}

#[tokio::test]
async fn the_streams_of_a_deleted_service_end_at_once() {
    let mut server = Server::start();
    let (one, two) = (server.link(7).await, server.link(8).await);
    server.closed.lock().unwrap().insert(service(), ServiceStatus::Deleted);
    server.bus.announce(Changed::Service(service())).await;
    assert_eq!((one.close().await.0, two.close().await.0), (4404, 4404));
    server.quiet().await;

    let mut late = server.open(7).await;
    let nonce = late.text().await;
    late.say(&token(7, &nonce)).await;
    assert_eq!(late.close().await.0, 4404);
}

/// Announcements between nodes can be lost.
#[tokio::test]
async fn the_streams_of_a_service_deleted_unannounced_end_within_seconds() {
    let mut server = Server::start();
    let client = server.link(7).await;
    server.closed.lock().unwrap().insert(service(), ServiceStatus::Deleted);
    server.clock.advance(5);
    assert_eq!(client.close().await.0, 4404);
}

/// The node that deleted the factor could not announce it.
#[tokio::test]
async fn the_stream_of_a_factor_deleted_unannounced_ends_within_a_minute() {
    let mut server = Server::start();
    let (client, _other) = (server.link(7).await, server.link(8).await);
    server.gone.lock().unwrap().insert(device(7).sid);
    server.clock.advance(60);
    assert_eq!(client.close().await.0, 4404);
    assert!(server.bus.is_attached(factor(8)).await);
}

/// The device must keep its key, which is still valid.
#[tokio::test]
async fn the_devices_of_a_suspended_account_must_reconnect_later() {
    let mut server = Server::start();
    let client = server.link(7).await;
    server.closed.lock().unwrap().insert(service(), ServiceStatus::Suspended);
    server.bus.announce(Changed::Account(device(7).owner.account)).await;
    assert_eq!(client.close().await.0, 1013);

    let mut late = server.open(7).await;
    let nonce = late.text().await;
    late.say(&token(7, &nonce)).await;
    assert_eq!(late.close().await.0, 1013);
}

#[tokio::test]
async fn a_changed_service_keeps_its_streams() {
    let mut server = Server::start();
    let mut client = server.link(7).await;
    for changed in [Changed::Service(service()), Changed::Account(device(7).owner.account)] {
        server.bus.announce(changed).await;
        server.clock.advance(5);
        client.settle().await;
    }
    let reception = server.offer(an_offer(1, later()));
    client.text().await;
    client.say(&ack(1)).await;
    assert_eq!(reception.await.unwrap(), OfferOutcome::Acknowledged);
}

#[tokio::test]
async fn a_shutdown_closes_all_streams_and_can_wait_for_them() {
    let mut server = Server::start();
    let linked = server.link(7).await;
    let mut unauthenticated = server.open(8).await;
    unauthenticated.text().await;
    server.context.shutdown.cancel();
    assert_eq!(linked.close().await.0, 1001);
    assert_eq!(unauthenticated.close().await.0, 1001);
    server.quiet().await;
}

#[rstest]
#[case(Message::binary("bytes"), 1003, 1003)]
#[case(Message::text("x".repeat(4_097)), 1009, 1009)]
#[case(Message::text("x".repeat(16_000)), 1009, 1009)]
#[case(Message::text("x".repeat(4_096)), 1007, 4401)]
#[case(Message::text(r#"{"type":"weather"}"#), 1002, 4401)]
#[tokio::test]
async fn an_invalid_frame_closes_the_stream(
    #[case] message: Message,
    #[case] linked_code: u16,
    #[case] code: u16,
) {
    let mut server = Server::start();
    let mut linked = server.link(7).await;
    linked.send(message.clone()).await;
    assert_eq!(linked.close().await.0, linked_code);

    let mut unauthenticated = server.open(8).await;
    unauthenticated.text().await;
    unauthenticated.send(message).await;
    assert_eq!(unauthenticated.close().await.0, code);
}

#[tokio::test]
async fn a_silent_device_is_pinged_and_then_disconnected() {
    let mut server = Server::start();
    let mut client = server.link(7).await;
    client.settle().await;
    server.clock.advance(45);
    client.pinged().await;
    client.settle().await;
    server.clock.advance(100);
    assert_eq!(client.close().await.0, 1001);
}

#[tokio::test]
async fn a_device_that_does_not_read_is_disconnected() {
    let mut server = Server::start();
    let client = server.link(7).await;
    let offers: Vec<_> = (0..100)
        .map(|n| {
            let message = Question::parse("ü".repeat(256)).unwrap();
            server.offer(countersign_bus::Offer { message, ..an_offer(n, later()) })
        })
        .collect();
    // Shorter than the limits for old and silent connections: only the limit for writing can end it.
    for _ in 0..90 {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        server.clock.advance(1);
    }
    server.quiet().await;
    let mut receptions = Vec::new();
    for offer in offers {
        receptions.push(offer.await.unwrap());
    }
    assert!(receptions.contains(&OfferOutcome::NotConnected), "a prompt that was not written");
    assert!(!receptions.contains(&OfferOutcome::Acknowledged));
    drop(client);
}

/// Most of the memory of an idle device is this task, so its size is limited.
#[test]
fn the_task_of_a_socket_is_small() {
    fn size<A, B, C, D, F>(_: fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }
    let size = size(crate::socket::pump::hold);
    assert!(size <= 1_536, "{size} bytes");
}
