//! Access tokens from Google for a service account: one at a time, renewed before it ends.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_domain::monotonic::Monotonic;
use countersign_domain::outcome::{Attempt, Outcome};
use countersign_domain::sid::AccountSid;
use countersign_domain::world::Clock;
use reqwest::{Client, Method, RequestBuilder};
use serde::Deserialize;
use serde_json::json;

use crate::check::ServiceAccount;
use crate::codes;
use crate::exchange::{Reply, exchange};
use crate::guard::{Guard, denied};
use crate::outgoing::Fault;
use crate::wards::lock;
use crate::words;

/// What a token is good for.
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
/// Google's longest life of an assertion.
const ASSERTION: Duration = Duration::from_secs(60 * 60);
/// A token is renewed so long before it ends.
const EARLY: Duration = Duration::from_secs(5 * 60);
/// And not used within so long of its end: it must live until Google reads it.
const SPARE: Duration = Duration::from_secs(20);
/// Google's tokens live an hour; one that says more is not believed.
const LONGEST: u64 = 24 * 60 * 60;

/// The tokens of one service account.
pub(super) struct AccessTokens {
    account: ServiceAccount,
    /// For Google's own token endpoint.
    google: Option<Client>,
    /// For every other.
    guard: Guard,
    clock: Arc<dyn Clock>,
    held: Mutex<Option<Token>>,
    /// Held by whoever asks for a token; with how the last failed.
    asking: tokio::sync::Mutex<Option<Attempt>>,
    failures: AtomicU64,
}

#[derive(Clone)]
struct Token {
    text: Arc<str>,
    /// Google gives it seconds to live, which our time of day has no part in.
    ends_at: Monotonic,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: u64,
}

#[derive(Default, Deserialize)]
struct NotGranted {
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_description: String,
}

impl AccessTokens {
    pub(super) fn new(
        account: ServiceAccount,
        google: Option<Client>,
        guard: Guard,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            account,
            google,
            guard,
            clock,
            held: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
            failures: AtomicU64::new(0),
        }
    }

    /// The Google project whose devices these tokens reach.
    pub(super) fn project(&self) -> &str {
        &self.account.project_id
    }

    /// A token that can be used now. Of many who need one, one asks for it; while the old one lives, the others use
    /// that. The failure of whoever asked is the failure of all who waited: a token endpoint that is down is not asked
    /// once by each in turn.
    ///
    /// `account` is whose credential this is: its calls to token endpoints other than Google's own are bounded together.
    pub(super) async fn token(&self, account: AccountSid) -> Result<Arc<str>, Attempt> {
        let now = self.clock.monotonic();
        let held = lock(&self.held).clone().filter(|token| now + SPARE < token.ends_at);
        let (old, asking) = match held {
            Some(token) if now + EARLY < token.ends_at => return Ok(token.text),
            Some(token) => match self.asking.try_lock() {
                Ok(asking) => (Some(token.text), asking),
                Err(_) => return Ok(token.text),
            },
            None => {
                let before = self.failures.load(Ordering::Acquire);
                let asking = self.asking.lock().await;
                let meanwhile = lock(&self.held).clone();
                if let Some(token) = meanwhile.filter(|token| now + SPARE < token.ends_at) {
                    return Ok(token.text);
                }
                if self.failures.load(Ordering::Acquire) != before
                    && let Some(failure) = asking.clone()
                {
                    return Err(failure);
                }
                (None, asking)
            }
        };
        let mut asking = asking;
        match self.ask(account).await {
            Ok(token) => {
                *lock(&self.held) = Some(token.clone());
                Ok(token.text)
            }
            Err(failure) => {
                *asking = Some(failure.clone());
                self.failures.fetch_add(1, Ordering::AcqRel);
                old.ok_or(failure)
            }
        }
    }

    /// Google does not take `used`: it is not given out again.
    pub(super) fn forget(&self, used: &str) {
        lock(&self.held).take_if(|token| *token.text == *used);
    }

    async fn ask(&self, account: AccountSid) -> Result<Token, Attempt> {
        let request = self.request()?;
        let _turn = match &self.google {
            Some(_) => None,
            None => {
                let turn = self.guard.turn(account, &self.account.token_uri).await;
                Some(turn.map_err(|why| no_answer(&Fault::unresolved(why)))?)
            }
        };
        let asked_at = self.clock.monotonic();
        let reply =
            exchange(request, &*self.clock).await.map_err(|error| match denied(&error) {
                Some(_) => self.not_allowed(),
                None => no_answer(&Fault::new(&error)),
            })?;
        if reply.status != 200 {
            return Err(refusal(&reply));
        }
        let granted: Granted = serde_json::from_slice(&reply.body).map_err(|_| {
            let later = Outcome::Later { not_before: None };
            failure(later, None, "token endpoint: its answer holds no access token")
        })?;
        let lives = Duration::from_secs(granted.expires_in.min(LONGEST));
        Ok(Token { text: granted.access_token.into(), ends_at: asked_at + lives })
    }

    fn request(&self) -> Result<RequestBuilder, Attempt> {
        let uri = &self.account.token_uri;
        let request = match &self.google {
            Some(google) => google.post(uri.clone()),
            None => {
                let call = self.guard.call_listed(Method::POST, uri);
                call.map_err(|_| self.not_allowed())?
            }
        };
        let now = self.clock.now();
        let mut header = json!({ "typ": "JWT" });
        if let Some(kid) = &self.account.private_key_id {
            header["kid"] = kid.as_str().into();
        }
        let claims = json!({
            "iss": self.account.client_email,
            "scope": SCOPE,
            "aud": uri.as_str(),
            "iat": now.as_seconds(),
            "exp": (now + ASSERTION).as_seconds(),
        });
        let assertion = self.account.key.sign(header, &claims).map_err(|why| {
            failure(Outcome::Refused { breaks_credential: true }, None, &why.to_string())
        })?;
        let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
        Ok(request.form(&[("grant_type", grant), ("assertion", &assertion)]))
    }

    fn not_allowed(&self) -> Attempt {
        let uri = &self.account.token_uri;
        let words = format!("token_uri {uri} is neither Google's nor allowed by the operator");
        Attempt {
            outcome: Outcome::Refused { breaks_credential: true },
            provider_status: None,
            provider_reason: words::plain(&words),
            code: Some(codes::FCM_UNAUTHORIZED),
        }
    }
}

/// The token endpoint could not be asked.
fn no_answer(fault: &Fault) -> Attempt {
    failure(Outcome::Later { not_before: None }, None, &format!("token endpoint: {fault}"))
}

/// The token endpoint said no: for good, if it does not take the account.
fn refusal(reply: &Reply) -> Attempt {
    let no: NotGranted = serde_json::from_slice(&reply.body).unwrap_or_default();
    let words = format!("token endpoint: {} {}", no.error, no.error_description);
    let outcome = match reply.status {
        429 | 500.. => Outcome::Later { not_before: reply.not_before },
        _ => Outcome::Refused { breaks_credential: true },
    };
    failure(outcome, Some(reply.status), &words)
}

fn failure(outcome: Outcome, status: Option<u16>, words: &str) -> Attempt {
    let code = match outcome {
        Outcome::Later { .. } => codes::FCM_UNAVAILABLE,
        _ => codes::FCM_SECRET,
    };
    Attempt {
        outcome,
        provider_status: status,
        provider_reason: words::plain(words),
        code: Some(code),
    }
}
