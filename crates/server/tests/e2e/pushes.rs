//! Pushes through the real wiring to stand-ins for Apple, Google and a browser's push service, which speak the real protocols
//! over TLS and check what the real ones check.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use countersign_phone::{Phone, Platform, Verdict};
use countersign_standins::{CommonOptions, Options, Running, fcm, run};
use countersign_testkit::NatsServer;

use crate::support::{Caller, TestApp};

/// Noon of 2026-01-01, where the test clock starts.
const NOON: i64 = 1_767_268_800;

pub struct Stage {
    pub app: TestApp,
    pub others: Running,
    /// The certificates that the server trusts; a restart reads them again.
    _folder: tempfile::TempDir,
}

/// The app that the stand-in for Apple knows.
pub const APNS_TOKEN: &str = "00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0";

impl Stage {
    pub async fn set() -> Self {
        Self::set_with(Arc::new(AtomicI64::new(NOON)), &[]).await
    }

    /// With the time of day of the stand-ins, and settings.
    async fn set_with(time: Arc<AtomicI64>, more: &[&str]) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let now = Arc::new(move || time.load(Ordering::Relaxed));
        let common = CommonOptions { now, ..CommonOptions::default() };
        let others = run(Options { common, ..Options::default() }).await.expect("stand-ins");
        let folder = tempfile::tempdir().expect("a folder");
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, others.authority.pem()).expect("a file");
        let settings = [
            format!("outgoing.apns_url={}", others.apns.url()),
            format!("outgoing.fcm_url={}", others.fcm.url()),
            format!("outgoing.roots={}", ca.display()),
            "outgoing.allow=127.0.0.0/8".to_owned(),
        ];
        let settings = settings.iter().map(String::as_str).chain(more.iter().copied());
        let app = TestApp::start_with(&settings.collect::<Vec<_>>()).await;
        let stage = Self { app, others, _folder: folder };
        stage.name_credentials().await;
        stage
    }

    async fn name_credentials(&self) {
        let (api, key) = (self.app.api(), self.others.apns.key());
        let apn = [
            ("Type", "apn"),
            ("PrivateKey", &key.pem),
            ("KeyId", &key.key_id),
            ("TeamId", &key.team_id),
            ("Topic", &key.topics[0]),
        ];
        let account = self.others.fcm.service_account().to_string();
        let apn = api.post("/v1/Credentials", &apn).await.text("sid");
        let fcm = [("Type", "fcm"), ("Secret", account.as_str())];
        let fcm = api.post("/v1/Credentials", &fcm).await.text("sid");
        let named = [("Push.ApnCredentialSid", &*apn), ("Push.FcmCredentialSid", &*fcm)];
        api.post(&format!("/v2/Services/{}", self.app.service), &named).await.expect(200);
    }

    pub async fn ask(&self, platform: Platform) -> (Phone, String) {
        let phone = self.app.enrol("alice-0001", platform).await;
        let challenge = self.app.challenge(&phone, "Log in from Lisbon?").await;
        self.app.deliver_everything().await;
        (phone, challenge)
    }
}

#[tokio::test]
async fn a_push_goes_through_apple_and_the_answer_comes_back() {
    let stage = Stage::set().await;
    let (phone, challenge) = stage.ask(Platform::Apn(APNS_TOKEN.to_owned())).await;
    assert_eq!(stage.app.standing(&phone, &challenge).await, ["sent -"]);
    let push = stage.others.apns.pushes().all().remove(0);
    assert_eq!(push.payload["challenge_sid"], *challenge);
    assert_eq!(push.payload["aps"]["alert"], "Log in from Lisbon?");
    phone.answer(&challenge, Verdict::Approved).await.unwrap();
    assert_eq!(stage.app.standing(&phone, &challenge).await, ["delivered -"], "it was fetched");
    assert_eq!(stage.app.read_challenge(&phone, &challenge).await["status"], "approved");
}

#[tokio::test]
async fn a_push_goes_through_google_and_a_dead_token_is_forgotten() {
    let stage = Stage::set().await;
    let (phone, challenge) =
        stage.ask(Platform::Fcm("token-of-alices-phone-0123456789".to_owned())).await;
    assert_eq!(stage.app.standing(&phone, &challenge).await, ["sent -"]);
    assert_eq!(stage.others.fcm.messages().all().len(), 1);

    stage.others.fcm.script().next(fcm::Error::Unregistered);
    stage.app.pass(std::time::Duration::from_secs(1)).await;
    stage.app.notify(&phone, &challenge, 150).await;
    stage.app.deliver_everything().await;
    assert_eq!(stage.app.standing(&phone, &challenge).await[1], "failed address_gone");
    let path = format!("{}/{challenge}/Notifications", stage.app.challenges_path(&phone));
    let refused = stage.app.api().post(&path, &[]).await;
    assert_eq!(refused.refusal(), (400, 60307), "it counts as no address until it is updated");
}

#[tokio::test]
async fn a_push_goes_to_a_browser_that_subscribed_with_the_services_key() {
    let stage = Stage::set().await;
    let path = format!("/v2/Services/{}/WebPushKey", stage.app.service);
    let key = stage.app.api().get(&path).await.text("public_key");
    let subscription = stage.others.web_push.subscribe(Some(&key)).unwrap().json().to_string();
    let (phone, challenge) = stage.ask(Platform::WebPush(subscription)).await;
    assert_eq!(stage.app.standing(&phone, &challenge).await, ["sent -"]);
    let push = stage.others.web_push.pushes().all().remove(0);
    assert_eq!(push.payload["challenge_sid"], *challenge);
    assert_eq!(push.ttl, Some(300));
}

#[tokio::test]
async fn an_open_page_of_a_browser_gets_its_prompt_over_the_stream_and_is_not_pushed_to() {
    let stage = Stage::set().await;
    let path = format!("/v2/Services/{}/WebPushKey", stage.app.service);
    let key = stage.app.api().get(&path).await.text("public_key");
    let subscription = stage.others.web_push.subscribe(Some(&key)).unwrap().json().to_string();
    let phone = stage.app.enrol("alice-0001", Platform::WebPush(subscription)).await;
    let mut page = phone.connect().await.unwrap();
    let challenge = stage.app.challenge(&phone, "Log in from Lisbon?").await;
    assert_eq!(page.next_prompt().await.unwrap().challenge_sid, challenge);
    stage.app.deliver_everything().await;
    assert_eq!(stage.app.standing(&phone, &challenge).await, ["delivered -"]);
    assert_eq!(stage.others.web_push.pushes().all().len(), 0);

    // Bound to nothing, the service has no stream; bound to the stream alone, it keeps it.
    phone.update_push_token(&Platform::Stream).await.unwrap();
    let next = stage.app.challenge(&phone, "And now?").await;
    assert_eq!(page.next_prompt().await.unwrap().challenge_sid, next);
    phone.update_push_token(&Platform::None).await.unwrap();
    assert!(page.next_prompt().await.is_err());
}

/// Apple answers `TooManyProviderTokenUpdates` when tokens of a key are signed less than twenty minutes apart.
#[tokio::test]
async fn all_nodes_push_with_one_token_of_apples_and_keep_it_over_restarts() {
    let nats = NatsServer::start("");
    let (time, bus) = (Arc::new(AtomicI64::new(NOON)), format!("bus.nats={}", nats.url()));
    let limit = "limits.notifications_per_challenge=0";
    let mut stage = Stage::set_with(Arc::clone(&time), &[&bus, limit]).await;
    let phone = stage.app.enrol("alice-0001", Platform::Apn(APNS_TOKEN.to_owned())).await;
    let path = stage.app.challenges_path(&phone);
    let (mut second, third) = (stage.app.other_node().await, stage.app.other_node().await);
    for round in 0..18 {
        stage.app.pass(Duration::from_secs(10 * 60)).await;
        time.fetch_add(10 * 60, Ordering::Relaxed);
        if round % 3 == 0 {
            stage.app.crash_and_restart().await;
        }
        if round % 5 == 0 {
            second = stage.app.other_node().await;
        }
        let challenge = stage.app.challenge(&phone, "Log in?").await;
        let nodes = [stage.app.server(), &second, &third];
        let asks = nodes.map(|node| async {
            let base = format!("http://{}", node.address);
            let node = Caller { base, ..stage.app.api() };
            node.post(&format!("{path}/{challenge}/Notifications"), &[]).await.expect(201)
        });
        futures_util::future::join_all(asks).await;
        for node in nodes {
            node.engine.idle().await;
        }
        let standing = stage.app.standing(&phone, &challenge).await;
        assert!(standing.iter().all(|status| status == "sent -"), "round {round}: {standing:?}");
    }
    let pushes = stage.others.apns.pushes().all();
    assert!(pushes.iter().all(|push| push.reason.is_none()), "{pushes:?}");
    let mut tokens: Vec<_> = pushes.iter().map(|push| push.provider_token.clone()).collect();
    tokens.dedup();
    assert_eq!(tokens.len(), 4, "three hours, and a token for fifty minutes");
}
