use std::sync::Arc;
use std::time::Duration;

use countersign_domain::ending::ErrorCode;
use countersign_domain::outcome::Outcome;
use countersign_domain::prospect::Push;
use serde_json::json;

use crate::fixtures::{self, CannedResponse, NOON, Server, World, result};
use crate::outgoing::Outgoing;

const LATER: Outcome = Outcome::Later { not_before: None };
const CREDENTIAL: Outcome = Outcome::Refused { breaks_credential: true };

fn token(text: &str, seconds: u64) -> CannedResponse {
    let granted = json!({ "access_token": text, "expires_in": seconds, "token_type": "Bearer" });
    CannedResponse::new(200, granted.to_string())
}

fn ok() -> CannedResponse {
    CannedResponse::new(200, r#"{"name":"projects/owl-bank/messages/1"}"#)
}

fn error(status: u16, word: &str) -> CannedResponse {
    CannedResponse::new(status, json!({ "error": { "status": word, "message": "" } }).to_string())
}

/// Two servers: one for tokens, one for pushes.
async fn world(
    tokens: impl IntoIterator<Item = CannedResponse>,
    responses: impl IntoIterator<Item = CannedResponse>,
) -> (Server, Server, World) {
    let (google, fcm) = (Server::start(tokens).await, Server::start(responses).await);
    let mut outgoing = fcm.outgoing();
    outgoing.roots.extend(google.outgoing().roots);
    let uri = google.url.join("token").unwrap();
    let world = World::new(outgoing, fixtures::fcm_credential(uri.as_str()));
    (google, fcm, world)
}

#[tokio::test]
async fn a_push_is_sent_with_a_requested_token() {
    let (google, fcm, world) = world([token("t1", 3_599)], [ok()]).await;
    let push = fixtures::fcm_push();
    assert_eq!(result(&world.send(&push).await), (Outcome::Accepted, Some(200), None));

    let asked = google.requests().remove(0);
    let form = String::from_utf8(asked.body.to_vec()).unwrap();
    let grant = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
    let (header, claims) = fixtures::read_jwt(form.strip_prefix(grant).unwrap());
    assert_eq!(header, json!({ "alg": "RS256", "typ": "JWT", "kid": "kid-1" }));
    assert_eq!(
        claims,
        json!({
            "iss": "push@owl-bank.iam.gserviceaccount.com",
            "scope": "https://www.googleapis.com/auth/firebase.messaging",
            "aud": google.url.join("token").unwrap().as_str(),
            "iat": NOON.as_seconds(),
            "exp": NOON.as_seconds() + 3_600,
        })
    );

    let asked = fcm.requests().remove(0);
    assert_eq!(asked.path, "/v1/projects/owl-bank/messages:send");
    assert_eq!(asked.header("authorization"), "Bearer t1");
    assert_eq!(asked.json()["message"]["token"], push.target.address.token().unwrap().expose());
    assert_eq!(asked.json()["message"]["android"], json!({ "priority": "HIGH", "ttl": "150s" }));
}

#[tokio::test]
async fn a_repeated_push_replaces_the_earlier_one() {
    let (_google, fcm, world) = world([token("t1", 3_599)], [error(500, "INTERNAL"), ok()]).await;
    let push = fixtures::fcm_push();
    assert_eq!(result(&world.send(&push).await), (LATER, Some(500), Some(52_110)));
    world.send(&push).await;
    let keys: Vec<_> = fcm
        .requests()
        .iter()
        .map(|asked| asked.json()["message"]["android"]["collapse_key"].clone())
        .collect();
    assert_eq!(keys, [json!(null), json!("YC03050505050505050505050505050505")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_pushes_request_one_token() {
    let slow = token("t1", 3_599).after(Duration::from_millis(100));
    let (google, fcm, world) = world([slow], [ok()]).await;
    let world = Arc::new(world);
    let sends: Vec<_> = (0..40)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.send(&fixtures::fcm_push()).await.outcome })
        })
        .collect();
    for send in sends {
        assert_eq!(send.await.unwrap(), Outcome::Accepted);
    }
    assert_eq!((google.requests().len(), fcm.requests().len()), (1, 40));
}

/// On one thread: all of them wait before the response can be read.
#[tokio::test]
async fn a_failed_token_request_fails_for_all_that_waited() {
    let down = CannedResponse::new(503, "").after(Duration::from_millis(100));
    let (google, fcm, world) = world([down], [ok()]).await;
    let world = Arc::new(world);
    let sends: Vec<_> = (0..40)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.send(&fixtures::fcm_push()).await })
        })
        .collect();
    for send in sends {
        let attempt = send.await.unwrap();
        assert!(matches!(attempt.outcome, Outcome::Later { .. }));
        assert_eq!(attempt.code, Some(ErrorCode(52_110)));
    }
    assert_eq!((google.requests().len(), fcm.requests().len()), (1, 0));
}

#[tokio::test]
async fn a_token_is_renewed_five_minutes_early() {
    let tokens = [token("t1", 3_600), token("t2", 3_600), CannedResponse::new(503, "")];
    let (google, fcm, world) = world(tokens, [ok()]).await;
    let push = Push { expires_at: NOON + Duration::from_secs(99_999), ..fixtures::fcm_push() };
    for minute in [0, 54, 55, 109, 110, 111] {
        world.clock.set(NOON + Duration::from_secs(minute * 60));
        assert_eq!(world.send(&push).await.outcome, Outcome::Accepted, "{minute}");
    }
    let used: Vec<_> =
        fcm.requests().iter().map(|asked| asked.header("authorization")[7..].to_owned()).collect();
    assert_eq!(used, ["t1", "t1", "t2", "t2", "t2", "t2"], "an old token is used while valid");
    assert_eq!(google.requests().len(), 4);
    world.clock.set(NOON + Duration::from_secs(115 * 60));
    assert_eq!(world.send(&push).await.code, Some(ErrorCode(52_110)), "not after it expires");
}

#[tokio::test]
async fn a_rejected_token_is_replaced_once() {
    let tokens = [token("t1", 3_600), token("t2", 3_600), token("t3", 3_600)];
    let unauthenticated = || error(401, "UNAUTHENTICATED");
    let (google, fcm, world) = world(tokens, [unauthenticated(), ok()]).await;
    assert_eq!(world.send(&fixtures::fcm_push()).await.outcome, Outcome::Accepted);
    assert_eq!(fcm.requests()[1].header("authorization"), "Bearer t2");
    fcm.respond_with([unauthenticated()]);
    let attempt = world.send(&fixtures::fcm_push()).await;
    assert_eq!(result(&attempt), (CREDENTIAL, Some(401), Some(52_109)));
    assert_eq!((google.requests().len(), fcm.requests().len()), (3, 4));
}

#[tokio::test]
async fn a_rejected_account_opens_the_circuit() {
    let no = r#"{"error":"invalid_grant","error_description":"Invalid JWT Signature."}"#;
    let (google, fcm, world) = world([CannedResponse::new(400, no)], [ok()]).await;
    let attempt = world.send(&fixtures::fcm_push()).await;
    assert_eq!(result(&attempt), (CREDENTIAL, Some(400), Some(52_101)));
    let words = attempt.provider_reason.unwrap();
    assert_eq!(words, "token endpoint: invalid_grant Invalid JWT Signature.");
    let attempt = world.send(&fixtures::fcm_push()).await;
    assert!(matches!(attempt.outcome, Outcome::Later { not_before: Some(_) }));
    assert_eq!((google.requests().len(), fcm.requests().len()), (1, 0));
}

#[tokio::test]
async fn another_token_uri_is_called_only_if_the_operator_allows_it() {
    let (google, fcm, _) = world([token("t1", 3_600)], [ok()]).await;
    let port = google.url.port().unwrap();
    for uri in [
        format!("https://localhost:{port}/token"),
        format!("https://127.0.0.1:{port}/token"),
        format!("http://localhost:{port}/token"),
        "https://198.51.100.1/token".to_owned(),
        "https://8.8.8.8/token".to_owned(),
        "ftp://127.0.0.1/token".to_owned(),
    ] {
        let outgoing = Outgoing { allow: Vec::new(), ..fcm.outgoing() };
        let world = World::new(outgoing, fixtures::fcm_credential(&uri));
        let attempt = world.send(&fixtures::fcm_push()).await;
        assert_eq!(result(&attempt), (CREDENTIAL, None, Some(52_109)), "{uri}");
        assert!(attempt.provider_reason.unwrap().contains(&uri), "{uri}");
    }
    assert_eq!((google.requests().len(), fcm.requests().len()), (0, 0));
}

#[tokio::test]
async fn the_retry_after_of_google_is_passed_on() {
    let busy = error(503, "UNAVAILABLE").with("retry-after", "Thu, 01 Jan 2026 12:00:30 GMT");
    let (_google, fcm, world) = world([token("t1", 3_600)], [busy]).await;
    let not_before =
        |seconds| Outcome::Later { not_before: Some(NOON + Duration::from_secs(seconds)) };
    assert_eq!(world.send(&fixtures::fcm_push()).await.outcome, not_before(30));
    fcm.respond_with([error(429, "RESOURCE_EXHAUSTED")]);
    let attempt = world.send(&fixtures::fcm_push()).await;
    assert_eq!(result(&attempt), (not_before(60), Some(429), Some(52_108)));
}

#[tokio::test]
async fn a_dead_token_is_forgotten_and_not_recorded() {
    let push = fixtures::fcm_push();
    let token_text = push.target.address.token().unwrap().expose();
    let body = json!({ "error": {
        "status": "NOT_FOUND",
        "message": format!("Requested entity {token_text} was not found."),
        "details": [{
            "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError",
            "errorCode": "UNREGISTERED",
        }],
    }});
    let (_google, _fcm, world) =
        world([token("t1", 3_600)], [CannedResponse::new(404, body.to_string())]).await;
    let attempt = world.send(&push).await;
    assert_eq!(result(&attempt), (Outcome::Gone { since: None }, Some(404), Some(52_103)));
    let words = attempt.provider_reason.unwrap();
    assert_eq!(words, "UNREGISTERED: Requested entity … was not found.");
}
