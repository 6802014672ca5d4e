use std::time::Duration;

use countersign_domain::outcome::Outcome;
use countersign_domain::prospect::Push;
use countersign_domain::time::Instant;
use countersign_domain::world::Clock as _;
use reqwest::Version;

use crate::fixtures::{self, CannedResponse, NOON, Server, World, apns_world as world, ok, result};
use crate::source::OpenedCredential;

const GONE: Outcome = Outcome::Gone { since: None };

#[tokio::test]
async fn a_request_has_every_header() {
    let (server, world) = world([ok()]).await;
    let push = fixtures::apn_push();
    assert_eq!(result(&world.send(&push).await), (Outcome::Accepted, Some(200), None));
    let asked = server.requests().remove(0);
    assert_eq!(asked.version, Version::HTTP_2);
    let token = push.target.address.token().unwrap().expose();
    assert_eq!(asked.path, format!("/3/device/{token}"));
    for (name, value) in [
        ("apns-topic", "com.example.owl"),
        ("apns-push-type", "alert"),
        ("apns-priority", "10"),
        ("apns-expiration", "1767268950"),
        ("apns-collapse-id", "YC03050505050505050505050505050505"),
        ("apns-id", "01234567-89ab-cdef-0102-030405060708"),
        ("content-type", "application/json"),
    ] {
        assert_eq!(asked.header(name), value, "{name}");
    }
    let (header, claims) =
        fixtures::read_jwt(asked.header("authorization").strip_prefix("bearer ").unwrap());
    assert_eq!(
        (header["kid"].as_str(), claims["iss"].as_str()),
        (Some("KEY1234567"), Some("TEAM123456"))
    );
    assert_eq!(asked.json()["aps"]["alert"], "Login to Owl Bank?");
}

#[tokio::test]
async fn the_expiration_follows_the_clock_and_is_zero_for_ttl_0() {
    let (server, world) = world([ok()]).await;
    let push = fixtures::apn_push();
    world.clock.set(push.expires_at - Duration::from_millis(1_500));
    world.send(&push).await;
    world.clock.set(push.expires_at - Duration::from_millis(1));
    world.send(&push).await;
    world.send(&Push { once: true, ..push.clone() }).await;
    let asked = server.requests();
    let expirations: Vec<_> = asked.iter().map(|asked| asked.header("apns-expiration")).collect();
    assert_eq!(expirations, ["1767268950", "1767268951", "0"]);
}

#[tokio::test]
async fn the_credentials_topic_comes_before_the_app_id() {
    let (server, world) = world([ok()]).await;
    let topic = Some("com.example.owl.voip".to_owned());
    world.update(OpenedCredential { topic, ..fixtures::p8_credential() });
    world.send(&fixtures::apn_push()).await;
    assert_eq!(server.requests()[0].header("apns-topic"), "com.example.owl.voip");
}

#[tokio::test]
async fn a_sandbox_credential_goes_to_the_sandbox() {
    let (server, world) = world([ok()]).await;
    world.update(OpenedCredential { sandbox: true, ..fixtures::p8_credential() });
    world.send(&fixtures::apn_push()).await;
    assert!(server.requests()[0].path.starts_with("/sandbox/3/device/"));
}

#[tokio::test]
async fn pushes_share_a_connection_and_a_token() {
    let (server, world) = world([ok()]).await;
    let push = fixtures::apn_push();
    for _ in 0..20 {
        world.send(&push).await;
    }
    assert_eq!(server.connections(), 1);
    let asked = server.requests();
    assert!(
        asked.iter().all(|one| one.header("authorization") == asked[0].header("authorization"))
    );
    world.clock.set(NOON + Duration::from_secs(50 * 60));
    world.send(&push).await;
    assert_ne!(server.requests()[20].header("authorization"), asked[0].header("authorization"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_there_are_two_connections() {
    let (server, world) = world([ok().after(Duration::from_millis(200))]).await;
    let push = fixtures::apn_push();
    let world = std::sync::Arc::new(world);
    let sends: Vec<_> = (0..64)
        .map(|_| {
            let (world, push) = (std::sync::Arc::clone(&world), push.clone());
            tokio::spawn(async move { world.send(&push).await.outcome })
        })
        .collect();
    for send in sends {
        assert_eq!(send.await.unwrap(), Outcome::Accepted);
    }
    assert_eq!((server.requests().len(), server.connections()), (64, 2));
}

#[tokio::test]
async fn a_certificate_replaces_the_token() {
    let server = Server::start([ok()]).await;
    let world = World::new(server.outgoing(), fixtures::certificate_credential());
    assert_eq!(world.send(&fixtures::apn_push()).await.outcome, Outcome::Accepted);
    assert_eq!(server.requests()[0].header("authorization"), "");
}

#[tokio::test]
async fn an_expired_token_is_replaced_once() {
    let expired = || CannedResponse::reason(403, "ExpiredProviderToken");
    let (server, world) = world([expired(), ok()]).await;
    assert_eq!(world.send(&fixtures::apn_push()).await.outcome, Outcome::Accepted);
    let asked = server.requests();
    assert_eq!(asked.len(), 2);
    assert_ne!(asked[0].header("authorization"), asked[1].header("authorization"));

    server.respond_with([expired()]);
    let attempt = world.send(&fixtures::apn_push()).await;
    let broken = Outcome::Refused { breaks_credential: true };
    assert_eq!(result(&attempt), (broken, Some(403), Some(52_148)));
    assert_eq!(server.requests().len(), 3, "a rejected fresh token is not replaced again");
}

#[tokio::test]
async fn after_too_many_tokens_the_previous_one_is_used() {
    let (server, world) = world([ok()]).await;
    world.send(&fixtures::apn_push()).await;
    let far = Push { expires_at: NOON + Duration::from_secs(9_999), ..fixtures::apn_push() };
    world.clock.set(NOON + Duration::from_secs(51 * 60));
    server.respond_with([CannedResponse::reason(429, "TooManyProviderTokenUpdates"), ok()]);
    let later = Outcome::Later { not_before: None };
    assert_eq!(result(&world.send(&far).await), (later, Some(429), Some(52_147)));
    world.send(&far).await;
    let tokens: Vec<_> =
        server.requests().iter().map(|asked| asked.header("authorization").to_owned()).collect();
    assert!(tokens[0] != tokens[1] && tokens[0] == tokens[2]);
}

#[tokio::test]
async fn a_token_of_the_other_environment_is_tried_there_once() {
    let unknown = || CannedResponse::reason(400, "BadDeviceToken");
    let (server, world) = world([unknown(), ok()]).await;
    let attempt = world.send(&fixtures::apn_push()).await;
    assert_eq!(attempt.outcome, Outcome::Accepted);
    assert_eq!(attempt.provider_reason.as_deref(), Some("taken by the sandbox environment"));
    assert!(server.requests()[1].path.starts_with("/sandbox/3/device/"));

    server.respond_with([unknown()]);
    assert_eq!(result(&world.send(&fixtures::apn_push()).await), (GONE, Some(400), Some(52_134)));
    assert_eq!(server.requests().len(), 4, "once each");

    // A key for one environment is rejected by the other, which says nothing about the device token.
    let refused = Outcome::Refused { breaks_credential: false };
    for (status, reason) in [
        (403, "BadEnvironmentKeyIdInToken"),
        (400, "DeviceTokenNotForTopic"),
        (400, "TopicDisallowed"),
        (413, "PayloadTooLarge"),
    ] {
        server.respond_with([unknown(), CannedResponse::reason(status, reason)]);
        let found = result(&world.send(&fixtures::apn_push()).await);
        assert_eq!(found, (refused, Some(400), Some(52_134)), "{reason}");
    }

    server.respond_with([unknown(), CannedResponse::reason(503, "ServiceUnavailable")]);
    let attempt = world.send(&fixtures::apn_push()).await;
    assert_eq!(
        attempt.outcome,
        Outcome::Later { not_before: None },
        "the other environment is asked again"
    );

    server.respond_with([ok(), unknown()]);
    world.send(&fixtures::apn_push()).await;
    let before = server.requests().len();
    assert_eq!(world.send(&fixtures::apn_push()).await.outcome, GONE);
    assert_eq!(server.requests().len(), before + 1, "the own environment is confirmed");
}

#[tokio::test]
async fn a_message_that_is_too_large_is_shortened_once() {
    let (server, world) = world([CannedResponse::reason(413, "PayloadTooLarge")]).await;
    let message = countersign_domain::text::Message::parse("owl ".repeat(60)).unwrap();
    let push = Push { message, ..fixtures::apn_push() };
    let refused = Outcome::Refused { breaks_credential: false };
    assert_eq!(result(&world.send(&push).await), (refused, Some(413), Some(52_138)));
    let alerts: Vec<_> = server
        .requests()
        .iter()
        .map(|asked| asked.json()["aps"]["alert"].as_str().unwrap().chars().count())
        .collect();
    assert_eq!(alerts, [240, 81]);
}

#[tokio::test]
async fn a_request_on_a_broken_connection_is_repeated_once() {
    let (server, world) = world([CannedResponse::broken(), ok()]).await;
    assert_eq!(world.send(&fixtures::apn_push()).await.outcome, Outcome::Accepted);
    assert_eq!(server.requests().len(), 2);

    server.respond_with([CannedResponse::broken()]);
    let later = Outcome::Later { not_before: None };
    assert_eq!(result(&world.send(&fixtures::apn_push()).await), (later, None, Some(52_140)));
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn after_a_shutdown_the_next_push_uses_a_new_connection() {
    let (server, world) = world([CannedResponse::reason(503, "Shutdown"), ok()]).await;
    let later = Outcome::Later { not_before: None };
    assert_eq!(result(&world.send(&fixtures::apn_push()).await), (later, Some(503), Some(52_139)));
    world.send(&fixtures::apn_push()).await;
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn no_repeat_starts_at_the_deadline() {
    let (server, world) = world([CannedResponse::broken(), ok()]).await;
    let push = Push { expires_at: NOON, ..fixtures::apn_push() };
    assert_eq!(world.send(&push).await.outcome, Outcome::Later { not_before: None });
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn the_retry_after_and_timestamp_of_apple_are_passed_on() {
    let throttled = CannedResponse::reason(429, "TooManyRequests").with("retry-after", "7");
    let (server, world) = world([throttled]).await;
    let not_before = Some(NOON + Duration::from_secs(7));
    assert_eq!(world.send(&fixtures::apn_push()).await.outcome, Outcome::Later { not_before });
    server.respond_with([CannedResponse::new(
        410,
        r#"{"reason":"Unregistered","timestamp":1767268000000}"#,
    )]);
    let since = Some(Instant::from_seconds(1_767_268_000));
    assert_eq!(world.send(&fixtures::apn_push()).await.outcome, Outcome::Gone { since });
}

/// Effects of a wrong clock end with the circuit's pause.
#[tokio::test]
async fn pushes_recover_within_a_minute_after_the_clock_is_corrected() {
    let (server, world) = world([CannedResponse::reason(403, "InvalidProviderToken")]).await;
    let (noon, hours) = (world.clock.now(), Duration::from_secs(2 * 3_600));
    let push = |at: Instant| Push { expires_at: at + hours, ..fixtures::apn_push() };
    world.clock.step_wall(noon + hours);
    let broken = Outcome::Refused { breaks_credential: true };
    assert_eq!(world.send(&push(noon + hours)).await.outcome, broken);

    server.respond_with([ok()]);
    world.clock.step_wall(noon);
    let minute = Duration::from_secs(60);
    let not_before = Some(noon + minute);
    assert_eq!(world.send(&push(noon)).await.outcome, Outcome::Later { not_before });
    world.clock.advance(minute);
    assert_eq!(world.send(&push(noon)).await.outcome, Outcome::Accepted);
    let (_, claims) =
        fixtures::read_jwt(&server.requests()[1].header("authorization")["bearer ".len()..]);
    assert_eq!(claims["iat"], (noon + minute).as_seconds());
}

/// A push whose deadline comes before the circuit may close is attempted once more: the owner may have corrected the credential.
#[tokio::test]
async fn an_open_circuit_leaves_time_for_one_more_attempt() {
    let (_server, world) = world([CannedResponse::reason(403, "InvalidProviderToken")]).await;
    let now = world.clock.now();
    let push = Push { expires_at: now + Duration::from_secs(20), ..fixtures::apn_push() };
    world.send(&push).await;
    let not_before = Some(now + Duration::from_secs(19));
    assert_eq!(world.send(&push).await.outcome, Outcome::Later { not_before });
}
