//! What pages may use.

use std::sync::Arc;

use async_trait::async_trait;
use countersign_domain::attempt_record::AttemptRecord;
use countersign_domain::credential::Credential;
use countersign_domain::sid::AccountSid;
use countersign_domain::time::Instant;
use countersign_verify::Verify;

use crate::attempts::Attempts;
use crate::links::Links;
use crate::words::speaker;

/// Tries a push credential without showing anything on a device. It lives where push services are known.
#[async_trait]
pub trait Tester: Send + Sync {
    /// What the push service says to a push for an app of that id; or why nothing could be tried.
    async fn try_credential(
        &self,
        credential: &Credential,
        app_id: &str,
    ) -> Result<Finding, String>;
}

/// What came of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether the credential works; `None` if the try does not tell.
    pub works: Option<bool>,
    /// The conclusion, as a sentence without its full stop.
    pub conclusion: &'static str,
    /// The push service's status; `None` if none answered.
    pub status: Option<u16>,
    /// The words of the push service, or of this server if none answered.
    pub reason: Option<String>,
    /// What they mean.
    pub words: String,
}

impl Finding {
    /// Who says the words.
    pub(crate) const fn speaker(&self) -> &'static str {
        speaker(self.status)
    }

    /// The status and the words.
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

/// Who does the work.
pub struct Parts {
    /// The use cases.
    pub verify: Arc<Verify>,
    /// Where the world sees us, such as `https://verify.example.com`.
    pub public_url: String,
    /// Tries credentials.
    pub tester: Arc<dyn Tester>,
    /// What the code of an attempt means, in words, by what happened.
    pub explain: fn(&AttemptRecord) -> Option<&'static str>,
}

/// The console. Shared by all pages.
pub struct Console {
    pub(crate) verify: Arc<Verify>,
    pub(crate) public_url: String,
    /// Where browsers reach the pages, without `/console`.
    served_at: String,
    pub(crate) tester: Arc<dyn Tester>,
    pub(crate) explain: fn(&AttemptRecord) -> Option<&'static str>,
    pub(crate) attempts: Attempts,
    pub(crate) links: Links,
}

/// How pages hold it.
pub(crate) type Shared = Arc<Console>;

impl Console {
    /// Over these parts.
    pub fn new(parts: Parts) -> Self {
        let Parts { verify, public_url, tester, explain } = parts;
        let public_url = public_url.trim_end_matches('/').to_owned();
        let (attempts, links) = (Attempts::default(), Links::default());
        let served_at = public_url.clone();
        Self { verify, public_url, served_at, tester, explain, attempts, links }
    }

    /// The same, for pages that browsers reach by another URL than the API, such as `http://10.0.0.1:9090`.
    #[must_use]
    pub fn served_at(self, url: &str) -> Self {
        Self { served_at: url.trim_end_matches('/').to_owned(), ..self }
    }

    /// A link that signs in as an account: once, and within ten minutes. For whoever started the process.
    pub fn one_time_link(&self, account: AccountSid) -> String {
        let key = self.verify.nonce();
        self.links.add(key.clone(), account, self.verify.monotonic());
        format!("{}/console/enter?key={key}", self.served_at)
    }

    pub(crate) fn now(&self) -> Instant {
        self.verify.now()
    }

    /// Where pages lie, as a browser sees it: a proxy may have put a path before ours.
    pub(crate) fn base(&self) -> String {
        let path = url::Url::parse(&self.served_at).map(|url| url.path().to_owned());
        format!("{}/console", path.unwrap_or_default().trim_end_matches('/'))
    }

    pub(crate) fn is_https(&self) -> bool {
        self.served_at.starts_with("https:")
    }
}
