//! Results that are shown by the page after a form: in a cookie that only pages of the same session can read, so that the page
//! can be loaded again on any node.

use std::time::Duration;

use axum::response::Response;
use countersign_domain::secret::Secret;
use countersign_domain::time::Instant;
use http::HeaderMap;
use serde::{Deserialize, Serialize};

use crate::session::{self, Operator};
use crate::state::{Console, TestResult, WebhookTestResult};

/// The cookie. A newer result replaces the older one.
const RESULT: &str = "countersign_result";
/// How long a result can be shown.
const VALIDITY: Duration = Duration::from_secs(5 * 60);
/// Browsers keep cookies of at most 4,096 bytes, name and attributes included.
const LONGEST: usize = 3_600;

/// A result.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum FormResult {
    /// Of the test of a push credential.
    Credential { sid: String, app_id: String, tried: Result<TestResult, String> },
    /// A new API key, with its secret.
    ApiKey { sid: String, name: String, secret: String },
    /// A new secret of an integration.
    Integration { sid: String, secret: String },
    /// A link that signs an operator in.
    OperatorLink { sid: String, link: String, until: i64 },
    /// Of the test of a webhook.
    Webhook { sid: String, result: WebhookTestResult },
}

#[derive(Serialize, Deserialize)]
struct Content {
    until: i64,
    result: FormResult,
}

/// Keeps a result for the next page. One that is too long for a cookie is not kept.
pub(crate) fn keep(
    response: &mut Response,
    result: FormResult,
    operator: &Operator,
    console: &Console,
) {
    let until = (console.now() + VALIDITY).as_micros();
    let Ok(text) = serde_json::to_string(&Content { until, result }) else { return };
    let sealed = console.verify.seal_for_session(operator.session.id, &Secret::new(text));
    if sealed.expose().len() <= LONGEST {
        let seconds = Some(VALIDITY.as_secs());
        session::set(response, RESULT, sealed.expose(), seconds, console);
    }
}

/// The result that the browser keeps, if it belongs to this session.
pub(crate) fn kept(
    headers: &HeaderMap,
    operator: &Operator,
    console: &Console,
) -> Option<FormResult> {
    let text = session::cookie(headers, RESULT)?;
    let text = console.verify.open_for_session(operator.session.id, text)?;
    let content: Content = serde_json::from_str(text.expose()).ok()?;
    (console.now() < Instant::from_micros(content.until)).then_some(content.result)
}
