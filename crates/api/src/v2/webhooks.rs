//! Webhooks (Twilio documentation).

use axum::extract::State;
use countersign_domain::invalid::Invalid;
use countersign_domain::sid::{AccountSid, ServiceSid, WebhookSid};
use countersign_domain::text::FriendlyName;
use countersign_domain::time::Instant;
use countersign_domain::webhook::{EventType, Webhook, WebhookUrl, WebhookVersion};
use countersign_store::Order;
use countersign_verify::webhooks::NewWebhook;
use serde::Serialize;

use crate::auth::Application;
use crate::body::{Form, Query};
use crate::error::ApiError;
use crate::paging::Paging;
use crate::params::Params;
use crate::paths::PathParams;
use crate::reply::{self, ApiResult};
use crate::rows;
use crate::state::SharedState;
use crate::urls::PublicUrl;

pub(crate) async fn create(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((service,)): PathParams<(ServiceSid,)>,
    form: Form,
) -> ApiResult {
    let new = read_new(&form.params(&rows::PARAMETER)?)?;
    let webhook = state.verify.create_webhook(account, service, new).await?;
    reply::created(&WebhookView::of(&webhook, &state.public_url))
}

pub(crate) async fn fetch(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((service, sid)): PathParams<(ServiceSid, WebhookSid)>,
) -> ApiResult {
    let webhook = state.verify.webhook(account, service, sid).await?;
    reply::ok(&WebhookView::of(&webhook, &state.public_url))
}

pub(crate) async fn list(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((service,)): PathParams<(ServiceSid,)>,
    query: Query,
) -> ApiResult {
    let paging = Paging::read(&query, &query.params()?, Order::Ascending, &[])?;
    let page = state.verify.webhooks(account, service, paging.query).await?;
    let base = &state.public_url;
    paging.reply(base, "webhooks", &page, |webhook| webhook.sid, |it| WebhookView::of(it, base))
}

pub(crate) async fn update(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((service, sid)): PathParams<(ServiceSid, WebhookSid)>,
    form: Form,
) -> ApiResult {
    let params = form.params(&rows::PARAMETER)?;
    let edit = |webhook: &mut Webhook| apply(&params, webhook);
    let webhook = state.verify.update_webhook::<ApiError>(account, service, sid, edit).await?;
    reply::ok(&WebhookView::of(&webhook, &state.public_url))
}

pub(crate) async fn secret(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((service, sid)): PathParams<(ServiceSid, WebhookSid)>,
) -> ApiResult {
    let secret = state.verify.webhook_secret(account, service, sid).await?;
    reply::ok(&SecretView { sid, secret: secret.expose() })
}

pub(crate) async fn delete(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((service, sid)): PathParams<(ServiceSid, WebhookSid)>,
) -> ApiResult {
    state.verify.delete_webhook(account, service, sid).await?;
    reply::gone()
}

fn read_new(params: &Params<'_>) -> Result<NewWebhook, ApiError> {
    Ok(NewWebhook {
        friendly_name: params.required("FriendlyName", FriendlyName::written)?,
        event_types: event_types(params)?.ok_or_else(|| params.missing("EventTypes"))?,
        url: params.required("WebhookUrl", WebhookUrl::parse)?,
        enabled: params.optional("Status", status)?.unwrap_or(true),
        version: params.optional("Version", str::parse)?.unwrap_or(WebhookVersion::V2),
    })
}

fn apply(params: &Params<'_>, webhook: &mut Webhook) -> Result<(), ApiError> {
    if let Some(name) = params.optional("FriendlyName", FriendlyName::written)? {
        webhook.friendly_name = name;
    }
    if let Some(event_types) = event_types(params)? {
        webhook.event_types = event_types;
    }
    if let Some(url) = params.optional("WebhookUrl", WebhookUrl::parse)? {
        webhook.url = url;
    }
    if let Some(enabled) = params.optional("Status", status)? {
        webhook.enabled = enabled;
    }
    if let Some(version) = params.optional("Version", str::parse)? {
        webhook.version = version;
    }
    Ok(())
}

/// Distinct events in the given order; `None` if none is given.
fn event_types(params: &Params<'_>) -> Result<Option<Vec<EventType>>, ApiError> {
    let mut events = Vec::new();
    for text in params.all("EventTypes") {
        let event = text.parse().map_err(|why| params.bad("EventTypes", why))?;
        if !events.contains(&event) {
            events.push(event);
        }
    }
    Ok((!events.is_empty()).then_some(events))
}

fn status(text: &str) -> Result<bool, Invalid> {
    match text {
        "enabled" => Ok(true),
        "disabled" => Ok(false),
        _ => Err(Invalid::because("must be enabled or disabled")),
    }
}

#[derive(Serialize)]
struct SecretView<'a> {
    sid: WebhookSid,
    secret: &'a str,
}

#[derive(Serialize)]
struct WebhookView<'a> {
    sid: WebhookSid,
    account_sid: AccountSid,
    service_sid: ServiceSid,
    friendly_name: &'a FriendlyName,
    event_types: Vec<&'static str>,
    webhook_method: &'static str,
    webhook_url: &'a str,
    status: &'static str,
    version: &'static str,
    date_created: Instant,
    date_updated: Instant,
    url: String,
}

impl<'a> WebhookView<'a> {
    fn of(webhook: &'a Webhook, base: &PublicUrl) -> Self {
        Self {
            sid: webhook.sid,
            account_sid: webhook.account,
            service_sid: webhook.service,
            friendly_name: &webhook.friendly_name,
            event_types: webhook.event_types.iter().map(|event| event.as_str()).collect(),
            webhook_method: "POST",
            webhook_url: webhook.url.as_str(),
            status: if webhook.enabled { "enabled" } else { "disabled" },
            version: webhook.version.as_str(),
            date_created: webhook.created_at,
            date_updated: webhook.updated_at,
            url: format!("{}/Webhooks/{}", base.service(webhook.service), webhook.sid),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::tests::{at, base, owner};

    const GOOD: &str = "FriendlyName=name&WebhookUrl=https://owlbank.example.com/hook\
                        &EventTypes=factor.deleted&EventTypes=factor.verified";

    fn read(form: &str) -> Result<NewWebhook, ApiError> {
        read_new(&Params::parse(form.as_bytes(), &rows::PARAMETER)?)
    }

    #[rstest]
    #[case("WebhookUrl=https://a.example&EventTypes=*", 20001)]
    #[case("FriendlyName=a&WebhookUrl=https://a.example", 20001)]
    #[case("FriendlyName=a&EventTypes=*", 20001)]
    #[case("FriendlyName=a&WebhookUrl=https://a.example&EventTypes=factor.eaten", 60306)]
    #[case("FriendlyName=a&WebhookUrl=https://u:p@a.example&EventTypes=*", 60306)]
    #[case("FriendlyName=a&WebhookUrl=a.example&EventTypes=*", 60306)]
    #[case("FriendlyName=a&WebhookUrl=https://a.example&EventTypes=*&Status=on", 60306)]
    #[case("FriendlyName=a&WebhookUrl=https://a.example&EventTypes=*&Version=v3", 60306)]
    fn rejects(#[case] form: &str, #[case] code: u32) {
        assert_eq!(read(form).expect_err(form).code_and_text().0, code);
    }

    #[test]
    fn looks_as_documented() {
        let NewWebhook { friendly_name, event_types, url, enabled, version } =
            read(GOOD).expect("a form");
        let webhook = Webhook {
            sid: "YW00000000000000000000000000000001".parse().expect("a SID"),
            account: owner().account,
            service: owner().service,
            friendly_name,
            event_types,
            url,
            enabled,
            version,
            created_at: at(),
            updated_at: at(),
        };
        insta::assert_json_snapshot!(WebhookView::of(&webhook, &base()));
    }
}
