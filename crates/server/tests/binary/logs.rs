//! Logs tell an operator what happened, and nobody's secrets: not even at the finest level.

use countersign_phone::{ServerOptions, Verdict};
use countersign_testkit::postgres::TestDatabase;
use rcgen::KeyPair;
use serde_json::Value;

use crate::support::{ACCOUNT, Application, Stage, TOKEN};

#[tokio::test]
async fn no_log_holds_a_secret_a_token_or_a_question() {
    tells_nothing(Stage::new()).await;
}

/// Its client prints statements with their parameters.
#[tokio::test]
async fn no_log_of_a_server_on_postgresql_holds_a_secret() {
    let database = TestDatabase::new();
    let mut url = url::Url::parse(&database.url()).expect("a URL");
    // The test server trusts local users and asks for no password.
    url.set_password(Some("hunter22")).expect("a place for it");
    tells_nothing(Stage::new().with("COUNTERSIGN_DATABASE__URL", url.as_str())).await;
}

#[expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
async fn tells_nothing(stage: Stage) {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    let master = "a9".repeat(32);
    let stage = stage
        .with("COUNTERSIGN_MASTER_KEY", &master)
        .with("COUNTERSIGN_ACCOUNT_SID", ACCOUNT)
        .with("COUNTERSIGN_AUTH_TOKEN", TOKEN);
    let running = stage.serve(&["--set", "log.filter=trace", "--set", "log.format=json"]).await;
    let application = Application::of(&running);
    let phone = application.phone(&ServerOptions::default()).await;
    let service = format!("/v2/Services/{}", phone.service_sid());
    let form = [("Identity", "bob-00001"), ("FactorType", "push")];
    let token = application.create(&format!("{service}/AccessTokens"), &form).await;
    let apple = KeyPair::generate().unwrap().serialize_pem();
    let line_of_apple_key = apple.lines().nth(1).unwrap();
    let form = [
        ("Type", "apn"),
        ("PrivateKey", &*apple),
        ("KeyId", "ABCDE12345"),
        ("TeamId", "TEAM567890"),
    ];
    application.create("/v1/Credentials", &form).await;
    let form = [
        ("FriendlyName", "hook"),
        ("EventTypes", "*"),
        ("WebhookUrl", "https://a.example/hook?key=webhook-secret"),
    ];
    let webhook = application.create(&format!("{service}/Webhooks"), &form).await;
    let webhook = webhook["sid"].as_str().unwrap();
    let shown = application.get(&format!("{service}/Webhooks/{webhook}/Secret")).await.1;
    let webhook_key = shown["secret"].as_str().unwrap();

    let codes = format!("{service}/Entities/bob-00001/Factors");
    let form = [("FriendlyName", "Bob's app"), ("FactorType", "totp")];
    let totp = application.create(&codes, &form).await;
    let totp_secret = totp["binding"]["secret"].as_str().unwrap();
    let path = format!("{codes}/{}", totp["sid"].as_str().unwrap());
    let (status, _) = application.post(&path, &[("AuthPayload", "0918273")]).await;
    assert_eq!(status, 403, "a code of seven digits is wrong");

    let mut stream = phone.connect().await.unwrap();
    let hidden = r#"{"card":"hidden-details"}"#;
    let field = r#"{"label":"field-label","value":"field-value"}"#;
    let form = [
        ("Details.Message", "Transfer-to-Lisbon"),
        ("Details.Fields", field),
        ("HiddenDetails", hidden),
    ];
    let path = application.challenge(&phone, &form).await;
    application.create(&format!("{path}/Notifications"), &[]).await;
    let prompt = stream.next_prompt().await.unwrap();
    let asked = phone.challenge(&prompt.challenge_sid).await.unwrap();
    let answer = phone.signed_answer(&asked, Verdict::Approved).unwrap();
    phone.send_answer(&asked, Verdict::Denied).await.unwrap();
    let push_token = "push-token-".repeat(5);
    let fcm = countersign_phone::Platform::Fcm(push_token.clone());
    phone.update_push_token(&fcm).await.unwrap();
    application.with(ACCOUNT, "a-wrong-token-of-somebody").get("/v2/Services").await;
    let device = phone.device_jwt().unwrap();
    application.with("token", &device).get("/v2/Services").await;
    application.with("token", "x.mangled-device-token.x").get("/v2/Services").await;
    // The same by another protocol, whose libraries print other things.
    let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let over_http_2 = Application { client, ..application.clone() };
    assert_eq!(over_http_2.get(&path).await.0, 200);
    let form = [("Details.Message", "Transfer-to-Lisbon"), ("HiddenDetails", hidden)];
    over_http_2.challenge(&phone, &form).await;
    drop(stream);
    let done = running.stop().await;
    assert_eq!(done.code, Some(0));

    let access_token = token["token"].as_str().unwrap();
    let basic = STANDARD.encode(format!("{ACCOUNT}:{TOKEN}"));
    let signature = |jwt: &str| jwt.rsplit_once('.').unwrap().1.to_owned();
    let log = done.stderr;
    for secret in [
        TOKEN,
        &basic,
        &master,
        "hunter22",
        access_token,
        &access_token[access_token.len() - 22..],
        &device,
        &signature(&device),
        &signature(&answer),
        line_of_apple_key,
        "webhook-secret",
        webhook_key,
        totp_secret,
        "0918273",
        "Transfer-to-Lisbon",
        "field-label",
        "field-value",
        "hidden-details",
        "a-wrong-token-of-somebody",
        "mangled-device-token",
        &push_token,
    ] {
        let found: Vec<&str> = log.lines().filter(|line| line.contains(secret)).take(2).collect();
        assert!(found.is_empty(), "{secret}: {found:#?}");
    }
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).expect(line));
    let lines: Vec<Value> = lines.collect();
    assert!(lines.iter().all(|line| line["timestamp"].is_string() && line["level"].is_string()));
    let tells = |words: &str| lines.iter().any(|line| line.to_string().contains(words));
    assert!(tells("countersign is ready") && tells("Challenges"), "although it has a message");
}

/// A server that cannot listen says so and ends, after it has logged a line.
#[test]
fn colours_are_for_terminals_whose_user_wants_them() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    for (term, no_color, coloured) in
        [("xterm-256color", "", true), ("xterm-256color", "1", false), ("dumb", "", false)]
    {
        let stage = Stage::new().with("TERM", term).with("NO_COLOR", no_color);
        let done = stage.run_on_terminal(&["serve", "--listen", &address]);
        assert_eq!(done.code, Some(1), "{done:?}");
        assert!(done.stdout.contains("files"), "it logs: {done:?}");
        assert_eq!(done.stdout.contains('\u{1b}'), coloured, "{term} {no_color}: {done:?}");
        let elsewhere = stage.run(&["serve", "--listen", &address]);
        assert!(!elsewhere.stderr.contains('\u{1b}'), "no terminal: {elsewhere:?}");
    }
}
