//! Devices on the stream: present, absent, returning in time or too late, silent.

use std::collections::BTreeSet;

use countersign_bus::{Detached, OfferOutcome};
use countersign_delivery::EngineOptions;
use countersign_domain::address::Platform;
use countersign_domain::ending::{ErrorCode, NotificationStatus, StatusReason};

use crate::support::{World, secs};

#[tokio::test]
async fn a_present_device_gets_a_push_at_once() {
    let world = World::start().await;
    let phone = world.enrol(Platform::Stream).await;
    let mut device = world.connect(&phone).await;
    let challenge = world.ask(&phone).await;
    let push = world.push(&challenge, 300).await;
    assert_eq!(world.status(&challenge, push).await.0, NotificationStatus::Sending);

    assert_eq!(device.acknowledge().await, push);
    world.deliver_everything().await;
    assert_eq!(world.status(&challenge, push).await, (NotificationStatus::Delivered, None));
    assert_eq!(world.outcomes(&challenge, push).await, ["acknowledged"]);
    assert_eq!(
        world.engine().signals().counts().written,
        0,
        "no mark for a device that acknowledges quickly"
    );
}

#[tokio::test]
async fn an_unacknowledged_push_reads_sent() {
    let world = World::start().await;
    let phone = world.enrol(Platform::Stream).await;
    let mut device = world.connect(&phone).await;
    let challenge = world.ask(&phone).await;
    let push = world.push(&challenge, 300).await;
    let pending = device.next().await;
    world.pass(EngineOptions::default().written_after);
    world.wait_for(|counts| counts.written == 1).await;
    assert_eq!(world.status(&challenge, push).await, (NotificationStatus::Sent, None));

    pending.reply.send(OfferOutcome::Acknowledged).unwrap();
    world.deliver_everything().await;
    assert_eq!(world.status(&challenge, push).await, (NotificationStatus::Delivered, None));
}

#[tokio::test]
async fn a_device_that_returns_in_time_gets_the_push() {
    let world = World::start().await;
    let phone = world.enrol(Platform::Stream).await;
    let challenge = world.ask(&phone).await;
    let push = world.push(&challenge, 300).await;
    let waiting = (NotificationStatus::Queued, Some(StatusReason::DeviceOffline));
    assert_eq!(world.status(&challenge, push).await, waiting);

    world.pass(secs(200));
    world.deliver_everything().await;
    assert_eq!(world.status(&challenge, push).await, waiting);
    let mut device = world.connect(&phone).await;
    assert_eq!(device.acknowledge().await, push);
    world.deliver_everything().await;
    assert_eq!(world.status(&challenge, push).await, (NotificationStatus::Delivered, None));
}

#[tokio::test]
async fn a_device_that_returns_too_late_gets_nothing() {
    let world = World::start().await;
    let phone = world.enrol(Platform::Stream).await;
    let challenge = world.ask(&phone).await;
    let push = world.push(&challenge, 10).await;
    world.pass(secs(10));
    let mut device = world.connect(&phone).await;
    world.deliver_everything().await;
    assert!(device.sees_nothing());

    world.sweep_until(|counts| counts.expired == 1).await;
    let away = (NotificationStatus::Expired, Some(StatusReason::DeviceOffline));
    assert_eq!(world.status(&challenge, push).await, away);
    assert_eq!(
        world.notification(&challenge, push).await.ending.unwrap().code,
        Some(ErrorCode::TTL_PASSED)
    );
}

#[tokio::test]
async fn a_silent_device_gets_a_push_again_only_after_reconnecting() {
    let world = World::start().await;
    let phone = world.enrol(Platform::Stream).await;
    let mut device = world.connect(&phone).await;
    let challenge = world.ask(&phone).await;
    let push = world.push(&challenge, 300).await;
    let pending = device.next().await;
    world.pass(secs(10));
    pending.reply.send(OfferOutcome::Unacknowledged).unwrap();
    world.deliver_everything().await;
    assert!(device.sees_nothing());
    let waiting = (NotificationStatus::Queued, Some(StatusReason::DeviceOffline));
    assert_eq!(world.status(&challenge, push).await, waiting);

    drop(device);
    let mut device = world.connect(&phone).await;
    assert_eq!(device.acknowledge().await, push);
    world.deliver_everything().await;
    assert_eq!(world.status(&challenge, push).await, (NotificationStatus::Delivered, None));
    assert_eq!(world.outcomes(&challenge, push).await, ["unacknowledged", "acknowledged"]);
}

#[tokio::test]
async fn an_unacknowledged_push_of_the_older_socket_goes_to_the_newer() {
    let world = World::start().await;
    let phone = world.enrol(Platform::Stream).await;
    let mut older = world.connect(&phone).await;
    let challenge = world.ask(&phone).await;
    let push = world.push(&challenge, 300).await;
    let pending = older.next().await;
    world.pass(secs(1));
    let mut newer = world.connect(&phone).await;
    assert_eq!(older.attachment.detached.await, Ok(Detached::Replaced));
    world.wait_for(|counts| counts.replayed == 2).await;
    assert!(newer.sees_nothing(), "the offer is still at the older socket");

    pending.reply.send(OfferOutcome::Unacknowledged).unwrap();
    assert_eq!(newer.acknowledge().await, push);
    world.deliver_everything().await;
    assert_eq!(world.status(&challenge, push).await, (NotificationStatus::Delivered, None));
}

#[tokio::test]
async fn only_the_newest_push_of_a_challenge_is_replayed() {
    let world = World::start().await;
    let phone = world.enrol(Platform::Stream).await;
    let challenge = world.ask(&phone).await;
    let older = world.push(&challenge, 300).await;
    world.pass(secs(1));
    let newer = world.push(&challenge, 30).await;
    let mut device = world.connect(&phone).await;
    assert_eq!(device.acknowledge().await, newer);
    world.deliver_everything().await;
    assert!(device.sees_nothing());
    assert_eq!(world.status(&challenge, newer).await, (NotificationStatus::Delivered, None));
    let superseded = (NotificationStatus::Cancelled, Some(StatusReason::Superseded));
    assert_eq!(world.status(&challenge, older).await, superseded);
}

#[tokio::test]
async fn a_hundred_offers_at_most_are_outstanding_and_the_most_urgent_go_first() {
    let world = World::start().await;
    let phone = world.enrol(Platform::Stream).await;
    let mut pushes = Vec::new();
    for at in 0..130 {
        let challenge = world.ask(&phone).await;
        pushes.push((world.push(&challenge, 300 - at).await, challenge));
    }
    let mut device = world.connect(&phone).await;
    let mut offered = Vec::new();
    for _ in 0..100 {
        offered.push(device.next().await);
    }
    world.wait_for(|counts| counts.attempted == 100 && counts.replayed == 1).await;
    assert!(device.sees_nothing());
    let urgent: BTreeSet<_> = pushes[30..].iter().map(|(push, _)| *push).collect();
    assert_eq!(urgent, offered.iter().map(|pending| pending.offer.notification).collect());

    for pending in offered {
        pending.reply.send(OfferOutcome::Acknowledged).unwrap();
    }
    for _ in 0..30 {
        device.acknowledge().await;
    }
    world.deliver_everything().await;
    for (push, challenge) in pushes {
        assert_eq!(world.status(&challenge, push).await.0, NotificationStatus::Delivered);
    }
}

#[tokio::test]
async fn a_device_that_acknowledges_none_of_a_hundred_gets_no_more() {
    let world = World::start().await;
    let phone = world.enrol(Platform::Stream).await;
    for _ in 0..110 {
        let challenge = world.ask(&phone).await;
        world.push(&challenge, 300).await;
    }
    let mut device = world.connect(&phone).await;
    for _ in 0..100 {
        device.next().await.reply.send(OfferOutcome::Unacknowledged).unwrap();
    }
    world.deliver_everything().await;
    assert!(device.sees_nothing());
}

#[tokio::test]
async fn ttl_0_reaches_a_present_device() {
    let world = World::start().await;
    let phone = world.enrol(Platform::Stream).await;
    let mut device = world.connect(&phone).await;
    let challenge = world.ask(&phone).await;
    let push = world.push(&challenge, 0).await;
    assert_eq!(device.acknowledge().await, push);
    world.deliver_everything().await;
    assert_eq!(world.status(&challenge, push).await, (NotificationStatus::Delivered, None));
}

#[tokio::test]
async fn ttl_0_is_never_replayed() {
    let world = World::start().await;
    let phone = world.enrol(Platform::Stream).await;
    let mut device = world.connect(&phone).await;
    let challenge = world.ask(&phone).await;
    let push = world.push(&challenge, 0).await;
    let pending = device.next().await;
    world.pass(EngineOptions::default().written_after);
    world.wait_for(|counts| counts.written == 1).await;
    assert_eq!(world.status(&challenge, push).await, (NotificationStatus::Sent, None));
    world.pass(secs(10));
    pending.reply.send(OfferOutcome::Unacknowledged).unwrap();
    world.deliver_everything().await;
    assert_eq!(world.status(&challenge, push).await, (NotificationStatus::Sent, None));

    drop(device);
    let mut device = world.connect(&phone).await;
    world.deliver_everything().await;
    assert!(device.sees_nothing());
}

#[tokio::test]
async fn ttl_0_without_a_device_fails() {
    let world = World::start().await;
    let phone = world.enrol(Platform::Stream).await;
    let challenge = world.ask(&phone).await;
    let push = world.push(&challenge, 0).await;
    world.deliver_everything().await;
    let failed = (NotificationStatus::Failed, Some(StatusReason::DeviceOffline));
    assert_eq!(world.status(&challenge, push).await, failed);
    let ending = world.notification(&challenge, push).await.ending.unwrap();
    assert_eq!(ending.code, Some(ErrorCode::NO_DESTINATION));
}

#[tokio::test]
async fn ttl_0_not_started_within_a_second_expires() {
    let mut world = World::still(EngineOptions::default()).await;
    let phone = world.enrol(Platform::Stream).await;
    let mut device = world.connect(&phone).await;
    let challenge = world.ask(&phone).await;
    let push = world.push(&challenge, 0).await;
    world.pass(secs(1));
    world.begin();
    world.deliver_everything().await;
    assert!(device.sees_nothing());
    let expired = (NotificationStatus::Expired, Some(StatusReason::NotAttempted));
    assert_eq!(world.status(&challenge, push).await, expired);
}

#[tokio::test]
async fn a_socket_that_drops_offers_is_not_asked_in_a_tight_loop() {
    let world = World::start().await;
    let phone = world.enrol(Platform::Stream).await;
    let mut device = world.connect(&phone).await;
    let challenge = world.ask(&phone).await;
    let push = world.push(&challenge, 300).await;
    for _ in 0..4 {
        drop(device.next().await);
    }
    world.wait_for(|counts| counts.settled == 4).await;
    assert!(device.sees_nothing());
    world.pass(secs(4));
    assert_eq!(device.acknowledge().await, push);
    world.deliver_everything().await;
    assert_eq!(world.status(&challenge, push).await, (NotificationStatus::Delivered, None));
}

#[tokio::test]
async fn a_busy_device_is_retried_later() {
    let world = World::start().await;
    let phone = world.enrol(Platform::Stream).await;
    let mut device = world.connect(&phone).await;
    let challenge = world.ask(&phone).await;
    let push = world.push(&challenge, 300).await;
    device.next().await.reply.send(OfferOutcome::Busy).unwrap();
    world.deliver_everything().await;
    assert_eq!(
        world.status(&challenge, push).await,
        (NotificationStatus::Queued, Some(StatusReason::Retrying))
    );
    world.pass(secs(1));
    assert_eq!(device.acknowledge().await, push);
}

/// Silent sockets of one service take at most half of the permits.
#[tokio::test]
async fn silent_devices_of_one_service_delay_no_other_service() {
    const PERMITS: usize = 8;
    let options = EngineOptions { stream_attempts_max: PERMITS, ..EngineOptions::default() };
    let mut world = World::with(options).await;
    let mut silent = Vec::new();
    for _ in 0..PERMITS * 2 {
        let phone = world.enrol(Platform::Stream).await;
        let device = world.connect(&phone).await;
        let challenge = world.ask(&phone).await;
        world.push(&challenge, 300).await;
        silent.push(device);
    }
    world.wait_for(|counts| counts.attempted == PERMITS as u64 / 2).await;

    world.other_service().await;
    let phone = world.enrol(Platform::Stream).await;
    let mut device = world.connect(&phone).await;
    let challenge = world.ask(&phone).await;
    let push = world.push(&challenge, 300).await;
    assert_eq!(device.acknowledge().await, push);
    world.wait_for(|counts| counts.settled == 1).await;
    assert_eq!(world.status(&challenge, push).await, (NotificationStatus::Delivered, None));
    drop(silent);
}

#[tokio::test]
async fn a_silent_device_gets_one_offer_at_a_time() {
    let world = World::start().await;
    let phone = world.enrol(Platform::Stream).await;
    let mut device = world.connect(&phone).await;
    let mut challenges = Vec::new();
    for _ in 0..3 {
        let challenge = world.ask(&phone).await;
        let push = world.push(&challenge, 300).await;
        challenges.push((challenge, push));
        if challenges.len() == 1 {
            device.next().await.reply.send(OfferOutcome::Unacknowledged).unwrap();
            world.deliver_everything().await;
        }
    }
    let pending = device.next().await;
    world.wait_for(|counts| counts.settled == 2).await;
    assert!(device.sees_nothing());
    let (waiting, push) = challenges
        .iter()
        .find(|(_, push)| *push != challenges[0].1 && *push != pending.offer.notification)
        .unwrap();
    assert_eq!(
        world.status(waiting, *push).await,
        (NotificationStatus::Queued, Some(StatusReason::Retrying))
    );

    pending.reply.send(OfferOutcome::Acknowledged).unwrap();
    world.pass(secs(1));
    assert_eq!(device.acknowledge().await, *push);
}
