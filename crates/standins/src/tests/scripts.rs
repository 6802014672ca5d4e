//! Turns, and manners.

use std::time::{Duration, Instant};

use super::apple::{Apple, device};
use crate::apns::Reason;
use crate::{Manners, Turn};

#[tokio::test]
async fn an_address_has_its_own_turns_before_everybody_s() {
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
async fn what_stalls_is_seen_and_waits_until_it_is_released() {
    let apple = Apple::start().await;
    apple.apns.script().always(Turn::Stall);
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
async fn a_delayed_answer_is_late() {
    let apple = Apple::start().await;
    let span = Duration::from_millis(30);
    apple.apns.script().next(Turn::Delay(span));
    let start = Instant::now();
    assert_eq!(apple.push(&device('a')).await.status, 200);
    assert!(start.elapsed() >= span);
}

/// What becomes of pushes to fifteen devices, eleven to each.
async fn fates(seed: u64) -> Vec<Option<u16>> {
    let manners = Manners { delay: Duration::from_millis(1), ..Manners::bad(seed) };
    let apple = Apple::with(manners).await;
    let mut fates = Vec::new();
    for digit in "123456789abcdef".repeat(11).chars() {
        let sent = apple.request(&device(digit)).send().await;
        fates.push(sent.ok().map(|response| response.status().as_u16()));
    }
    let known: Vec<_> = apple.apns.pushes().all().iter().map(|push| push.status).collect();
    assert_eq!(fates, known, "{manners}");
    fates
}

#[tokio::test]
async fn bad_manners_repeat_themselves_from_their_seed() {
    let once = fates(7).await;
    assert_eq!(fates(7).await, once);
    assert!(once.contains(&None), "some are dropped");
    assert!(once.iter().flatten().any(|status| *status >= 429), "some are refused");
    assert!(once.iter().filter(|status| **status == Some(200)).count() > 100, "most are taken");
}
