//! Apple's push service: TLS, only HTTP/2, provider tokens or certificates.
//!
//! It serves `POST /3/device/<token>` and checks what Apple checks: the provider token (ES256, a known key and team, not older
//! than an hour, not renewed within twenty minutes) or the client certificate, every `apns-` header, and the length of the
//! payload. Unlike Apple it requires a payload that names a challenge.

mod keys;
mod push;
mod reason;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use keys::ProviderKey;
pub use push::Push;
pub use reason::{Reason, Refusal};

use crate::authority::{Authority, ClientCertificate};
use crate::clock::Now;
use crate::common_options::CommonOptions;
use crate::connections::Connections;
use crate::error::Error;
use crate::ledger::Ledger;
use crate::listener::{self, BoundListener, Handler, HttpRequest, Listener, Protocols, Reply};
use crate::script::{PlannedAction, Script};

use keys::{Keys, Pusher};

/// The options of Apple's stand-in.
#[derive(Debug, Clone)]
pub struct Options {
    /// The common options.
    pub common: CommonOptions,
    /// The topics that the first key may push to; empty: all.
    pub topics: Vec<String>,
    /// The shortest time between two tokens of one key; zero: no limit.
    pub token_updates: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            common: CommonOptions::default(),
            topics: vec!["com.example.owlbank".to_owned()],
            token_updates: Duration::from_secs(20 * 60),
        }
    }
}

/// A stand-in for APNs. Dropping it stops it.
pub struct Apns {
    url: String,
    first: ProviderKey,
    state: Arc<ServiceState>,
    listener: Listener,
}

struct ServiceState {
    keys: Mutex<Keys>,
    token_updates: Duration,
    script: Script<Refusal>,
    pushes: Ledger<Push>,
    now: Now,
}

impl Apns {
    /// Starts it with one key.
    ///
    /// # Errors
    /// The port is taken.
    pub async fn start(authority: &Authority, options: Options) -> Result<Self, Error> {
        let Options { common, topics, token_updates } = options;
        let bound = BoundListener::bind(common.address()).await?;
        let url = common.url("https", bound.address);
        let mut keys = Keys::default();
        let first = keys.issue(topics)?;
        let state = Arc::new(ServiceState {
            keys: Mutex::new(keys),
            token_updates,
            script: Script::new(common.faults, Refusal::transient()),
            pushes: Ledger::new(common.keep),
            now: common.now,
        });
        let tls = Some(authority.server(&["h2"])?);
        let protocols = Protocols { tls, http2_only: true, streams: common.streams };
        let listener = bound.serve(state.clone(), protocols);
        Ok(Self { url, first, state, listener })
    }

    /// The base URL, in place of `https://api.push.apple.com`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The first key.
    pub fn key(&self) -> &ProviderKey {
        &self.first
    }

    /// Generates another key, of another team, for these topics; empty: all topics.
    ///
    /// # Errors
    /// The key cannot be generated.
    pub fn new_key(&self, topics: Vec<String>) -> Result<ProviderKey, Error> {
        self.state.keys().issue(topics)
    }

    /// Revokes a key, as in the developer console.
    pub fn revoke_key(&self, key_id: &str) {
        self.state.keys().revoke(key_id);
    }

    /// Makes a client certificate for one topic. `authority` is the one that the stand-in was started with.
    ///
    /// # Errors
    /// The topic is not valid in a certificate.
    pub fn new_certificate(
        &self,
        authority: &Authority,
        topic: &str,
    ) -> Result<ClientCertificate, Error> {
        let certificate = authority.client_certificate(topic)?;
        self.state.keys().certify(certificate.der.clone(), topic.to_owned());
        Ok(certificate)
    }

    /// Forgets the provider tokens, so that the next one may be new at once.
    pub fn forget_provider_tokens(&self) {
        self.state.keys().forget_tokens();
    }

    /// The script. Addresses are device tokens.
    pub fn script(&self) -> &Script<Refusal> {
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
    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pusher(&self, request: &HttpRequest, push: &Push) -> Result<Pusher, Reason> {
        let mut keys = self.keys();
        match (&request.connection.certificate, &push.provider_token) {
            // With a certificate Apple ignores a token.
            (Some(certificate), _) => keys.by_certificate(certificate),
            (None, Some(token)) => keys.by_token(token, push.at, self.token_updates),
            (None, None) if request.headers.contains_key("authorization") => {
                Err(Reason::InvalidProviderToken)
            }
            (None, None) => Err(Reason::MissingProviderToken),
        }
    }

    fn check(&self, request: &HttpRequest, push: &mut Push) -> Result<(), Refusal> {
        push::check_request(request)?;
        let pusher = self.pusher(request, push)?;
        push::check_push(request, push, &pusher)?;
        push.key_id = pusher.key_id;
        Ok(())
    }
}

impl Handler for ServiceState {
    async fn handle(self: Arc<Self>, request: HttpRequest) -> Reply {
        let mut push = Push::read(&request, (self.now)());
        let checked = self.check(&request, &mut push);
        let planned_action = checked.is_ok().then(|| self.script.take(&push.token));
        let planned = planned_action.as_ref().and_then(PlannedAction::response);
        let refusal = checked.err().or(planned);
        if let (Some(refusal), Some(token)) = (&refusal, &push.provider_token)
            && planned_action.is_some()
            && refusal.is_about_token()
        {
            self.keys().refuse(token, refusal.reason);
        }
        let response = match &refusal {
            None => listener::response(200, &[("apns-id", &push.id)], ""),
            Some(refusal) => refusal.render(&push.id, push.at),
        };
        push.reason = refusal.map(|refusal| refusal.reason);
        let has_response = planned_action.as_ref().is_none_or(PlannedAction::has_response);
        push.status = has_response.then(|| response.status().as_u16());
        self.pushes.record(push);
        match planned_action {
            None => Reply::Respond(response),
            Some(planned_action) => planned_action.run(&request.connection, response).await,
        }
    }
}
