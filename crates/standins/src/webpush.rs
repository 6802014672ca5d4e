//! A browser vendor's push service (RFC 8030), and its browsers.
//!
//! `POST /push/<id>` checks `TTL`, `Urgency`, `Topic` and `Content-Encoding`, VAPID (RFC 8292), and decrypts with the
//! subscription's keys (RFC 8291). A real service cannot decrypt; here a push that the browser cannot read is
//! refused, so that the error is noticed. `POST /subscribe` makes a subscription over HTTP: `{"applicationServerKey": "…"}`,
//! or an empty body.

mod browser;
mod content;
mod push;
mod rejection;
mod vapid;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::Method;
use serde_json::{Value, json};

pub use browser::Subscription;
pub use push::Push;
pub use vapid::ApplicationServer;

use crate::authority::Authority;
use crate::clock::Now;
use crate::common_options::CommonOptions;
use crate::connections::Connections;
use crate::error::Error;
use crate::ledger::Ledger;
use crate::listener::{BoundListener, Handler, HttpRequest, Listener, Protocols, Reply};
use crate::payload::names_a_challenge;
use crate::random;
use crate::script::{PlannedAction, Script};
use crate::scripted_response::ScriptedResponse;

use browser::Browser;
use rejection::Rejection;

/// A stand-in for a browser vendor's push service, with browsers. Dropping it stops it.
pub struct WebPush {
    state: Arc<ServiceState>,
    listener: Listener,
}

struct ServiceState {
    origin: String,
    browsers: Mutex<HashMap<String, Browser>>,
    script: Script<ScriptedResponse>,
    pushes: Ledger<Push>,
    now: Now,
}

impl WebPush {
    /// Starts it without browsers.
    ///
    /// # Errors
    /// The port is taken.
    pub async fn start(authority: &Authority, common: CommonOptions) -> Result<Self, Error> {
        let bound = BoundListener::bind(common.address()).await?;
        let transient = [429, 500, 502, 503].map(ScriptedResponse::status).into();
        let state = Arc::new(ServiceState {
            origin: common.url("https", bound.address),
            browsers: Mutex::default(),
            script: Script::new(common.faults, transient),
            pushes: Ledger::new(common.keep),
            now: common.now,
        });
        let tls = Some(authority.server(&["h2", "http/1.1"])?);
        let protocols = Protocols { tls, http2_only: false, streams: common.streams };
        let listener = bound.serve(state.clone(), protocols);
        Ok(Self { state, listener })
    }

    /// The origin of every endpoint.
    pub fn url(&self) -> &str {
        &self.state.origin
    }

    /// Subscribes a new browser; for one application server only, if `server_key` is its key (base64url of its point).
    ///
    /// # Errors
    /// The browser's key cannot be generated.
    pub fn subscribe(&self, server_key: Option<&str>) -> Result<Subscription, Error> {
        self.state.subscribe(server_key)
    }

    /// Ends a subscription, as when the person withdraws the permission: 410 from now on.
    pub fn unsubscribe(&self, id: &str) {
        self.state.with(id, |browser| browser.is_subscribed = false);
    }

    /// Forgets a subscription: 404 from now on.
    pub fn forget(&self, id: &str) {
        self.state.browsers().remove(id);
    }

    /// Takes a browser offline: pushes wait until their TTL elapses.
    pub fn go_offline(&self, id: &str) {
        self.state.with(id, Browser::go_offline);
    }

    /// Takes a browser online: it shows the waiting pushes.
    pub fn go_online(&self, id: &str) {
        let now = (self.state.now)();
        self.state.with(id, |browser| browser.go_online(now));
    }

    /// The payloads that a browser has shown, oldest first.
    pub fn shown(&self, id: &str) -> Vec<Value> {
        self.state.with(id, |browser| browser.shown()).unwrap_or_default()
    }

    /// The script. Addresses are the ids of subscriptions.
    pub fn script(&self) -> &Script<ScriptedResponse> {
        &self.state.script
    }

    /// The received pushes.
    pub fn pushes(&self) -> &Ledger<Push> {
        &self.state.pushes
    }

    /// The open connections.
    pub fn connections(&self) -> &Connections {
        &self.listener.connections
    }
}

impl ServiceState {
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

    fn subscribe_over_http(&self, request: &HttpRequest) -> ScriptedResponse {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        match self.subscribe(body["applicationServerKey"].as_str()) {
            Ok(subscription) => ScriptedResponse::status(201).json(&subscription.json()),
            Err(_) => ScriptedResponse::status(500),
        }
    }

    fn check(&self, request: &HttpRequest, push: &mut Push) -> Result<(), Rejection> {
        let browsers = self.browsers();
        let browser = browsers.get(&push.subscription).ok_or((404, "no such subscription"))?;
        if !browser.is_subscribed {
            return Err((410, "the subscription is gone"));
        }
        if request.method != Method::POST {
            return Err((405, "a push is posted"));
        }
        push.check_headers(request)?;
        let server = vapid::check(request.header("authorization"), &self.origin, push.at)?;
        if browser.server_key.as_ref().is_some_and(|key| *key != server.key) {
            return Err((403, "the subscription is for another application server"));
        }
        push.server = Some(server);
        let plain = browser.keys.open(&request.body).map_err(|reason| (400, reason))?;
        push.payload = serde_json::from_slice(&plain).map_err(|_| (400, "not JSON inside"))?;
        if !names_a_challenge(&push.payload) {
            return Err((400, "the page needs type, challenge_sid and factor_sid"));
        }
        Ok(())
    }

    async fn push(&self, request: HttpRequest) -> Reply {
        let mut push = Push::read(&request, (self.now)());
        let checked = self.check(&request, &mut push);
        let planned = checked.is_ok().then(|| self.script.take(&push.subscription));
        let response = match (&checked, planned.as_ref().and_then(PlannedAction::response)) {
            (Err((status, reason)), _) => {
                ScriptedResponse::status(*status).json(&json!({"code": status, "message": reason}))
            }
            (Ok(()), Some(scripted)) => scripted,
            (Ok(()), None) => ScriptedResponse::status(201)
                .header("location", format!("{}/message/{}", self.origin, random::hex::<8>()))
                .header("ttl", push.ttl.unwrap_or_default().to_string()),
        };
        let has_response = planned.as_ref().is_none_or(PlannedAction::has_response);
        push.status = has_response.then_some(response.status);
        push.refusal = checked.err().map(|(_, reason)| reason);
        if has_response && response.is_success() {
            self.with(&push.subscription, |browser| browser.deliver(&push));
        }
        self.pushes.record(push);
        match planned {
            None => Reply::Respond(response.render()),
            Some(planned) => planned.run(&request.connection, response.render()).await,
        }
    }
}

impl Handler for ServiceState {
    async fn handle(self: Arc<Self>, request: HttpRequest) -> Reply {
        if request.method == Method::POST && request.uri.path() == "/subscribe" {
            return Reply::Respond(self.subscribe_over_http(&request).render());
        }
        self.push(request).await
    }
}
