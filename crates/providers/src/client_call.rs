//! Calls the client of a question that has ended: a ping of CIBA (CIBA Core section 10.2), or the answer for Keycloak. One request
//! through the guard, with the client's own bearer token.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_domain::backchannel::{BackchannelRequest, Ended};
use countersign_domain::call_response::CallResponse;
use countersign_domain::invalid::Invalid;
use countersign_domain::webhook_call::CallOutcome;
use countersign_domain::world::Clock;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use tokio::time::Instant;
use url::Url;

use crate::call_error::CallError;
use crate::exchange::{HttpResponse, exchange};
use crate::guard::{CallTimeouts, Guard, guard_error};
use crate::outgoing::Outgoing;
use crate::source::{ClientCalls, OpenedClientCall};

/// How long a call may take in total.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(5);

/// Calls clients.
#[async_trait]
pub trait ClientCaller: Send + Sync {
    /// Makes a call once. A client that is gone has taken it.
    async fn call(&self, request: &BackchannelRequest, ended: Ended) -> CallOutcome;
}

/// Calls clients over the network.
pub struct ClientCallClient {
    guard: Guard,
    calls: Arc<dyn ClientCalls>,
    clock: Arc<dyn Clock>,
}

impl ClientCallClient {
    /// A client that calls through a guard of its own.
    ///
    /// # Errors
    /// The settings for outgoing calls cannot be used.
    pub fn new(
        outgoing: &Outgoing,
        calls: Arc<dyn ClientCalls>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Invalid> {
        let guard =
            Guard::new(outgoing, CallTimeouts { connect: TOTAL_TIMEOUT, total: TOTAL_TIMEOUT })?;
        Ok(Self { guard, calls, clock })
    }

    async fn attempt(
        &self,
        request: &BackchannelRequest,
        ended: Ended,
    ) -> Result<CallOutcome, String> {
        let call = self.calls.client_call(request).await.map_err(|why| why.to_string())?;
        let Some(call) = call else { return Ok(CallOutcome::Taken(204)) };
        let url = Url::parse(&call.url).map_err(|_| "the URL cannot be read".to_owned())?;
        let sent = self.guard.request(Method::POST, &url).map_err(|why| why.to_string())?;
        let began = Instant::now();
        let prepared = self.guard.prepare(request.account, &url).await;
        prepared.map_err(|why| format!("no connection: {why}"))?;
        let sent = sent
            .timeout(TOTAL_TIMEOUT.saturating_sub(began.elapsed()))
            .header(CONTENT_TYPE, "application/json")
            .bearer_auth(call.bearer.expose())
            .body(body(&call, ended).to_string());
        match exchange(sent, &*self.clock).await {
            Ok(response) => Ok(outcome(&response)),
            Err(error) => Err(match guard_error(&error) {
                Some(why) => why.to_string(),
                None => CallError::new(&error).text,
            }),
        }
    }
}

#[async_trait]
impl ClientCaller for ClientCallClient {
    async fn call(&self, request: &BackchannelRequest, ended: Ended) -> CallOutcome {
        self.attempt(request, ended).await.unwrap_or_else(CallOutcome::Unanswered)
    }
}

/// A client that fetches the answer is told its name; Keycloak is told the answer.
fn body(call: &OpenedClientCall, ended: Ended) -> Value {
    match &call.handle {
        Some(handle) => json!({ "auth_req_id": handle.expose() }),
        None => json!({"status": match ended {
            Ended::Approved => "SUCCEED",
            Ended::Denied => "CANCELLED",
            Ended::Failed => "UNAUTHORIZED",
        }}),
    }
}

/// The outcome that a response stands for. Bodies are not kept, since they could repeat the token.
fn outcome(response: &HttpResponse) -> CallOutcome {
    match response.status {
        status @ 200..=299 => CallOutcome::Taken(status),
        status => CallOutcome::Refused(CallResponse::bare(status)),
    }
}

#[cfg(test)]
mod tests {
    use countersign_domain::secret::Secret;

    use super::*;

    fn call(handle: Option<&str>) -> OpenedClientCall {
        OpenedClientCall {
            url: String::new(),
            bearer: Secret::new("token"),
            handle: handle.map(Secret::new),
        }
    }

    #[test]
    fn a_ping_names_the_question_and_keycloak_is_told_the_answer() {
        assert_eq!(body(&call(Some("x")), Ended::Denied), json!({"auth_req_id": "x"}));
        let keycloak = [Ended::Approved, Ended::Denied, Ended::Failed]
            .map(|ended| body(&call(None), ended)["status"].clone());
        assert_eq!(keycloak, ["SUCCEED", "CANCELLED", "UNAUTHORIZED"]);
    }

    #[test]
    fn only_a_success_is_taken() {
        let of = |status| outcome(&HttpResponse { status, ..HttpResponse::default() });
        assert_eq!(of(204), CallOutcome::Taken(204));
        for status in [302, 400, 401, 500] {
            assert!(matches!(of(status), CallOutcome::Refused(_)), "{status}");
        }
    }
}
