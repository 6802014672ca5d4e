use countersign_testkit::{ManualClock, SeededEntropy};
use serde_json::json;

use super::*;
use crate::fixtures::{self, Answer, Server};
use crate::guard::Manners;

async fn try_it(server: &Server, credential: OpenedCredential, dry: bool) -> Finding {
    try_over(server.outgoing(), credential, dry).await
}

async fn try_over(outgoing: Outgoing, credential: OpenedCredential, dry: bool) -> Finding {
    let trial = Trial {
        account: AccountSid::from_bytes([1; 16]),
        token: Some("00fc13adff785122b4ad28809a342098".to_owned()),
        credential,
        app_id: AppId::parse("com.example.owl").unwrap(),
        message: Message::parse("Does it work?").unwrap(),
        dry,
    };
    let clock = Arc::new(ManualClock::new());
    let apple = Arc::default();
    let entropy = SeededEntropy::new(7);
    let guard = Guard::new(&outgoing, Manners::default()).unwrap();
    try_credential(trial, outgoing, &guard, apple, clock, &entropy).await.unwrap()
}

#[tokio::test]
async fn apple_is_asked_about_a_device_that_does_not_exist() {
    let server = Server::start([Answer::reason(400, "BadDeviceToken")]).await;
    let finding = try_it(&server, fixtures::p8_credential(), true).await;
    assert!(
        finding.standing == Standing::Works && finding.words.contains("takes the credential"),
        "{finding:?}"
    );
    assert_eq!(server.asked()[0].path, format!("/3/device/{NOBODY}"));

    let finding = try_it(&server, fixtures::p8_credential(), false).await;
    assert!(
        finding.standing == Standing::Works && finding.words.contains("Sandbox"),
        "{finding:?}"
    );
    server.answer([Answer::reason(403, "InvalidProviderToken")]);
    let finding = try_it(&server, fixtures::p8_credential(), true).await;
    assert!(
        finding.standing == Standing::Refused && finding.words.contains("KeyId"),
        "{finding:?}"
    );
}

#[tokio::test]
async fn google_is_asked_to_look_only() {
    let token = json!({ "access_token": "t1", "expires_in": 3_600 }).to_string();
    let server = Server::start([Answer::new(200, token), Answer::new(200, "{}")]).await;
    let uri = server.url.join("token").unwrap();
    let finding = try_it(&server, fixtures::fcm_credential(uri.as_str()), true).await;
    assert!(
        finding.standing == Standing::Works && finding.words.contains("would take"),
        "{finding:?}"
    );
    assert_eq!(server.asked()[1].json()["validate_only"], true);
}

#[tokio::test]
async fn a_credential_that_cannot_be_used_does_not_work() {
    let server = Server::start([]).await;
    let broken = OpenedCredential { secret: None, ..fixtures::fcm_credential("https://x") };
    let finding = try_it(&server, broken, true).await;
    assert!(
        finding.standing == Standing::Refused && finding.words.contains("Firebase console"),
        "{finding:?}"
    );
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn what_says_nothing_of_the_credential_is_told_from_a_refusal() {
    let server = Server::start([]).await;
    for (status, reason, standing) in [
        (403, "InvalidProviderToken", Standing::Refused),
        (429, "TooManyRequests", Standing::Throttled),
        (429, "TooManyProviderTokenUpdates", Standing::Throttled),
        (500, "InternalServerError", Standing::Unreachable),
        (503, "ServiceUnavailable", Standing::Unreachable),
        (413, "PayloadTooLarge", Standing::PushRefused),
    ] {
        server.answer([Answer::reason(status, reason), Answer::reason(status, reason)]);
        let finding = try_it(&server, fixtures::p8_credential(), true).await;
        assert_eq!(finding.standing, standing, "{reason}: {finding:?}");
        assert_eq!(finding.standing.works(), (standing == Standing::Refused).then_some(false));
    }
}

#[tokio::test]
async fn a_push_service_that_cannot_be_reached_says_nothing_of_the_credential() {
    let server = Server::start([]).await;
    let outgoing = server.outgoing();
    drop(server);
    let finding = try_over(outgoing, fixtures::p8_credential(), true).await;
    assert_eq!(finding.standing, Standing::Unreachable, "{finding:?}");
}
