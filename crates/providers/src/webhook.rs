//! Calls a webhook: one signed request through the guard.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_domain::call_response::CallResponse;
use countersign_domain::invalid::Invalid;
use countersign_domain::webhook_call::{CallLease, CallOutcome};
use countersign_domain::webhook_signature::{own_signature, twilio_signature};
use countersign_domain::world::Clock;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use tokio::time::Instant;
use url::Url;
use url::form_urlencoded::Serializer;

use crate::call_error::CallError;
use crate::exchange::{HttpResponse, exchange};
use crate::guard::{CallTimeouts, Guard, guard_error};
use crate::outgoing::Outgoing;
use crate::source::WebhookKeys;

/// How long a call may take in total. Twilio's webhooks have the same bound.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(5);

/// Makes webhook calls.
#[async_trait]
pub trait WebhookCaller: Send + Sync {
    /// Makes a call once.
    async fn call(&self, lease: &CallLease) -> CallOutcome;
}

/// Makes webhook calls over the network.
pub struct WebhookClient {
    guard: Guard,
    keys: Arc<dyn WebhookKeys>,
    clock: Arc<dyn Clock>,
}

impl WebhookClient {
    /// A client that calls through a guard of its own.
    ///
    /// # Errors
    /// The settings for outgoing calls cannot be used.
    pub fn new(
        outgoing: &Outgoing,
        keys: Arc<dyn WebhookKeys>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Invalid> {
        let guard =
            Guard::new(outgoing, CallTimeouts { connect: TOTAL_TIMEOUT, total: TOTAL_TIMEOUT })?;
        Ok(Self { guard, keys, clock })
    }

    async fn attempt(&self, lease: &CallLease) -> Result<CallOutcome, String> {
        let url = lease.webhook.url.as_str();
        let parsed = Url::parse(url).map_err(|_| "the URL cannot be read".to_owned())?;
        let request = self.guard.request(Method::POST, &parsed).map_err(|why| why.to_string())?;
        let began = Instant::now();
        let prepared = self.guard.prepare(lease.webhook.account, &parsed).await;
        prepared.map_err(|why| format!("no connection: {why}"))?;
        let request = request.timeout(TOTAL_TIMEOUT.saturating_sub(began.elapsed()));
        let (token, secret) =
            self.keys.webhook_keys(&lease.webhook).await.map_err(|why| why.to_string())?;
        let body = Serializer::new(String::new()).extend_pairs(lease.parameters.iter()).finish();
        let own = own_signature(&secret, self.clock.now(), body.as_bytes());
        let request = request
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("X-Twilio-Signature", twilio_signature(&token, url, &lease.parameters))
            .header("I-Twilio-Idempotency-Token", lease.id.to_string())
            .header("Countersign-Signature", own)
            .body(body);
        match exchange(request, &*self.clock).await {
            Ok(response) => Ok(outcome(&response)),
            Err(error) => Err(match guard_error(&error) {
                Some(why) => why.to_string(),
                None => CallError::new(&error).text,
            }),
        }
    }
}

#[async_trait]
impl WebhookCaller for WebhookClient {
    async fn call(&self, lease: &CallLease) -> CallOutcome {
        self.attempt(lease).await.unwrap_or_else(CallOutcome::Unanswered)
    }
}

/// The meaning of a response.
fn outcome(response: &HttpResponse) -> CallOutcome {
    let HttpResponse { status, headers, body, .. } = response;
    if (200..=299).contains(status) {
        return CallOutcome::Taken(*status);
    }
    let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    CallOutcome::Refused(CallResponse::of(*status, headers, body))
}
