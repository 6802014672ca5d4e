//! The console's shared state.

use std::borrow::Cow;
use std::sync::Arc;

use async_trait::async_trait;
use countersign_domain::access_token::AccessToken;
use countersign_domain::attempt_record::AttemptRecord;
use countersign_domain::credential::Credential;
use countersign_domain::secret::Secret;
use countersign_domain::sid::AccountSid;
use countersign_domain::time::Instant;
use countersign_domain::webhook::Webhook;
use countersign_verify::Verify;
use countersign_verify::vitals::Vitals;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::attempts::Attempts;
use crate::labels::speaker;
use crate::links::Links;
use crate::listeners::Listeners;

/// Exports that are written at a time.
const EXPORTS: usize = 2;

/// Tests a push credential without showing anything on a device. Implemented where push services are known.
#[async_trait]
pub trait CredentialTester: Send + Sync {
    /// Returns the push service's response to a push for an app of that id, or the reason why nothing was sent.
    async fn try_credential(
        &self,
        credential: &Credential,
        app_id: &str,
    ) -> Result<TestResult, String>;
}

/// The result of a test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestResult {
    /// Whether the credential works; `None` if the test cannot tell.
    pub works: Option<bool>,
    /// The conclusion, as a sentence without a full stop.
    pub conclusion: Cow<'static, str>,
    /// The push service's status; `None` without a response.
    pub status: Option<u16>,
    /// The reason of the push service, or of this server if there was no response.
    pub reason: Option<String>,
    /// An explanation of the reason.
    pub explanation: String,
}

impl TestResult {
    /// Label of the source of the reason.
    pub(crate) const fn speaker(&self) -> &'static str {
        speaker(self.status)
    }

    /// Status and reason.
    pub(crate) fn said(&self) -> String {
        let status = self.status.map(|status| status.to_string());
        let said: Vec<_> = status.into_iter().chain(self.reason.clone()).collect();
        if said.is_empty() { "nothing".to_owned() } else { said.join(" ") }
    }

    /// The conclusion as a sentence.
    pub(crate) fn sentence(&self) -> String {
        let mut rest = self.conclusion.chars();
        let first = rest.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(rest).chain(['.']).collect()
    }
}

/// Calls a webhook once with an event of its own. Implemented where calls are made.
#[async_trait]
pub trait WebhookTester: Send + Sync {
    /// Returns what came of the call, which is signed as all others are.
    async fn try_webhook(&self, webhook: &Webhook) -> WebhookTestResult;
}

/// The result of a test of a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookTestResult {
    /// Whether the application accepted the call.
    pub taken: bool,
    /// The conclusion as a sentence.
    pub said: String,
    /// Headers of the response.
    pub headers: Vec<(String, String)>,
    /// The beginning of the response's body.
    pub body: String,
    /// How long the call took, in milliseconds.
    pub millis: u64,
}

/// Services that the console needs.
pub struct Dependencies {
    /// The use cases.
    pub verify: Arc<Verify>,
    /// Finds out what needs attention.
    pub vitals: Arc<Vitals>,
    /// The public URL of the server, such as `https://verify.example.com`.
    pub public_url: String,
    /// Tests credentials.
    pub credential_tester: Arc<dyn CredentialTester>,
    /// Tests webhooks.
    pub webhook_tester: Arc<dyn WebhookTester>,
    /// How long challenges are kept, in days.
    pub retention_days: u64,
    /// Explains the code of an attempt.
    pub explain: fn(&AttemptRecord) -> Option<&'static str>,
    /// Ends live streams when the server stops.
    pub shutdown: CancellationToken,
}

/// The console. Shared by all pages.
pub struct Console {
    pub(crate) verify: Arc<Verify>,
    pub(crate) vitals: Arc<Vitals>,
    pub(crate) public_url: String,
    /// URL by which browsers reach the pages, without `/console`.
    served_at: String,
    pub(crate) credential_tester: Arc<dyn CredentialTester>,
    pub(crate) webhook_tester: Arc<dyn WebhookTester>,
    pub(crate) retention_days: u64,
    pub(crate) explain: fn(&AttemptRecord) -> Option<&'static str>,
    pub(crate) attempts: Attempts,
    pub(crate) links: Links,
    pub(crate) shutdown: CancellationToken,
    pub(crate) listeners: Listeners,
    pub(crate) exports: Arc<Semaphore>,
}

/// The state, as handlers receive it.
pub(crate) type SharedConsole = Arc<Console>;

impl Console {
    /// Creates the console.
    pub fn new(dependencies: Dependencies) -> Self {
        let public_url = dependencies.public_url.trim_end_matches('/').to_owned();
        Self {
            verify: dependencies.verify,
            vitals: dependencies.vitals,
            served_at: public_url.clone(),
            public_url,
            credential_tester: dependencies.credential_tester,
            webhook_tester: dependencies.webhook_tester,
            retention_days: dependencies.retention_days,
            explain: dependencies.explain,
            attempts: Attempts::default(),
            links: Links::default(),
            shutdown: dependencies.shutdown,
            listeners: Listeners::default(),
            exports: Arc::new(Semaphore::new(EXPORTS)),
        }
    }

    /// Sets the URL by which browsers reach the pages, if it differs from the API's, such as `http://10.0.0.1:9090`.
    #[must_use]
    pub fn served_at(self, url: &str) -> Self {
        Self { served_at: url.trim_end_matches('/').to_owned(), ..self }
    }

    /// A link that signs in as an account, once and within ten minutes. For the person who started the process.
    pub fn one_time_link(&self, account: AccountSid) -> String {
        let key = self.verify.nonce();
        self.links.add(key.clone(), account, self.verify.monotonic());
        format!("{}/console/enter?key={key}", self.served_at)
    }

    /// The short link that enrols a device by a token.
    pub(crate) fn short_link(&self, token: &AccessToken) -> String {
        format!("{}/e/{}", self.public_url, self.verify.short_link(token).expose())
    }

    /// Where somebody can type an enrolment code.
    pub(crate) fn authenticator(&self) -> String {
        format!("{}/authenticator", self.public_url)
    }

    /// A link that signs an operator in, by its key.
    pub(crate) fn operator_link(&self, key: &Secret) -> String {
        format!("{}/console/link?key={}", self.served_at, key.expose())
    }

    pub(crate) fn now(&self) -> Instant {
        self.verify.now()
    }

    /// URL of the pages as browsers see it. A proxy may prefix the path.
    pub(crate) fn base(&self) -> String {
        let path = url::Url::parse(&self.served_at).map(|url| url.path().to_owned());
        format!("{}/console", path.unwrap_or_default().trim_end_matches('/'))
    }

    pub(crate) fn is_https(&self) -> bool {
        self.served_at.starts_with("https:")
    }
}
