//! Access tokens for a service account (RFC 7523; developers.google.com: "Using OAuth 2.0 for Server to Server Applications").
//! One token at a time, renewed before it expires.

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

use crate::call_error::CallError;
use crate::check::ServiceAccount;
use crate::codes;
use crate::exchange::{HttpResponse, exchange};
use crate::guard::{Guard, guard_error};
use crate::lock::lock;
use crate::reasons;

/// The scope of the tokens.
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
/// The lifetime of an assertion: the longest that Google accepts.
const ASSERTION_TTL: Duration = Duration::from_secs(60 * 60);
/// A token is renewed this long before it expires.
const RENEW_BEFORE: Duration = Duration::from_secs(5 * 60);
/// A token is not used this long before it expires: it must be valid when Google reads it.
const UNUSABLE_BEFORE: Duration = Duration::from_secs(20);
/// The longest lifetime of a token that is believed, in seconds. Google's tokens live an hour.
const LONGEST_TTL: u64 = 24 * 60 * 60;

/// The tokens of one service account.
pub(super) struct AccessTokens {
    account: ServiceAccount,
    /// The client for Google's own token endpoint; `None` if the account names another one.
    google: Option<Client>,
    /// Calls every other token endpoint.
    guard: Guard,
    clock: Arc<dyn Clock>,
    cached: Mutex<Option<Token>>,
    /// Held while a token is requested. The last failed request.
    requesting: tokio::sync::Mutex<Option<Attempt>>,
    failures: AtomicU64,
}

#[derive(Clone)]
struct Token {
    text: Arc<str>,
    /// Monotonic: Google states the lifetime in seconds.
    expires_at: Monotonic,
}

#[derive(Deserialize)]
struct TokenResponse {
    access_token: String,
    expires_in: u64,
}

#[derive(Default, Deserialize)]
struct ErrorResponse {
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
            cached: Mutex::default(),
            requesting: tokio::sync::Mutex::default(),
            failures: AtomicU64::new(0),
        }
    }

    /// The Google project whose devices these tokens reach.
    pub(super) fn project(&self) -> &str {
        &self.account.project_id
    }

    /// A token that can be used now. Of concurrent callers one requests it; the others use the old one while that is valid. If the
    /// request fails, it fails for all callers that waited: a token endpoint that is down is not called once by each.
    ///
    /// `account` owns the credential: its requests to token endpoints other than Google's own are bounded together.
    pub(super) async fn token(&self, account: AccountSid) -> Result<Arc<str>, Attempt> {
        let now = self.clock.monotonic();
        let cached =
            lock(&self.cached).clone().filter(|token| now + UNUSABLE_BEFORE < token.expires_at);
        let (old, requesting) = match cached {
            Some(token) if now + RENEW_BEFORE < token.expires_at => return Ok(token.text),
            Some(token) => match self.requesting.try_lock() {
                Ok(requesting) => (Some(token.text), requesting),
                Err(_) => return Ok(token.text),
            },
            None => {
                let before = self.failures.load(Ordering::Acquire);
                let requesting = self.requesting.lock().await;
                let meanwhile = lock(&self.cached).clone();
                if let Some(token) =
                    meanwhile.filter(|token| now + UNUSABLE_BEFORE < token.expires_at)
                {
                    return Ok(token.text);
                }
                if self.failures.load(Ordering::Acquire) != before
                    && let Some(failure) = requesting.clone()
                {
                    return Err(failure);
                }
                (None, requesting)
            }
        };
        let mut requesting = requesting;
        match self.request_token(account).await {
            Ok(token) => {
                *lock(&self.cached) = Some(token.clone());
                Ok(token.text)
            }
            Err(failure) => {
                *requesting = Some(failure.clone());
                self.failures.fetch_add(1, Ordering::AcqRel);
                old.ok_or(failure)
            }
        }
    }

    /// Forgets a token that Google has rejected.
    pub(super) fn forget(&self, used: &str) {
        lock(&self.cached).take_if(|token| *token.text == *used);
    }

    async fn request_token(&self, account: AccountSid) -> Result<Token, Attempt> {
        let request = self.request()?;
        let _permit = match &self.google {
            Some(_) => None,
            None => {
                let permit =
                    self.guard.token_request_permit(account, &self.account.token_uri).await;
                Some(permit.map_err(|why| no_response(&CallError::unresolved(why)))?)
            }
        };
        let requested_at = self.clock.monotonic();
        let response =
            exchange(request, &*self.clock).await.map_err(|error| match guard_error(&error) {
                Some(_) => self.not_allowed(),
                None => no_response(&CallError::new(&error)),
            })?;
        if response.status != 200 {
            return Err(refusal(&response));
        }
        let granted: TokenResponse = serde_json::from_slice(&response.body).map_err(|_| {
            let later = Outcome::Later { not_before: None };
            failure(later, None, "token endpoint: its answer holds no access token")
        })?;
        let lifetime = Duration::from_secs(granted.expires_in.min(LONGEST_TTL));
        Ok(Token { text: granted.access_token.into(), expires_at: requested_at + lifetime })
    }

    fn request(&self) -> Result<RequestBuilder, Attempt> {
        let uri = &self.account.token_uri;
        let request = match &self.google {
            Some(google) => google.post(uri.clone()),
            None => {
                let request = self.guard.listed_request(Method::POST, uri);
                request.map_err(|_| self.not_allowed())?
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
            "exp": (now + ASSERTION_TTL).as_seconds(),
        });
        let assertion = self.account.key.sign(header, &claims).map_err(|why| {
            failure(Outcome::Refused { breaks_credential: true }, None, &why.to_string())
        })?;
        let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
        Ok(request.form(&[("grant_type", grant), ("assertion", &assertion)]))
    }

    fn not_allowed(&self) -> Attempt {
        let uri = &self.account.token_uri;
        let text = format!("token_uri {uri} is neither Google's nor allowed by the operator");
        Attempt {
            outcome: Outcome::Refused { breaks_credential: true },
            provider_status: None,
            provider_reason: reasons::clean(&text),
            code: Some(codes::FCM_UNAUTHORIZED),
        }
    }
}

/// The failure of a request without a response.
fn no_response(error: &CallError) -> Attempt {
    failure(Outcome::Later { not_before: None }, None, &format!("token endpoint: {error}"))
}

/// The failure that an error response means: permanent, if the token endpoint rejects the account.
fn refusal(response: &HttpResponse) -> Attempt {
    let error: ErrorResponse = serde_json::from_slice(&response.body).unwrap_or_default();
    let text = format!("token endpoint: {} {}", error.error, error.error_description);
    let outcome = match response.status {
        429 | 500.. => Outcome::Later { not_before: response.not_before },
        _ => Outcome::Refused { breaks_credential: true },
    };
    failure(outcome, Some(response.status), &text)
}

fn failure(outcome: Outcome, status: Option<u16>, text: &str) -> Attempt {
    let code = match outcome {
        Outcome::Later { .. } => codes::FCM_UNAVAILABLE,
        _ => codes::FCM_SECRET,
    };
    Attempt {
        outcome,
        provider_status: status,
        provider_reason: reasons::clean(text),
        code: Some(code),
    }
}
