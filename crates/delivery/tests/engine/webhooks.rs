//! Webhook calls: stored until they are accepted, in order, without delaying each other.

use countersign_delivery::EngineOptions;
use countersign_domain::address::Platform;
use countersign_domain::call_queue::QueueLimits;
use countersign_domain::service::Service;
use countersign_domain::webhook::{EventType, Webhook};
use countersign_domain::webhook_call::{OVERFLOWED, TRIED_FOR};
use countersign_store::seam::{Calls, Inserted, Webhooks};

use crate::support::{World, secs};

async fn hook(world: &World, event_types: &[EventType]) -> Webhook {
    hook_of(world, &world.service, event_types).await
}

async fn hook_of(world: &World, service: &Service, event_types: &[EventType]) -> Webhook {
    let webhook = Webhook { event_types: event_types.to_vec(), ..world.make.webhook(service) };
    assert_eq!(world.store.create_webhook(&webhook, 0).await, Ok(Inserted::Done));
    webhook
}

fn kinds(world: &World, webhook: &Webhook) -> Vec<String> {
    world.hooks.calls(webhook.sid).into_iter().map(|(_, kind)| kind).collect()
}

#[tokio::test]
async fn a_refused_call_is_retried_under_its_id_and_delays_later_ones() {
    let world = World::start().await;
    let webhook = hook(&world, &[EventType::All]).await;
    world.hooks.answer(webhook.sid, Some(500));
    let factor = world.enrol(Platform::None).await;
    world.deliver_everything().await;
    let challenge = world.ask(&factor).await;
    world.answer(&challenge).await;
    world.deliver_everything().await;
    assert_eq!(kinds(&world, &webhook), ["factor.created"], "the retry is not due yet");
    world.hooks.answer(webhook.sid, Some(204));
    world.pass(secs(6));
    world.deliver_everything().await;
    let calls = world.hooks.calls(webhook.sid);
    assert_eq!(kinds(&world, &webhook), ["factor.created", "factor.created", "challenge.approved"]);
    assert_eq!(calls[0], calls[1], "the same id");
    assert_eq!(world.store.failing_webhooks().await, Ok(vec![]));
    assert_eq!(world.store.next_call(world.now()).await, Ok(None), "no call is left");
}

#[tokio::test]
async fn a_call_is_given_up_after_a_day_and_listed() {
    let world = World::start().await;
    let webhook = hook(&world, &[EventType::FactorCreated]).await;
    world.hooks.answer(webhook.sid, Some(503));
    world.enrol(Platform::None).await;
    world.deliver_everything().await;
    let failing = world.store.failing_webhooks().await.unwrap();
    assert_eq!((failing[0].waiting, failing[0].given_up), (1, 0));
    assert_eq!(failing[0].last_error, "status 503");
    world.pass(TRIED_FOR);
    world.deliver_everything().await;
    let failing = world.store.failing_webhooks().await.unwrap();
    assert_eq!((failing[0].waiting, failing[0].given_up), (0, 1));
    assert_eq!(failing[0].next_try, None);
}

#[tokio::test]
async fn a_webhook_that_never_responds_delays_no_other() {
    let world = World::start().await;
    let slow = hook(&world, &[EventType::All]).await;
    let quick = hook(&world, &[EventType::FactorCreated]).await;
    world.hooks.answer(slow.sid, None);
    for _ in 0..10 {
        world.enrol(Platform::None).await;
    }
    world.handover.happened();
    world.wait_for(|counts| counts.called >= 10).await;
    assert_eq!(kinds(&world, &quick).len(), 10);
    assert_eq!(kinds(&world, &slow).len(), 4, "the bound for one webhook");
}

/// Together they could take all permits; their SIDs are lower, since they are older.
#[tokio::test]
async fn sixty_four_slow_webhooks_of_one_account_do_not_delay_another_accounts_call() {
    let world = World::start().await;
    for _ in 0..64 {
        let slow = hook(&world, &[EventType::All]).await;
        world.hooks.answer(slow.sid, None);
    }
    let neighbour = world.neighbour().await;
    let quick = hook_of(&world, &neighbour, &[EventType::All]).await;
    for _ in 0..4 {
        world.enrol(Platform::None).await;
    }
    world.handover.happened();
    // A quarter of 256 permits.
    world.hooks.wait_for(64).await;
    for told in 1..=3 {
        world.enrol_at(&neighbour, Platform::None).await;
        world.handover.happened();
        world.wait_for(|counts| counts.called >= told).await;
    }
    assert_eq!(kinds(&world, &quick), ["factor.created"; 3]);
    world.hooks.wait_for(64 + 3).await;
}

/// The bounds hold after a restart as well.
#[tokio::test]
async fn slow_webhooks_leave_permits_for_others_after_a_restart() {
    let mut world =
        World::with(EngineOptions { is_only_process: true, ..EngineOptions::default() }).await;
    for _ in 0..64 {
        let slow = hook(&world, &[EventType::All]).await;
        world.hooks.answer(slow.sid, None);
    }
    for _ in 0..4 {
        world.enrol(Platform::None).await;
    }
    world.handover.happened();
    world.hooks.wait_for(64).await;
    world.crash();
    let neighbour = world.neighbour().await;
    let quick = hook_of(&world, &neighbour, &[EventType::All]).await;
    world.enrol_at(&neighbour, Platform::None).await;
    world.begin();
    world.wait_for(|counts| counts.called >= 1).await;
    assert_eq!(kinds(&world, &quick), ["factor.created"]);
}

/// The oldest calls are given up; a call in flight continues.
#[tokio::test]
async fn calls_above_the_limit_are_given_up_with_a_reason() {
    let queued = QueueLimits { per_webhook: 6, per_account: 0 };
    let world = World::with(EngineOptions { call_queue: queued, ..EngineOptions::default() }).await;
    let slow = hook(&world, &[EventType::All]).await;
    world.hooks.answer(slow.sid, None);
    for _ in 0..12 {
        world.enrol(Platform::None).await;
    }
    world.handover.happened();
    world.hooks.wait_for(4).await;
    world.pass(secs(12));
    world.wait_for(|counts| counts.overflowed >= 6).await;
    let failing = world.store.failing_webhooks().await.unwrap();
    assert_eq!((failing[0].waiting, failing[0].given_up), (0, 6));
    assert_eq!(failing[0].last_error, OVERFLOWED);
}

/// As when its process died right after the commit, or when another node stored it.
#[tokio::test]
async fn an_unannounced_call_is_made_at_the_next_poll() {
    let world = World::start().await;
    let webhook = hook(&world, &[EventType::All]).await;
    world.deliver_everything().await;
    world.enrol(Platform::None).await;
    world.pass(secs(2));
    world.wait_for(|counts| counts.called >= 1).await;
    assert_eq!(kinds(&world, &webhook), ["factor.created"]);
}

#[tokio::test]
async fn only_the_expiry_of_a_pending_challenge_is_reported() {
    let world = World::start().await;
    let webhook = hook(&world, &[EventType::ChallengeExpired]).await;
    let factor = world.enrol(Platform::None).await;
    let answered = world.ask_for(&factor, secs(60)).await;
    world.answer(&answered).await;
    world.ask_for(&factor, secs(60)).await;
    world.pass(secs(61));
    world.deliver_everything().await;
    assert_eq!(kinds(&world, &webhook), ["challenge.expired"]);
    assert_eq!(world.store.next_call(world.now()).await, Ok(None), "no call is left");
}

#[tokio::test]
async fn calls_in_flight_at_a_crash_are_made_again_at_once() {
    let mut world =
        World::with(EngineOptions { is_only_process: true, ..EngineOptions::default() }).await;
    let webhook = hook(&world, &[EventType::All]).await;
    world.hooks.answer(webhook.sid, None);
    world.enrol(Platform::None).await;
    world.handover.happened();
    world.hooks.wait_for(1).await;
    world.crash();
    world.hooks.answer(webhook.sid, Some(200));
    world.begin();
    world.wait_for(|counts| counts.called == 1).await;
    let calls = world.hooks.calls(webhook.sid);
    assert_eq!((calls.len(), &calls[0]), (2, &calls[1]), "the same call, before its lease ran out");
    assert_eq!(world.store.next_call(world.now()).await, Ok(None));
}

#[tokio::test]
async fn no_call_is_made_after_a_day() {
    let mut world = World::start().await;
    let webhook = hook(&world, &[EventType::All]).await;
    world.hooks.answer(webhook.sid, Some(500));
    let factor = world.enrol(Platform::None).await;
    let mut calls = 0;
    for hour in 0..24 {
        world.deliver_everything().await;
        let so_far = world.hooks.calls(webhook.sid).len();
        assert!(so_far > calls, "hour {hour}");
        calls = so_far;
        world.pass(secs(3_600));
    }
    world.deliver_everything().await;
    assert_eq!(world.hooks.calls(webhook.sid).len(), calls);
    // Nor after the server was down for a day; such a call delays no other.
    world.crash();
    let challenge = world.ask(&factor).await;
    world.answer(&challenge).await;
    world.pass(TRIED_FOR);
    world.hooks.answer(webhook.sid, Some(200));
    let next = world.ask(&factor).await;
    world.answer(&next).await;
    world.begin();
    // One poll gives up late calls, the next finds the calls behind them.
    world.deliver_everything().await;
    world.deliver_everything().await;
    assert_eq!(world.hooks.calls(webhook.sid).len(), calls + 1);
    let failing = world.store.failing_webhooks().await.unwrap();
    assert_eq!((failing[0].waiting, failing[0].given_up), (0, 2));
    assert_eq!(world.store.next_call(world.now()).await, Ok(None));
}
