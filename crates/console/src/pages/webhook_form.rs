//! Making, changing, testing and deleting a webhook, and its secret.

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_domain::service::Service;
use countersign_domain::sid::{ServiceSid, WebhookSid};
use countersign_domain::text::FriendlyName;
use countersign_domain::webhook::{EventType, Webhook, WebhookUrl, WebhookVersion};
use countersign_store::PageQuery;
use countersign_verify::reports::FailedCallsCursor;
use countersign_verify::webhooks::NewWebhook;
use http::StatusCode;

use super::confirm::Confirm;
use super::services::MOST;
use crate::error::PageError;
use crate::fields::{Field, Refusal, Wrong};
use crate::form::Form;
use crate::frame::{self, Frame, Section};
use crate::results::{self, FormResult};
use crate::session::{Operator, Posted};
use crate::state::{Console, SharedConsole};
use crate::views::isolated;

/// The events, each with its name on the page.
const EVENTS: [(EventType, &str); 11] = [
    (EventType::All, "all of Twilio’s events, which are the next five"),
    (EventType::FactorCreated, "a device was made"),
    (EventType::FactorVerified, "a device proved its key"),
    (EventType::FactorDeleted, "a device was removed"),
    (EventType::ChallengeApproved, "a challenge was approved"),
    (EventType::ChallengeDenied, "a challenge was denied"),
    (EventType::ChallengeExpired, "a challenge was not answered in time"),
    (EventType::ChallengeReported, "a person reported a challenge: “It was not me”"),
    (EventType::NotificationDelivered, "a device has a push"),
    (EventType::NotificationFailed, "a push cannot be delivered"),
    (EventType::NotificationExpired, "a push was not delivered in time"),
];

#[derive(Template)]
#[template(path = "webhook_form.html")]
struct WebhookForm {
    frame: Frame,
    path: String,
    back: String,
    /// The name of the webhook that is changed; empty for a new one.
    name: String,
    fields: Vec<Field>,
    has_service: bool,
}

#[derive(Template)]
#[template(path = "webhook_secret.html")]
struct WebhookSecret {
    frame: Frame,
    back: String,
    name: String,
    secret: String,
}

/// A webhook, by the SIDs in its path.
async fn found(
    console: &Console,
    operator: &Operator,
    (service, webhook): &(String, String),
) -> Result<Webhook, PageError> {
    let (service, webhook) = (super::sid(service)?, super::sid(webhook)?);
    Ok(console.verify.webhook(operator.account, service, webhook).await?)
}

/// The path of a webhook's page.
fn path_of(webhook: &Webhook) -> String {
    format!("/webhooks/{}/{}", webhook.service, webhook.sid)
}

/// The form of a new webhook.
pub(crate) async fn show_new(
    State(console): State<SharedConsole>,
    operator: Operator,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let query = Form::of_query(query.as_deref())?;
    frame::ok(&page(&console, &operator, None, &query, None).await?)
}

/// The form that changes a webhook.
pub(crate) async fn show(
    State(console): State<SharedConsole>,
    operator: Operator,
    Path(at): Path<(String, String)>,
) -> Result<Response, PageError> {
    let webhook = found(&console, &operator, &at).await?;
    frame::ok(&page(&console, &operator, Some(&webhook), &Form::empty(), None).await?)
}

/// Creates a webhook.
pub(crate) async fn create(
    State(console): State<SharedConsole>,
    Posted { operator, form }: Posted,
) -> Result<Response, PageError> {
    match make(&console, &operator, &form).await {
        Ok(webhook) => Ok(frame::go(&console, &format!("{}?done=webhook-made", path_of(&webhook)))),
        Err(refusal) => {
            let wrong = refusal.wrong()?;
            let page = page(&console, &operator, None, &form, Some(&wrong)).await?;
            frame::page(StatusCode::BAD_REQUEST, &page)
        }
    }
}

async fn make(console: &Console, operator: &Operator, form: &Form) -> Result<Webhook, Refusal> {
    let service: ServiceSid = super::sid(form.text("service"))?;
    let new = read(form)?;
    Ok(console.verify.create_webhook(operator.account, service, new).await?)
}

/// Changes a webhook.
pub(crate) async fn update(
    State(console): State<SharedConsole>,
    Path(at): Path<(String, String)>,
    Posted { operator, form }: Posted,
) -> Result<Response, PageError> {
    let webhook = found(&console, &operator, &at).await?;
    match change(&console, &operator, &webhook, &form).await {
        Ok(()) => Ok(frame::go(&console, &format!("{}?done=webhook-saved", path_of(&webhook)))),
        Err(refusal) => {
            let wrong = refusal.wrong()?;
            let page = page(&console, &operator, Some(&webhook), &form, Some(&wrong)).await?;
            frame::page(StatusCode::BAD_REQUEST, &page)
        }
    }
}

async fn change(
    console: &Console,
    operator: &Operator,
    webhook: &Webhook,
    form: &Form,
) -> Result<(), Refusal> {
    let new = read(form)?;
    let edit = |webhook: &mut Webhook| {
        let NewWebhook { friendly_name, event_types, url, enabled, version } = new.clone();
        *webhook = Webhook { friendly_name, event_types, url, enabled, version, ..webhook.clone() };
        Ok(())
    };
    let Webhook { service, sid, .. } = *webhook;
    console.verify.update_webhook::<Refusal>(operator.account, service, sid, edit).await?;
    Ok(())
}

fn read(form: &Form) -> Result<NewWebhook, Refusal> {
    let mut event_types: Vec<EventType> = Vec::new();
    for word in form.all("EventTypes") {
        let event = word.parse().map_err(|why| Refusal::field("EventTypes", &why))?;
        if !event_types.contains(&event) {
            event_types.push(event);
        }
    }
    let new = NewWebhook {
        friendly_name: form.read("FriendlyName", FriendlyName::written)?,
        url: form.read("WebhookUrl", WebhookUrl::parse)?,
        enabled: form.text("Status") != "disabled",
        version: form.read_given("Version", str::parse)?.unwrap_or(WebhookVersion::V2),
        event_types,
    };
    if new.event_types.is_empty() {
        return Err(Refusal::field("EventTypes", "must be at least one"));
    }
    Ok(new)
}

async fn page(
    console: &Console,
    operator: &Operator,
    old: Option<&Webhook>,
    form: &Form,
    wrong: Option<&Wrong>,
) -> Result<WebhookForm, PageError> {
    let services = match old {
        Some(_) => Vec::new(),
        None => console.verify.services(operator.account, PageQuery::first(MOST)).await?.items,
    };
    let mut fields = fields(old, form);
    if old.is_none() {
        let choice = |service: &Service| {
            let name = isolated(service.settings.friendly_name.as_str());
            (service.sid.to_string(), format!("{name} ({})", service.sid))
        };
        let choices = services.iter().map(choice).collect();
        fields.insert(0, Field::text("service", "Service", form.text("service")).choose(choices));
    }
    let fields: Vec<_> = fields.into_iter().map(|field| field.judged(wrong)).collect();
    let path = old.map_or_else(|| "/webhooks".to_owned(), path_of);
    Ok(WebhookForm {
        frame: Frame::new(console, Some(operator), Section::Webhooks).refusing(wrong, &fields),
        back: path.clone(),
        path: if old.is_some() { format!("{path}/edit") } else { path },
        name: old.map(|old| old.friendly_name.to_string()).unwrap_or_default(),
        fields,
        has_service: old.is_some() || !services.is_empty(),
    })
}

/// The fields, with what was sent or what is stored.
fn fields(old: Option<&Webhook>, form: &Form) -> Vec<Field> {
    let text = |name: &str, stored: &dyn Fn(&Webhook) -> String| {
        form.given(name).map_or_else(|| old.map(stored).unwrap_or_default(), str::to_owned)
    };
    let sent: Vec<&str> = form.all("EventTypes").collect();
    let stored: Vec<&str> =
        old.iter().flat_map(|old| &old.event_types).map(|it| it.as_str()).collect();
    let ticked = if form.given("FriendlyName").is_some() { sent } else { stored };
    let names: Vec<_> = EVENTS
        .iter()
        .map(|(event, name)| (event.as_str(), format!("{}: {name}", event.as_str())))
        .collect();
    let events = names.iter().map(|(event, name)| (*event, name.as_str()));
    let status = |it: &Webhook| if it.enabled { "enabled" } else { "disabled" }.to_owned();
    let version = text("Version", &|it| it.version.as_str().to_owned());
    let version = if version.is_empty() { "v2".to_owned() } else { version };
    vec![
        Field::text(
            "FriendlyName",
            "Name",
            text("FriendlyName", &|it| it.friendly_name.to_string()),
        )
        .hint("For operators only."),
        Field::text("WebhookUrl", "URL", text("WebhookUrl", &|it| it.url.as_str().to_owned()))
            .hint("An absolute http or https URL of the application. It gets a signed POST."),
        Field::ticks("EventTypes", "Events", events, &ticked),
        Field::text("Version", "Version of the body", version)
            .choose_of(&[("v2", "2, with the details of the challenge"), ("v1", "1, short")]),
        Field::text("Status", "Status", text("Status", &status))
            .choose_of(&[("enabled", "enabled"), ("disabled", "disabled: it is not called")]),
    ]
}

/// Shows the secret that signs a webhook's calls.
pub(crate) async fn secret(
    State(console): State<SharedConsole>,
    operator: Operator,
    Path(at): Path<(String, String)>,
) -> Result<Response, PageError> {
    let webhook = found(&console, &operator, &at).await?;
    let Webhook { service, sid, .. } = webhook;
    let secret = console.verify.webhook_secret(operator.account, service, sid).await?;
    frame::ok(&WebhookSecret {
        frame: Frame::new(&console, Some(&operator), Section::Webhooks),
        back: path_of(&webhook),
        name: webhook.friendly_name.to_string(),
        secret: secret.expose().to_owned(),
    })
}

/// Calls a webhook once with a test event. The page that follows shows the result.
pub(crate) async fn test(
    State(console): State<SharedConsole>,
    Path(at): Path<(String, String)>,
    Posted { operator, .. }: Posted,
) -> Result<Response, PageError> {
    let webhook = found(&console, &operator, &at).await?;
    let result = console.webhook_tester.try_webhook(&webhook).await;
    let result = FormResult::Webhook { sid: webhook.sid.to_string(), result };
    let mut response = frame::go(&console, &format!("{}?done=tested", path_of(&webhook)));
    results::keep(&mut response, result, &operator, &console);
    Ok(response)
}

/// Asks before a webhook is deleted.
pub(crate) async fn ask_delete(
    State(console): State<SharedConsole>,
    operator: Operator,
    Path(at): Path<(String, String)>,
) -> Result<Response, PageError> {
    let webhook = found(&console, &operator, &at).await?;
    let Webhook { service, sid, .. } = webhook;
    let after = FailedCallsCursor::default();
    let calls = console.verify.failed_calls(operator.account, service, sid, after, 1).await?;
    let waiting = match calls.counts.waiting {
        0 => "No call waits.".to_owned(),
        1 => "1 call waits, and is not made any more.".to_owned(),
        waiting => format!("{waiting} calls wait, and are not made any more."),
    };
    let words = ("Delete the webhook", "Delete the webhook");
    let (name, path) = (webhook.friendly_name.to_string(), path_of(&webhook));
    Confirm::new(&console, &operator, Section::Webhooks, words, name)
        .says([
            waiting,
            "Its earlier calls stay on the pages of the challenges.".to_owned(),
            "A webhook that is made later has another secret.".to_owned(),
        ])
        .between(format!("{path}/delete"), path)
}

/// Deletes a webhook.
pub(crate) async fn delete(
    State(console): State<SharedConsole>,
    Path((service, webhook)): Path<(String, String)>,
    Posted { operator, .. }: Posted,
) -> Result<Response, PageError> {
    let (service, webhook): (ServiceSid, WebhookSid) =
        (super::sid(&service)?, super::sid(&webhook)?);
    console.verify.delete_webhook(operator.account, service, webhook).await?;
    Ok(frame::go(&console, "/webhooks?done=webhook-deleted"))
}
