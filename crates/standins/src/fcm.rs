//! Google's push service, and its token service.
//!
//! `POST /token` exchanges an assertion (RS256, signed by the service account's key, for the scope of messaging, for an
//! hour at most) for an access token. `POST /v1/projects/<id>/messages:send` requires one, and a data-only message that
//! names a challenge, with well-formed `android.priority`, `ttl` and `collapse_key`.

mod account;
mod handler;
mod message;
mod refusal;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

pub use handler::TokenRequest;
pub use message::Message;
pub use refusal::{Error, Refusal};

use crate::authority::Authority;
use crate::common_options::CommonOptions;
use crate::connections::Connections;
use crate::ledger::Ledger;
use crate::listener::{BoundListener, Listener, Protocols};
use crate::script::Script;
use crate::scripted_response::ScriptedResponse;

use account::Account;
use handler::ServiceState;

/// The options of Google's stand-in.
#[derive(Debug, Clone)]
pub struct Options {
    /// The common options.
    pub common: CommonOptions,
    /// The Firebase project.
    pub project_id: String,
    /// The lifetime of an access token.
    pub token_life: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            common: CommonOptions::default(),
            project_id: "owlbank-push".to_owned(),
            token_life: Duration::from_secs(3599),
        }
    }
}

/// A stand-in for FCM. Dropping it stops it.
pub struct Fcm {
    url: String,
    service_account: Value,
    state: Arc<ServiceState>,
    listener: Listener,
}

impl Fcm {
    /// Starts it with one service account.
    ///
    /// # Errors
    /// The port is taken.
    pub async fn start(
        authority: &Authority,
        options: Options,
    ) -> Result<Self, crate::error::Error> {
        let Options { common, project_id, token_life } = options;
        let bound = BoundListener::bind(common.address()).await?;
        let url = common.url("https", bound.address);
        let account = Account::generate(&project_id, &format!("{url}/token"))?;
        let service_account = account.json();
        let state = Arc::new(ServiceState {
            account: Mutex::new(account),
            token_life: i64::try_from(token_life.as_secs()).unwrap_or(i64::MAX),
            script: Script::new(common.faults, Refusal::transient()),
            messages: Ledger::new(common.keep),
            token_script: Script::new(common.faults, vec![ScriptedResponse::status(503)]),
            token_requests: Ledger::new(common.keep),
            now: common.now,
        });
        let tls = Some(authority.server(&["h2", "http/1.1"])?);
        let protocols = Protocols { tls, http2_only: false, streams: common.streams };
        let listener = bound.serve(state.clone(), protocols);
        Ok(Self { url, service_account, state, listener })
    }

    /// The base URL, in place of `https://fcm.googleapis.com`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The JSON of the service account; its `token_uri` is this stand-in.
    pub fn service_account(&self) -> &Value {
        &self.service_account
    }

    /// Revokes all access tokens.
    pub fn revoke_access_tokens(&self) {
        self.state.account().revoke_all();
    }

    /// The script for messages. Addresses are registration tokens.
    pub fn script(&self) -> &Script<Refusal> {
        &self.state.script
    }

    /// The script for the token service. There are no addresses.
    pub fn token_script(&self) -> &Script<ScriptedResponse> {
        &self.state.token_script
    }

    /// The received messages.
    pub fn messages(&self) -> &Ledger<Message> {
        &self.state.messages
    }

    /// The received token requests.
    pub fn token_requests(&self) -> &Ledger<TokenRequest> {
        &self.state.token_requests
    }

    /// The open connections, to either service.
    pub fn connections(&self) -> &Connections {
        &self.listener.connections
    }
}
