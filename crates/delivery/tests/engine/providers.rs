//! Push services that accept, fail, hang, panic, or are overloaded.

use std::sync::Arc;
use std::time::Duration;

use countersign_delivery::EngineOptions;
use countersign_domain::address::Platform;
use countersign_domain::challenge::Challenge;
use countersign_domain::delivery::{DeliveryState, InitialState, NewNotification};
use countersign_domain::ending::{NotificationStatus, StatusReason};
use countersign_domain::outcome::Outcome;
use countersign_domain::sid::NotificationSid;
use countersign_domain::time::Instant;
use countersign_store::seam::{Notifications as _, Notified};
use tokio::sync::Notify;

use crate::support::{Act, World, secs};

const LATER: Act = Act::Say(Outcome::Later { not_before: None });

#[tokio::test]
async fn an_accepted_push_is_sent_and_done() {
    let world = World::start().await;
    let phone = world.enrol(Platform::Fcm).await;
    let challenge = world.ask(&phone).await;
    let push = world.push(&challenge, 300).await;
    world.deliver_everything().await;
    assert_eq!(world.status(&challenge, push).await, (NotificationStatus::Sent, None));
    assert_eq!(world.outcomes(&challenge, push).await, ["accepted"]);
    let [call] = world.script.calls()[..] else { panic!("one attempt") };
    assert_eq!((call.notification, call.remaining), (push, 300));
}

/// Advances the clock to the next retry of a push; `None` if it has ended or waits for its deadline.
async fn skip_to_retry(
    world: &World,
    challenge: &Challenge,
    push: NotificationSid,
) -> Option<Instant> {
    let (state, _) = world.notification(challenge, push).await.delivery?;
    let DeliveryState::Due { at } = state else { panic!("{state:?}") };
    if at == challenge.expires_at.min(world.script.calls().last()?.deadline) {
        return None;
    }
    world.pass(at.since(world.now()));
    world.deliver_everything().await;
    Some(at)
}

#[tokio::test]
async fn a_failing_provider_is_retried_with_backoff_and_once_before_the_deadline() {
    let world = World::start().await;
    world.script.then(std::iter::repeat_n(LATER, 100));
    let phone = world.enrol(Platform::Fcm).await;
    let challenge = world.ask(&phone).await;
    let push = world.push(&challenge, 60).await;
    world.deliver_everything().await;
    assert_eq!(
        world.status(&challenge, push).await,
        (NotificationStatus::Queued, Some(StatusReason::Retrying))
    );
    while skip_to_retry(&world, &challenge, push).await.is_some() {}
    assert_eq!(
        world.status(&challenge, push).await,
        (NotificationStatus::Queued, Some(StatusReason::Retrying))
    );
    world.sweep_until(|counts| counts.expired == 1).await;
    assert_eq!(world.status(&challenge, push).await, (NotificationStatus::Expired, None));

    let calls = world.script.calls();
    let left: Vec<_> = calls.iter().map(|call| call.deadline.since(call.at)).collect();
    let early = left.iter().take_while(|left| **left > secs(1)).count();
    for (n, pair) in (0..).zip(calls[..early].windows(2)) {
        let gap = pair[1].at.since(pair[0].at);
        let whole = secs(1 << n).min(secs(30));
        assert!(gap <= whole && gap >= whole / 2, "{n}: {gap:?}");
    }
    let millis: Vec<_> = left[early..].iter().map(Duration::as_millis).collect();
    assert_eq!(millis, [1_000, 500, 250]);
    assert_eq!(calls.last().unwrap().remaining, 1);
}

#[tokio::test]
async fn a_retry_after_is_respected_within_the_ttl() {
    let world = World::start().await;
    let phone = world.enrol(Platform::Fcm).await;
    let challenge = world.ask(&phone).await;
    let wish = challenge.created_at + secs(40);
    world.script.then([Act::Say(Outcome::Later { not_before: Some(wish) })]);
    let push = world.push(&challenge, 300).await;
    world.deliver_everything().await;
    assert_eq!(skip_to_retry(&world, &challenge, push).await, Some(wish));
    assert_eq!(world.status(&challenge, push).await, (NotificationStatus::Sent, None));

    let too_late = challenge.created_at + secs(100);
    world.script.then([Act::Say(Outcome::Later { not_before: Some(too_late) })]);
    let push = world.push(&challenge, 60).await;
    world.deliver_everything().await;
    assert_eq!(
        world.status(&challenge, push).await,
        (NotificationStatus::Queued, Some(StatusReason::Retrying))
    );
    let calls = world.script.calls().len();
    world.sweep_until(|counts| counts.expired == 1).await;
    assert_eq!(world.status(&challenge, push).await, (NotificationStatus::Expired, None));
    assert_eq!(world.script.calls().len(), calls, "no time for another attempt");
}

#[tokio::test]
async fn an_attempt_that_hangs_is_given_up_before_its_lease_ends() {
    let world = World::start().await;
    world.script.then([Act::Hang]);
    let phone = world.enrol(Platform::Fcm).await;
    let challenge = world.ask(&phone).await;
    let push = world.push(&challenge, 300).await;
    world.wait_for(|counts| counts.attempted == 1).await;
    world.pass(world.options.lease - secs(2));
    let counts = world.wait_for(|counts| counts.settled == 1).await;
    assert_eq!((counts.lost, counts.rescued), (0, 0));
    assert_eq!(world.outcomes(&challenge, push).await, ["later"]);

    skip_to_retry(&world, &challenge, push).await;
    assert_eq!(world.status(&challenge, push).await, (NotificationStatus::Sent, None));
}

#[tokio::test]
async fn a_panic_of_a_provider_fails_only_its_attempt() {
    let world = World::start().await;
    world.script.then([Act::Panic]);
    let phone = world.enrol(Platform::Fcm).await;
    let challenge = world.ask(&phone).await;
    let push = world.push(&challenge, 300).await;
    world.deliver_everything().await;
    assert_eq!(
        world.status(&challenge, push).await,
        (NotificationStatus::Queued, Some(StatusReason::Retrying))
    );
    skip_to_retry(&world, &challenge, push).await;
    assert_eq!(world.status(&challenge, push).await, (NotificationStatus::Sent, None));
}

#[tokio::test]
async fn ttl_0_is_attempted_once() {
    let world = World::start().await;
    world.script.then([LATER, Act::Hang]);
    let phone = world.enrol(Platform::Fcm).await;
    let challenge = world.ask(&phone).await;
    let push = world.push(&challenge, 0).await;
    world.deliver_everything().await;
    let failed = (NotificationStatus::Failed, Some(StatusReason::AttemptFailed));
    assert_eq!(world.status(&challenge, push).await, failed);

    let push = world.push(&challenge, 0).await;
    world.wait_for(|counts| counts.attempted == 2).await;
    world.pass(secs(11));
    world.wait_for(|counts| counts.settled == 2).await;
    assert_eq!(world.status(&challenge, push).await, failed);
    assert!(world.script.calls().iter().all(|call| call.remaining == 0));
}

#[tokio::test]
async fn a_dead_address_is_forgotten() {
    let world = World::start().await;
    world.script.then([Act::Say(Outcome::Gone { since: None })]);
    let phone = world.enrol(Platform::Fcm).await;
    world.pass(secs(1));
    let challenge = world.ask(&phone).await;
    let push = world.push(&challenge, 300).await;
    world.deliver_everything().await;
    let failed = (NotificationStatus::Failed, Some(StatusReason::AddressGone));
    assert_eq!(world.status(&challenge, push).await, failed);

    let again = world.make.notification(&challenge, 300, InitialState::Due);
    let again = NewNotification { platform: Platform::Fcm, ..again };
    assert_eq!(world.store.notify(&again, 0).await, Ok(Notified::PlatformChanged));
    assert_eq!(world.script.calls().len(), 1);
}

#[tokio::test]
async fn attempts_to_one_destination_are_bounded() {
    let options = EngineOptions { credential_attempts_max: 2, ..EngineOptions::default() };
    let world = World::with(options).await;
    let word = Arc::new(Notify::new());
    world.script.then(std::iter::repeat_n(Act::WaitFor(word.clone()), 5));
    let phone = world.enrol(Platform::Fcm).await;
    let challenge = world.ask(&phone).await;
    for _ in 0..5 {
        world.push(&challenge, 300).await;
    }
    world.wait_for(|counts| counts.begun == 5).await;
    for started in 2..=5 {
        world.wait_for(|counts| counts.attempted == started).await;
        assert_eq!(world.script.calls().len() as u64, started);
        word.notify_one();
    }
    word.notify_one();
    world.deliver_everything().await;
    assert_eq!(world.engine().signals().counts().settled, 5);
}

#[tokio::test]
async fn a_delivery_above_the_queue_bound_returns_after_its_lease() {
    let options =
        EngineOptions { credential_attempts_max: 1, waiting_max: 1, ..EngineOptions::default() };
    let world = World::with(options).await;
    let word = Arc::new(Notify::new());
    world.script.then([Act::WaitFor(word.clone())]);
    let phone = world.enrol(Platform::Fcm).await;
    let challenge = world.ask(&phone).await;
    for _ in 0..3 {
        world.push(&challenge, 300).await;
    }
    world.wait_for(|counts| counts.begun == 3).await;
    word.notify_one();
    world.deliver_everything().await;
    assert_eq!(world.engine().signals().counts().settled, 2);
    world.sweep_until(|counts| counts.rescued == 1).await;
    world.deliver_everything().await;
    assert_eq!(world.engine().signals().counts().settled, 3);
}

#[tokio::test]
async fn a_delivery_that_waited_for_a_permit_is_judged_again() {
    let options = EngineOptions { credential_attempts_max: 1, ..EngineOptions::default() };
    let world = World::with(options).await;
    let word = Arc::new(Notify::new());
    world.script.then([Act::WaitFor(word.clone())]);
    let phone = world.enrol(Platform::Fcm).await;
    world.push(&world.ask(&phone).await, 300).await;
    world.wait_for(|counts| counts.attempted == 1).await;
    let challenge = world.ask(&phone).await;
    let push = world.push(&challenge, 300).await;
    world.wait_for(|counts| counts.begun == 2).await;
    world.pass(Duration::from_millis(10));
    world.answer(&challenge).await;
    word.notify_one();
    world.deliver_everything().await;
    assert_eq!(world.script.calls().len(), 1);
    let cancelled = (NotificationStatus::Cancelled, Some(StatusReason::Answered));
    assert_eq!(world.status(&challenge, push).await, cancelled);
}

#[tokio::test]
async fn a_delivery_that_begins_late_is_judged_again() {
    let world = World::start().await;
    let phone = world.enrol(Platform::Fcm).await;
    let challenge = world.ask(&phone).await;
    let (slot, leased) = world.store_leased(&challenge, 300).await;
    let push = leased.lease.delivery.notification;
    world.answer(&challenge).await;
    world.pass(Duration::from_millis(50));
    slot.hand_over(leased);
    world.deliver_everything().await;
    assert_eq!(world.script.calls().len(), 0);
    let cancelled = (NotificationStatus::Cancelled, Some(StatusReason::Answered));
    assert_eq!(world.status(&challenge, push).await, cancelled);
}

#[tokio::test]
async fn a_delivery_without_a_slot_is_found_by_a_poll() {
    let world = World::start().await;
    let phone = world.enrol(Platform::Fcm).await;
    let challenge = world.ask(&phone).await;
    let new = world.store_notification(&challenge, 300, InitialState::Due).await;
    let push = new.delivery.notification;
    world.handover.wake();
    world.wait_for(|counts| counts.settled == 1).await;
    assert_eq!(world.status(&challenge, push).await, (NotificationStatus::Sent, None));
}

#[tokio::test]
async fn a_retry_begins_on_time() {
    let world = World::start().await;
    world.deliver_everything().await;
    world.script.then([LATER]);
    let phone = world.enrol(Platform::Fcm).await;
    let challenge = world.ask(&phone).await;
    let push = world.push(&challenge, 300).await;
    world.wait_for(|counts| counts.settled == 1).await;
    let (state, _) = world.notification(&challenge, push).await.delivery.unwrap();
    let DeliveryState::Due { at } = state else { panic!("{state:?}") };
    world.pass(at.since(world.now()));
    world.wait_for(|counts| counts.settled == 2).await;
    let calls = world.script.calls();
    assert_eq!(calls[1].at, at);
    assert_eq!(world.status(&challenge, push).await, (NotificationStatus::Sent, None));
}
