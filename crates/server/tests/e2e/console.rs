//! The operator's pages on the real wiring, as far as push services and applications take part.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use countersign_phone::{Phone, Platform, Verdict};
use countersign_standins::{CommonOptions, ScriptedResponse, fcm, webhook};
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Method, Response, redirect};

use crate::contexts::places;
use crate::pushes::{APNS_TOKEN, Stage};
use crate::support::{Caller, Home, TestApp};

/// A browser without scripts.
pub struct Operator {
    client: reqwest::Client,
    base: String,
    cookies: BTreeMap<String, String>,
}

impl Operator {
    fn new(app: &TestApp) -> Self {
        let builder = reqwest::Client::builder().redirect(redirect::Policy::none());
        let client = builder.build().expect("a client");
        let base = format!("http://{}/console", app.address());
        Self { client, base, cookies: BTreeMap::new() }
    }

    pub async fn sign_in(app: &TestApp) -> Self {
        let mut operator = Self::new(app);
        let form = [("user", &*app.account), ("secret", &*app.token)];
        let response = operator.post("/sign-in", "/sign-in", &form).await;
        assert_eq!(response.status(), 303);
        assert_eq!(response.headers()[LOCATION], "/console");
        operator
    }

    /// The same browser, using another node.
    fn moved_to(&self, address: SocketAddr) -> Self {
        let (client, cookies) = (self.client.clone(), self.cookies.clone());
        Self { client, base: format!("http://{address}/console"), cookies }
    }

    /// Whether it is signed in: tells by a page that needs a session.
    async fn is_signed_in(&mut self) -> bool {
        let response = self.ask(Method::GET, "/timeline", &[]).await;
        match response.status().as_u16() {
            200 => true,
            303 if response.headers()[LOCATION] == "/console/sign-in" => false,
            status => panic!("{status}"),
        }
    }

    pub async fn get(&mut self, path: &str) -> String {
        let response = self.ask(Method::GET, path, &[]).await;
        assert_eq!(response.status(), 200, "{path}");
        response.text().await.expect("text")
    }

    /// Sends a form of the page at `from`.
    async fn post(&mut self, from: &str, path: &str, form: &[(&str, &str)]) -> Response {
        let page = self.get(from).await;
        let token = page.split("name=\"form_token\" value=\"").nth(1).expect("a form");
        let token = token.split('"').next().expect("a token");
        let form = [&[("form_token", token)], form].concat();
        self.ask(Method::POST, path, &form).await
    }

    async fn ask(&mut self, method: Method, path: &str, form: &[(&str, &str)]) -> Response {
        let kept = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        let kept = kept.collect::<Vec<_>>().join("; ");
        let mut request = self.client.request(method.clone(), format!("{}{path}", self.base));
        request = request.header(COOKIE, kept);
        if method == Method::POST {
            request = request.form(form);
        }
        let response = request.send().await.expect("the server answers");
        for cookie in response.headers().get_all(SET_COOKIE) {
            let cookie = cookie.to_str().expect("text").split(';').next().expect("a pair");
            let (name, value) = cookie.split_once('=').expect("a pair");
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        response
    }

    /// Presses a credential's button; the page that follows.
    async fn try_credential(&mut self, sid: &str, app_id: &str) -> String {
        let path = format!("/credentials/{sid}/test");
        let response = self.post("/credentials", &path, &[("app_id", app_id)]).await;
        assert_eq!(response.status(), 303);
        let next = response.headers()[LOCATION].to_str().expect("text").to_owned();
        self.get(next.strip_prefix("/console").expect("a page of the console")).await
    }
}

#[track_caller]
pub fn shows(page: &str, texts: &[&str]) {
    for text in texts {
        assert!(page.contains(text), "{text}: {page}");
    }
}

/// The push services check the key and the token, and the page shows their response. A try uses the provider token of
/// pushes: Apple would refuse a second new one.
#[tokio::test]
async fn a_credential_is_tried_at_apple_and_google_from_its_page() {
    let stage = Stage::set().await;
    stage.ask(Platform::Apn(APNS_TOKEN.to_owned())).await;
    let (apple, google, api) = (&stage.others.apns, &stage.others.fcm, stage.app.api());
    let key = apple.key();
    let foreign = rcgen::KeyPair::generate().expect("a key").serialize_pem();
    let make = async |name: &str, pem: &str| {
        let form = [
            ("Type", "apn"),
            ("FriendlyName", name),
            ("PrivateKey", pem),
            ("KeyId", &key.key_id),
            ("TeamId", &key.team_id),
        ];
        api.post("/v1/Credentials", &form).await.text("sid")
    };
    let (good, wrong) = (make("good", &key.pem).await, make("wrong", &foreign).await);
    let account = google.service_account().to_string();
    let fcm = api.post("/v1/Credentials", &[("Type", "fcm"), ("Secret", &account)]).await;
    let fcm = fcm.text("sid");
    let mut operator = Operator::sign_in(&stage.app).await;
    let page = operator.get("/credentials").await;
    shows(&page, &[&good, &wrong, &fcm, "Asks the push service, with a push that no device gets."]);

    for _ in 0..2 {
        let page = operator.try_credential(&good, &key.topics[0]).await;
        shows(&page, &["The credential works.", "Apple takes the credential", "BadDeviceToken"]);
    }
    let page = operator.try_credential(&wrong, &key.topics[0]).await;
    shows(&page, &["The credential does not work.", "403 InvalidProviderToken"]);
    let taken = apple.pushes().all().iter().filter(|push| push.status == Some(200)).count();
    assert_eq!(taken, 1, "the one that was asked for");

    let page = operator.try_credential(&fcm, "").await;
    shows(&page, &["The credential works.", "The push service said"]);
    google.script().next(fcm::Error::PermissionDenied);
    let page = operator.try_credential(&fcm, "").await;
    shows(&page, &["The credential does not work.", "PERMISSION_DENIED"]);
    assert!(google.messages().all().iter().all(|message| message.validate_only));
}

#[tokio::test]
async fn a_session_is_good_at_every_node_and_ends_at_all_of_them() {
    let app = TestApp::start().await;
    let there = app.other_node().await;
    let (mut operator, mut other) = (Operator::sign_in(&app).await, Operator::sign_in(&app).await);
    let mut moved = operator.moved_to(there.address);
    assert!(moved.is_signed_in().await && operator.is_signed_in().await);
    let response = moved.post("", "/sign-out", &[]).await;
    assert_eq!((response.status().as_u16(), &*moved.cookies["countersign_console"]), (303, ""));
    // The other browser has kept its copy of the cookie.
    for address in [app.address(), there.address] {
        assert!(!operator.moved_to(address).is_signed_in().await, "{address}");
        assert!(other.moved_to(address).is_signed_in().await, "{address}");
    }
    assert!(!operator.is_signed_in().await && other.is_signed_in().await);
}

#[tokio::test]
async fn a_session_outlives_its_server_and_so_does_its_end() {
    let mut app = TestApp::start().await;
    let (mut ended, kept) = (Operator::sign_in(&app).await, Operator::sign_in(&app).await);
    let copy = ended.moved_to(app.address());
    ended.post("", "/sign-out", &[]).await;
    app.crash_and_restart().await;
    assert!(kept.moved_to(app.address()).is_signed_in().await);
    assert!(!copy.moved_to(app.address()).is_signed_in().await);
}

#[tokio::test]
async fn a_push_to_a_device_that_is_away_is_explained_by_its_stream() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let challenge = app.challenge(&phone, "Log in?").await;
    app.notify(&phone, &challenge, 0).await;
    app.deliver_everything().await;
    let mut operator = Operator::sign_in(&app).await;
    let page = operator.get(&format!("/challenges/{challenge}")).await;
    shows(&page, &["the device was not connected"]);
    shows(
        &page,
        &["52001: The device was not connected to its stream. Nothing is wrong with its address."],
    );
    for wrong in ["push service", "no address"] {
        assert!(!page.contains(wrong), "{wrong}: {page}");
    }
    shows(&operator.get("/timeline").await, &["code=52001"]);
}

/// The application shows an address as that of the person who asked; the device answers from another one.
#[tokio::test]
async fn a_challenge_that_was_answered_from_another_country_is_marked() {
    const MARK: &str = "another country than the one asked about";
    let (setting, _folder) = places();
    let app = TestApp::start_with(&["http.trusted_proxies=127.0.0.1", &setting]).await;
    let phone = app.enrol_phone("alice-0001").await;
    let mut operator = Operator::sign_in(&app).await;
    // 198.51.100.0/24 is in Portugal and 192.0.2.0/24 in Germany; the last network is unknown.
    for (from, shown, marks) in [
        ("192.0.2.9", "192.0.2.9 (DE)", 1),
        ("198.51.100.77", "198.51.100.77 (PT)", 0),
        ("203.0.113.5", "203.0.113.5", 0),
    ] {
        let field = r#"{"label":"Address","value":"198.51.100.7"}"#;
        let form = [
            ("FactorSid", phone.factor_sid()),
            ("Details.Message", "Log in?"),
            ("Details.Fields", field),
        ];
        let made = app.api().post(&app.challenges_path(&phone), &form).await.expect(201);
        let sid = made["sid"].as_str().expect("a SID");
        let path = format!("{}/{sid}", app.challenges_path(&phone));
        answer_from(&app, &phone, &path, from).await;
        let page = operator.get(&format!("/challenges/{sid}")).await;
        shows(&page, &["Answered from", shown]);
        assert_eq!(page.matches(MARK).count(), marks, "{from}: {page}");
    }
}

/// Approves a challenge, through a proxy that names this address.
async fn answer_from(app: &TestApp, phone: &Phone, path: &str, from: &str) {
    let sid = path.rsplit('/').next().expect("a SID");
    let asked = phone.challenge(sid).await.expect("a challenge");
    let payload = phone.signed_answer(&asked, Verdict::Approved).expect("an answer");
    let mut headers = reqwest::header::HeaderMap::new();
    headers.insert("x-forwarded-for", from.parse().expect("a header"));
    let builder = reqwest::Client::builder().no_proxy().tls_certs_only([]);
    let client = builder.default_headers(headers).build().expect("a client");
    let device = Caller { client, ..app.device(phone) };
    device.post(path, &[("AuthPayload", &payload)]).await.expect(200);
}

/// The first call fails, the second succeeds: the challenge's page shows both, and keeps the second.
#[tokio::test]
async fn a_challenge_is_followed_to_the_webhook_that_took_it() {
    let app = TestApp::start_with(&["outgoing.allow=127.0.0.0/8"]).await;
    let ear = webhook::Webhook::start(None, CommonOptions::default()).await.expect("it listens");
    let url = format!("{}/hook", ear.url());
    let form =
        [("FriendlyName", "orders"), ("WebhookUrl", &*url), ("EventTypes", "challenge.approved")];
    app.api().post(&format!("/v2/Services/{}/Webhooks", app.service), &form).await.expect(201);
    let phone = app.enrol_phone("alice-0001").await;
    let challenge = app.challenge(&phone, "Pay 40 EUR?").await;
    ear.script().next(ScriptedResponse::status(503));
    phone.answer(&challenge, Verdict::Approved).await.expect("an answer");
    ear.events().wait_for(1).await;
    app.deliver_everything().await;
    let mut operator = Operator::sign_in(&app).await;
    let path = format!("/challenges/{challenge}");
    let page = operator.get(&path).await;
    shows(&page, &["challenge.approved: failed 1 times", "Last answer: status 503"]);
    app.pass(Duration::from_secs(5)).await;
    ear.events().wait_for(2).await;
    app.deliver_everything().await;
    let page = operator.get(&path).await;
    shows(&page, &["Webhook called: challenge.approved", "orders", "at try 2, 5.0 s after"]);
    assert!(!page.contains("failed 1 times"), "{page}");
}

/// A page counts as a request of the account.
#[tokio::test]
async fn pages_and_requests_of_an_account_share_its_limit() {
    let app = TestApp::start_with(&["limits.requests_per_account_per_second=8"]).await;
    app.clock.advance(Duration::from_secs(1));
    let mut operator = Operator::sign_in(&app).await;
    let mut shown = 0;
    let refused = loop {
        let response = operator.ask(Method::GET, "/credentials", &[]).await;
        if response.status() != 200 {
            break response;
        }
        shown += 1;
        assert!(shown < 9, "there is a limit");
    };
    assert_eq!((shown, refused.status().as_u16()), (7, 429), "signing in was one");
    assert_eq!(refused.headers()["retry-after"], "1");
    shows(&refused.text().await.expect("text"), &["Too many requests"]);
    assert_eq!(app.api().get("/v2/Services").await.refusal(), (429, 20429));
    let stranger = app.stranger().await;
    assert_eq!(stranger.get("/v2/Services").await.status, 200);
    app.clock.advance(Duration::from_secs(1));
    operator.get("/credentials").await;
}

#[tokio::test]
async fn a_session_of_a_suspended_account_shows_nothing() {
    let app = TestApp::start().await;
    let mut operator = Operator::sign_in(&app).await;
    let sid = app.account.parse().unwrap();
    operator.get("/credentials").await;
    app.server().verify.suspend_account(sid).await.unwrap();
    let response = operator.ask(Method::GET, "/credentials", &[]).await;
    assert_eq!(response.status(), 303);
    assert_eq!(response.headers()[LOCATION], "/console/sign-in");
    app.server().verify.resume_account(sid).await.unwrap();
    operator.get("/credentials").await;
}

#[tokio::test]
async fn a_suspended_account_cannot_sign_in() {
    let app = TestApp::start().await;
    let mut operator = Operator::new(&app);
    let sid = app.account.parse().unwrap();
    app.server().verify.suspend_account(sid).await.unwrap();
    for (secret, says) in [(&*app.token, "This account is suspended."), ("wrong", "no account")] {
        let form = [("user", &*app.account), ("secret", secret)];
        let response = operator.post("/sign-in", "/sign-in", &form).await;
        assert_eq!(response.status(), 401);
        shows(&response.text().await.expect("text"), &[says]);
    }
}

#[tokio::test]
async fn a_pause_is_shown_and_ended_on_the_page_of_its_person() {
    let app = TestApp::start().await;
    let home = Home::furnish(&app, app.api(), "alice-0001").await;
    let mut operator = Operator::sign_in(&app).await;
    let person = format!("/services/{}/people/alice-0001", home.service);
    let protection = format!("/v2/Services/{}/Entities/alice-0001/Protection", home.service);
    let change = format!("{person}/protection");
    for (word, is_paused) in [("true", true), ("false", false)] {
        let response = operator.post(&person, &change, &[("paused", word)]).await;
        assert_eq!(response.status(), 303);
        let next = response.headers()[LOCATION].to_str().expect("text").to_owned();
        assert!(next.starts_with(&format!("/console{person}?done=")), "{next}");
        assert_eq!(app.api().get(&protection).await.body["paused"], is_paused);
        let page = operator.get(&person).await;
        assert_eq!(page.contains("new challenges are refused"), is_paused, "{page}");
    }
    let unclear = operator.post(&person, &change, &[("paused", "perhaps")]).await;
    assert_eq!(unclear.status(), 400);
    let foreign = operator.ask(Method::POST, &change, &[("paused", "true")]).await;
    assert_ne!(foreign.status(), 303, "a form of no page changes nothing");
    assert_eq!(app.api().get(&protection).await.body["paused"], false);
}
