//! Push credentials that cannot work are refused when they are created.

use rcgen::KeyPair;
use serde_json::{Value, json};

use crate::support::TestApp;

/// A key in Apple's format.
fn p8_key() -> String {
    KeyPair::generate().expect("a key").serialize_pem()
}

fn apple(key: &str) -> [(&'static str, &str); 5] {
    [
        ("Type", "apn"),
        ("PrivateKey", key),
        ("KeyId", "ABCDE12345"),
        ("TeamId", "TEAM567890"),
        ("Sandbox", "TRUE"),
    ]
}

fn service_account(key: &str) -> Value {
    json!({
        "type": "service_account",
        "project_id": "owlbank",
        "private_key_id": "0123456789abcdef",
        "private_key": key,
        "client_email": "push@owlbank.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    })
}

#[tokio::test]
async fn credentials_belong_to_their_platform_and_account_and_never_show_their_secrets() {
    let app = TestApp::start().await;
    let api = app.api();
    let key = p8_key();
    let made = api.post("/v1/Credentials", &apple(&key)).await;
    let secret = key.lines().nth(1).expect("a line of the key");
    assert!(!made.body.to_string().contains(secret));
    assert_eq!(made.body["sandbox"], "True");
    let sid = made.text("sid");
    let service = format!("/v2/Services/{}", app.service);
    let taken = api.post(&service, &[("Push.ApnCredentialSid", &sid)]).await.expect(200);
    assert_eq!(taken["push"]["apn_credential_sid"], sid);
    let wrong_kind = api.post(&service, &[("Push.FcmCredentialSid", &sid)]).await;
    assert_eq!(wrong_kind.refusal(), (400, 60200));
    let stranger = app.stranger().await;
    let foreign = [("FriendlyName", "a"), ("Push.ApnCredentialSid", &*sid)];
    assert_eq!(stranger.post("/v2/Services", &foreign).await.refusal(), (400, 60200));
    let emptied = api.post(&service, &[("Push.ApnCredentialSid", "")]).await.expect(200);
    assert_eq!(emptied["push"]["apn_credential_sid"], Value::Null);
}

#[tokio::test]
async fn a_credential_that_could_not_push_is_refused_by_the_name_of_its_part() {
    let app = TestApp::start().await;
    let api = app.api();
    let key = p8_key();
    let one_line = key.replace('\n', "");
    let certified = rcgen::generate_simple_self_signed(["com.example.owlbank".to_owned()]);
    let certified = certified.expect("a certificate");
    let (certificate, its_key) = (certified.cert.pem(), certified.signing_key.serialize_pem());

    let without = |name| apple(&key).into_iter().filter(move |(known, _)| *known != name);
    let with = |name, value| without(name).chain([(name, value)]).collect::<Vec<_>>();
    let elliptic = service_account(&key).to_string();
    for (form, parameter) in [
        (vec![("Type", "apn")], "PrivateKey"),
        (with("PrivateKey", "hush-hush"), "PrivateKey"),
        (
            with("PrivateKey", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"),
            "PrivateKey",
        ),
        (with("KeyId", "short"), "KeyId"),
        (with("TeamId", "much-too-long"), "TeamId"),
        (without("KeyId").collect(), "KeyId"),
        (without("TeamId").collect(), "TeamId"),
        (with("Topic", "no spaces"), "Topic"),
        (vec![("Type", "apn"), ("PrivateKey", &its_key)], "Certificate"),
        (vec![("Type", "apn"), ("PrivateKey", &its_key), ("Certificate", "no PEM")], "Certificate"),
        (vec![("Type", "apn"), ("PrivateKey", &key), ("Certificate", &certificate)], "PrivateKey"),
        (vec![("Type", "fcm")], "Secret"),
        (vec![("Type", "fcm"), ("Secret", "AAAAlegacy:server-key")], "Secret"),
        (vec![("Type", "fcm"), ("Secret", "{}")], "Secret"),
        (vec![("Type", "fcm"), ("Secret", &elliptic)], "Secret"),
    ] {
        let reply = api.post("/v1/Credentials", &form).await;
        assert_eq!(reply.refusal(), (400, 60300), "{parameter}: {}", reply.body);
        assert_eq!(reply.body["details"]["parameter"], parameter, "{}", reply.body);
        assert!(!reply.body.to_string().contains("hush"), "{}", reply.body);
    }
    let listed = api.get("/v1/Credentials").await.expect(200);
    assert_eq!(listed["credentials"], json!([]), "no part of a rejected credential is stored");

    api.post("/v1/Credentials", &with("PrivateKey", &one_line)).await.expect(201);
    let form = [("Type", "apn"), ("PrivateKey", &*its_key), ("Certificate", &*certificate)];
    api.post("/v1/Credentials", &form).await.expect(201);
    api.post("/v1/Credentials", &[("Type", "gcm"), ("ApiKey", "kept and not used")])
        .await
        .expect(201);
}

#[tokio::test]
async fn an_update_is_judged_together_with_the_stored_values() {
    let app = TestApp::start().await;
    let api = app.api();
    let (first, second) = (p8_key(), p8_key());
    let made = api.post("/v1/Credentials", &apple(&first)).await;
    let path = format!("/v1/Credentials/{}", made.text("sid"));

    let refused = api.post(&path, &[("PrivateKey", "no key")]).await;
    assert_eq!(refused.refusal(), (400, 60300));
    let refused = api.post(&path, &[("TeamId", "short"), ("FriendlyName", "changed")]).await;
    assert_eq!(refused.refusal(), (400, 60300));
    assert_eq!(api.get(&path).await.expect(200)["friendly_name"], Value::Null);

    let renamed = api.post(&path, &[("FriendlyName", "ios")]).await.expect(200);
    assert_eq!(renamed["friendly_name"], "ios");
    api.post(&path, &[("PrivateKey", &*second), ("KeyId", "FGHIJ67890")]).await.expect(200);
}
