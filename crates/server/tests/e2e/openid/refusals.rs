//! Bad input gets the protocol's error, and causes no prompt.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{ANN, Client};
use crate::support::TestApp;

const POLL: (&str, &str) = ("OpenId.Ciba", "poll");
const ANN_BY_HINT: [(&str, &str); 2] = [("scope", "openid"), ("login_hint", "ann")];
const CIBA: (&str, &str) = ("grant_type", "urn:openid:params:grant-type:ciba");

#[tokio::test]
async fn a_client_with_wrong_credentials_or_of_another_service_gets_one_error() {
    let app = TestApp::start_with(&["limits.failed_credentials_per_address_per_minute=0"]).await;
    let client = Client::register(&app, &[POLL]).await;
    let phone = app.enrol_phone(ANN).await;
    let path = format!("/v2/Services/{}/Integrations", app.service);
    let duo = app.api().post(&path, &[("FriendlyName", "ssh"), ("Kind", "duo")]).await.expect(201);
    let text = |name: &str| duo[name].as_str().unwrap().to_owned();
    let made = app.api().post("/v2/Services", &[("FriendlyName", "other")]).await.expect(201);
    let elsewhere = client.issuer.replace(&app.service, made["sid"].as_str().unwrap());
    for stranger in [
        Client { secret: "x".repeat(40), ..client.clone() },
        Client { secret: String::new(), ..client.clone() },
        Client { id: "DI0000000000000000ZZ".to_owned(), ..client.clone() },
        Client { id: "nobody".to_owned(), ..client.clone() },
        Client { id: text("key"), secret: text("secret"), ..client.clone() },
        Client { issuer: elsewhere, ..client.clone() },
        Client { issuer: client.issuer.replace(&app.service, "VA1"), ..client.clone() },
    ] {
        for path in ["bc-authorize", "token"] {
            let refused = stranger.post(path, &ANN_BY_HINT).await;
            assert_eq!(refused.refusal(), (401, "invalid_client"), "{}", stranger.id);
        }
    }
    let refused = client.post_plain("bc-authorize", &ANN_BY_HINT).await;
    assert_eq!(refused.refusal(), (401, "invalid_client"));
    let both = [("client_secret", "x"), ("scope", "openid"), ("login_hint", "ann")];
    assert_eq!(client.post("bc-authorize", &both).await.refusal(), (400, "invalid_request"));
    assert!(phone.challenges(None).await.unwrap().is_empty());
    let own = [("client_id", &*client.id), ("client_secret", &*client.secret)];
    let own = [&own[..], &ANN_BY_HINT].concat();
    assert_eq!(client.post_plain("bc-authorize", &own).await.status, 200);
}

#[tokio::test]
async fn unknown_and_paused_people_get_one_error() {
    let app = TestApp::start().await;
    let client = Client::register(&app, &[POLL, ("Aliases", "bob=bobby-0002")]).await;
    app.api().post(&app.entity("bobby-0002"), &[]).await;
    let long = "x".repeat(300);
    for hint in ["nobody", "bob", "a\nb", &long] {
        let form = [("scope", "openid"), ("login_hint", hint)];
        let refused = client.post("bc-authorize", &form).await;
        assert_eq!(refused.refusal(), (400, "unknown_user_id"), "{hint}");
    }
    let phone = app.enrol_phone(ANN).await;
    let path = format!("/v2/Services/{}/Entities/{ANN}/Protection", app.service);
    app.api().post(&path, &[("Paused", "true")]).await.expect(200);
    let refused = client.post("bc-authorize", &ANN_BY_HINT).await;
    assert_eq!(refused.refusal(), (403, "access_denied"));
    assert!(phone.challenges(None).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_client_may_only_what_it_is_registered_for() {
    let app = TestApp::start().await;
    let client = Client::register(&app, &[]).await;
    app.enrol_phone(ANN).await;
    let refused = client.post("bc-authorize", &ANN_BY_HINT).await;
    assert_eq!(refused.refusal(), (400, "unauthorized_client"));
    let refused = client.post("token", &[CIBA, ("auth_req_id", "x")]).await;
    assert_eq!(refused.refusal(), (400, "unauthorized_client"));
    let grant = [("grant_type", "password"), ("username", "ann"), ("password", "x")];
    assert_eq!(client.post("token", &grant).await.refusal(), (400, "unsupported_grant_type"));
    assert_eq!(client.post("token", &[]).await.refusal(), (400, "invalid_request"));
}

#[tokio::test]
async fn only_the_client_that_asked_fetches_the_answer() {
    let app = TestApp::start().await;
    let client = Client::register(&app, &[POLL]).await;
    let other = Client::register(&app, &[POLL]).await;
    app.enrol_phone(ANN).await;
    let name = client.ask(&[]).await;
    let unknown = URL_SAFE_NO_PAD.encode([7; 20]);
    for (client, name) in
        [(&other, &*name), (&client, &*unknown), (&client, "x"), (&client, "../x")]
    {
        assert_eq!(client.fetch(name).await.refusal(), (400, "invalid_grant"), "{name}");
    }
    assert_eq!(client.post("token", &[CIBA]).await.refusal(), (400, "invalid_request"));
}

#[tokio::test]
async fn a_bearer_is_an_access_token_of_the_issuer() {
    let app = TestApp::start().await;
    let client = Client::register(&app, &[POLL]).await;
    let none = URL_SAFE_NO_PAD.encode([0; 90]);
    let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZS0wMDAxIn0.";
    let long = "x".repeat(3_000);
    for token in ["x", "", &*none, unsigned, &client.secret, &long] {
        assert_eq!(client.user(token).await.refusal(), (401, "invalid_token"), "{token}");
    }
}
