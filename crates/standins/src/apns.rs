//! Apple's push service: TLS, HTTP/2 and nothing else, provider tokens or certificates.
//!
//! It takes `POST /3/device/<token>` and checks what Apple checks: the provider token (ES256, a key and team that it
//! knows, not older than an hour, not renewed within twenty minutes) or the client certificate, every `apns-` header,
//! and the length of the payload. Beyond Apple it wants the payload to name a challenge.

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
use crate::connections::Connections;
use crate::error::Error;
use crate::ledger::Ledger;
use crate::listener::{self, Bound, Call, Listener, Reply, Service, Speech};
use crate::script::Script;
use crate::setting::Setting;

use keys::{Keys, Pusher};

/// How Apple is to be.
#[derive(Debug, Clone)]
pub struct Options {
    /// What every stand-in is told.
    pub setting: Setting,
    /// The topics that the first key may push to. Empty: all.
    pub topics: Vec<String>,
    /// How far apart the tokens of one key must be issued; zero lets everything pass.
    pub token_updates: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            setting: Setting::default(),
            topics: vec!["com.example.owlbank".to_owned()],
            token_updates: Duration::from_secs(20 * 60),
        }
    }
}

/// A push service that speaks as Apple's does. It ends when it is dropped.
pub struct Apns {
    url: String,
    first: ProviderKey,
    desk: Arc<Desk>,
    listener: Listener,
}

struct Desk {
    keys: Mutex<Keys>,
    token_updates: Duration,
    script: Script<Refusal>,
    pushes: Ledger<Push>,
    now: Now,
}

impl Apns {
    /// Opens it, with one key.
    ///
    /// # Errors
    /// The address is taken.
    pub async fn start(authority: &Authority, options: Options) -> Result<Self, Error> {
        let Options { setting, topics, token_updates } = options;
        let bound = Bound::bind(setting.address()).await?;
        let url = setting.url("https", bound.address);
        let mut keys = Keys::default();
        let first = keys.issue(topics)?;
        let desk = Arc::new(Desk {
            keys: Mutex::new(keys),
            token_updates,
            script: Script::new(setting.manners, Refusal::passing()),
            pushes: Ledger::new(setting.keep),
            now: setting.now,
        });
        let tls = Some(authority.server(&["h2"])?);
        let speech = Speech { tls, http2_only: true, streams: setting.streams };
        let listener = bound.serve(desk.clone(), speech);
        Ok(Self { url, first, desk, listener })
    }

    /// What stands in place of `https://api.push.apple.com`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The key that it was born with.
    pub fn key(&self) -> &ProviderKey {
        &self.first
    }

    /// Makes another key, of another team, for these topics; for all if there are none.
    ///
    /// # Errors
    /// The key cannot be made.
    pub fn new_key(&self, topics: Vec<String>) -> Result<ProviderKey, Error> {
        self.desk.keys().issue(topics)
    }

    /// A key is good no more, as after a click in the developer console.
    pub fn revoke_key(&self, key_id: &str) {
        self.desk.keys().revoke(key_id);
    }

    /// Makes a certificate that pushes to one topic without any token. `authority` is the one it was started with.
    ///
    /// # Errors
    /// The topic cannot stand in a certificate.
    pub fn new_certificate(
        &self,
        authority: &Authority,
        topic: &str,
    ) -> Result<ClientCertificate, Error> {
        let certificate = authority.client_certificate(topic)?;
        self.desk.keys().certify(certificate.der.clone(), topic.to_owned());
        Ok(certificate)
    }

    /// Forgets the provider tokens it has seen: the next may be issued as soon as it likes.
    pub fn forget_provider_tokens(&self) {
        self.desk.keys().forget_tokens();
    }

    /// What it is told to do. Addresses are device tokens.
    pub fn script(&self) -> &Script<Refusal> {
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
    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pusher(&self, call: &Call, push: &Push) -> Result<Pusher, Reason> {
        let mut keys = self.keys();
        match (&call.line.certificate, &push.provider_token) {
            // with a certificate there is no need to look at a token, and Apple does not
            (Some(certificate), _) => keys.shown(certificate),
            (None, Some(token)) => keys.signed(token, push.at, self.token_updates),
            (None, None) if call.headers.contains_key("authorization") => {
                Err(Reason::InvalidProviderToken)
            }
            (None, None) => Err(Reason::MissingProviderToken),
        }
    }

    fn check(&self, call: &Call, push: &mut Push) -> Result<(), Refusal> {
        push::check_request(call)?;
        let pusher = self.pusher(call, push)?;
        push::check_push(call, push, &pusher)?;
        push.key_id = pusher.key_id;
        Ok(())
    }
}

impl Service for Desk {
    async fn reply(self: Arc<Self>, call: Call) -> Reply {
        let mut push = Push::read(&call, (self.now)());
        let checked = self.check(&call, &mut push);
        let cue = checked.is_ok().then(|| self.script.cue(&push.token));
        let planned = cue.as_ref().and_then(crate::script::Cue::answer);
        let refusal = checked.err().or(planned);
        if let (Some(refusal), Some(token)) = (&refusal, &push.provider_token)
            && cue.is_some()
            && refusal.is_about_token()
        {
            self.keys().refuse(token, refusal.reason);
        }
        let answer = match &refusal {
            None => listener::answer(200, &[("apns-id", &push.id)], ""),
            Some(refusal) => refusal.render(&push.id, push.at),
        };
        push.reason = refusal.map(|refusal| refusal.reason);
        let is_answered = cue.as_ref().is_none_or(crate::script::Cue::is_answered);
        push.status = is_answered.then(|| answer.status().as_u16());
        self.pushes.record(push);
        match cue {
            None => Reply::Answer(answer),
            Some(cue) => cue.take(&call.line, answer).await,
        }
    }
}
