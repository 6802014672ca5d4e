//! Calls an application's webhook: signed, guarded, once.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_domain::invalid::Invalid;
use countersign_domain::webhook_call::{CallLease, CallOutcome};
use countersign_domain::webhook_signature::{own_signature, twilio_signature};
use countersign_domain::world::Clock;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use tokio::time::Instant;
use url::Url;
use url::form_urlencoded::Serializer;

use crate::exchange::exchange;
use crate::guard::{Guard, Manners, denied};
use crate::outgoing::{Fault, Outgoing};
use crate::source::WebhookKeys;

/// How long a call may take as a whole (wire reference §6.2).
const WHOLE: Duration = Duration::from_secs(5);

/// Makes a call and says what it came to.
#[async_trait]
pub trait WebhookCaller: Send + Sync {
    /// Tries it once.
    async fn call(&self, lease: &CallLease) -> CallOutcome;
}

/// The one that does it over the network.
pub struct WebhookClient {
    guard: Guard,
    keys: Arc<dyn WebhookKeys>,
    clock: Arc<dyn Clock>,
}

impl WebhookClient {
    /// A client that calls only what the guard lets through.
    ///
    /// # Errors
    /// The settings for outgoing calls are no use.
    pub fn new(
        outgoing: &Outgoing,
        keys: Arc<dyn WebhookKeys>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Invalid> {
        let guard = Guard::new(outgoing, Manners { connect: WHOLE, whole: WHOLE })?;
        Ok(Self { guard, keys, clock })
    }

    async fn attempt(&self, lease: &CallLease) -> Result<u16, String> {
        let url = lease.webhook.url.as_str();
        let parsed = Url::parse(url).map_err(|_| "the URL cannot be read".to_owned())?;
        let request = self.guard.call(Method::POST, &parsed).map_err(|why| why.to_string())?;
        let began = Instant::now();
        let prepared = self.guard.prepare(lease.webhook.account, &parsed).await;
        prepared.map_err(|why| format!("no connection: {why}"))?;
        let request = request.timeout(WHOLE.saturating_sub(began.elapsed()));
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
            Ok(reply) => Ok(reply.status),
            Err(error) => Err(match denied(&error) {
                Some(why) => why.to_string(),
                None => Fault::new(&error).words,
            }),
        }
    }
}

#[async_trait]
impl WebhookCaller for WebhookClient {
    async fn call(&self, lease: &CallLease) -> CallOutcome {
        match self.attempt(lease).await {
            Ok(status @ 200..=299) => CallOutcome::Taken(status),
            Ok(status) => CallOutcome::Refused(status),
            Err(why) => CallOutcome::Unanswered(why),
        }
    }
}
