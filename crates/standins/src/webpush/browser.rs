//! A subscribed browser: the pushes that it has shown, and those that wait for it.

use std::mem;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::error::Error;

use super::content::Keys;
use super::push::Push;

/// A push subscription, which the application passes to Countersign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The id; the address in scripts.
    pub id: String,
    /// The URL to push to.
    pub endpoint: String,
    /// The browser's public key.
    pub p256dh: String,
    /// The browser's secret.
    pub auth: String,
}

impl Subscription {
    /// The result of `PushSubscription.toJSON()`.
    pub fn json(&self) -> Value {
        json!({
            "endpoint": self.endpoint,
            "expirationTime": null,
            "keys": {"p256dh": self.p256dh, "auth": self.auth},
        })
    }
}

/// A browser.
pub(super) struct Browser {
    pub(super) keys: Keys,
    /// The only application server that may push, if the subscription names one.
    pub(super) server_key: Option<String>,
    pub(super) is_subscribed: bool,
    is_online: bool,
    shown: Vec<Value>,
    waiting: Vec<Waiting>,
}

struct Waiting {
    topic: Option<String>,
    until: i64,
    payload: Value,
}

impl Browser {
    pub(super) fn subscribe(server_key: Option<&str>) -> Result<Self, Error> {
        Ok(Self {
            keys: Keys::generate()?,
            // Some clients send padding.
            server_key: server_key.map(|key| key.trim_end_matches('=').to_owned()),
            is_subscribed: true,
            is_online: true,
            shown: Vec::new(),
            waiting: Vec::new(),
        })
    }

    pub(super) fn subscription(&self, id: String, endpoint: String) -> Subscription {
        let p256dh = URL_SAFE_NO_PAD.encode(self.keys.public());
        Subscription { id, endpoint, p256dh, auth: URL_SAFE_NO_PAD.encode(self.keys.auth()) }
    }

    /// Delivers an accepted push: shows it, or keeps it until its TTL elapses.
    pub(super) fn deliver(&mut self, push: &Push) {
        if self.is_online {
            self.shown.push(push.payload.clone());
            return;
        }
        let ttl = i64::try_from(push.ttl.unwrap_or_default()).unwrap_or(i64::MAX);
        if push.topic.is_some() {
            self.waiting.retain(|waiting| waiting.topic != push.topic);
        }
        if ttl > 0 {
            let (topic, payload) = (push.topic.clone(), push.payload.clone());
            self.waiting.push(Waiting { topic, until: push.at.saturating_add(ttl), payload });
        }
    }

    pub(super) fn go_offline(&mut self) {
        self.is_online = false;
    }

    /// Shows the waiting pushes whose TTL has not elapsed.
    pub(super) fn go_online(&mut self, now: i64) {
        self.is_online = true;
        let waiting = mem::take(&mut self.waiting).into_iter();
        self.shown.extend(waiting.filter(|one| now < one.until).map(|one| one.payload));
    }

    pub(super) fn shown(&self) -> Vec<Value> {
        self.shown.clone()
    }
}
