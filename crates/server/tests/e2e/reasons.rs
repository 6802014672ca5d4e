//! Every refusal has a reason: every row of the error table is provoked over HTTP.

mod limits;

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use countersign_phone::{Phone, Platform, Verdict, jwt};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Caller, Reply, TestApp};
use crate::totp;

/// Collects the codes of refusals, and checks the reason of each.
#[derive(Default)]
struct Walk(BTreeSet<i64>);

impl Walk {
    /// The refusal names the parameter, if there is one, and a reason that contains these words.
    #[track_caller]
    fn meets(&mut self, reply: &Reply, code: i64, parameter: Option<&str>, words: &str) {
        let details = &reply.body["details"];
        assert_eq!(reply.refusal().1, code, "{reply:?}");
        assert_eq!(details["parameter"].as_str(), parameter, "{reply:?}");
        let reason = details["reason"].as_str().unwrap_or_else(|| panic!("a reason: {reply:?}"));
        assert!(reason.contains(words), "{words}: {reply:?}");
        self.0.insert(code);
    }
}

/// A device's token, changed by hand and signed again.
fn token(phone: &Phone, change: impl FnOnce(&mut Value, &mut Value)) -> String {
    let text = phone.device_jwt().expect("a token");
    let mut parts = text.split('.').map(|part| {
        let bytes = URL_SAFE_NO_PAD.decode(part).expect("base64");
        serde_json::from_slice::<Value>(&bytes).unwrap_or_default()
    });
    let (mut header, mut payload) = (parts.next().expect("one"), parts.next().expect("one"));
    change(&mut header, &mut payload);
    jwt::signed(phone.key(), &header, &payload).expect("a token")
}

/// A valid public key.
const KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Z5A/4QCLi8maQa6elWKLxk8vGyDC1+n1F3o8KU1EYimQ==";

/// Codes of the table that a caller cannot provoke at will, and the tests that show them.
const ELSEWHERE: [(i64, &str); 3] = [
    (20408, "bodies.rs: a body that does not come"),
    (20409, "api/src/tests/errors.rs: others change the same thing at the same time"),
    (20500, "api/src/tests/errors.rs: a fault of ours"),
];

#[tokio::test]
async fn every_code_of_the_table_comes_with_its_reason() {
    let mut walk = Walk::default();
    requests(&mut walk).await;
    credentials(&mut walk).await;
    enrolments(&mut walk).await;
    challenges(&mut walk).await;
    codes(&mut walk).await;
    Box::pin(limits::of_limits(&mut walk)).await;
    limits::of_crowds(&mut walk).await;

    let document = include_str!("../../../../docs/integrate/api-compatibility.md");
    let table = document.split("## Errors").nth(1).and_then(|rest| rest.split("\n## ").next());
    let words = table.expect("a table").split(|c: char| !c.is_ascii_digit() && c != '–');
    let mut documented = BTreeSet::new();
    for word in words.filter(|word| word.len() == 5 || word.contains('–')) {
        let ends: Vec<i64> = word.split('–').filter_map(|end| end.parse().ok()).collect();
        if let (Some(first), Some(last)) = (ends.first(), ends.last()) {
            documented.extend(*first..=*last);
        }
    }
    let elsewhere = ELSEWHERE.map(|(code, _)| code);
    walk.0.extend(elsewhere);
    assert_eq!(
        walk.0, documented,
        "the table of docs/integrate/api-compatibility.md and what is met"
    );
}

/// Requests that are refused before their content is read.
async fn requests(walk: &mut Walk) {
    let app = TestApp::start_with(&["http.header_bytes_max=8192"]).await;
    let api = app.api();
    let services = "/v2/Services";
    let missing = api.post(services, &[]).await;
    walk.meets(&missing, 20001, Some("FriendlyName"), "is required, and the body is empty");
    let missing = api.post(services, &[("Friendly", "x")]).await;
    walk.meets(&missing, 20001, Some("FriendlyName"), "is required");
    let plain = api.request(Method::POST, services).header("Content-Type", "text/plain");
    let plain = Reply::of(plain.body("x=y")).await;
    walk.meets(&plain, 20001, Some("FriendlyName"), "application/x-www-form-urlencoded");
    let page = api.get("/v2/Services?PageSize=0").await;
    walk.meets(&page, 20001, Some("PageSize"), "from 1 to 1000");
    let page = api.get("/v2/Services?Page=2").await;
    walk.meets(&page, 20001, Some("PageToken"), "next_page_url");
    let page = api.get("/v2/Services?PageSize=1001").await;
    walk.meets(&page, 20007, Some("PageSize"), "from 1 to 1000");
    let method = Reply::of(api.request(Method::PUT, services)).await;
    walk.meets(&method, 20004, None, "Allow");
    let utf8 = api.post_bytes(services, b"FriendlyName=%ff".to_vec()).await;
    walk.meets(&utf8, 20422, None, "UTF-8");
    let large = api.post(services, &[("FriendlyName", &"x".repeat(70_000))]).await;
    walk.meets(&large, 20413, None, "http.body_bytes_max");
    let wide = api.request(Method::GET, services).header("X-Padding", "x".repeat(8_192));
    walk.meets(&Reply::of(wide).await, 20431, None, "http.header_bytes_max");
    let name = api.post(services, &[("FriendlyName", &"x".repeat(99))]).await;
    walk.meets(&name, 60200, Some("FriendlyName"), "has 99");
    let kind = api.post("/v1/Credentials", &[("Type", "pigeon")]).await;
    walk.meets(&kind, 60300, Some("Type"), "must be");
    let sid = api.get("/v2/Services/VA1").await;
    walk.meets(&sid, 60306, Some("ServiceSid"), "must");

    let absent = api.get(&format!("/v2/Services/VA{}", "0".repeat(32))).await;
    assert_eq!(absent.refusal(), (404, 20404));
    let named = format!("The requested resource /Services/VA{} was not found", "0".repeat(32));
    assert_eq!(absent.body["message"], named, "the message is the reason");
    walk.0.insert(20404);
}

async fn credentials(walk: &mut Walk) {
    let app = TestApp::start().await;
    let api = app.api();
    let nobody = Reply::of(api.client.get(format!("{}/v2/Services", api.base))).await;
    walk.meets(&nobody, 20003, None, "there is no Authorization header");
    let bearer = api.client.get(format!("{}/v2/Services", api.base)).bearer_auth("x");
    walk.meets(&Reply::of(bearer).await, 20003, None, "Basic");
    let wrong = api.with(&app.account, "wrong").get("/v2/Services").await;
    walk.meets(&wrong, 20003, None, "no account, API key or device");

    let phone = app.enrol_phone("alice-0001").await;
    let access = app.access_token("bob-00001").await;
    let factor = app.factor_path(&phone);
    let with = async |token: &str| api.with("token", token).get(&factor).await;
    walk.meets(&with("a.b.c.d.e").await, 20101, None, "not an access token that this server made");
    walk.meets(&with(&access).await, 20403, None, "an access token enrols one device");
    walk.meets(&with("x").await, 20152, None, "three parts of base64url");
    let stranger = format!("CR{}", "7".repeat(32));
    let unknown = token(&phone, |header, _| header["kid"] = json!(stranger));
    walk.meets(&with(&unknown).await, 20151, None, "not signed by a known key");
    let other = token(&phone, |_, payload| payload["sub"] = json!(format!("AC{}", "0".repeat(32))));
    walk.meets(&with(&other).await, 20153, None, "another account");
    let timeless = token(&phone, |_, payload| payload["exp"] = Value::Null);
    walk.meets(&with(&timeless).await, 20154, None, "must have exp");
    let early = token(&phone, |_, payload| shift(payload, 700));
    walk.meets(&with(&early).await, 20105, None, "s");
    let late = token(&phone, |_, payload| shift(payload, -7_000));
    walk.meets(&with(&late).await, 20156, None, "expired ");
    let long = token(&phone, |_, payload| {
        payload["exp"] = json!(payload["nbf"].as_i64().expect("a number") + 901);
    });
    walk.meets(&with(&long).await, 20157, None, "900 s");

    let stream = api.get(&format!("{factor}/Stream")).await;
    walk.meets(&stream, 20426, None, "WebSockets");
    app.clock.advance(Duration::from_secs(70));
    walk.meets(&with(&access).await, 20104, None, "expired 10 s ago");
    let sid = app.account.parse().expect("a SID");
    app.server().verify.suspend_account(sid).await.expect("it is suspended");
    walk.meets(&api.get("/v2/Services").await, 20005, None, "suspended");
}

fn shift(payload: &mut Value, seconds: i64) {
    for claim in ["nbf", "exp"] {
        payload[claim] = json!(payload[claim].as_i64().expect("a number") + seconds);
    }
}

async fn enrolments(walk: &mut Walk) {
    let app = TestApp::start().await;
    let (api, service) = (app.api(), format!("/v2/Services/{}", app.service));
    let entities = format!("{service}/Entities");
    api.post(&entities, &[("Identity", "alice-0001")]).await.expect(201);
    let again = api.post(&entities, &[("Identity", "alice-0001")]).await;
    walk.meets(&again, 60301, Some("Identity"), "has an entity");
    let form = [("Identity", "alice-0001"), ("FactorType", "push"), ("Ttl", "59")];
    let token = api.post(&format!("{service}/AccessTokens"), &form).await;
    walk.meets(&token, 60305, Some("Ttl"), "60");

    let path = format!("{}/Factors", app.entity("alice-0001"));
    let enrol = async |caller: &Caller, path: &str, key: &str| {
        let form = [
            ("FriendlyName", "Ann's phone"),
            ("FactorType", "push"),
            ("Binding.Alg", "ES256"),
            ("Binding.PublicKey", key),
            ("Config.SdkVersion", "1.0.0"),
            ("Config.AppId", "com.example.owlbank"),
            ("Config.NotificationPlatform", "none"),
        ];
        caller.post(path, &form).await
    };
    for (wrong, words) in [
        ("-----BEGIN PUBLIC KEY-----", "PEM"),
        ("-----BEGIN PRIVATE KEY-----", "never leave the device"),
        ("MFkw!", "character 5"),
        ("MFkw", "cut short"),
        ("aGVsbG8=", "is not DER"),
    ] {
        let refused = enrol(&api, &path, wrong).await;
        walk.meets(&refused, 60314, Some("Binding.PublicKey"), words);
    }
    enrol(&api, &path, KEY).await.expect(201);
    walk.meets(&enrol(&api, &path, KEY).await, 60317, Some("Binding.PublicKey"), "another factor");

    let device = api.with("token", &app.access_token("bob-00001").await);
    let misfit = enrol(&device, &path, KEY).await;
    walk.meets(&misfit, 60313, None, "the access token is for another identity");
    let other = api.post("/v2/Services", &[("FriendlyName", "other")]).await.text("sid");
    let elsewhere = format!("/v2/Services/{other}/Entities/bob-00001/Factors");
    let misfit = enrol(&device, &elsewhere, KEY).await;
    walk.meets(&misfit, 60313, None, "the access token is for another service");
    let bobs = format!("{}/Factors", app.entity("bob-00001"));
    enrol(&device, &bobs, KEY).await.expect(201);
    let spent = enrol(&device, &bobs, KEY).await;
    walk.meets(&spent, 60313, None, "the access token was used before");
    let factors = api.get(&bobs).await.expect(200);
    let sid = factors["factors"][0]["sid"].as_str().expect("a SID").to_owned();
    let proof = STANDARD.encode(b"no signature");
    let proved = api.post(&format!("{bobs}/{sid}"), &[("AuthPayload", &proof)]).await;
    walk.meets(&proved, 60311, Some("AuthPayload"), "not a signature");
    let form = [("FactorSid", &*sid), ("Details.Message", "Log in?")];
    let asked = api.post(&format!("{}/Challenges", app.entity("bob-00001")), &form).await;
    walk.meets(&asked, 60318, Some("FactorSid"), "has not been verified");
}

async fn challenges(walk: &mut Walk) {
    let app = TestApp::start_with(&["limits.wrong_answers_per_push_challenge=3"]).await;
    let phone = app.enrol("alice-0001", Platform::None).await;
    let sid = app.challenge(&phone, "Log in?").await;
    let path = format!("{}/{sid}", app.challenges_path(&phone));
    let none = app.api().post(&format!("{path}/Notifications"), &[]).await;
    walk.meets(&none, 60307, Some("Config.NotificationPlatform"), "none");

    let header = json!({"typ": "JWT", "alg": "ES256"});
    let asked = phone.challenge(&sid).await.expect("a challenge");
    let right = phone.signed_answer(&asked, Verdict::Approved).expect("an answer");
    let payload = right.split('.').nth(1).expect("a payload");
    let payload = URL_SAFE_NO_PAD.decode(payload).expect("base64");
    let mut payload: Value = serde_json::from_slice(&payload).expect("JSON");
    let answer = async |text: &str| app.device(&phone).post(&path, &[("AuthPayload", text)]).await;
    walk.meets(&answer("approved").await, 60306, Some("AuthPayload"), "compact JWS");
    let (signed, _) = right.rsplit_once('.').expect("a signature");
    let foreign = format!("{signed}.{}", "A".repeat(86));
    walk.meets(
        &answer(&foreign).await,
        60324,
        Some("AuthPayload"),
        "not signed with this factor's key",
    );
    payload["status"] = json!("yes");
    let odd = jwt::signed(phone.key(), &header, &payload).expect("signed");
    walk.meets(&answer(&odd).await, 60324, Some("AuthPayload"), "approved or denied");
    payload["identity"] = json!("mallory-01");
    let odd = jwt::signed(phone.key(), &header, &payload).expect("signed");
    walk.meets(&answer(&odd).await, 60324, Some("AuthPayload"), "does not sign identity");
    walk.meets(&answer(&right).await, 60308, Some("AuthPayload"), "wrong too often");

    let sid = app.challenge(&phone, "Once more?").await;
    let path = format!("{}/{sid}", app.challenges_path(&phone));
    phone.answer(&sid, Verdict::Denied).await.expect("an answer");
    let late = app.device(&phone).post(&path, &[("AuthPayload", &right)]).await;
    walk.meets(&late, 60322, None, "first answer");
    let sid = app.challenge(&phone, "And now?").await;
    let path = format!("{}/{sid}", app.challenges_path(&phone));
    app.clock.advance(Duration::from_secs(301));
    let late = app.device(&phone).post(&path, &[("AuthPayload", &right)]).await;
    walk.meets(&late, 60323, None, "expiration_date");
}

async fn codes(walk: &mut Walk) {
    let app = TestApp::start().await;
    let form = [("FriendlyName", "codes"), ("FactorType", "totp")];
    let factors = format!("{}/Factors", app.entity("alice-0001"));
    let made = app.api().post(&factors, &form).await.text("sid");
    let path = format!("{factors}/{made}");
    let show = async || app.api().post(&path, &[("AuthPayload", "000000")]).await;
    for _ in 0..5 {
        walk.meets(&show().await, 60311, Some("AuthPayload"), "not the code of this factor");
    }
    walk.meets(&show().await, 60310, Some("AuthPayload"), "wrong too often");
    let (_, sid) = totp::verified(&app, 6).await;
    let spent = totp::challenge(&app, &sid, Some(&totp::code(&app, 6))).await;
    walk.meets(&spent, 60324, Some("AuthPayload"), "used before");
}

#[tokio::test]
async fn a_body_that_is_not_a_form_is_refused_as_such_and_changes_nothing() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let sid = app.challenge(&phone, "Log in?").await;
    let notifications = format!("{}/{sid}/Notifications", app.challenges_path(&phone));
    let before = app.notifications(&phone, &sid).await.len();
    for path in [&*notifications, "/v2/Services", "/v1/Credentials"] {
        for (kind, body, words) in [
            ("application/json", r#"{"Ttl": 0}"#, "declared as application/json"),
            ("application/json; charset=utf-8", r#"{"Ttl": 0}"#, "declared as application/json"),
            ("application/vnd.api+json", "{}", "declared as application/vnd.api+json"),
            ("multipart/form-data; boundary=x", "--x--", "declared as multipart/form-data"),
            ("application/xml", "<Ttl>0</Ttl>", "declared as application/xml"),
            ("application/octet-stream", "Ttl=0", "declared as application/octet-stream"),
            ("text/plain", r#" {"Ttl": 0}"#, "the body is JSON"),
            ("application/x-www-form-urlencoded", r#"{"Ttl": 0}"#, "the body is JSON"),
            ("", r#"["Ttl"]"#, "the body is JSON"),
        ] {
            let request = app.api().request(Method::POST, path).header("Content-Type", kind);
            let reply = Reply::of(request.body(body)).await;
            assert_eq!(reply.refusal(), (400, 20422), "{path} {kind} {body}");
            let message = "The body must be application/x-www-form-urlencoded";
            assert_eq!(reply.body["message"], message);
            let reason = reply.body["details"]["reason"].as_str().expect("a reason");
            assert!(reason.contains(words), "{words}: {reason}");
        }
    }
    assert_eq!(app.notifications(&phone, &sid).await.len(), before, "no push was sent");
    let unlabelled = app.api().post_bytes(&notifications, "Ttl=0").await.expect(201);
    assert_eq!(unlabelled["ttl"], 0, "a form that is not declared is a form");
    let empty = app.api().request(Method::POST, &notifications);
    let empty = Reply::of(empty.header("Content-Type", "application/json")).await;
    assert_eq!(empty.status, 201, "an empty text cannot be misread");
}
