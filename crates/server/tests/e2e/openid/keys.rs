//! The metadata of the provider, and the keys that sign its tokens.

use std::time::Duration;

use countersign_phone::Verdict;
use serde_json::{Value, json};

use super::{ANN, Client};
use crate::duo::prompt_of;
use crate::support::TestApp;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn kids(client: &Client) -> Vec<(String, String)> {
    let keys = client.get("jwks").await.expect(200);
    let keys = keys["keys"].as_array().expect("keys");
    let text = |key: &Value, name: &str| key[name].as_str().expect(name).to_owned();
    keys.iter().map(|key| (text(key, "alg"), text(key, "kid"))).collect()
}

#[tokio::test]
async fn a_client_discovers_its_issuer_whichever_services_there_are() {
    let app = TestApp::start().await;
    let client = Client::register(&app, &[]).await;
    let found = client.get(".well-known/openid-configuration").await;
    assert_eq!(found.header("cache-control"), "public, max-age=3600");
    let found = found.expect(200);
    assert_eq!(found["issuer"], client.issuer);
    for (name, path) in [
        ("jwks_uri", "jwks"),
        ("authorization_endpoint", "authorize"),
        ("token_endpoint", "token"),
        ("backchannel_authentication_endpoint", "bc-authorize"),
    ] {
        assert_eq!(found[name], format!("{}/{path}", client.issuer));
    }
    assert_eq!(found["id_token_signing_alg_values_supported"], json!(["RS256", "ES256"]));
    assert_eq!(found["response_types_supported"], json!(["code"]));
    assert_eq!(found["code_challenge_methods_supported"], json!(["S256"]));
    let none = "VA00000000000000000000000000000000";
    let nowhere = Client { issuer: client.issuer.replace(&app.service, none), ..client.clone() };
    assert_eq!(nowhere.get(".well-known/openid-configuration").await.status, 200);
    let wrong = Client { issuer: client.issuer.replace(&app.service, "VA1"), ..client };
    assert_eq!(wrong.get(".well-known/openid-configuration").await.status, 404);
    assert_eq!(wrong.get("jwks").await.status, 404);
}

#[tokio::test]
async fn keys_are_the_same_after_a_restart_and_change_in_time() {
    let mut app = TestApp::start().await;
    let es256 = [("OpenId.Ciba", "poll"), ("OpenId.IdTokenAlg", "ES256")];
    let client = Client::register(&app, &es256).await;
    let first = kids(&client).await;
    let mut algorithms: Vec<_> = first.iter().map(|(alg, _)| alg.as_str()).collect();
    algorithms.sort_unstable();
    assert_eq!(algorithms, ["ES256", "RS256"]);
    app.crash_and_restart().await;
    let client = Client { node: app.address().to_string(), ..client };
    assert_eq!(kids(&client).await, first);

    app.clock.advance(90 * DAY);
    let both = kids(&client).await;
    assert_eq!(both.len(), 4, "the next ones are published before they sign");
    assert!(first.iter().all(|key| both.contains(key)));
    app.clock.advance(2 * DAY);
    let second = kids(&client).await;
    assert!(second.len() == 2 && first.iter().all(|key| !second.contains(key)));

    let phone = app.enrol_phone(ANN).await;
    let name = client.ask(&[]).await;
    phone.answer(&prompt_of(&phone).await.sid, Verdict::Approved).await.unwrap();
    let tokens = client.fetch(&name).await.expect(200);
    let claims = client.claims(tokens["id_token"].as_str().unwrap()).await;
    assert_eq!(claims["sub"], ANN);
}
