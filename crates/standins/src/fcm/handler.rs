//! Handles the requests of both services.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::Method;
use serde_json::json;

use crate::clock::Now;
use crate::ledger::Ledger;
use crate::listener::{Handler, HttpRequest, HttpResponse, Reply};
use crate::random;
use crate::script::{PlannedAction, Script};
use crate::scripted_response::ScriptedResponse;

use super::account::{Account, Refused};
use super::message::Message;
use super::refusal::{Error, Refusal};

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// A received token request.
#[derive(Debug, Clone)]
pub struct TokenRequest {
    /// The time of arrival, in Unix seconds.
    pub at: i64,
    /// The status of the response; `None` without one.
    pub status: Option<u16>,
    /// The reason of its refusal, in a sentence.
    pub refusal: Option<&'static str>,
}

pub(super) struct ServiceState {
    pub(super) account: Mutex<Account>,
    pub(super) token_life: i64,
    pub(super) script: Script<Refusal>,
    pub(super) messages: Ledger<Message>,
    pub(super) token_script: Script<ScriptedResponse>,
    pub(super) token_requests: Ledger<TokenRequest>,
    pub(super) now: Now,
}

impl ServiceState {
    pub(super) fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn token(&self, request: HttpRequest) -> Reply {
        let now = (self.now)();
        let checked = self.check_token_request(&request, now);
        let planned = checked.is_ok().then(|| self.token_script.take(""));
        let response = match (&checked, planned.as_ref().and_then(PlannedAction::response)) {
            (Err((word, sentence)), _) => {
                let body = json!({"error": word, "error_description": sentence});
                ScriptedResponse::status(400).json(&body).render()
            }
            (Ok(()), Some(scripted)) => scripted.render(),
            (Ok(()), None) => {
                let token = self.account().grant(now, now.saturating_add(self.token_life));
                ScriptedResponse::status(200).json(&json!({
                    "access_token": token, "expires_in": self.token_life, "token_type": "Bearer",
                })).render()
            }
        };
        let has_response = planned.as_ref().is_none_or(PlannedAction::has_response);
        let status = has_response.then(|| response.status().as_u16());
        let refusal = checked.err().map(|(_, sentence)| sentence);
        self.token_requests.record(TokenRequest { at: now, status, refusal });
        finish(planned, &request, response).await
    }

    fn check_token_request(&self, request: &HttpRequest, now: i64) -> Result<(), Refused> {
        let is_form = request
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
        if request.method != Method::POST || !is_form {
            return Err(("invalid_request", "A form must be posted."));
        }
        let form: Vec<_> = url::form_urlencoded::parse(&request.body).collect();
        let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value);
        if field("grant_type").map(AsRef::as_ref) != Some(GRANT_TYPE) {
            return Err(("unsupported_grant_type", "Invalid grant_type."));
        }
        let assertion = field("assertion").ok_or(("invalid_request", "Missing assertion."))?;
        self.account().check(assertion, now)
    }

    fn check_message(&self, request: &HttpRequest, message: &Message) -> Result<(), Refusal> {
        let project = request
            .uri
            .path()
            .strip_prefix("/v1/projects/")
            .and_then(|rest| rest.strip_suffix("/messages:send"));
        let (Some(project), &Method::POST) = (project, &request.method) else {
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
        if !request.header("content-type").is_some_and(|kind| kind.starts_with("application/json"))
        {
            return Err(Refusal::malformed("body", "Not sent as JSON."));
        }
        message.check()
    }

    async fn message(&self, request: HttpRequest) -> Reply {
        let mut message = Message::read(&request, (self.now)());
        let checked = self.check_message(&request, &message);
        let planned = checked.is_ok().then(|| self.script.take(&message.token));
        let refusal = checked.err().or_else(|| planned.as_ref().and_then(PlannedAction::response));
        if let (Some(Error::Unauthenticated), Some(token)) =
            (refusal.as_ref().map(|refusal| refusal.error), &message.access_token)
        {
            // The token is rejected from now on, also if the script refused it.
            self.account().revoke(token);
        }
        let response = match &refusal {
            None => {
                let id = if message.validate_only {
                    "fake_message_id".into()
                } else {
                    random::hex::<16>()
                };
                let name = format!("projects/{}/messages/{id}", self.account().project_id);
                ScriptedResponse::status(200).json(&json!({ "name": name })).render()
            }
            Some(refusal) => refusal.render(),
        };
        message.error = refusal.map(|refusal| refusal.error);
        let has_response = planned.as_ref().is_none_or(PlannedAction::has_response);
        message.status = has_response.then(|| response.status().as_u16());
        self.messages.record(message);
        finish(planned, &request, response).await
    }
}

async fn finish<A: Clone>(
    planned: Option<PlannedAction<A>>,
    request: &HttpRequest,
    response: HttpResponse,
) -> Reply {
    match planned {
        None => Reply::Respond(response),
        Some(planned) => planned.run(&request.connection, response).await,
    }
}

impl Handler for ServiceState {
    async fn handle(self: Arc<Self>, request: HttpRequest) -> Reply {
        if request.uri.path() == "/token" {
            self.token(request).await
        } else {
            self.message(request).await
        }
    }
}
