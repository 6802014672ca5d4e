//! A browser vendor's push service (RFC 8030), and the browsers behind it.
//!
//! `POST /push/<id>` checks `TTL`, `Urgency`, `Topic` and `Content-Encoding`, VAPID (RFC 8292), and decrypts with the
//! subscription's keys (RFC 8291). A real service cannot do the last; here a push that its browser could not read is
//! refused, so that whoever sent it hears of it. `POST /subscribe` makes a subscription, for those who have no code of
//! this crate: `{"applicationServerKey": "…"}`, or nothing.

mod browser;
mod content;
mod fault;
mod push;
mod vapid;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::Method;
use serde_json::{Value, json};

pub use browser::Subscription;
pub use push::Push;
pub use vapid::ApplicationServer;

use crate::answer::HttpAnswer;
use crate::authority::Authority;
use crate::clock::Now;
use crate::connections::Connections;
use crate::error::Error;
use crate::ledger::Ledger;
use crate::listener::{Bound, Call, Listener, Reply, Service, Speech};
use crate::payload::names_a_challenge;
use crate::random;
use crate::script::{Cue, Script};
use crate::setting::Setting;

use browser::Browser;
use fault::Fault;

/// A push service for browsers, with browsers. It ends when it is dropped.
pub struct WebPush {
    desk: Arc<Desk>,
    listener: Listener,
}

struct Desk {
    origin: String,
    browsers: Mutex<HashMap<String, Browser>>,
    script: Script<HttpAnswer>,
    pushes: Ledger<Push>,
    now: Now,
}

impl WebPush {
    /// Opens it, with no browsers.
    ///
    /// # Errors
    /// The address is taken.
    pub async fn start(authority: &Authority, setting: Setting) -> Result<Self, Error> {
        let bound = Bound::bind(setting.address()).await?;
        let passing = [429, 500, 502, 503].map(HttpAnswer::status).into();
        let desk = Arc::new(Desk {
            origin: setting.url("https", bound.address),
            browsers: Mutex::default(),
            script: Script::new(setting.manners, passing),
            pushes: Ledger::new(setting.keep),
            now: setting.now,
        });
        let tls = Some(authority.server(&["h2", "http/1.1"])?);
        let speech = Speech { tls, http2_only: false, streams: setting.streams };
        let listener = bound.serve(desk.clone(), speech);
        Ok(Self { desk, listener })
    }

    /// The origin of every endpoint.
    pub fn url(&self) -> &str {
        &self.desk.origin
    }

    /// A new browser subscribes; for one application server only, if `server_key` names it (base64url of its point).
    ///
    /// # Errors
    /// The browser's key cannot be made.
    pub fn subscribe(&self, server_key: Option<&str>) -> Result<Subscription, Error> {
        self.desk.subscribe(server_key)
    }

    /// The person takes the permission back: 410 from now on.
    pub fn unsubscribe(&self, id: &str) {
        self.desk.with(id, |browser| browser.is_subscribed = false);
    }

    /// The service forgets it all: 404 from now on.
    pub fn forget(&self, id: &str) {
        self.desk.browsers().remove(id);
    }

    /// The browser is closed: pushes wait for as long as they live.
    pub fn go_offline(&self, id: &str) {
        self.desk.with(id, Browser::go_offline);
    }

    /// The browser is opened again, and shows what has waited and lives.
    pub fn go_online(&self, id: &str) {
        let now = (self.desk.now)();
        self.desk.with(id, |browser| browser.go_online(now));
    }

    /// What the browser has shown, oldest first.
    pub fn shown(&self, id: &str) -> Vec<Value> {
        self.desk.with(id, |browser| browser.shown()).unwrap_or_default()
    }

    /// What it is told to do. Addresses are the ids of subscriptions.
    pub fn script(&self) -> &Script<HttpAnswer> {
        &self.desk.script
    }

    /// What arrived.
    pub fn pushes(&self) -> &Ledger<Push> {
        &self.desk.pushes
    }

    /// Who is connected.
    pub fn connections(&self) -> &Connections {
        &self.listener.connections
    }
}

impl Desk {
    fn browsers(&self) -> MutexGuard<'_, HashMap<String, Browser>> {
        self.browsers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, id: &str, change: impl FnOnce(&mut Browser) -> T) -> Option<T> {
        self.browsers().get_mut(id).map(change)
    }

    fn subscribe(&self, server_key: Option<&str>) -> Result<Subscription, Error> {
        let (id, browser) = (random::hex::<16>(), Browser::subscribe(server_key)?);
        let endpoint = format!("{}/push/{id}", self.origin);
        let subscription = browser.subscription(id.clone(), endpoint);
        self.browsers().insert(id, browser);
        Ok(subscription)
    }

    fn subscribed(&self, call: &Call) -> HttpAnswer {
        let wish: Value = serde_json::from_slice(&call.body).unwrap_or_default();
        match self.subscribe(wish["applicationServerKey"].as_str()) {
            Ok(subscription) => HttpAnswer::status(201).json(&subscription.json()),
            Err(_) => HttpAnswer::status(500),
        }
    }

    fn check(&self, call: &Call, push: &mut Push) -> Result<(), Fault> {
        let browsers = self.browsers();
        let browser = browsers.get(&push.subscription).ok_or((404, "no such subscription"))?;
        if !browser.is_subscribed {
            return Err((410, "the subscription is gone"));
        }
        if call.method != Method::POST {
            return Err((405, "a push is posted"));
        }
        push.check_headers(call)?;
        let server = vapid::check(call.header("authorization"), &self.origin, push.at)?;
        if browser.server_key.as_ref().is_some_and(|key| *key != server.key) {
            return Err((403, "the subscription is for another application server"));
        }
        push.server = Some(server);
        let plain = browser.keys.open(&call.body).map_err(|fault| (400, fault))?;
        push.payload = serde_json::from_slice(&plain).map_err(|_| (400, "not JSON inside"))?;
        if !names_a_challenge(&push.payload) {
            return Err((400, "the page needs type, challenge_sid and factor_sid"));
        }
        Ok(())
    }

    async fn push(&self, call: Call) -> Reply {
        let mut push = Push::read(&call, (self.now)());
        let checked = self.check(&call, &mut push);
        let cue = checked.is_ok().then(|| self.script.cue(&push.subscription));
        let answer = match (&checked, cue.as_ref().and_then(Cue::answer)) {
            (Err((status, fault)), _) => {
                HttpAnswer::status(*status).json(&json!({"code": status, "message": fault}))
            }
            (Ok(()), Some(planned)) => planned,
            (Ok(()), None) => HttpAnswer::status(201)
                .header("location", format!("{}/message/{}", self.origin, random::hex::<8>()))
                .header("ttl", push.ttl.unwrap_or_default().to_string()),
        };
        let is_answered = cue.as_ref().is_none_or(Cue::is_answered);
        push.status = is_answered.then_some(answer.status);
        push.fault = checked.err().map(|(_, fault)| fault);
        if is_answered && answer.is_success() {
            self.with(&push.subscription, |browser| browser.deliver(&push));
        }
        self.pushes.record(push);
        match cue {
            None => Reply::Answer(answer.render()),
            Some(cue) => cue.take(&call.line, answer.render()).await,
        }
    }
}

impl Service for Desk {
    async fn reply(self: Arc<Self>, call: Call) -> Reply {
        if call.method == Method::POST && call.uri.path() == "/subscribe" {
            return Reply::Answer(self.subscribed(&call).render());
        }
        self.push(call).await
    }
}
