//! Browsers whose open page holds a stream beside their push service.

use std::time::Duration;

use countersign_delivery::EngineOptions;
use countersign_domain::address::Platform;
use countersign_domain::ending::{NotificationStatus, StatusReason};
use countersign_domain::outcome::Outcome;

use crate::support::{Act, World, secs};

const HEAD_START: Duration = Duration::from_millis(500);

#[tokio::test]
async fn an_open_page_gets_a_push_at_once_despite_a_slow_push_service() {
    let world = World::start().await;
    world.script.then([Act::Hang]);
    let browser = world.enrol(Platform::WebPush).await;
    let mut page = world.connect(&browser).await;
    let challenge = world.ask(&browser).await;
    let push = world.push(&challenge, 300).await;
    assert_eq!(page.acknowledge().await, push);
    world.deliver_everything().await;
    assert_eq!(world.status(&challenge, push).await, (NotificationStatus::Delivered, None));
    let attempts = world.notification(&challenge, push).await.attempts;
    let how: Vec<_> =
        attempts.iter().map(|it| (it.platform.as_str(), it.outcome.as_str())).collect();
    assert_eq!(how, [("stream", "acknowledged")]);
    assert_eq!(world.script.calls(), [], "the push service is not called");
}

#[tokio::test]
async fn an_open_page_does_not_wait_behind_pushes_to_closed_pages() {
    let options = EngineOptions { credential_attempts_max: 1, ..EngineOptions::default() };
    let world = World::with(options).await;
    world.script.then([Act::Hang]);
    let closed = world.enrol(Platform::WebPush).await;
    world.push(&world.ask(&closed).await, 300).await;
    world.wait_for(|counts| counts.attempted == 1).await;

    let open = world.enrol(Platform::WebPush).await;
    let mut page = world.connect(&open).await;
    let challenge = world.ask(&open).await;
    let push = world.push(&challenge, 300).await;
    assert_eq!(page.acknowledge().await, push);
    world.wait_for(|counts| counts.attempted == 2).await;
}

#[tokio::test]
async fn a_silent_page_delays_its_push_by_half_a_second() {
    let world = World::start().await;
    let browser = world.enrol(Platform::WebPush).await;
    let mut page = world.connect(&browser).await;
    let challenge = world.ask(&browser).await;
    let push = world.push(&challenge, 300).await;
    let _frozen = page.next().await;
    assert_eq!(world.script.calls(), []);
    world.pass(HEAD_START);
    world.deliver_everything().await;
    assert_eq!(world.status(&challenge, push).await, (NotificationStatus::Sent, None));
    assert_eq!(world.script.calls().len(), 1);
}

#[tokio::test]
async fn a_browser_without_an_open_page_is_pushed_to_at_once() {
    let world = World::start().await;
    let browser = world.enrol(Platform::WebPush).await;
    let challenge = world.ask(&browser).await;
    let (asked, push) = (world.now(), world.push(&challenge, 300).await);
    world.deliver_everything().await;
    assert_eq!(world.status(&challenge, push).await, (NotificationStatus::Sent, None));
    assert_eq!(world.script.calls()[0].at, asked);
}

#[tokio::test]
async fn ttl_0_still_starts_within_a_second() {
    let world = World::start().await;
    let browser = world.enrol(Platform::WebPush).await;
    let mut page = world.connect(&browser).await;
    let challenge = world.ask(&browser).await;
    let push = world.push(&challenge, 0).await;
    let _frozen = page.next().await;
    world.pass(HEAD_START);
    world.deliver_everything().await;
    assert_eq!(world.status(&challenge, push).await, (NotificationStatus::Sent, None));
}

#[tokio::test]
async fn a_challenge_answered_during_the_head_start_is_not_pushed() {
    let world = World::start().await;
    let browser = world.enrol(Platform::WebPush).await;
    let mut page = world.connect(&browser).await;
    let challenge = world.ask(&browser).await;
    let push = world.push(&challenge, 300).await;
    let _shown = page.next().await;
    world.answer(&challenge).await;
    world.pass(HEAD_START);
    world.deliver_everything().await;
    let answered = (NotificationStatus::Cancelled, Some(StatusReason::Answered));
    assert_eq!(world.status(&challenge, push).await, answered);
    assert_eq!(world.script.calls(), []);
}

#[tokio::test]
async fn a_retried_push_goes_to_a_page_that_has_opened() {
    let world = World::start().await;
    world.script.then([Act::Say(Outcome::Later { not_before: None })]);
    let browser = world.enrol(Platform::WebPush).await;
    let challenge = world.ask(&browser).await;
    let push = world.push(&challenge, 300).await;
    world.wait_for(|counts| counts.attempted == 1).await;
    let mut page = world.connect(&browser).await;
    world.pass(secs(60));
    assert_eq!(page.acknowledge().await, push);
    world.deliver_everything().await;
    assert_eq!(world.outcomes(&challenge, push).await, ["later", "acknowledged"]);
}
