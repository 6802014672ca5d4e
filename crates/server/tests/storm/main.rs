//! Ten thousand notifications while one push service is gone, one is slow and throttles, and one is well: the real server
//! with its database, its clients and its engine, against stand-ins, by the real clock.
//!
//! Every notification ends as it should, counted in the database; nothing starts at or after its deadline. How long the
//! healthy one takes, with and without the storm around it, is printed: machines differ too much to assert it.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::print_stdout,
    reason = "a test is read, not called, and this one measures too"
)]

mod stage;
mod tally;

use std::time::Duration;

use countersign_domain::address::Platform;
use countersign_domain::ending::{ErrorCode, NotificationStatus};
use countersign_standins::{Action, ScriptedResponse};

use crate::stage::Stage;
use crate::tally::Tally;

/// Phones of each platform; each is asked once in the calm and once in the storm.
const PHONES: usize = 50;
/// Notifications of each challenge, beside the one that it sends by itself.
const AGAIN: usize = 66;
/// All notifications of one platform.
const EACH: usize = PHONES * (AGAIN + 1);

/// How late the slow push service answers.
const SLOW: Duration = Duration::from_millis(150);
/// How many pushes it turns away first.
const THROTTLED: usize = 500;

/// Bounds a failing test; a passing one ends with the last push.
const PATIENCE: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_push_service_delays_only_its_own_pushes() {
    let mut stage = Box::pin(Stage::set(PHONES)).await;
    let calm = stage.ask_everybody(AGAIN).await;
    let calm = stage.until_over(&calm, PATIENCE).await;
    for platform in [Platform::Apn, Platform::Fcm, Platform::WebPush] {
        assert_eq!(calm.of(platform), [(NotificationStatus::Sent, None, EACH)], "{platform:?}");
    }

    stage.end_fcm();
    let slow = stage.web_push().script();
    slow.next_n(THROTTLED, ScriptedResponse::status(429).retry_after(1));
    slow.always(Action::Delay(SLOW));
    let storm = stage.ask_everybody(AGAIN).await;
    let storm = stage.until_over(&storm, PATIENCE).await;

    assert_eq!(storm.of(Platform::Apn), [(NotificationStatus::Sent, None, EACH)]);
    assert_eq!(storm.of(Platform::WebPush), [(NotificationStatus::Sent, None, EACH)]);
    assert_eq!(
        storm.of(Platform::Fcm),
        [(NotificationStatus::Expired, Some(ErrorCode::TTL_PASSED), EACH)]
    );
    for tally in [&calm, &storm] {
        assert!(tally.all() >= 10_000, "{}", tally.all());
        assert_eq!(tally.started_late, 0, "nothing starts at or after its deadline");
    }
    assert_eq!(calm.throttled, 0);
    assert_eq!(storm.throttled, THROTTLED, "each was refused once and accepted later");
    assert_eq!(stage.taken_by_apple(), 2 * EACH, "none was sent twice");
    report("without the storm", &calm);
    report("in the storm     ", &storm);
}

fn report(when: &str, tally: &Tally) {
    let (half, most) = tally.healthy_latency();
    println!("{when}  Apple took half within {half:?}, 99 of 100 within {most:?}");
}
