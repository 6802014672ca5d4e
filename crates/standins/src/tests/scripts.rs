//! Turns, and faults.

use std::time::{Duration, Instant};

use super::apple::{Apple, device};
use crate::apns::Reason;
use crate::{Action, Faults};

#[tokio::test]
async fn actions_of_an_address_come_first() {
    let apple = Apple::start().await;
    let script = apple.apns.script();
    script.always(Reason::InternalServerError);
    script.next_n(2, Reason::ServiceUnavailable);
    script.always_to(&device('a'), Reason::TooManyRequests);
    script.next_to(&device('a'), Reason::Unregistered);

    let mut said = Vec::new();
    for digit in ['a', 'a', 'b', 'b', 'b', 'a'] {
        said.push(apple.push(&device(digit)).await.status);
    }
    assert_eq!(said, [410, 429, 503, 503, 500, 429]);
    script.clear();
    assert_eq!(apple.push(&device('a')).await.status, 200);
}

#[tokio::test]
async fn a_stalled_request_is_recorded_and_waits_for_its_release() {
    let apple = Apple::start().await;
    apple.apns.script().always(Action::Stall);
    let stalled: Vec<_> =
        ['a', 'b'].map(|digit| tokio::spawn(apple.request(&device(digit)).send())).into();
    let pushes = apple.apns.pushes().wait_for(2).await;
    assert!(pushes.iter().all(crate::apns::Push::is_accepted));
    assert!(stalled.iter().all(|one| !one.is_finished()));
    apple.apns.script().release();
    for one in stalled {
        assert_eq!(one.await.unwrap().unwrap().status(), 200);
    }
}

#[tokio::test]
async fn a_delayed_response_is_late() {
    let apple = Apple::start().await;
    let span = Duration::from_millis(30);
    apple.apns.script().next(Action::Delay(span));
    let start = Instant::now();
    assert_eq!(apple.push(&device('a')).await.status, 200);
    assert!(start.elapsed() >= span);
}

/// The statuses of eleven pushes to each of fifteen devices.
async fn statuses(seed: u64) -> Vec<Option<u16>> {
    let faults = Faults { delay: Duration::from_millis(1), ..Faults::from_seed(seed) };
    let apple = Apple::with(faults).await;
    let mut seen = Vec::new();
    for digit in "123456789abcdef".repeat(11).chars() {
        let sent = apple.request(&device(digit)).send().await;
        seen.push(sent.ok().map(|response| response.status().as_u16()));
    }
    let known: Vec<_> = apple.apns.pushes().all().iter().map(|push| push.status).collect();
    assert_eq!(seen, known, "{faults}");
    seen
}

#[tokio::test]
async fn a_seed_repeats_the_same_faults() {
    let once = statuses(7).await;
    assert_eq!(statuses(7).await, once);
    assert!(once.contains(&None), "some are dropped");
    assert!(once.iter().flatten().any(|status| *status >= 429), "some are refused");
    assert!(once.iter().filter(|status| **status == Some(200)).count() > 100, "most are accepted");
}
