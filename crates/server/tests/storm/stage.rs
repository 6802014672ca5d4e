//! A server on the real clock, stand-ins, phones of every platform, and an application that asks all of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use countersign_domain::address::Platform;
use countersign_domain::notification;
use countersign_domain::sid::ChallengeSid;
use countersign_domain::time::Instant;
use countersign_phone as phone;
use countersign_phone::{Authority, Enrolment, Phone};
use countersign_server::config::{Config, Sources};
use countersign_server::database::Database;
use countersign_server::wiring::Server;
use countersign_server::world::World;
use countersign_standins::{CommonOptions, Options, Running, WebPush, apns, fcm, run};
use countersign_store::{PageQuery, Store};
use countersign_verify::MasterKey;
use futures_util::{StreamExt as _, stream};
use serde_json::Value;

use crate::tally::Tally;

/// Requests that the application has under way.
const AT_ONCE: usize = 12;
/// The TTL of pushes to a service that is gone; others have the longest TTL.
const SHORT: Duration = Duration::from_secs(10);
/// The lifetime of a challenge whose service is gone: all its pushes are asked for within it.
const LIFETIME: Duration = Duration::from_secs(40);
/// The longest TTL, and the lifetime of the other challenges.
const LONG: Duration = Duration::from_secs(300);

/// A challenge whose notifications were all answered 201.
pub struct Asked {
    platform: Platform,
    sid: ChallengeSid,
    expires_at: Instant,
    notifications: usize,
}

pub struct Stage {
    server: Server,
    store: Arc<dyn Store>,
    apns: apns::Apns,
    fcm: Option<fcm::Fcm>,
    web_push: WebPush,
    application: Application,
    phones: Vec<(Platform, Phone)>,
    _folder: tempfile::TempDir,
}

/// The application.
struct Application {
    client: reqwest::Client,
    base: String,
    account: String,
    token: String,
    service: String,
}

impl Application {
    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Value {
        let request = self.client.post(format!("{}{path}", self.base)).form(form);
        let answer = request.basic_auth(&self.account, Some(&self.token)).send().await;
        let answer = answer.expect("the server answers");
        let status = answer.status().as_u16();
        let body: Value = answer.json().await.expect("JSON");
        assert!((200..300).contains(&status), "{path}: {body}");
        body
    }

    async fn made(&self, path: &str, form: &[(&str, &str)]) -> String {
        let body = self.post(path, form).await;
        body["sid"].as_str().expect("a SID").to_owned()
    }

    /// A challenge with so many notifications beside its own, one after another.
    async fn ask(&self, platform: Platform, phone: &Phone, again: usize, is_gone: bool) -> Asked {
        let path = format!("/v2/Services/{}/Entities/{}", self.service, phone.identity());
        let path = format!("{path}/Challenges");
        let now = World::real().clock.now();
        // Pushes to a service that is gone have a short TTL, so that the test ends.
        let (lifetime, ttl) = if is_gone { (LIFETIME, SHORT) } else { (LONG, LONG) };
        let until = Instant::from_seconds((now + lifetime).as_seconds()).to_string();
        let form = [
            ("FactorSid", phone.factor_sid()),
            ("Details.Message", "Log in?"),
            ("ExpirationDate", &until),
        ];
        let body = self.post(&path, &form).await;
        let text = |name: &str| body[name].as_str().expect("a text").to_owned();
        let ttl = ttl.as_secs().to_string();
        let path = format!("{path}/{}/Notifications", text("sid"));
        for _ in 0..again {
            self.post(&path, &[("Ttl", &ttl)]).await;
        }
        Asked {
            platform,
            sid: text("sid").parse().expect("a SID"),
            expires_at: Instant::parse(&text("expiration_date")).expect("a date"),
            notifications: again + 1,
        }
    }
}

impl Stage {
    pub async fn set(phones: usize) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let common = CommonOptions { keep: 100_000, ..CommonOptions::default() };
        let others = run(Options { common, ..Options::default() }).await.expect("stand-ins");
        let folder = tempfile::tempdir().expect("a folder");
        let config = configure(folder.path(), &others);
        let store = Database::open(&config).await.expect("the database opens").store();
        let (world, key) = (World::real(), MasterKey::new([1; 32]));
        let server = Server::start(
            &config,
            &world,
            Arc::clone(&store),
            &key,
            Arc::new(String::new),
            async |_| Ok(()),
        );
        let server = Box::pin(server).await.expect("it starts");
        let (account, token) = server.verify.create_account("storm").await.expect("an account");
        // The server has no TLS here.
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build();
        let mut application = Application {
            client: client.expect("a client"),
            base: format!("http://{}", server.address),
            account: account.sid.to_string(),
            token: token.expose().to_owned(),
            service: String::new(),
        };
        application.service = furnish(&application, &others).await;
        let phones = enrol(&application, &others, phones).await;
        let Running { apns, fcm, web_push, .. } = others;
        let fcm = Some(fcm);
        Self { server, store, apns, fcm, web_push, application, phones, _folder: folder }
    }

    /// Asks every phone; the platforms take turns.
    pub async fn ask_everybody(&self, again: usize) -> Vec<Asked> {
        let asked = self.phones.iter().map(|(platform, phone)| {
            // Boxed, so that all futures have one type.
            let is_gone = *platform == Platform::Fcm && self.fcm.is_none();
            self.application.ask(*platform, phone, again, is_gone)
        });
        stream::iter(asked).buffer_unordered(AT_ONCE).collect().await
    }

    /// Waits until every notification has ended; returns the tally.
    pub async fn until_over(&self, asked: &[Asked], patience: Duration) -> Tally {
        let over = async {
            loop {
                let before = self.server.engine.signals().counts();
                let tally = self.tally(asked).await;
                if tally.open == 0 {
                    return tally;
                }
                // Each open notification needs at least one more event.
                let enough = before.settled + before.expired + tally.open;
                let signals = self.server.engine.signals();
                signals.wait_for(|now| now.settled + now.expired >= enough).await;
            }
        };
        tokio::time::timeout(patience, over).await.expect("all end in time")
    }

    async fn tally(&self, asked: &[Asked]) -> Tally {
        let mut tally = Tally::default();
        for one in asked {
            let page = self.store.notifications(one.sid, PageQuery::first(1_000)).await;
            let page = page.expect("the database answers");
            assert_eq!(
                page.items.len(),
                one.notifications,
                "a record that was answered 201 exists"
            );
            for item in &page.items {
                let deadline = notification::deadline(item.created_at, item.ttl, one.expires_at);
                tally.count(one.platform, item, deadline);
            }
        }
        tally
    }

    /// Stops the stand-in for Google.
    pub fn end_fcm(&mut self) {
        self.fcm = None;
    }

    pub const fn web_push(&self) -> &WebPush {
        &self.web_push
    }

    pub fn taken_by_apple(&self) -> usize {
        self.apns.pushes().all().iter().filter(|push| push.status == Some(200)).count()
    }
}

fn configure(folder: &std::path::Path, others: &Running) -> Config {
    let ca = folder.join("ca.pem");
    std::fs::write(&ca, others.authority.pem()).expect("a file");
    let settings = vec![
        format!("data_dir={}", folder.display()),
        "http.listen=127.0.0.1:0".to_owned(),
        format!("outgoing.apns_url={}", others.apns.url()),
        format!("outgoing.fcm_url={}", others.fcm.url()),
        format!("outgoing.roots={}", ca.display()),
        "outgoing.allow=127.0.0.0/8".to_owned(),
        "limits.notifications_per_challenge=0".to_owned(),
        "limits.entities_per_account_per_second=0".to_owned(),
        "limits.push_challenges_in_a_row=0".to_owned(),
    ];
    Config::load(&Sources { file: None, environment: HashMap::new(), settings })
        .expect("a configuration")
}

/// A service with a credential for each push service that wants one; its SID.
async fn furnish(application: &Application, others: &Running) -> String {
    let key = others.apns.key();
    let form = [
        ("Type", "apn"),
        ("PrivateKey", &*key.pem),
        ("KeyId", &key.key_id),
        ("TeamId", &key.team_id),
        ("Topic", &key.topics[0]),
    ];
    let apple = application.made("/v1/Credentials", &form).await;
    let account = others.fcm.service_account().to_string();
    let form = [("Type", "fcm"), ("Secret", account.as_str())];
    let google = application.made("/v1/Credentials", &form).await;
    let form = [
        ("FriendlyName", "storm"),
        ("Push.ApnCredentialSid", &*apple),
        ("Push.FcmCredentialSid", &google),
    ];
    application.made("/v2/Services", &form).await
}

async fn enrol(application: &Application, others: &Running, each: usize) -> Vec<(Platform, Phone)> {
    let path = format!("{}/v2/Services/{}/WebPushKey", application.base, application.service);
    let request = application.client.get(path);
    let request = request.basic_auth(&application.account, Some(&application.token));
    let key: Value = request.send().await.expect("an answer").json().await.expect("JSON");
    let key = key["public_key"].as_str().expect("a key");
    let server = phone::Server::new(&application.base, &phone::ServerOptions::default());
    let server = server.expect("an address");
    let mut phones = Vec::new();
    for number in 0..each {
        let browser = others.web_push.subscribe(Some(key)).expect("a subscription");
        for (platform, address) in [
            (Platform::Apn, phone::Platform::Apn(format!("{:064x}", number + 1))),
            (Platform::Fcm, phone::Platform::Fcm(format!("token-of-{number:032}"))),
            (Platform::WebPush, phone::Platform::WebPush(browser.json().to_string())),
        ] {
            let authority = Authority::Account {
                sid: application.account.clone(),
                auth_token: application.token.clone(),
            };
            let identity = format!("{}-{number:04}", platform.as_str());
            let enrolment = Enrolment {
                platform: address,
                ..Enrolment::new(&application.service, identity, authority)
            };
            phones.push((platform, Phone::enrol(&server, &enrolment).await.expect("a phone")));
        }
    }
    phones
}
