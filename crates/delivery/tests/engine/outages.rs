//! Outages of the database.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use countersign_delivery::EngineOptions;
use countersign_domain::address::Platform;
use countersign_domain::delivery::InitialState;
use countersign_domain::ending::NotificationStatus;
use tokio::sync::Notify;

use crate::support::{Act, World, secs};

#[tokio::test]
async fn results_are_kept_until_they_can_be_committed() {
    let world = World::start().await;
    let word = Arc::new(Notify::new());
    world.script.then([Act::WaitFor(word.clone())]);
    let phone = world.enrol(Platform::Fcm).await;
    let challenge = world.ask(&phone).await;
    let push = world.push(&challenge, 300).await;
    world.wait_for(|counts| counts.attempted == 1).await;
    world.unplug(true);
    word.notify_one();
    for refused in 1..=5 {
        world.wait_for(|counts| counts.refused == refused).await;
        world.pass(secs(1));
    }
    world.unplug(false);
    world.pass(secs(6));
    world.deliver_everything().await;
    assert_eq!(world.status(&challenge, push).await, (NotificationStatus::Sent, None));
    assert_eq!(world.engine().signals().counts().lost, 0);
    assert_eq!(world.script.calls().len(), 1);
}

#[tokio::test]
async fn reading_a_delivery_is_retried() {
    let world = World::start().await;
    let phone = world.enrol(Platform::Fcm).await;
    let challenge = world.ask(&phone).await;
    world.deliver_everything().await;
    world.unplug(true);
    let push = world.push(&challenge, 300).await;
    world.wait_for(|counts| counts.begun == 1).await;
    run_tasks().await;
    world.unplug(false);
    world.pass(secs(1));
    world.deliver_everything().await;
    assert_eq!(world.status(&challenge, push).await, (NotificationStatus::Sent, None));
}

#[tokio::test]
async fn a_long_outage_loses_no_delivery() {
    let world = World::start().await;
    let phone = world.enrol(Platform::Fcm).await;
    let challenge = world.ask(&phone).await;
    world.unplug(true);
    let (slot, leased) = world.store_leased(&challenge, 300).await;
    let push = leased.lease.delivery.notification;
    world.pass(secs(1));
    slot.hand_over(leased);
    world.wait_for(|counts| counts.begun == 1).await;
    for _ in 0..12 {
        world.pass(secs(3));
        run_tasks().await;
    }
    world.unplug(false);
    world.sweep_until(|counts| counts.rescued == 1).await;
    world.deliver_everything().await;
    assert_eq!(world.status(&challenge, push).await, (NotificationStatus::Sent, None));
}

#[tokio::test]
async fn a_fresh_delivery_is_sent_without_a_read() {
    let world = World::start().await;
    let phone = world.enrol(Platform::Fcm).await;
    let challenge = world.ask(&phone).await;
    world.unplug(true);
    let push = world.push(&challenge, 300).await;
    world.wait_for(|counts| counts.attempted == 1).await;
    world.unplug(false);
    world.pass(secs(1));
    world.deliver_everything().await;
    assert_eq!(world.status(&challenge, push).await, (NotificationStatus::Sent, None));
}

#[tokio::test]
async fn a_device_that_connects_during_an_outage_gets_its_parked_pushes() {
    let world = World::start().await;
    let phone = world.enrol(Platform::Stream).await;
    let challenge = world.ask(&phone).await;
    let push = world.push(&challenge, 300).await;
    world.unplug(true);
    let mut device = world.connect(&phone).await;
    run_tasks().await;
    world.unplug(false);
    world.pass(secs(1));
    assert_eq!(device.acknowledge().await, push);
}

#[tokio::test]
async fn an_unavailable_database_is_not_asked_in_a_tight_loop() {
    let world = World::start().await;
    world.deliver_everything().await;
    // The first sweeps ask on threads of the database.
    world
        .wait_for(|counts| {
            counts.expirer_sweeps > 0 && counts.rescuer_sweeps > 0 && counts.cleaner_sweeps > 0
        })
        .await;
    world.unplug(true);
    run_tasks().await;
    let before = world.asked.load(Ordering::SeqCst);
    run_tasks().await;
    assert_eq!(world.asked.load(Ordering::SeqCst), before);
    for _ in 0..10 {
        world.pass(secs(1));
        run_tasks().await;
    }
    let asked = world.asked.load(Ordering::SeqCst) - before;
    assert!((10..=60).contains(&asked), "{asked}");
}

/// Lets all tasks run until they wait for the clock. An unplugged database fails at once.
async fn run_tasks() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// An alarm set while the clock was two hours ahead must not ring two hours late.
#[tokio::test]
async fn setting_the_clock_back_stops_no_duty() {
    let mut world = World::still(EngineOptions::default()).await;
    let noon = world.now();
    world.make.clock.step_wall(noon + secs(7_200));
    world.begin();
    world.deliver_everything().await;
    world.wait_for(|counts| counts.expirer_sweeps > 0 && counts.rescuer_sweeps > 0).await;
    world.make.clock.step_wall(noon);
    let before = world.engine().signals().counts();
    let phone = world.enrol(Platform::Fcm).await;
    let challenge = world.ask(&phone).await;
    world.store_notification(&challenge, 300, InitialState::Due).await;

    world.pass(Duration::from_millis(1_200));
    let counts = world
        .wait_for(|now| {
            now.settled > 0
                && now.expirer_sweeps > before.expirer_sweeps
                && now.rescuer_sweeps > before.rescuer_sweeps
        })
        .await;
    assert_eq!((counts.attempted, counts.settled), (1, 1));
}
