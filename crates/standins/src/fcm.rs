//! Google's push service, and the token service beside it.
//!
//! `POST /token` exchanges an assertion (RS256, signed by the service account's key, for the scope of messaging, for an
//! hour at most) for an access token. `POST /v1/projects/<id>/messages:send` wants one, and a data-only message that
//! names a challenge, with `android.priority`, `ttl` and `collapse_key` in their form.

mod account;
mod desk;
mod message;
mod refusal;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

pub use desk::TokenCall;
pub use message::Message;
pub use refusal::{Error, Refusal};

use crate::answer::HttpAnswer;
use crate::authority::Authority;
use crate::connections::Connections;
use crate::ledger::Ledger;
use crate::listener::{Bound, Listener, Speech};
use crate::script::Script;
use crate::setting::Setting;

use account::Account;
use desk::Desk;

/// How Google is to be.
#[derive(Debug, Clone)]
pub struct Options {
    /// What every stand-in is told.
    pub setting: Setting,
    /// The Firebase project.
    pub project_id: String,
    /// How long an access token lives.
    pub token_life: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            setting: Setting::default(),
            project_id: "owlbank-push".to_owned(),
            token_life: Duration::from_secs(3599),
        }
    }
}

/// A push service that speaks as FCM does. It ends when it is dropped.
pub struct Fcm {
    url: String,
    service_account: Value,
    desk: Arc<Desk>,
    listener: Listener,
}

impl Fcm {
    /// Opens it, with one service account.
    ///
    /// # Errors
    /// The address is taken.
    pub async fn start(
        authority: &Authority,
        options: Options,
    ) -> Result<Self, crate::error::Error> {
        let Options { setting, project_id, token_life } = options;
        let bound = Bound::bind(setting.address()).await?;
        let url = setting.url("https", bound.address);
        let account = Account::generate(&project_id, &format!("{url}/token"))?;
        let service_account = account.json();
        let desk = Arc::new(Desk {
            account: Mutex::new(account),
            token_life: i64::try_from(token_life.as_secs()).unwrap_or(i64::MAX),
            script: Script::new(setting.manners, Refusal::passing()),
            messages: Ledger::new(setting.keep),
            token_script: Script::new(setting.manners, vec![HttpAnswer::status(503)]),
            token_calls: Ledger::new(setting.keep),
            now: setting.now,
        });
        let tls = Some(authority.server(&["h2", "http/1.1"])?);
        let speech = Speech { tls, http2_only: false, streams: setting.streams };
        let listener = bound.serve(desk.clone(), speech);
        Ok(Self { url, service_account, desk, listener })
    }

    /// What stands in place of `https://fcm.googleapis.com`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The service account's file, whose `token_uri` points here.
    pub fn service_account(&self) -> &Value {
        &self.service_account
    }

    /// Every access token is good no more.
    pub fn revoke_access_tokens(&self) {
        self.desk.account().revoke_all();
    }

    /// What it is told to do with messages. Addresses are registration tokens.
    pub fn script(&self) -> &Script<Refusal> {
        &self.desk.script
    }

    /// What it is told to do at the token service. There are no addresses.
    pub fn token_script(&self) -> &Script<HttpAnswer> {
        &self.desk.token_script
    }

    /// The messages that arrived.
    pub fn messages(&self) -> &Ledger<Message> {
        &self.desk.messages
    }

    /// The calls to the token service.
    pub fn token_calls(&self) -> &Ledger<TokenCall> {
        &self.desk.token_calls
    }

    /// Who is connected, to either service.
    pub fn connections(&self) -> &Connections {
        &self.listener.connections
    }
}
