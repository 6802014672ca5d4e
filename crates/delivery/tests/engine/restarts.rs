//! Crashes and orderly stops.

use std::sync::Arc;

use countersign_delivery::EngineOptions;
use countersign_domain::address::Platform;
use countersign_domain::delivery::InitialState;
use countersign_domain::ending::{NotificationStatus, StatusReason};
use countersign_domain::outcome::Outcome;
use countersign_store::seam::{Challenges as _, Retention};
use tokio::sync::Notify;

use crate::support::{Act, World, secs};

fn only_process() -> EngineOptions {
    EngineOptions { is_only_process: true, ..EngineOptions::default() }
}

#[tokio::test]
async fn leases_of_a_dead_run_are_delivered_at_once() {
    let mut world = World::with(only_process()).await;
    world.script.then([Act::Hang]);
    let phone = world.enrol(Platform::Fcm).await;
    let challenge = world.ask(&phone).await;
    let push = world.push(&challenge, 300).await;
    world.wait_for(|counts| counts.attempted == 1).await;
    world.crash();
    world.begin();
    world.wait_for(|counts| counts.voider_sweeps == 1).await;
    assert_eq!(world.engine().signals().counts().voided, 1);
    world.deliver_everything().await;
    assert_eq!(world.status(&challenge, push).await, (NotificationStatus::Sent, None));
    assert_eq!(world.script.calls().len(), 2);
}

#[tokio::test]
async fn a_handed_over_delivery_survives_a_crash() {
    let mut world = World::still(only_process()).await;
    let phone = world.enrol(Platform::Fcm).await;
    let challenge = world.ask(&phone).await;
    let push = world.push(&challenge, 300).await;
    world.crash();
    world.begin();
    world.wait_for(|counts| counts.voider_sweeps == 1).await;
    world.deliver_everything().await;
    assert_eq!(world.status(&challenge, push).await, (NotificationStatus::Sent, None));
}

#[tokio::test]
async fn with_other_processes_a_lease_is_respected_until_it_runs_out() {
    let mut world = World::still(EngineOptions::default()).await;
    let phone = world.enrol(Platform::Fcm).await;
    let challenge = world.ask(&phone).await;
    let push = world.push(&challenge, 300).await;
    world.crash();
    world.begin();
    world.deliver_everything().await;
    world.pass(world.options.lease - secs(3));
    world.deliver_everything().await;
    assert_eq!(world.script.calls().len(), 0);

    world.sweep_until(|counts| counts.rescued == 1).await;
    world.deliver_everything().await;
    assert_eq!(world.status(&challenge, push).await, (NotificationStatus::Sent, None));
}

#[tokio::test]
async fn a_parked_delivery_stays_parked_over_a_restart() {
    let mut world = World::with(only_process()).await;
    let phone = world.enrol(Platform::Stream).await;
    let challenge = world.ask(&phone).await;
    let push = world.push(&challenge, 300).await;
    world.crash();
    world.begin();
    let counts = world.wait_for(|counts| counts.voider_sweeps == 1).await;
    assert_eq!(counts.voided, 0);
    let mut device = world.connect(&phone).await;
    assert_eq!(device.acknowledge().await, push);
}

#[tokio::test]
async fn ttl_0_does_not_survive_its_node() {
    let mut world = World::still(only_process()).await;
    let phone = world.enrol(Platform::Fcm).await;
    let challenge = world.ask(&phone).await;
    let push = world.push(&challenge, 0).await;
    world.crash();
    world.begin();
    world.wait_for(|counts| counts.voider_sweeps == 1).await;
    world.deliver_everything().await;
    let lost = (NotificationStatus::Expired, Some(StatusReason::NotAttempted));
    assert_eq!(world.status(&challenge, push).await, lost);
    assert_eq!(world.script.calls().len(), 0);
}

#[tokio::test]
async fn a_thousand_leases_are_voided_in_batches() {
    let mut world = World::still(EngineOptions { batch_max: 100, ..only_process() }).await;
    let phone = world.enrol(Platform::Fcm).await;
    let challenge = world.ask(&phone).await;
    let until = world.now() + world.options.lease;
    for _ in 0..20 {
        let some = (0..50)
            .map(|_| world.store_notification(&challenge, 300, InitialState::Leased { until }));
        futures_util::future::join_all(some).await;
    }
    world.crash();
    world.begin();
    let counts = world.wait_for(|counts| counts.voider_sweeps == 1).await;
    assert_eq!(counts.voided, 1_000);
    world.deliver_everything().await;
    assert_eq!(world.engine().signals().counts().settled, 1_000);
    assert_eq!(world.script.calls().len(), 1_000);
}

#[tokio::test]
async fn a_stop_finishes_handed_over_deliveries_and_accepts_no_more() {
    let world = World::start().await;
    let word = Arc::new(Notify::new());
    world.script.then([Act::WaitFor(word.clone())]);
    let phone = world.enrol(Platform::Fcm).await;
    let challenge = world.ask(&phone).await;
    let first = world.push(&challenge, 300).await;
    world.wait_for(|counts| counts.attempted == 1).await;
    let second = world.push(&challenge, 300).await;
    let deadline = world.now() + secs(20);
    tokio::join!(world.engine().stop(deadline), async {
        tokio::task::yield_now().await;
        word.notify_one();
    });
    for push in [first, second] {
        assert_eq!(world.status(&challenge, push).await, (NotificationStatus::Sent, None));
    }
    assert!(world.handover.reserve().is_none(), "later deliveries are born due");
}

#[tokio::test]
async fn a_stop_does_not_wait_beyond_its_deadline() {
    let mut world = World::with(only_process()).await;
    world.script.then([Act::Hang]);
    let phone = world.enrol(Platform::Fcm).await;
    let challenge = world.ask(&phone).await;
    let push = world.push(&challenge, 300).await;
    world.wait_for(|counts| counts.attempted == 1).await;
    let deadline = world.now() + secs(5);
    tokio::join!(world.engine().stop(deadline), async {
        tokio::task::yield_now().await;
        world.pass(secs(5));
    });
    world.crash();
    world.begin();
    world.wait_for(|counts| counts.voider_sweeps == 1).await;
    world.deliver_everything().await;
    assert_eq!(world.status(&challenge, push).await, (NotificationStatus::Sent, None));
}

#[tokio::test]
async fn a_retry_planned_by_an_earlier_run_begins_on_time() {
    let mut world = World::start().await;
    let wish = world.now() + secs(30);
    world.script.then([Act::Say(Outcome::Later { not_before: Some(wish) })]);
    let phone = world.enrol(Platform::Fcm).await;
    let challenge = world.ask(&phone).await;
    let push = world.push(&challenge, 300).await;
    world.deliver_everything().await;
    world.crash();
    world.begin();
    world.deliver_everything().await;
    assert_eq!(world.script.calls().len(), 1);
    world.pass(secs(30));
    world.wait_for(|counts| counts.settled == 1).await;
    assert_eq!(world.status(&challenge, push).await, (NotificationStatus::Sent, None));
}

#[tokio::test]
async fn old_challenges_are_cleaned_away() {
    let retention = Retention { challenges: Retention::LEAST };
    let world = World::with(EngineOptions { retention, ..EngineOptions::default() }).await;
    let phone = world.enrol(Platform::Fcm).await;
    let old = world.ask(&phone).await;
    world.wait_for(|counts| counts.cleaner_sweeps == 1).await;
    world.pass(Retention::LEAST + secs(1));
    world.wait_for(|counts| counts.cleaned > 0 && counts.cleaner_sweeps == 2).await;
    let found = world.store.challenge(old.owner.service, &old.owner.identity, old.sid).await;
    assert_eq!(found, Ok(None));
}
