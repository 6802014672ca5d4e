//! Races, in as many orders as two threads and many rounds produce.

use std::sync::Arc;

use countersign_bus::OfferOutcome;
use countersign_delivery::EngineOptions;
use countersign_domain::address::Platform;
use countersign_domain::ending::{NotificationStatus, StatusReason};
use countersign_domain::world::Clock as _;
use tokio::sync::Notify;

use crate::support::{Act, Device, World, secs};

async fn yields(n: usize) {
    for _ in 0..n {
        tokio::task::yield_now().await;
    }
}

/// The attempt that parks looks for the device after its commit; the device that connects reads what is parked. One finds it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_connects_while_its_push_is_parked_gets_it() {
    let world = World::start().await;
    for round in 0..200 {
        let phone = world.enrol(Platform::Stream).await;
        let challenge = world.ask(&phone).await;
        let push = world.push_leased(&challenge, 300).await;
        yields(round % 50 * 4).await;
        let mut device = world.connect(&phone).await;
        assert_eq!(device.acknowledge().await, push, "round {round}");
        world.deliver_everything().await;
        assert_eq!(world.status(&challenge, push).await.0, NotificationStatus::Delivered);
    }
}

/// The older socket ends, with or without an acknowledgement, while the newer one attaches.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_survives_a_change_of_sockets() {
    let world = World::start().await;
    for round in 0..200 {
        let phone = world.enrol(Platform::Stream).await;
        let mut older = world.connect(&phone).await;
        let challenge = world.ask(&phone).await;
        let push = world.push(&challenge, 300).await;
        let pending = older.next().await;
        world.pass(secs(1));

        let ends = tokio::spawn(async move {
            yields(round % 7 * 10).await;
            let word = if round % 4 == 0 {
                OfferOutcome::Acknowledged
            } else {
                OfferOutcome::Unacknowledged
            };
            let _ = pending.reply.send(word);
            yields(round % 3).await;
            drop(older);
        });
        yields(round % 11 * 10).await;
        let newer = world.connect(&phone).await.acknowledge_all();
        ends.await.unwrap();
        world.deliver_everything().await;
        assert_eq!(
            world.status(&challenge, push).await.0,
            NotificationStatus::Delivered,
            "round {round}"
        );
        assert!(newer.seen().len() <= 1);
    }
}

#[tokio::test]
async fn a_verdict_during_the_attempt_ends_the_delivery() {
    let world = World::start().await;
    let word = Arc::new(Notify::new());
    world.script.then([Act::WaitFor(word.clone())]);
    let phone = world.enrol(Platform::Fcm).await;
    let challenge = world.ask(&phone).await;
    let push = world.push(&challenge, 300).await;
    world.wait_for(|counts| counts.attempted == 1).await;
    world.answer(&challenge).await;
    let cancelled = (NotificationStatus::Cancelled, Some(StatusReason::Answered));
    assert_eq!(world.status(&challenge, push).await, cancelled);

    word.notify_one();
    world.wait_for(|counts| counts.lost == 1).await;
    assert_eq!(world.status(&challenge, push).await, cancelled);
    assert_eq!(world.outcomes(&challenge, push).await, ["accepted"], "the attempt is recorded");
}

#[tokio::test]
async fn a_verdict_on_a_written_prompt_leaves_it_sent() {
    let world = World::start().await;
    let phone = world.enrol(Platform::Stream).await;
    let mut device = world.connect(&phone).await;
    let challenge = world.ask(&phone).await;
    let push = world.push(&challenge, 300).await;
    let pending = device.next().await;
    world.pass(EngineOptions::default().written_after);
    world.wait_for(|counts| counts.written == 1).await;
    world.answer(&challenge).await;
    assert_eq!(world.status(&challenge, push).await, (NotificationStatus::Sent, None));

    let _ = pending.reply.send(OfferOutcome::Unacknowledged);
    world.deliver_everything().await;
    assert_eq!(world.status(&challenge, push).await, (NotificationStatus::Sent, None));
    assert!(device.sees_nothing());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verdict_concurrent_with_an_attempt_has_one_of_two_endings() {
    let world = World::start().await;
    let phone = world.enrol(Platform::Fcm).await;
    for round in 0..100 {
        let challenge = world.ask(&phone).await;
        let push = world.push(&challenge, 300).await;
        yields(round % 25).await;
        world.answer(&challenge).await;
        world.deliver_everything().await;
        let (status, reason) = world.status(&challenge, push).await;
        assert!(
            matches!(
                (status, reason),
                (NotificationStatus::Sent, None)
                    | (NotificationStatus::Cancelled, Some(StatusReason::Answered))
            ),
            "{status:?} {reason:?}"
        );
        let calls = world.script.calls();
        assert!(calls.iter().filter(|call| call.notification == push).count() <= 1);
    }
}

/// Many devices reconnect while pushes for them are stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_devices_that_return_at_once_miss_nothing() {
    let world = World::start().await;
    let mut crowd = Vec::new();
    for _ in 0..60 {
        let phone = world.enrol(Platform::Stream).await;
        let challenge = world.ask(&phone).await;
        let push = world.push(&challenge, 300).await;
        crowd.push((phone, challenge, push));
    }
    let devices = crowd.iter().map(|(phone, ..)| {
        let (bus, handover) = (world.bus.clone(), world.handover.clone());
        let (factor, now) = (phone.sid, world.make.clock.monotonic());
        tokio::spawn(async move {
            Device::connect(&bus, &handover, factor, now).await.acknowledge_all()
        })
    });
    let devices: Vec<_> = devices.collect();
    let mut more = Vec::new();
    for (phone, ..) in &crowd {
        let challenge = world.ask(phone).await;
        let push = world.push_leased(&challenge, 300).await;
        more.push((phone.clone(), challenge, push));
    }
    let mut connected = Vec::new();
    for device in devices {
        connected.push(device.await.unwrap());
    }
    world.deliver_everything().await;
    for (_, challenge, push) in crowd.iter().chain(&more) {
        assert_eq!(world.status(challenge, *push).await.0, NotificationStatus::Delivered);
    }
}
