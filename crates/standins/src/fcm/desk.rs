//! Who sits behind the address: one request in, one answer out.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::Method;
use serde_json::json;

use crate::answer::HttpAnswer;
use crate::clock::Now;
use crate::ledger::Ledger;
use crate::listener::{Answer, Call, Reply, Service};
use crate::random;
use crate::script::{Cue, Script};

use super::account::{Account, Refused};
use super::message::Message;
use super::refusal::{Error, Refusal};

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// A call to the token service.
#[derive(Debug, Clone)]
pub struct TokenCall {
    /// When it came, in Unix seconds.
    pub at: i64,
    /// The answer's status; `None` if it gets no answer.
    pub status: Option<u16>,
    /// What is wrong with it, in a sentence.
    pub fault: Option<&'static str>,
}

pub(super) struct Desk {
    pub(super) account: Mutex<Account>,
    pub(super) token_life: i64,
    pub(super) script: Script<Refusal>,
    pub(super) messages: Ledger<Message>,
    pub(super) token_script: Script<HttpAnswer>,
    pub(super) token_calls: Ledger<TokenCall>,
    pub(super) now: Now,
}

impl Desk {
    pub(super) fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn token(&self, call: Call) -> Reply {
        let now = (self.now)();
        let checked = self.check_token_call(&call, now);
        let cue = checked.is_ok().then(|| self.token_script.cue(""));
        let answer = match (&checked, cue.as_ref().and_then(Cue::answer)) {
            (Err((word, sentence)), _) => {
                let body = json!({"error": word, "error_description": sentence});
                HttpAnswer::status(400).json(&body).render()
            }
            (Ok(()), Some(planned)) => planned.render(),
            (Ok(()), None) => {
                let token = self.account().grant(now, now.saturating_add(self.token_life));
                HttpAnswer::status(200).json(&json!({
                    "access_token": token, "expires_in": self.token_life, "token_type": "Bearer",
                })).render()
            }
        };
        let is_answered = cue.as_ref().is_none_or(Cue::is_answered);
        let status = is_answered.then(|| answer.status().as_u16());
        let fault = checked.err().map(|(_, sentence)| sentence);
        self.token_calls.record(TokenCall { at: now, status, fault });
        finish(cue, &call, answer).await
    }

    fn check_token_call(&self, call: &Call, now: i64) -> Result<(), Refused> {
        let is_form = call
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
        if call.method != Method::POST || !is_form {
            return Err(("invalid_request", "A form must be posted."));
        }
        let form: Vec<_> = url::form_urlencoded::parse(&call.body).collect();
        let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value);
        if field("grant_type").map(AsRef::as_ref) != Some(GRANT_TYPE) {
            return Err(("unsupported_grant_type", "Invalid grant_type."));
        }
        let assertion = field("assertion").ok_or(("invalid_request", "Missing assertion."))?;
        self.account().check(assertion, now)
    }

    fn check_message(&self, call: &Call, message: &Message) -> Result<(), Refusal> {
        let project = call
            .uri
            .path()
            .strip_prefix("/v1/projects/")
            .and_then(|rest| rest.strip_suffix("/messages:send"));
        let (Some(project), &Method::POST) = (project, &call.method) else {
            return Err(Error::NotFound.into());
        };
        let account = self.account();
        let is_known = |token: &String| account.accepts(token, message.at);
        if !message.access_token.as_ref().is_some_and(is_known) {
            return Err(Error::Unauthenticated.into());
        }
        if project != account.project_id {
            return Err(Error::PermissionDenied.into());
        }
        drop(account);
        if !call.header("content-type").is_some_and(|kind| kind.starts_with("application/json")) {
            return Err(Refusal::malformed("body", "Not sent as JSON."));
        }
        message.check()
    }

    async fn message(&self, call: Call) -> Reply {
        let mut message = Message::read(&call, (self.now)());
        let checked = self.check_message(&call, &message);
        let cue = checked.is_ok().then(|| self.script.cue(&message.token));
        let refusal = checked.err().or_else(|| cue.as_ref().and_then(Cue::answer));
        if let (Some(Error::Unauthenticated), Some(token)) =
            (refusal.as_ref().map(|refusal| refusal.error), &message.access_token)
        {
            // told so or not, the token is then good no more
            self.account().revoke(token);
        }
        let answer = match &refusal {
            None => {
                let id = if message.validate_only {
                    "fake_message_id".into()
                } else {
                    random::hex::<16>()
                };
                let name = format!("projects/{}/messages/{id}", self.account().project_id);
                HttpAnswer::status(200).json(&json!({ "name": name })).render()
            }
            Some(refusal) => refusal.render(),
        };
        message.error = refusal.map(|refusal| refusal.error);
        let is_answered = cue.as_ref().is_none_or(Cue::is_answered);
        message.status = is_answered.then(|| answer.status().as_u16());
        self.messages.record(message);
        finish(cue, &call, answer).await
    }
}

async fn finish<A: Clone>(cue: Option<Cue<A>>, call: &Call, answer: Answer) -> Reply {
    match cue {
        None => Reply::Answer(answer),
        Some(cue) => cue.take(&call.line, answer).await,
    }
}

impl Service for Desk {
    async fn reply(self: Arc<Self>, call: Call) -> Reply {
        if call.uri.path() == "/token" { self.token(call).await } else { self.message(call).await }
    }
}
