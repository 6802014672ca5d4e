use std::time::Duration;

use countersign_domain::secret::Secret;

use super::*;
use crate::fixtures::{self, CannedResponse, NOON, apns_world as world, ok, result};

const LATER: Outcome = Outcome::Later { not_before: None };

#[tokio::test]
async fn a_rejected_credential_is_not_used_until_it_is_corrected() {
    let (server, world) = world([CannedResponse::reason(403, "InvalidProviderToken")]).await;
    let push = fixtures::apn_push();
    assert_eq!(world.send(&push).await.code, Some(ErrorCode(52_149)));
    let attempt = world.send(&push).await;
    let not_before = Some(NOON + Duration::from_secs(60));
    assert_eq!(attempt.outcome, Outcome::Later { not_before });
    assert_eq!(attempt.code, Some(ErrorCode(52_149)));
    assert!(attempt.provider_reason.unwrap().contains("circuit open"));
    assert_eq!(server.requests().len(), 1, "no call was made");

    server.respond_with([ok()]);
    world.update(fixtures::p8_credential());
    assert_eq!(world.send(&push).await.outcome, Outcome::Accepted);
}

#[tokio::test]
async fn an_outage_opens_the_circuit_and_a_probe_closes_it() {
    let (server, world) = world([CannedResponse::reason(500, "InternalServerError")]).await;
    let push = fixtures::apn_push();
    for _ in 0..14 {
        world.send(&push).await;
        world.clock.advance(Duration::from_millis(150));
    }
    assert_eq!(server.requests().len(), 10);
    server.respond_with([ok()]);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.send(&push).await.outcome, Outcome::Accepted);
    assert_eq!(world.send(&push).await.outcome, Outcome::Accepted);
}

#[tokio::test]
async fn an_unreachable_host_is_retried_later() {
    let (server, world) = world([ok()]).await;
    server.stop();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let attempt = world.send(&fixtures::apn_push()).await;
    assert_eq!(result(&attempt), (LATER, None, Some(52_140)));
    let words = attempt.provider_reason.unwrap();
    assert!(words.starts_with("no connection") && !words.contains("00fc13"), "{words}");
}

#[tokio::test]
async fn an_unusable_credential_is_refused_with_the_reason() {
    let (server, world) = world([ok()]).await;
    let push = fixtures::apn_push();
    let refused = Outcome::Refused { breaks_credential: false };
    let none = Push {
        target: countersign_domain::prospect::Target { credential: None, ..push.target.clone() },
        ..push.clone()
    };
    assert_eq!(result(&world.send(&none).await), (refused, None, Some(52_004)));

    world.update(fixtures::fcm_credential("https://oauth2.googleapis.com/token"));
    assert_eq!(result(&world.send(&push).await), (refused, None, Some(52_003)));
    let private_key = Some(Secret::new("no key at all"));
    world.update(OpenedCredential { private_key, ..fixtures::p8_credential() });
    world.clock.advance(Duration::from_secs(5));
    let attempt = world.send(&push).await;
    assert_eq!(result(&attempt), (refused, None, Some(52_131)));
    assert!(attempt.provider_reason.unwrap().contains("must be PEM"));

    *world.source.credential.lock().unwrap() = Ok(None);
    assert_eq!(result(&world.send(&push).await), (refused, None, Some(52_002)));
    let unavailable = crate::Unavailable("the database is away".to_owned());
    *world.source.credential.lock().unwrap() = Err(unavailable);
    assert_eq!(result(&world.send(&push).await), (LATER, None, Some(52_000)));
    assert!(server.requests().is_empty());
}
