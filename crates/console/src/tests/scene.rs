//! Two accounts, one of them with every kind of resource, and a browser.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use countersign_bus::handover::Inbox;
use countersign_bus::{HandOver, LocalBus};
use countersign_domain::attempt_record::AttemptRecord;
use countersign_domain::attention::Disk;
use countersign_domain::challenge::Challenge;
use countersign_domain::credential::{Credential, CredentialType};
use countersign_domain::ending::ErrorCode;
use countersign_domain::factor::Factor;
use countersign_domain::outage::Outage;
use countersign_domain::secret::Secret;
use countersign_domain::service::{Service, ServiceSettings};
use countersign_domain::sid::AccountSid;
use countersign_domain::text::{Identity, ServiceName};
use countersign_domain::webhook::{EventType, Webhook};
use countersign_domain::webhook_call::AfterCall;
use countersign_store::conformance::Fixture;
use countersign_store::seam::Inserted;
use countersign_store_sqlite::{Options, SqliteStore};
use countersign_verify::CredentialSecrets;
use countersign_verify::credentials::CredentialUpdate;
use countersign_verify::vitals::{Surroundings, Vitals};
use countersign_verify::{Keys, MasterKey, SignInRules, Verify};
use http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::page::Page;
use crate::{
    Console, CredentialTester, Dependencies, TestResult, WebhookTestResult, WebhookTester, router,
};

/// Part of a push credential's key, which no page may show.
pub(super) const PRIVATE_KEY: &str = "-----BEGIN PRIVATE KEY-----";

pub(super) struct Scene {
    pub(super) stage: Fixture,
    pub(super) console: Arc<Console>,
    pub(super) around: Arc<Around>,
    pub(super) account: AccountSid,
    pub(super) token: Secret,
    pub(super) shutdown: CancellationToken,
    /// Receives what is handed to the engine.
    pub(super) _inbox: Inbox,
    _folder: TempDir,
}

/// A tester for which credentials named "good" work.
struct Apple;

#[async_trait]
impl CredentialTester for Apple {
    async fn try_credential(
        &self,
        credential: &Credential,
        app_id: &str,
    ) -> Result<TestResult, String> {
        let works = credential.friendly_name.as_deref() == Some("good");
        let is_away = app_id == "com.example.away";
        let status = (!is_away).then_some(400);
        let reason = Some(format!("<b>BadDeviceToken</b> {app_id}"));
        let conclusion =
            if works { "the credential works" } else { "the credential does not work" };
        let conclusion = conclusion.into();
        let explanation = "An explanation.".to_owned();
        Ok(TestResult { works: Some(works), conclusion, status, reason, explanation })
    }
}

/// An application that takes calls, unless the webhook is called "bad".
struct Application;

#[async_trait]
impl WebhookTester for Application {
    async fn try_webhook(&self, webhook: &Webhook) -> WebhookTestResult {
        let taken = webhook.friendly_name.as_str() != "bad";
        let said =
            if taken { "It was taken with status 204." } else { "It was refused with status 500." };
        WebhookTestResult {
            taken,
            said: said.to_owned(),
            headers: vec![("content-type".to_owned(), "text/<b>plain</b>".to_owned())],
            body: if taken { String::new() } else { "<script>alert(1)</script>".to_owned() },
            millis: 7,
        }
    }
}

/// Surroundings that a test sets.
#[derive(Default)]
pub(super) struct Around {
    pub(super) outages: Mutex<Vec<Outage>>,
    pub(super) disk: Mutex<Option<Disk>>,
}

impl Surroundings for Around {
    fn outages(&self) -> Vec<Outage> {
        self.outages.lock().unwrap().clone()
    }

    fn disk(&self) -> Option<Disk> {
        *self.disk.lock().unwrap()
    }
}

fn explain(attempt: &AttemptRecord) -> Option<&'static str> {
    (attempt.code == Some(ErrorCode::NO_DESTINATION)).then_some("Nobody is there.")
}

impl Scene {
    pub(super) async fn new() -> Self {
        Self::at("http://127.0.0.1:8080").await
    }

    pub(super) async fn at(public_url: &str) -> Self {
        Self::with(public_url, SignInRules { second_factor: false, ..SignInRules::default() }).await
    }

    /// A scene with rules for the sign-in.
    pub(super) async fn with(public_url: &str, sign_in: SignInRules) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path().join("store.db"), Options::default());
        let stage = Fixture::new(Arc::new(store.unwrap()));
        let (handover, inbox) = HandOver::new(100);
        let verify = Arc::new(Verify::new(
            countersign_verify::Dependencies {
                store: Arc::clone(&stage.store),
                bus: Arc::new(LocalBus::default()),
                handover,
                clock: Arc::new(stage.make.clock.clone()),
                entropy: Arc::new(stage.make.entropy.clone()),
                keys: Keys::derive(&MasterKey::new([7; 32])),
                credential_check: |_, _| Ok(()),
                node: stage.make.node,
            },
            countersign_verify::Settings { sign_in, ..countersign_verify::Settings::default() },
        ));
        let (account, token) = verify.create_account("owlbank").await.unwrap();
        let around = Arc::new(Around::default());
        let vitals = Arc::new(Vitals::new(Arc::clone(&verify), Arc::clone(&around) as _, None));
        let shutdown = CancellationToken::new();
        let console = Arc::new(Console::new(Dependencies {
            verify,
            vitals,
            public_url: public_url.to_owned(),
            credential_tester: Arc::new(Apple),
            webhook_tester: Arc::new(Application),
            retention_days: 30,
            explain,
            shutdown: shutdown.clone(),
        }));
        let account = account.sid;
        Self { stage, console, around, account, token, shutdown, _inbox: inbox, _folder: folder }
    }

    pub(super) fn verify(&self) -> &Verify {
        &self.console.verify
    }

    pub(super) fn browser(&self) -> Browser {
        let (routes, cookies) = (router(&self.console), BTreeMap::new());
        Browser { routes, cookies, from: None, stream: None }
    }

    /// A browser with this address.
    pub(super) fn browser_at(&self, address: &str) -> Browser {
        Browser { from: Some((address.parse::<IpAddr>().unwrap(), 1_234).into()), ..self.browser() }
    }

    /// A browser that is signed in.
    pub(super) async fn operator(&self) -> Browser {
        let mut browser = self.browser();
        let page = browser.sign_in(&self.account.to_string(), self.token.expose()).await;
        assert_eq!((page.status, page.location.as_str()), (StatusCode::SEE_OTHER, "/console"));
        browser
    }

    pub(super) async fn service(&self) -> Service {
        let name = ServiceName::parse("Harbour Bank").unwrap();
        self.verify().create_service(self.account, ServiceSettings::named(name)).await.unwrap()
    }

    /// Creates one resource of each kind.
    pub(super) async fn furnish(&self) -> Furnished {
        let service = self.service().await;
        let identity = Identity::parse("sam-porter").unwrap();
        let event_types = vec![EventType::All, EventType::ChallengeExpired];
        let webhook = Webhook { event_types, ..self.stage.make.webhook(&service) };
        assert_eq!(self.stage.store.create_webhook(&webhook, 0).await, Ok(Inserted::Done));
        let factor = self.stage.factor_of(&service, &identity).await;
        self.stage.totp_factor_of(&service, &identity).await;
        let challenge = self.stage.challenge(&factor).await;
        let update = CredentialUpdate {
            friendly_name: Some("good".to_owned()),
            topic: Some("com.example.owl".to_owned()),
            secrets: CredentialSecrets {
                private_key: Some(Secret::new(PRIVATE_KEY)),
                ..CredentialSecrets::default()
            },
            ..CredentialUpdate::default()
        };
        let made = self.verify().create_credential(self.account, CredentialType::Apn, update);
        let credential = made.await.unwrap();
        Furnished { service, identity, factor, webhook, challenge, credential }
    }

    /// Makes all due calls succeed.
    pub(super) async fn take_calls(&self) {
        loop {
            let (store, now) = (&self.stage.store, self.stage.now());
            let calls = self.stage.lease_calls().await;
            if calls.is_empty() {
                return;
            }
            for call in &calls {
                let taken = AfterCall::Taken { status: 204 };
                assert_eq!(store.settle_call(call, taken, "".into(), now).await, Ok(true));
            }
        }
    }

    /// Enrols a number of people, makes the calls about the first few end in `after`, and leaves the others untried.
    pub(super) async fn queue_calls(&self, service: &Service, people: usize, after: AfterCall) {
        for _ in 0..people {
            self.stage.factor_of(service, &self.stage.make.identity()).await;
        }
        for call in self.stage.lease_calls().await {
            let settled =
                self.stage.store.settle_call(&call, after, "status 500".into(), self.stage.now());
            assert_eq!(settled.await, Ok(true));
        }
    }

    /// Makes the webhook's first call fail permanently; returns its id.
    pub(super) async fn fail_a_call(&self) -> String {
        let (store, now) = (&self.stage.store, self.stage.now());
        let calls = self.stage.lease_calls().await;
        let error = "status 500";
        assert_eq!(
            store.settle_call(&calls[0], AfterCall::Failed, error.into(), now).await,
            Ok(true)
        );
        calls[0].id.to_string()
    }
}

pub(super) struct Furnished {
    pub(super) service: Service,
    pub(super) identity: Identity,
    pub(super) factor: Factor,
    pub(super) webhook: Webhook,
    pub(super) challenge: Challenge,
    pub(super) credential: Credential,
}

impl Furnished {
    pub(super) fn person(&self) -> String {
        format!("/console/services/{}/people/{}", self.service.sid, self.identity)
    }

    /// Every page about these resources.
    pub(super) fn pages(&self) -> Vec<String> {
        vec![
            format!("/console/challenges/{}", self.challenge.sid),
            format!("/console/services/{}", self.service.sid),
            self.person(),
        ]
    }
}

/// The pages that always exist.
pub(super) const PAGES: [&str; 12] = [
    "/console",
    "/console/timeline",
    "/console/search",
    "/console/services",
    "/console/credentials",
    "/console/webhooks",
    "/console/api-keys",
    "/console/enrol",
    "/console/audit",
    "/console/log",
    "/console/operators",
    "/console/sessions",
];

/// Stores cookies, as browsers do.
pub(super) struct Browser {
    pub(super) routes: Router,
    pub(super) cookies: BTreeMap<String, String>,
    pub(super) from: Option<SocketAddr>,
    /// The stream that was opened last.
    pub(super) stream: Option<Body>,
}

/// The type of a stream of events.
const EVENTS: &str = "text/event-stream";

impl Browser {
    pub(super) async fn get(&mut self, path: &str) -> Page {
        self.ask(Request::builder().uri(path), String::new()).await
    }

    pub(super) async fn get_part(&mut self, path: &str) -> Page {
        self.ask(Request::builder().uri(path).header("hx-request", "true"), String::new()).await
    }

    pub(super) async fn get_with(&mut self, path: &str, headers: &[(&str, &str)]) -> Page {
        let mut request = Request::builder().uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.ask(request, String::new()).await
    }

    /// Sends a form of the page `from`.
    pub(super) async fn post(&mut self, from: &str, path: &str, form: &[(&str, &str)]) -> Page {
        let token = self.get(from).await.form_token();
        self.post_with(&token, "same-origin", path, form).await
    }

    pub(super) async fn post_with(
        &mut self,
        token: &str,
        site: &str,
        path: &str,
        form: &[(&str, &str)],
    ) -> Page {
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.append_pair("form_token", token).extend_pairs(form);
        let request = Request::builder().method("POST").uri(path).header("sec-fetch-site", site);
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.ask(request, body.finish()).await
    }

    pub(super) async fn sign_in(&mut self, user: &str, secret: &str) -> Page {
        let (page, form) = ("/console/sign-in", [("user", user), ("secret", secret)]);
        self.post(page, page, &form).await
    }

    /// The next event of the stream; `None` at its end.
    pub(super) async fn event(&mut self) -> Option<String> {
        let frame = self.stream.as_mut()?.frame().await?;
        let data = frame.unwrap().into_data().unwrap();
        Some(String::from_utf8(data.to_vec()).unwrap())
    }

    pub(super) async fn send(&mut self, request: http::request::Builder, body: String) -> Response {
        let cookies: Vec<_> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = request.header(COOKIE, cookies.join("; "));
        let mut request = request.body(Body::from(body)).unwrap();
        if let Some(from) = self.from {
            request.extensions_mut().insert(ConnectInfo(from));
        }
        let Ok(response) = self.routes.clone().oneshot(request).await;
        response
    }

    async fn ask(&mut self, request: http::request::Builder, body: String) -> Page {
        let response = self.send(request, body).await;
        let (dependencies, body) = response.into_parts();
        for cookie in dependencies.headers.get_all(SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        let bytes = if dependencies.headers.get(CONTENT_TYPE).is_some_and(|it| it == EVENTS) {
            // A stream has no end: its first event is its text.
            self.stream = Some(body);
            self.event().await.unwrap_or_default().into()
        } else {
            body.collect().await.unwrap().to_bytes()
        };
        let location = dependencies.headers.get(LOCATION).map_or("", |it| it.to_str().unwrap());
        Page {
            status: dependencies.status,
            location: location.to_owned(),
            text: String::from_utf8(bytes.to_vec()).unwrap(),
            headers: dependencies.headers,
        }
    }
}
