//! Browsers' push services (RFC 8030, RFC 8291, RFC 8292). Each subscription names its push service, so tokens and circuits are
//! kept for each service of this server at each push service.

mod encrypt;
pub(crate) mod response;
pub(crate) mod subject;
mod subscription;
mod vapid;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_domain::address::{Platform, PushToken};
use countersign_domain::invalid::Invalid;
use countersign_domain::outage::{self, Outage};
use countersign_domain::outcome::{Attempt, Outcome};
use countersign_domain::prospect::{Push, Target};
use countersign_domain::sid::{ChallengeSid, ServiceSid};
use countersign_domain::world::{Clock, Entropy, random};
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use serde_json::json;
use url::Url;

use crate::apns::payload::KIND;
use crate::call_error::CallError;
use crate::codes;
use crate::credential_provider::refused;
use crate::destinations::{Destination, Destinations};
use crate::exchange::exchange;
use crate::guard::{Guard, GuardError, guard_error};
use crate::outgoing::Outgoing;
use crate::reasons;
use crate::seam::Provider;
use crate::source::{OpenedVapid, VapidSource};
use crate::webpush::subject::is_apple;
use crate::webpush::subscription::Subscription;
use crate::webpush::vapid::Vapid;

pub use crate::webpush::subject::VapidSubject;
pub use crate::webpush::vapid::{NewVapidKey, new_vapid_key, vapid_public_key};

/// Pairs of a service and a push service that are kept at most.
const ORIGINS: usize = 4_096;

/// Browsers' push services.
pub(crate) struct WebPush {
    source: Arc<dyn VapidSource>,
    guard: Guard,
    subject: VapidSubject,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    destinations: Destinations<ServiceAtOrigin, Result<Vapid, Invalid>>,
}

/// A service of this server, and the origin of a push service.
#[derive(Clone, PartialEq, Eq, Hash)]
struct ServiceAtOrigin {
    service: ServiceSid,
    origin: String,
}

impl fmt::Display for ServiceAtOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.service, self.origin)
    }
}

impl WebPush {
    pub(crate) fn new(
        source: Arc<dyn VapidSource>,
        guard: Guard,
        outgoing: &Outgoing,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let subject = outgoing.vapid_subject.clone();
        Self {
            source,
            guard,
            subject,
            clock,
            entropy,
            destinations: Destinations::new(Platform::WebPush.as_str(), ORIGINS),
        }
    }

    async fn key(&self, of: &Target) -> Result<Arc<OpenedVapid>, Attempt> {
        let found = self.source.vapid(of.account, of.service).await;
        let found = found.map_err(|unavailable| Attempt {
            provider_reason: reasons::clean(&unavailable.to_string()),
            ..Attempt::plain(Outcome::Later { not_before: None }, Some(codes::INTERNAL))
        })?;
        found.ok_or_else(|| refused(codes::CREDENTIAL_MISSING, "the service has no VAPID key"))
    }

    async fn push(&self, vapid: &Vapid, to: &Subscription, push: &Push) -> Attempt {
        let now = self.clock.now();
        let internal = |why: &dyn fmt::Display| refused(codes::INTERNAL, &why.to_string());
        let request = match self.guard.request(Method::POST, &to.endpoint) {
            Ok(request) => request,
            Err(why) => return not_called(why),
        };
        if let Err(why) = self.guard.prepare(push.target.account, &to.endpoint).await {
            return response::unanswered(&CallError::unresolved(why));
        }
        let authorization = match vapid.header(&*self.clock).map(HeaderValue::try_from) {
            Ok(Ok(mut value)) => {
                value.set_sensitive(true);
                value
            }
            Ok(Err(why)) => return internal(&why),
            Err(why) => return internal(&why),
        };
        let body = match self.body(to, push) {
            Ok(body) => body,
            Err(attempt) => return attempt,
        };
        let request = request
            .header("ttl", push.remaining_seconds(now))
            .header("urgency", if push.manner.quiet { "low" } else { "high" })
            .header("topic", topic(push.challenge))
            .header(AUTHORIZATION, authorization)
            .header(CONTENT_ENCODING, "aes128gcm")
            .header(CONTENT_TYPE, "application/octet-stream")
            .body(body);
        match exchange(request, &*self.clock).await {
            Ok(response) => response::judge(&response),
            Err(error) => match guard_error(&error) {
                Some(why) => not_called(why),
                None => response::unanswered(&CallError::new(&error)),
            },
        }
    }

    fn body(&self, to: &Subscription, push: &Push) -> Result<Vec<u8>, Attempt> {
        let failed =
            |_| refused(codes::BAD_ADDRESS, "the push cannot be encrypted for this device");
        let mut text = json!({
            "type": KIND,
            "notification_sid": push.notification,
            "challenge_sid": push.challenge,
            "factor_sid": push.factor,
            "message": push.message,
            "expires_at": push.expires_at.to_millis_string(),
        });
        if push.manner.quiet {
            text["quiet"] = true.into();
        }
        if let Some(presence) = push.manner.presence {
            text["presence"] = json!(presence);
        }
        if let Some(word) = push.manner.user_verification.if_wanted() {
            text["user_verification"] = word.into();
        }
        let sender = PrivateKey::generate(&ECDH_P256).map_err(failed)?;
        let salt = random(&*self.entropy);
        encrypt::encrypt(&to.reader, &sender, salt, text.to_string().as_bytes()).map_err(failed)
    }

    fn destination(
        &self,
        push: &Push,
        endpoint: &Url,
        key: &OpenedVapid,
    ) -> (ServiceAtOrigin, Arc<Destination<Result<Vapid, Invalid>>>) {
        let origin = endpoint.origin().ascii_serialization();
        let name = ServiceAtOrigin { service: push.target.service, origin };
        let destination = self.destinations.of(&name, key.updated_at, self.clock.monotonic());
        (name, destination)
    }
}

#[async_trait]
impl Provider for WebPush {
    async fn send(&self, push: &Push) -> Attempt {
        let token = push.target.address.token().map(PushToken::expose);
        let Some(to) = token.and_then(subscription::read) else {
            return refused(codes::BAD_ADDRESS, "the device's subscription cannot be read");
        };
        if is_apple(&to.endpoint)
            && let Some(problem) = self.subject.problem()
        {
            let words = format!(
                "not sent: outgoing.vapid_subject {problem}, and Apple refuses every push without a contact of the operator's"
            );
            return refused(codes::CREDENTIAL_MISSING, &words);
        }
        let key = match self.key(&push.target).await {
            Ok(key) => key,
            Err(attempt) => return attempt,
        };
        let (name, destination) = self.destination(push, &to.endpoint, &key);
        let vapid = destination
            .get_or_make(|| Vapid::new(&key.private_key, &to.endpoint, self.subject.claim()));
        let vapid = match vapid {
            Ok(vapid) => vapid,
            Err(why) => {
                let words = format!("the service's VAPID key cannot be used: {why}");
                return refused(codes::CREDENTIAL_MISSING, &words);
            }
        };
        let send = async { reasons::redact(push, self.push(vapid, &to, push).await) };
        destination.guarded(&*self.clock, &name, push.expires_at, send).await
    }

    fn outages(&self) -> Vec<Outage> {
        self.destinations.outages(|ServiceAtOrigin { service, origin }| {
            outage::Destination::Browser { service: *service, origin: origin.clone() }
        })
    }
}

fn not_called(why: GuardError) -> Attempt {
    refused(codes::BAD_ADDRESS, &why.to_string())
}

/// The topic, by which a later push of a challenge replaces an earlier one. A SID is two characters too long (RFC 8030,
/// section 5.4).
fn topic(challenge: ChallengeSid) -> String {
    let digest = digest(&SHA256, challenge.to_string().as_bytes());
    URL_SAFE_NO_PAD.encode(&digest.as_ref()[..24])
}
