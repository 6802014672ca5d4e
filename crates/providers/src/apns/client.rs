//! The client of one credential, and what one attempt has tried with it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use countersign_domain::invalid::Invalid;
use countersign_domain::world::Clock;
use reqwest::Identity;

use super::auth::{ProviderToken, TokenError};
use super::response::Remedy;
use crate::connections::{ConnectionPool, PooledConnection};
use crate::outgoing::{HttpVersion, Outgoing};

/// The client of one credential.
pub(crate) struct Client {
    pub(super) auth: Auth,
    pub(super) topic: Option<String>,
    /// The environment that the credential names.
    own: ConnectionPool,
    /// The other environment, made when it is first needed.
    other: OnceLock<Result<ConnectionPool, Invalid>>,
    /// Whether the own environment has accepted a push. A token that it does not know is then no token of the other one.
    pub(super) is_confirmed: AtomicBool,
    /// Whether the own environment is the sandbox.
    pub(super) is_sandbox: bool,
}

/// How the client authenticates.
pub(super) enum Auth {
    /// With a provider token in each request.
    Token(Arc<ProviderToken>),
    /// With a certificate on the connection.
    Certificate(Identity),
}

/// The remedies that one attempt has tried. Each remedy is applied at most once.
#[derive(Default)]
pub(super) struct Tried {
    pub(super) token: Option<Arc<str>>,
    fresh_token: bool,
    other_environment: bool,
    pub(super) shorter: bool,
    other_connection: bool,
}

impl Client {
    /// A client for the environment that the credential names.
    pub(super) fn new(
        outgoing: &Outgoing,
        auth: Auth,
        topic: Option<String>,
        is_sandbox: bool,
    ) -> Result<Self, Invalid> {
        Ok(Self {
            own: connections(outgoing, is_sandbox, &auth)?,
            other: OnceLock::new(),
            is_confirmed: AtomicBool::new(false),
            topic,
            is_sandbox,
            auth,
        })
    }

    /// The connections to the own environment.
    pub(super) fn own(&self) -> &ConnectionPool {
        &self.own
    }

    /// The connections to the other environment.
    pub(super) fn other(&self, outgoing: &Outgoing) -> Result<&ConnectionPool, &Invalid> {
        let make = || connections(outgoing, !self.is_sandbox, &self.auth);
        self.other.get_or_init(make).as_ref()
    }

    /// The provider token to use now; `None` with a certificate.
    pub(super) async fn bearer(
        &self,
        tried: &mut Tried,
        clock: &dyn Clock,
    ) -> Result<Option<Arc<str>>, TokenError> {
        let Auth::Token(shared) = &self.auth else { return Ok(None) };
        if tried.token.is_none() {
            tried.token = Some(shared.current(clock).await?);
        }
        Ok(tried.token.clone())
    }

    /// Applies a remedy; returns whether to send the push again at once.
    pub(super) async fn apply(
        &self,
        remedy: Remedy,
        tried: &mut Tried,
        (pool, connection): (&ConnectionPool, &PooledConnection<'_>),
        clock: &dyn Clock,
    ) -> bool {
        let used = tried.token.as_deref().unwrap_or_default();
        match (remedy, &self.auth) {
            (Remedy::FreshToken, Auth::Token(shared)) if !tried.fresh_token => {
                let Ok(Some(fresh)) = shared.refresh(used, clock).await else { return false };
                tried.token = Some(fresh);
                tried.fresh_token = true;
            }
            (Remedy::OtherEnvironment, _)
                if !tried.other_environment && !self.is_confirmed.load(Ordering::Relaxed) =>
            {
                tried.other_environment = true;
            }
            (Remedy::Shorter, _) if !tried.shorter => tried.shorter = true,
            (Remedy::OtherConnection, _) if !tried.other_connection => {
                tried.other_connection = true;
            }
            (Remedy::NewConnection, _) => {
                pool.replace(connection);
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

fn connections(
    outgoing: &Outgoing,
    is_sandbox: bool,
    auth: &Auth,
) -> Result<ConnectionPool, Invalid> {
    let base = if is_sandbox { &outgoing.apns_sandbox } else { &outgoing.apns };
    let identity = match auth {
        Auth::Token(_) => None,
        Auth::Certificate(identity) => Some(identity.clone()),
    };
    ConnectionPool::new(outgoing, base, HttpVersion::Http2, identity)
}
