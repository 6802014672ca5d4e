//! The whole, over real sockets. Waits are for events; time passes only where the clock is moved.

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

/// Says who it is, and is refused.
async fn refusal(server: &Server, n: u8, claims: u8, nonce: Option<&str>) -> Value {
    let mut client = server.open(n).await;
    let fresh = client.text().await;
    client.say(&token(claims, nonce.unwrap_or(&fresh))).await;
    let (code, reason) = client.close().await;
    assert_eq!(code, 4401);
    serde_json::from_str(&reason).unwrap()
}

#[tokio::test]
async fn a_prompt_comes_down_and_its_ack_goes_up() {
    let mut server = Server::start();
    let mut client = server.link(7).await;
    assert_eq!((server.parts.admission.linked(), server.parts.admission.unauthenticated()), (1, 0));

    let reception = server.offer(an_offer(1, later()));
    let prompt: Value = serde_json::from_str(&client.text().await).unwrap();
    assert_eq!(prompt["type"], "verify_push_challenge");
    assert_eq!(prompt["notification_sid"], an_offer(1, later()).notification.to_string());
    client.say(&ack(1)).await;
    assert_eq!(reception.await.unwrap(), OfferOutcome::Acknowledged);
}

/// The engine may have no place just because it waits for the acks of this very socket.
#[tokio::test]
async fn prompts_come_down_while_the_engine_has_no_place_for_the_news() {
    let server = Server::start();
    let places: Vec<_> = std::iter::from_fn(|| server.parts.handover.reserve()).collect();
    let mut client = server.open(7).await;
    let nonce = client.text().await;
    client.say(&token(7, &nonce)).await;
    client.text().await;
    let reception = server.offer(an_offer(1, later()));
    client.text().await;
    client.say(&ack(1)).await;
    assert_eq!(reception.await.unwrap(), OfferOutcome::Acknowledged);
    drop(places);
}

#[tokio::test]
async fn a_prompt_without_an_ack_is_given_up_and_the_stream_goes_on() {
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
    assert_eq!(server.parts.admission.linked(), 0);
}

#[tokio::test]
async fn strangers_are_refused_with_a_reason_and_the_time() {
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
    assert_eq!(server.parts.admission.unauthenticated(), 0);
}

#[tokio::test]
async fn whoever_never_speaks_is_refused_after_five_seconds() {
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
async fn a_device_that_cannot_be_checked_in_time_is_not_refused_but_told_to_come_back() {
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
async fn a_newer_connection_takes_over_once_a_second() {
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

/// Otherwise a device could not come back for as long as the clock had been ahead.
#[tokio::test]
async fn setting_the_clock_back_keeps_no_device_out_and_no_socket_alive() {
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
    assert_eq!(second.close().await.0, 1001, "nothing was heard of it");
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
async fn a_factor_that_is_gone_is_told() {
    let mut server = Server::start();
    let client = server.link(7).await;
    server.bus.dismiss(factor(7)).await;
    assert_eq!(client.close().await.0, 4404);
}

#[tokio::test]
async fn the_streams_of_a_service_that_is_gone_end_at_once() {
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

/// What nodes tell each other may be lost.
#[tokio::test]
async fn the_streams_of_a_service_that_is_gone_unheard_end_within_seconds() {
    let mut server = Server::start();
    let client = server.link(7).await;
    server.closed.lock().unwrap().insert(service(), ServiceStatus::Deleted);
    server.clock.advance(5);
    assert_eq!(client.close().await.0, 4404);
}

/// The node that deleted it could not tell.
#[tokio::test]
async fn the_stream_of_a_factor_that_is_gone_unheard_ends_within_a_minute() {
    let mut server = Server::start();
    let (client, _other) = (server.link(7).await, server.link(8).await);
    server.gone.lock().unwrap().insert(device(7).sid);
    server.clock.advance(60);
    assert_eq!(client.close().await.0, 4404);
    assert!(server.bus.is_attached(factor(8)).await);
}

/// Its key is still good: it must not forget it.
#[tokio::test]
async fn the_streams_of_a_suspended_account_end_and_are_told_to_come_back_later() {
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
async fn a_service_that_is_changed_keeps_its_streams() {
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
async fn a_server_that_stops_tells_everybody_to_come_back_and_can_wait_for_them() {
    let mut server = Server::start();
    let linked = server.link(7).await;
    let mut stranger = server.open(8).await;
    stranger.text().await;
    server.parts.shutdown.cancel();
    assert_eq!(linked.close().await.0, 1001);
    assert_eq!(stranger.close().await.0, 1001);
    server.quiet().await;
}

#[rstest]
#[case(Message::binary("bytes"), 1003, 1003)]
#[case(Message::text("x".repeat(4_097)), 1009, 1009)]
#[case(Message::text("x".repeat(16_000)), 1009, 1009)]
#[case(Message::text("x".repeat(4_096)), 1007, 4401)]
#[case(Message::text(r#"{"type":"weather"}"#), 1002, 4401)]
#[tokio::test]
async fn what_is_no_frame_closes_the_stream(
    #[case] message: Message,
    #[case] linked_code: u16,
    #[case] stranger_code: u16,
) {
    let mut server = Server::start();
    let mut linked = server.link(7).await;
    linked.send(message.clone()).await;
    assert_eq!(linked.close().await.0, linked_code);

    let mut stranger = server.open(8).await;
    stranger.text().await;
    stranger.send(message).await;
    assert_eq!(stranger.close().await.0, stranger_code);
}

#[tokio::test]
async fn a_silent_device_is_pinged_and_then_given_up() {
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
async fn a_device_that_does_not_read_is_given_up() {
    let mut server = Server::start();
    let client = server.link(7).await;
    let offers: Vec<_> = (0..100)
        .map(|n| {
            let message = Question::parse("ü".repeat(256)).unwrap();
            server.offer(countersign_bus::Offer { message, ..an_offer(n, later()) })
        })
        .collect();
    // Less than what would make it old or silent: only a write that takes too long can end it.
    for _ in 0..90 {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        server.clock.advance(1);
    }
    server.quiet().await;
    let mut fates = Vec::new();
    for offer in offers {
        fates.push(offer.await.unwrap());
    }
    assert!(fates.contains(&OfferOutcome::NotConnected), "what was never written");
    assert!(!fates.contains(&OfferOutcome::Acknowledged));
    drop(client);
}

/// What an idle device costs is mostly this task; it must not grow unseen.
#[test]
fn the_task_of_a_socket_is_small() {
    fn size<A, B, C, D, F>(_: fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }
    let size = size(crate::socket::pump::hold);
    assert!(size <= 1_536, "{size} bytes");
}
