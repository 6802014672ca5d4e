//! Apple's push service (wire reference §5.2).

mod auth;
mod payload;
mod reply;
mod request;
mod tokens;

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use countersign_domain::credential::CredentialType;
use countersign_domain::ending::ErrorCode;
use countersign_domain::invalid::Invalid;
use countersign_domain::outcome::{Attempt, Outcome};
use countersign_domain::prospect::Push;
use countersign_domain::world::Clock;
use reqwest::Identity;

use crate::apns::auth::{NoToken, ProviderToken};
use crate::apns::reply::Remedy;
use crate::apns::request::Sending;
use crate::check;
use crate::codes;
use crate::connections::{Connections, Held};
use crate::exchange::{exchange, told};
use crate::keyed::{Vendor, refused};
use crate::outgoing::{Outgoing, Speaks};
use crate::source::OpenedCredential;
use crate::words;

pub(crate) use crate::apns::payload::KIND;
pub use crate::apns::tokens::ProviderTokens;

/// Apple.
pub(crate) struct Apns {
    outgoing: Outgoing,
    clock: Arc<dyn Clock>,
    tokens: Arc<ProviderTokens>,
}

/// What is made of one credential.
pub(crate) struct Client {
    auth: Auth,
    topic: Option<String>,
    /// The environment that the credential names.
    own: Connections,
    /// The other one, made only if it is ever asked.
    other: OnceLock<Result<Connections, Invalid>>,
    /// The own environment has taken a push, so a token that it does not know is no token of the other one.
    confirmed: AtomicBool,
    sandbox: bool,
}

enum Auth {
    Token(Arc<ProviderToken>),
    Certificate(Identity),
}

/// What an attempt has tried already.
#[derive(Default)]
struct Tried {
    token: Option<Arc<str>>,
    fresh_token: bool,
    other_environment: bool,
    shorter: bool,
    other_connection: bool,
}

impl Apns {
    pub(crate) fn new(
        outgoing: Outgoing,
        clock: Arc<dyn Clock>,
        tokens: Arc<ProviderTokens>,
    ) -> Self {
        Self { outgoing, clock, tokens }
    }

    fn connections(&self, sandbox: bool, auth: &Auth) -> Result<Connections, Invalid> {
        let base = if sandbox { &self.outgoing.apns_sandbox } else { &self.outgoing.apns };
        let identity = match auth {
            Auth::Token(_) => None,
            Auth::Certificate(identity) => Some(identity.clone()),
        };
        Connections::new(&self.outgoing, base, Speaks::Http2, identity)
    }

    /// The provider token to use now, unless a remedy brought one.
    async fn bearer(
        &self,
        client: &Client,
        tried: &mut Tried,
    ) -> Result<Option<Arc<str>>, Attempt> {
        let Auth::Token(shared) = &client.auth else { return Ok(None) };
        if tried.token.is_none() {
            tried.token = Some(shared.current(&*self.clock).await.map_err(unsigned)?);
        }
        Ok(tried.token.clone())
    }

    /// Does what a remedy says; whether the push is to be sent again at once.
    async fn apply(
        &self,
        remedy: Remedy,
        client: &Client,
        tried: &mut Tried,
        (connections, held): (&Connections, &Held<'_>),
    ) -> bool {
        let clock = &*self.clock;
        let used = tried.token.as_deref().unwrap_or_default();
        match (remedy, &client.auth) {
            (Remedy::FreshToken, Auth::Token(shared)) if !tried.fresh_token => {
                let Ok(Some(fresh)) = shared.refresh(used, clock).await else { return false };
                tried.token = Some(fresh);
                tried.fresh_token = true;
            }
            (Remedy::OtherEnvironment, _)
                if !tried.other_environment && !client.confirmed.load(Ordering::Relaxed) =>
            {
                tried.other_environment = true;
            }
            (Remedy::Shorter, _) if !tried.shorter => tried.shorter = true,
            (Remedy::OtherConnection, _) if !tried.other_connection => {
                tried.other_connection = true;
            }
            (Remedy::NewConnection, _) => {
                connections.renew(held);
                return false;
            }
            (Remedy::OlderToken, Auth::Token(shared)) => {
                shared.step_back(used, clock);
                return false;
            }
            _ => return false,
        }
        true
    }
}

#[async_trait]
impl Vendor for Apns {
    const KIND: CredentialType = CredentialType::Apn;
    const UNUSABLE: ErrorCode = codes::APNS_CREDENTIALS;
    type Client = Client;

    fn client(&self, credential: &OpenedCredential) -> Result<Client, Invalid> {
        let auth = match check::apns(credential).map_err(|bad| bad.why)? {
            check::ApnsSecrets::Token { pem, key_id, team_id } => {
                Auth::Token(self.tokens.of(pem, key_id, team_id)?)
            }
            check::ApnsSecrets::Certificate(identity) => Auth::Certificate(identity),
        };
        Ok(Client {
            own: self.connections(credential.sandbox, &auth)?,
            other: OnceLock::new(),
            confirmed: AtomicBool::new(false),
            topic: credential.topic.clone(),
            sandbox: credential.sandbox,
            auth,
        })
    }

    async fn send(&self, client: &Client, push: &Push) -> Attempt {
        let topic = client.topic.as_deref().unwrap_or(push.target.app_id.as_str());
        let mut tried = Tried::default();
        // What the credential's own environment said, while the other one is asked.
        let mut own_words = None;
        let mut connections = &client.own;
        let mut held = connections.hold();
        loop {
            let bearer = match self.bearer(client, &mut tried).await {
                Ok(bearer) => bearer,
                Err(attempt) => return attempt,
            };
            let sending = Sending {
                connections,
                held: &held,
                bearer: bearer.as_deref(),
                short: tried.shorter,
                now: self.clock.now(),
            };
            let answer = match request::request(push, topic, &sending) {
                Ok(request) => told(exchange(request, &*self.clock).await),
                Err(attempt) => return attempt,
            };
            let (mut attempt, remedy) = match &answer {
                Ok(reply) => reply::judge(reply),
                Err(fault) => reply::unanswered(fault),
            };
            let repeat = match remedy {
                None => false,
                Some(remedy) => self.apply(remedy, client, &mut tried, (connections, &held)).await,
            };
            // A repeat is a start too, and none may start at or after the deadline.
            let in_time = self.clock.now() < push.expires_at;
            let elsewhere = repeat && remedy == Some(Remedy::OtherEnvironment);
            if elsewhere && !in_time {
                attempt = unforgotten(attempt);
            }
            if !repeat || !in_time {
                return conclude(client, attempt, own_words);
            }
            if elsewhere {
                let other = client
                    .other
                    .get_or_init(|| self.connections(!client.sandbox, &client.auth))
                    .as_ref();
                let Ok(other) = other else { return unforgotten(attempt) };
                own_words = Some(attempt);
                connections = other;
                held = connections.hold();
            } else if remedy == Some(Remedy::OtherConnection) {
                held = connections.hold_other(&held);
            }
        }
    }
}

/// The attempt of a push for which there is no provider token.
fn unsigned(why: NoToken) -> Attempt {
    match why {
        NoToken::CannotSign(why) => refused(codes::INTERNAL, &why.to_string()),
        NoToken::Unavailable(why) => Attempt {
            provider_reason: words::plain(&format!("no provider token: {why}")),
            ..Attempt::plain(Outcome::Later { not_before: None }, Some(codes::INTERNAL))
        },
    }
}

/// The result of an attempt that may have asked both environments: a yes of either; otherwise the words of the
/// credential's own one, unless the other has yet to answer. A token is gone only if no environment can be the one that it
/// is of: the own one has taken pushes and does not know it, or neither does.
fn conclude(client: &Client, attempt: Attempt, own_words: Option<Attempt>) -> Attempt {
    let accepted = attempt.outcome == Outcome::Accepted;
    let Some(own) = own_words else {
        if accepted {
            client.confirmed.store(true, Ordering::Relaxed);
        }
        return attempt;
    };
    match attempt.outcome {
        Outcome::Accepted => {}
        Outcome::Later { .. } => return attempt,
        Outcome::Gone { .. } => return own,
        // The other environment said nothing of the token: not this credential, not this topic.
        _ => return unforgotten(own),
    }
    let (said, is) =
        if client.sandbox { ("sandbox", "production") } else { ("production", "sandbox") };
    tracing::warn!("a device of Apple's {is} environment is reached with a credential for {said}");
    Attempt { provider_reason: Some(format!("taken by the {is} environment")), ..attempt }
}

/// The same refusal, but it is not known whether the token is of no use.
fn unforgotten(attempt: Attempt) -> Attempt {
    Attempt { outcome: Outcome::Refused { breaks_credential: false }, ..attempt }
}
