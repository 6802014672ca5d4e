use countersign_testkit::{ManualClock, SeededEntropy};
use serde_json::json;

use super::*;
use crate::fixtures::{self, CannedResponse, Server};
use crate::guard::CallTimeouts;

async fn try_it(server: &Server, credential: OpenedCredential, is_dry_run: bool) -> TestReport {
    try_over(server.outgoing(), credential, is_dry_run).await
}

async fn try_over(
    outgoing: Outgoing,
    credential: OpenedCredential,
    is_dry_run: bool,
) -> TestReport {
    let test = TestPush {
        account: AccountSid::from_bytes([1; 16]),
        token: Some("00fc13adff785122b4ad28809a342098".to_owned()),
        credential,
        app_id: AppId::parse("com.example.owl").unwrap(),
        message: Message::parse("Does it work?").unwrap(),
        is_dry_run,
    };
    let clock = Arc::new(ManualClock::new());
    let apple = Arc::default();
    let entropy = SeededEntropy::new(7);
    let guard = Guard::new(&outgoing, CallTimeouts::default()).unwrap();
    send_test_push(test, outgoing, &guard, apple, clock, &entropy).await.unwrap()
}

#[tokio::test]
async fn a_dry_run_with_apple_pushes_to_an_unknown_device() {
    let server = Server::start([CannedResponse::reason(400, "BadDeviceToken")]).await;
    let finding = try_it(&server, fixtures::p8_credential(), true).await;
    assert!(
        finding.conclusion == TestConclusion::Works
            && finding.explanation.contains("takes the credential"),
        "{finding:?}"
    );
    assert_eq!(server.requests()[0].path, format!("/3/device/{UNKNOWN_TOKEN}"));

    let finding = try_it(&server, fixtures::p8_credential(), false).await;
    assert!(
        finding.conclusion == TestConclusion::Works && finding.explanation.contains("Sandbox"),
        "{finding:?}"
    );
    server.respond_with([CannedResponse::reason(403, "InvalidProviderToken")]);
    let finding = try_it(&server, fixtures::p8_credential(), true).await;
    assert!(
        finding.conclusion == TestConclusion::Rejected && finding.explanation.contains("KeyId"),
        "{finding:?}"
    );
}

#[tokio::test]
async fn a_dry_run_with_google_is_validated_only() {
    let token = json!({ "access_token": "t1", "expires_in": 3_600 }).to_string();
    let server =
        Server::start([CannedResponse::new(200, token), CannedResponse::new(200, "{}")]).await;
    let uri = server.url.join("token").unwrap();
    let finding = try_it(&server, fixtures::fcm_credential(uri.as_str()), true).await;
    assert!(
        finding.conclusion == TestConclusion::Works && finding.explanation.contains("would accept"),
        "{finding:?}"
    );
    assert_eq!(server.requests()[1].json()["validate_only"], true);
}

#[tokio::test]
async fn a_credential_that_cannot_be_used_does_not_work() {
    let server = Server::start([]).await;
    let broken = OpenedCredential { secret: None, ..fixtures::fcm_credential("https://x") };
    let finding = try_it(&server, broken, true).await;
    assert!(
        finding.conclusion == TestConclusion::Rejected
            && finding.explanation.contains("Firebase console"),
        "{finding:?}"
    );
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn only_a_rejection_of_the_credential_counts_as_one() {
    let server = Server::start([]).await;
    for (status, reason, standing) in [
        (403, "InvalidProviderToken", TestConclusion::Rejected),
        (429, "TooManyRequests", TestConclusion::Throttled),
        (429, "TooManyProviderTokenUpdates", TestConclusion::Throttled),
        (500, "InternalServerError", TestConclusion::Unreachable),
        (503, "ServiceUnavailable", TestConclusion::Unreachable),
        (413, "PayloadTooLarge", TestConclusion::PushRejected),
    ] {
        server.respond_with([
            CannedResponse::reason(status, reason),
            CannedResponse::reason(status, reason),
        ]);
        let finding = try_it(&server, fixtures::p8_credential(), true).await;
        assert_eq!(finding.conclusion, standing, "{reason}: {finding:?}");
        assert_eq!(
            finding.conclusion.works(),
            (standing == TestConclusion::Rejected).then_some(false)
        );
    }
}

#[tokio::test]
async fn an_unreachable_push_service_is_no_rejection() {
    let server = Server::start([]).await;
    let outgoing = server.outgoing();
    drop(server);
    let finding = try_over(outgoing, fixtures::p8_credential(), true).await;
    assert_eq!(finding.conclusion, TestConclusion::Unreachable, "{finding:?}");
}
