//! Webhooks, the calls that fail, and making one again.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use countersign_domain::event::CallId;
use countersign_domain::sid::{ServiceSid, WebhookSid};
use countersign_domain::webhook_call::{Call, CallState};
use countersign_store::PageQuery;

use super::challenge::of_call;
use super::services::MOST;
use crate::fault::Fault;
use crate::form::Form;
use crate::frame::{self, Frame, Here};
use crate::session::{Operator, Posted};
use crate::state::Shared;
use crate::views::Stamp;

/// Webhooks of one service that are shown.
const MOST_WEBHOOKS: u16 = 50;

struct Failed {
    id: String,
    happened: Stamp,
    words: String,
    challenge: Option<String>,
    can_be_resent: bool,
}

struct Row {
    sid: String,
    service: String,
    service_name: String,
    name: String,
    url: String,
    enabled: bool,
    events: String,
    failed: Vec<Failed>,
}

#[derive(Template)]
#[template(path = "webhooks.html")]
struct Webhooks {
    frame: Frame,
    webhooks: Vec<Row>,
    resent: bool,
}

/// The page.
pub(crate) async fn show(
    State(console): State<Shared>,
    operator: Operator,
    axum::extract::RawQuery(query): axum::extract::RawQuery,
) -> Result<Response, Fault> {
    let resent = Form::of_query(query.as_deref())?.given("resent").is_some();
    let (verify, account) = (&console.verify, operator.account);
    let mut rows = Vec::new();
    for service in verify.services(account, PageQuery::first(MOST)).await?.items {
        let page = PageQuery::first(MOST_WEBHOOKS);
        for webhook in verify.webhooks(account, service.sid, page).await?.items {
            let failed = verify.failed_calls(account, service.sid, webhook.sid).await?;
            let events: Vec<_> = webhook.event_types.iter().map(|event| event.as_str()).collect();
            rows.push(Row {
                sid: webhook.sid.to_string(),
                service: service.sid.to_string(),
                service_name: service.settings.friendly_name.to_string(),
                name: webhook.friendly_name.to_string(),
                url: webhook.url.as_str().to_owned(),
                enabled: webhook.enabled,
                events: events.join(", "),
                failed: failed.iter().map(failed_call).collect(),
            });
        }
    }
    frame::ok(&Webhooks {
        frame: Frame::new(&console, Some(&operator), Here::Webhooks).live(),
        webhooks: rows,
        resent,
    })
}

fn failed_call(call: &Call) -> Failed {
    Failed {
        id: call.id.to_string(),
        happened: Stamp(call.happened_at),
        words: of_call(call),
        challenge: call.challenge.map(|sid| sid.to_string()),
        can_be_resent: matches!(call.state, CallState::Due | CallState::Failed),
    }
}

/// Makes a call again.
pub(crate) async fn resend(
    State(console): State<Shared>,
    Path((service, webhook, call)): Path<(String, String, String)>,
    Posted { operator, .. }: Posted,
) -> Result<Response, Fault> {
    let service: ServiceSid = super::sid(&service)?;
    let webhook: WebhookSid = super::sid(&webhook)?;
    let call = call_id(&call).ok_or(Fault::NotFound)?;
    console.verify.resend_call(operator.account, service, webhook, call).await?;
    Ok(frame::go(&console, "/webhooks?resent=yes"))
}

/// Reads a UUID back.
fn call_id(text: &str) -> Option<CallId> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    if digits.len() != 32 || !digits.bytes().all(|c| c.is_ascii_hexdigit()) {
        return None;
    }
    u128::from_str_radix(&digits, 16).ok().map(|number| CallId(number.to_be_bytes()))
}
