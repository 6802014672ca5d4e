//! The console's shared state.

use std::sync::Arc;

use async_trait::async_trait;
use countersign_domain::attempt_record::AttemptRecord;
use countersign_domain::credential::Credential;
use countersign_domain::sid::AccountSid;
use countersign_domain::time::Instant;
use countersign_verify::Verify;

use crate::attempts::Attempts;
use crate::labels::speaker;
use crate::links::Links;

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestResult {
    /// Whether the credential works; `None` if the test cannot tell.
    pub works: Option<bool>,
    /// The conclusion, as a sentence without a full stop.
    pub conclusion: &'static str,
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

/// Services that the console needs.
pub struct Dependencies {
    /// The use cases.
    pub verify: Arc<Verify>,
    /// The public URL of the server, such as `https://verify.example.com`.
    pub public_url: String,
    /// Tests credentials.
    pub credential_tester: Arc<dyn CredentialTester>,
    /// Explains the code of an attempt.
    pub explain: fn(&AttemptRecord) -> Option<&'static str>,
}

/// The console. Shared by all pages.
pub struct Console {
    pub(crate) verify: Arc<Verify>,
    pub(crate) public_url: String,
    /// URL by which browsers reach the pages, without `/console`.
    served_at: String,
    pub(crate) credential_tester: Arc<dyn CredentialTester>,
    pub(crate) explain: fn(&AttemptRecord) -> Option<&'static str>,
    pub(crate) attempts: Attempts,
    pub(crate) links: Links,
}

/// The state, as handlers receive it.
pub(crate) type SharedConsole = Arc<Console>;

impl Console {
    /// Creates the console.
    pub fn new(dependencies: Dependencies) -> Self {
        let Dependencies { verify, public_url, credential_tester, explain } = dependencies;
        let public_url = public_url.trim_end_matches('/').to_owned();
        let (attempts, links) = (Attempts::default(), Links::default());
        let served_at = public_url.clone();
        Self { verify, public_url, served_at, credential_tester, explain, attempts, links }
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
