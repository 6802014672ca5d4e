//! No attempt starts at or after its deadline, and every outcome has a consequence.

use std::time::Duration;

use countersign_domain::backoff;
use countersign_domain::challenge::ChallengeState;
use countersign_domain::delivery::{Delivery, InitialState, Lease, NewNotification};
use countersign_domain::ending::{Ending, ErrorCode, NotificationStatus, StatusReason};
use countersign_domain::node::NodeId;
use countersign_domain::notification::{TTL, automatic_ttl, deadline};
use countersign_domain::outcome::{AfterAttempt, Attempt, Outcome, after_attempt};
use countersign_domain::prompt_manner::PromptManner;
use countersign_domain::prospect::{ChallengeFacts, Prospect, Push, overdue, prepare};
use countersign_domain::time::Instant;
use proptest::option;
use proptest::prelude::*;

use crate::draw::{around, attempt, challenge, delivery, message, span, state, target};

/// A delivery, and an instant near its deadline.
fn delivery_at() -> impl Strategy<Value = (Delivery, Instant)> {
    delivery().prop_flat_map(|delivery| (Just(delivery), around(delivery.deadline)))
}

/// The same with an attempt that ended then, and a number for the jitter.
fn attempted() -> impl Strategy<Value = (Delivery, Attempt, Instant, u32)> {
    delivery_at()
        .prop_flat_map(|(delivery, now)| (Just(delivery), attempt(now), Just(now), any::<u32>()))
}

fn prospect() -> impl Strategy<Value = Prospect> {
    (any::<bool>(), option::of(state()), option::of(target())).prop_map(
        |(lease_holds, state, factor)| Prospect {
            lease_holds,
            challenge: state.map(|state| ChallengeFacts {
                state,
                message: message(),
                manner: PromptManner::default(),
            }),
            factor,
        },
    )
}

/// An instant from `start` to before `end`; `after` wraps around.
fn between(start: Instant, end: Instant, after: Duration) -> Instant {
    let whole = end.since(start).as_micros().max(1);
    let micros = u64::try_from(after.as_micros() % whole).expect("less than an hour");
    start + Duration::from_micros(micros)
}

/// Whether status, reason and code of an ending agree.
fn is_sound(ending: Ending) -> bool {
    match ending.status {
        NotificationStatus::Queued | NotificationStatus::Sending => false,
        NotificationStatus::Sent | NotificationStatus::Delivered => {
            ending.reason.is_none() && ending.code.is_none()
        }
        NotificationStatus::Failed => ending.reason.is_some() && ending.code.is_some(),
        NotificationStatus::Expired => ending.code == Some(ErrorCode::TTL_PASSED),
        NotificationStatus::Cancelled => ending.reason.is_some() && ending.code.is_none(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_attempt_is_planned_at_or_after_the_deadline((delivery, attempt, now, jitter) in attempted()) {
        match after_attempt(&delivery, &attempt, now, jitter) {
            AfterAttempt::Retry { at } => prop_assert!(now < at && at <= delivery.deadline),
            AfterAttempt::Park => prop_assert!(now < delivery.deadline),
            AfterAttempt::Done(ending) => prop_assert!(is_sound(ending), "{:?}", ending),
        }
    }

    #[test]
    fn now_or_never_is_over_after_one_attempt((mut delivery, attempt, now, jitter) in attempted()) {
        delivery.once = true;
        prop_assert!(matches!(after_attempt(&delivery, &attempt, now, jitter), AfterAttempt::Done(_)));
    }

    #[test]
    fn a_provider_that_asks_for_time_gets_it((delivery, attempt, now, jitter) in attempted()) {
        if let Outcome::Later { not_before: Some(wish) } = attempt.outcome
            && let AfterAttempt::Retry { at } = after_attempt(&delivery, &attempt, now, jitter)
        {
            prop_assert!(at >= wish.min(delivery.deadline));
        }
    }

    /// A push that can still be delivered does not end, however short its TTL is.
    #[test]
    fn no_push_that_may_be_tried_again_ends_before_its_deadline((mut delivery, attempt, now, jitter) in attempted()) {
        delivery.once = false;
        if let Outcome::Later { .. } = attempt.outcome && now < delivery.deadline {
            let after = after_attempt(&delivery, &attempt, now, jitter);
            prop_assert!(matches!(after, AfterAttempt::Retry { .. }), "{:?}", after);
        }
    }

    /// A first attempt that fails early enough is followed by a second one before the deadline.
    #[test]
    fn a_short_push_is_tried_again(ttl in 1_000..5_000_u64, took in 0..100_u64, jitter: u32, (delivery, _) in delivery_at()) {
        let delivery = Delivery { once: false, attempts: 0, ..delivery };
        let left = Duration::from_millis(ttl - ttl * took / 200);
        let now = delivery.deadline - left;
        let failed = Attempt::plain(Outcome::Later { not_before: None }, None);
        let AfterAttempt::Retry { at } = after_attempt(&delivery, &failed, now, jitter) else {
            panic!("it ends with {left:?} left");
        };
        prop_assert!(at.since(now) >= Duration::from_millis(200) && at.since(now) <= left.max(Duration::from_secs(2)) / 2);
        prop_assert!(at < delivery.deadline);
    }

    /// A push whose attempts all fail has a limited number of attempts, the last one shortly before its deadline.
    #[test]
    fn a_push_that_always_fails_comes_to_an_end((delivery, _, _, jitter) in attempted(), took in 0..3_000_u64) {
        let mut delivery = delivery;
        (delivery.once, delivery.attempts) = (false, 0);
        let mut now = delivery.deadline - Duration::from_secs(300);
        let failed = Attempt::plain(Outcome::Later { not_before: None }, None);
        loop {
            now = now + Duration::from_millis(took);
            match after_attempt(&delivery, &failed, now, jitter) {
                AfterAttempt::Retry { at } => now = at,
                AfterAttempt::Done(ending) => { prop_assert_eq!(ending, Ending::EXPIRED); break }
                AfterAttempt::Park => prop_assert!(false, "parked"),
            }
            delivery.attempts += 1;
            prop_assert!(delivery.attempts < 40);
        }
        prop_assert!(delivery.deadline.since(now) <= Duration::from_secs(1));
    }

    #[test]
    fn no_attempt_starts_after_its_deadline(
        (delivery, now) in delivery_at(), until in span(), prospect in prospect(),
    ) {
        let lease = Lease { delivery, node: NodeId([0; 16]), until: now - Duration::from_secs(2) + until };
        let (holds, state) = (prospect.lease_holds, prospect.challenge.as_ref().map(|asked| asked.state));
        let can_be_reached = prospect.factor.as_ref().is_some_and(|target| target.address.can_be_reached());
        match prepare(&lease, prospect, now) {
            Ok(push) => {
                prop_assert!(holds && now < delivery.deadline);
                prop_assert!(delivery.once || now < lease.until);
                prop_assert_eq!(state, Some(ChallengeState::Pending));
                prop_assert!(can_be_reached);
                prop_assert_eq!((push.expires_at, push.once), (delivery.deadline, delivery.once));
            }
            Err(Some(ending)) => {
                prop_assert!(holds && is_sound(ending), "{:?}", ending);
                let why = match (now < delivery.deadline, state) {
                    (false, _) => overdue(&delivery),
                    (true, Some(state)) if state != ChallengeState::Pending => Ending::cancelled(StatusReason::Answered),
                    (true, _) => Ending::cancelled(StatusReason::FactorGone),
                };
                prop_assert_eq!(ending, why);
            }
            Err(None) => prop_assert!(!holds || (!delivery.once && now >= lease.until)),
        }
    }

    /// The TTL that a provider is given exceeds neither the TTL of the request nor the challenge's lifetime, and is 0 only for
    /// `Ttl=0`.
    #[test]
    fn a_provider_is_told_what_is_left(
        challenge in challenge(), asked_after in span(), ttl in TTL, (delivery, _) in delivery_at(),
        tried_after in span(), target in target(),
    ) {
        let created_at = between(challenge.created_at, challenge.expires_at, asked_after);
        let deadline = deadline(created_at, ttl, challenge.expires_at);
        prop_assert!(created_at < deadline && deadline <= challenge.expires_at);
        prop_assert!(deadline.since(created_at) <= Duration::from_secs(u64::from(ttl.max(1))));

        let now = between(created_at, deadline, tried_after);
        let push = Push {
            notification: delivery.notification, challenge: challenge.sid, factor: challenge.factor,
            message: message(), manner: PromptManner::default(), target, expires_at: deadline, once: ttl == 0,
        };
        let told = push.remaining_seconds(now);
        prop_assert_eq!(told == 0, ttl == 0);
        prop_assert!(told <= u64::from(ttl));
        prop_assert!(told <= 1 || now + Duration::from_secs(told) <= deadline);
    }

    #[test]
    fn the_first_push_of_a_challenge_is_never_now_or_never(challenge in challenge()) {
        let ttl = automatic_ttl(&challenge);
        prop_assert!((1..=300).contains(&ttl));
        let lifetime = challenge.expires_at.since(challenge.created_at);
        let until = deadline(challenge.created_at, ttl, challenge.expires_at);
        let lives = until.since(challenge.created_at);
        prop_assert_eq!(lives, lifetime.min(Duration::from_secs(300)));
    }

    #[test]
    fn backoff_stays_within_its_bounds(attempts: u32, jitter: u32) {
        let (delay, whole) = (backoff::delay(attempts, jitter), backoff::delay(attempts, 0));
        prop_assert!(delay <= whole && delay >= whole / 2);
        prop_assert!(whole >= Duration::from_secs(1) && whole <= Duration::from_secs(30));
        prop_assert!(backoff::delay(attempts.saturating_add(1), 0) >= whole);
    }

    #[test]
    fn only_leased_deliveries_are_handed_over((delivery, now) in delivery_at(), which in 0..5) {
        let initial_state = match which {
            0 => InitialState::Leased { until: now },
            1 => InitialState::Immediate,
            2 => InitialState::Due,
            3 => InitialState::Parked,
            _ => InitialState::Ended(Ending::NOT_ATTEMPTED),
        };
        let node = NodeId([7; 16]);
        let platform = countersign_domain::address::Platform::Stream;
        let new = NewNotification { delivery, automatic: false, ttl: 0, created_at: now, node, platform, initial_state };
        let until = match which { 0 => Some(now), 1 => Some(delivery.deadline), _ => None };
        prop_assert_eq!(new.lease(), until.map(|until| Lease { delivery, node, until }));
    }
}
