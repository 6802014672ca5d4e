//! The providers against stand-ins that speak the real protocols and check what the real services check.

mod world;

use std::sync::Arc;
use std::time::Duration;

use countersign_domain::address::Platform;
use countersign_domain::outcome::Outcome;
use countersign_domain::prompt_manner::PromptManner;
use countersign_domain::prospect::Push;
use countersign_standins::{Action, Faults, apns, fcm};

use crate::world::World;

const LATER: Outcome = Outcome::Later { not_before: None };

async fn calm() -> World {
    World::start(Faults::none()).await
}

#[tokio::test]
async fn apple_accepts_a_push() {
    let world = calm().await;
    let push = world.apn('a');
    assert_eq!(world.send(&push).await.outcome, Outcome::Accepted);
    let arrived = world.others.apns.pushes().all().remove(0);
    assert_eq!(arrived.expiration, Some(push.expires_at.as_seconds()));
    assert_eq!(arrived.collapse_id, Some(push.challenge.to_string()));
    assert_eq!(arrived.payload["challenge_sid"], push.challenge.to_string());
}

#[tokio::test]
async fn the_provider_token_is_renewed_in_time_and_never_too_soon() {
    let world = calm().await;
    for _ in 0..60 {
        world.clock.advance(Duration::from_secs(5 * 60));
        assert_eq!(world.send(&world.apn('a')).await.outcome, Outcome::Accepted);
    }
    let pushes = world.others.apns.pushes().all();
    let mut tokens: Vec<_> = pushes.iter().map(|push| push.provider_token.clone()).collect();
    tokens.dedup();
    assert_eq!(tokens.len(), 6, "five hours");
}

#[tokio::test]
async fn a_closed_connection_loses_no_push() {
    let world = calm().await;
    let apns = &world.others.apns;
    let taken = async || assert_eq!(world.send(&world.apn('a')).await.outcome, Outcome::Accepted);
    taken().await;
    for action in [Action::GoAway, Action::Drop, Action::Reset, Action::Refuse] {
        apns.script().next(action.clone());
        taken().await;
        taken().await;
    }
    apns.connections().go_away();
    taken().await;
    apns.connections().cut();
    taken().await;
}

#[tokio::test]
async fn a_goaway_among_many_requests_loses_no_push() {
    let world = Arc::new(calm().await);
    assert_eq!(world.send(&world.apn('a')).await.outcome, Outcome::Accepted);
    world.others.apns.script().next(Action::GoAway);
    let sends: Vec<_> = (0..64)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.send(&world.apn('b')).await.outcome })
        })
        .collect();
    for send in sends {
        assert_eq!(send.await.unwrap(), Outcome::Accepted);
    }
}

#[tokio::test]
async fn a_token_that_apple_calls_expired_is_replaced() {
    let world = calm().await;
    assert_eq!(world.send(&world.apn('a')).await.outcome, Outcome::Accepted);
    world.clock.advance(Duration::from_secs(30 * 60));
    world.others.apns.script().next(apns::Refusal::from(apns::Reason::ExpiredProviderToken));
    assert_eq!(world.send(&world.apn('a')).await.outcome, Outcome::Accepted);
}

#[tokio::test]
async fn refusals_by_apple_have_their_codes() {
    let world = calm().await;
    let script = world.others.apns.script();
    for (reason, code) in [
        (apns::Reason::Unregistered, 52_141),
        (apns::Reason::DeviceTokenNotForTopic, 52_142),
        (apns::Reason::TooManyRequests, 52_143),
        (apns::Reason::InternalServerError, 52_144),
        (apns::Reason::Shutdown, 52_139),
        (apns::Reason::InvalidProviderToken, 52_149),
    ] {
        script.next(apns::Refusal::from(reason));
        let attempt = world.send(&world.apn('a')).await;
        assert_eq!(attempt.code.map(|code| code.0), Some(code), "{reason:?}");
    }
}

#[tokio::test]
async fn google_accepts_pushes_with_renewed_tokens() {
    let world = calm().await;
    let google = &world.others.fcm;
    let token = "owl-registration:APA91bHun4MxP5egoKMwt2KZFBaFUH";
    for _ in 0..40 {
        world.clock.advance(Duration::from_secs(5 * 60));
        let attempt = world.send(&world.push(Platform::Fcm, token)).await;
        assert_eq!(attempt.outcome, Outcome::Accepted, "{attempt:?}");
    }
    assert_eq!(google.token_requests().total(), 4, "200 minutes");
    assert_eq!(google.messages().all()[0].ttl.as_deref(), Some("300s"));

    google.revoke_access_tokens();
    let attempt = world.send(&world.push(Platform::Fcm, token)).await;
    assert_eq!(attempt.outcome, Outcome::Accepted, "a fresh token at once");

    let gone = Outcome::Gone { since: None };
    let refused = Outcome::Refused { breaks_credential: false };
    for (error, outcome, code) in [
        (fcm::Error::InvalidToken, gone, 52_102),
        (fcm::Error::Unregistered, gone, 52_103),
        (fcm::Error::SenderIdMismatch, refused, 52_104),
        (fcm::Error::BadRequest, refused, 52_111),
        (fcm::Error::Internal, LATER, 52_110),
        (fcm::Error::BadGateway, LATER, 52_110),
    ] {
        google.script().next(fcm::Refusal::from(error));
        let attempt = world.send(&world.push(Platform::Fcm, token)).await;
        let found = (attempt.outcome, attempt.code.map(|code| code.0));
        assert_eq!(found, (outcome, Some(code)), "{error:?}");
    }
}

#[tokio::test]
async fn a_browser_shows_the_push() {
    let world = calm().await;
    let browsers = &world.others.web_push;
    let subscription = browsers.subscribe(Some(&world.vapid_public_key)).unwrap();
    let push = world.push(Platform::WebPush, &subscription.json().to_string());
    let attempt = world.send(&push).await;
    assert_eq!(attempt.outcome, Outcome::Accepted, "{attempt:?}");
    let shown = browsers.shown(&subscription.id);
    assert_eq!(shown[0]["message"], "Login to Owl Bank?");

    browsers.go_offline(&subscription.id);
    assert_eq!(world.send(&push).await.outcome, Outcome::Accepted);
    let other = world.push(Platform::WebPush, &subscription.json().to_string());
    let once = Push { once: true, ..other };
    assert_eq!(world.send(&once).await.outcome, Outcome::Accepted);
    browsers.go_online(&subscription.id);
    assert_eq!(browsers.shown(&subscription.id).len(), 2, "a push with TTL 0 is not stored");

    browsers.unsubscribe(&subscription.id);
    assert_eq!(world.send(&push).await.outcome, Outcome::Gone { since: None });
}

#[tokio::test]
async fn a_quiet_push_is_one_that_no_phone_sounds_for() {
    let world = calm().await;
    let quiet =
        |push| Push { manner: PromptManner { quiet: true, ..PromptManner::default() }, ..push };
    let attempt = world.send(&quiet(world.apn('a'))).await;
    assert_eq!(attempt.outcome, Outcome::Accepted, "{attempt:?}");
    let pushes = world.others.apns.pushes().all();
    let Some(pushed) = pushes.last() else { panic!("Apple got none") };
    assert_eq!((pushed.push_type.as_deref(), pushed.priority), (Some("background"), Some(5)));
    assert_eq!(pushed.payload["aps"], serde_json::json!({"content-available": 1}));

    let attempt = world
        .send(&quiet(world.push(Platform::Fcm, "owl-registration:APA91bHun4MxP5egoKMwt2KZFBaFUH")))
        .await;
    assert_eq!(attempt.outcome, Outcome::Accepted, "{attempt:?}");
    let messages = world.others.fcm.messages().all();
    assert_eq!(messages[0].priority.as_deref(), Some("NORMAL"));

    let browsers = &world.others.web_push;
    let subscription = browsers.subscribe(Some(&world.vapid_public_key)).unwrap();
    let push = world.push(Platform::WebPush, &subscription.json().to_string());
    assert_eq!(world.send(&quiet(push)).await.outcome, Outcome::Accepted);
    assert_eq!(browsers.shown(&subscription.id)[0]["quiet"], true);
}

/// Every attempt ends with an outcome to act on, and retries get every push through.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pushes_succeed_despite_faults() {
    let seed = 20_260_101;
    println!("{}", Faults::from_seed(seed));
    let world = Arc::new(World::start(Faults::from_seed(seed)).await);
    let clock = world.clock.clone();
    let ticking = tokio::spawn(async move {
        let tick = Duration::from_millis(5);
        loop {
            tokio::time::sleep(tick).await;
            clock.advance(tick);
        }
    });
    let sends: Vec<_> = (0..400u32)
        .map(|n| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                let platform = if n % 2 == 0 { Platform::Apn } else { Platform::Fcm };
                let push = world.push(platform, &format!("{:064x}", n + 1));
                for tries in 1..=20 {
                    match world.send(&push).await.outcome {
                        Outcome::Accepted => return tries,
                        Outcome::Later { .. } => {
                            tokio::time::sleep(Duration::from_millis(20)).await;
                        }
                        other => panic!("{n}: {other:?}"),
                    }
                }
                panic!("push {n} was never accepted");
            })
        })
        .collect();
    let mut tries = 0;
    for send in sends {
        tries += send.await.unwrap();
    }
    ticking.abort();
    assert!(tries > 400, "some pushes were retried");
}
