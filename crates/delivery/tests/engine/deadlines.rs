//! No attempt starts at or after the deadline, whatever the provider responds and however time passes.

use std::time::Duration;

use countersign_delivery::EngineOptions;
use countersign_domain::address::Platform;
use countersign_domain::ending::{NotificationStatus, StatusReason};
use countersign_domain::outcome::Outcome;
use proptest::prelude::*;

use crate::support::{Act, World, secs};

#[derive(Debug, Clone, Copy)]
enum Word {
    Later,
    NotBefore(u64),
    Unacknowledged,
    Accepted,
}

fn word() -> impl Strategy<Value = Word> {
    prop_oneof![
        6 => Just(Word::Later),
        2 => (0_u64..40_000).prop_map(Word::NotBefore),
        1 => Just(Word::Unacknowledged),
        1 => Just(Word::Accepted),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_attempted_at_or_after_its_deadline(
        ttl in 0_u16..=20,
        lifetime in 1_u64..=30,
        queued in 0_u64..=3_000,
        words in prop::collection::vec(word(), 0..12),
        steps in prop::collection::vec(1_u64..=5_000, 1..20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(check(ttl, lifetime, queued, &words, &steps))?;
    }
}

async fn check(
    ttl: u16,
    lifetime: u64,
    queued: u64,
    words: &[Word],
    steps: &[u64],
) -> Result<(), TestCaseError> {
    let mut world = World::still(EngineOptions::default()).await;
    let start = world.now();
    world.script.then(words.iter().map(|word| {
        Act::Say(match *word {
            Word::Later => Outcome::Later { not_before: None },
            Word::NotBefore(millis) => {
                Outcome::Later { not_before: Some(start + Duration::from_millis(millis)) }
            }
            Word::Unacknowledged => Outcome::Unacknowledged,
            Word::Accepted => Outcome::Accepted,
        })
    }));
    let phone = world.enrol(Platform::Fcm).await;
    let challenge = world.ask_for(&phone, secs(lifetime)).await;
    let push = world.push(&challenge, ttl).await;
    world.pass(Duration::from_millis(queued));
    world.begin();
    for step in steps {
        world.deliver_everything().await;
        world.pass(Duration::from_millis(*step));
    }
    world.pass(secs(40));
    for _ in 0..60 {
        world.deliver_everything().await;
        if world.notification(&challenge, push).await.ending.is_some() {
            break;
        }
        let sweeps = world.engine().signals().counts().expirer_sweeps;
        world.pass(Duration::from_millis(1_200));
        world.wait_for(|counts| counts.expirer_sweeps > sweeps).await;
    }

    let valid = if ttl == 0 { secs(1) } else { secs(ttl.into()) };
    let deadline = start + valid.min(secs(lifetime));
    for call in world.script.calls() {
        prop_assert_eq!(call.deadline, deadline);
        prop_assert!(call.at < deadline, "{:?}", call);
        prop_assert_eq!(call.remaining == 0, ttl == 0);
    }
    let ending = world.notification(&challenge, push).await.ending;
    prop_assert!(ending.is_some(), "the delivery has ended");
    if ttl == 0 {
        prop_assert!(world.script.calls().len() <= 1);
    }
    Ok(())
}

const RETRYING: (NotificationStatus, Option<StatusReason>) =
    (NotificationStatus::Queued, Some(StatusReason::Retrying));

#[tokio::test]
async fn a_push_with_ttl_1_is_attempted_twice() {
    let world = World::start().await;
    world.script.then([Act::Say(Outcome::Later { not_before: None })]);
    let phone = world.enrol(Platform::Fcm).await;
    let challenge = world.ask(&phone).await;
    let push = world.push(&challenge, 1).await;
    world.deliver_everything().await;
    assert_eq!(world.status(&challenge, push).await, RETRYING);

    world.pass(Duration::from_millis(500));
    world.deliver_everything().await;
    assert_eq!(world.status(&challenge, push).await, (NotificationStatus::Sent, None));
    assert_eq!(world.outcomes(&challenge, push).await, ["later", "accepted"]);
}

#[tokio::test]
async fn a_push_that_must_wait_past_its_deadline_expires_exactly_then() {
    let world = World::start().await;
    let not_before = Some(world.now() + secs(60));
    world.script.then([Act::Say(Outcome::Later { not_before })]);
    let phone = world.enrol(Platform::Fcm).await;
    let challenge = world.ask(&phone).await;
    let push = world.push(&challenge, 10).await;
    for _ in 0..9 {
        world.deliver_everything().await;
        assert_eq!(world.status(&challenge, push).await, RETRYING);
        world.pass(secs(1));
    }
    world.sweep_until(|counts| counts.expired == 1).await;
    assert_eq!(world.status(&challenge, push).await, (NotificationStatus::Expired, None));
    assert_eq!(world.script.calls().len(), 1);
}
