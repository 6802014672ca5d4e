//! Webhooks, their pending and failed calls, and resending a call.

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_domain::call_response::CallResponse;
use countersign_domain::event::CallId;
use countersign_domain::service::Service;
use countersign_domain::sid::{ServiceSid, WebhookSid};
use countersign_domain::time::Instant;
use countersign_domain::webhook::{EventType, Webhook};
use countersign_domain::webhook_call::{Call, CallState};
use countersign_store::seam::{CallCounts, CallCursor, CallList};
use countersign_store::{Cursor, PageQuery, Side};
use countersign_verify::reports::{FailedCalls, FailedCallsCursor, MAX_RESENT};
use http::HeaderMap;
use uuid::Uuid;

use super::challenge::of_call;
use crate::error::PageError;
use crate::form::Form;
use crate::frame::{self, Frame, Section};
use crate::labels::{self, BAD, BUSY, CALM, GOOD, Tone};
use crate::paging::{self, Turn};
use crate::results::{self, FormResult};
use crate::session::{Operator, Posted};
use crate::state::{Console, SharedConsole, WebhookTestResult};
use crate::views::Timestamp;

/// Largest number of services on a page.
const MOST_SERVICES: u16 = 25;
/// Largest number of webhooks of a service that are shown.
const MOST_WEBHOOKS: u16 = 50;
/// Calls of a list on the page of all webhooks.
const FEW: usize = 5;
/// Calls of a list on the page of one webhook.
const MANY: usize = 25;

/// The words of the lists in forms, and in a query with the call behind which a page begins.
const FAILING: &str = "failing";
const GIVEN_UP: &str = "given-up";
/// Suffix of the query parameter whose value is the call before which a page ends, as in `failing-before`.
const BEFORE: &str = "-before";

/// A failed call.
struct Row {
    id: String,
    event: String,
    happened: Timestamp,
    words: String,
    challenge: Option<String>,
    can_be_resent: bool,
    /// The application's response to the last try.
    response: Option<CallResponse>,
}

/// A page of a list of calls.
struct List {
    title: &'static str,
    /// For screen readers that read only the names of buttons.
    kind: &'static str,
    /// The word of the list in a form.
    word: &'static str,
    /// The events of its calls on the page.
    events: Vec<String>,
    count: u64,
    calls: Vec<Row>,
    /// Paths of the list's neighbouring pages.
    previous: Option<String>,
    next: Option<String>,
}

/// A webhook and its calls.
struct Card {
    sid: String,
    service: String,
    service_name: String,
    name: String,
    url: String,
    events: String,
    tone: Tone,
    state: String,
    backlog: Option<String>,
    lists: Vec<List>,
}

#[derive(Template)]
#[template(path = "webhooks.html")]
struct Webhooks {
    frame: Frame,
    cards: Vec<Card>,
    /// The only service that is shown, and its name.
    service: Option<(String, String)>,
    turn: Turn,
    /// Services with more webhooks: the query of the next page of each, and its name.
    more: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "webhook.html")]
struct One {
    frame: Frame,
    it: Card,
    /// The result of a test a moment ago.
    tested: Option<WebhookTestResult>,
}

/// The page of all webhooks, or of those of one service.
pub(crate) async fn show(
    State(console): State<SharedConsole>,
    operator: Operator,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let query = Form::of_query(query.as_deref())?;
    let frame = Frame::new(&console, Some(&operator), Section::Webhooks).telling(&query);
    let page = match query.given("service").map(super::sid::<ServiceSid>).transpose()? {
        Some(service) => of_service(&console, &operator, service, &query, frame).await?,
        None => of_all(&console, &operator, &query, frame).await?,
    };
    frame::ok(&page)
}

/// The webhooks of a service, page by page.
async fn of_service(
    console: &Console,
    operator: &Operator,
    service: ServiceSid,
    query: &Form,
    frame: Frame,
) -> Result<Webhooks, PageError> {
    let (verify, account) = (&console.verify, operator.account);
    let service = verify.service(account, service).await?;
    let page = PageQuery { size: MOST_WEBHOOKS, ..paging::asked(query)? };
    let webhooks = verify.webhooks(account, service.sid, page).await?;
    let mut cards = Vec::new();
    for webhook in &webhooks.items {
        cards.push(card(console, &service, webhook, FailedCallsCursor::default(), FEW).await?);
    }
    let path = format!("{}/webhooks?service={}&", console.base(), service.sid);
    Ok(Webhooks {
        frame,
        cards,
        service: Some((service.sid.to_string(), service.settings.friendly_name.to_string())),
        turn: Turn::of("webhooks", &path, &webhooks, |it| it.sid),
        more: Vec::new(),
    })
}

/// The webhooks of all services, some services on a page.
async fn of_all(
    console: &Console,
    operator: &Operator,
    query: &Form,
    frame: Frame,
) -> Result<Webhooks, PageError> {
    let (verify, account) = (&console.verify, operator.account);
    let page = PageQuery { size: MOST_SERVICES, ..paging::asked(query)? };
    let services = verify.services(account, page).await?;
    let (mut cards, mut more) = (Vec::new(), Vec::new());
    for service in &services.items {
        let page = PageQuery::first(MOST_WEBHOOKS);
        let webhooks = verify.webhooks(account, service.sid, page).await?;
        for webhook in &webhooks.items {
            cards.push(card(console, service, webhook, FailedCallsCursor::default(), FEW).await?);
        }
        if let Some(last) = webhooks.items.last().filter(|_| webhooks.has_next) {
            let name = service.settings.friendly_name.to_string();
            more.push((format!("service={}&after={}", service.sid, last.sid), name));
        }
    }
    let path = format!("{}/webhooks?", console.base());
    Ok(Webhooks {
        frame: if page.cursor.is_none() { frame.live("/webhooks", query) } else { frame },
        cards,
        service: None,
        turn: Turn::of("services", &path, &services, |it| it.sid),
        more,
    })
}

/// The page of one webhook, with all of its failing calls.
pub(crate) async fn one(
    State(console): State<SharedConsole>,
    operator: Operator,
    headers: HeaderMap,
    Path((service, webhook)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let query = Form::of_query(query.as_deref())?;
    let at = FailedCallsCursor {
        failing: cursor(&query, FAILING)?,
        given_up: cursor(&query, GIVEN_UP)?,
    };
    let (verify, account) = (&console.verify, operator.account);
    let service = verify.service(account, super::sid(&service)?).await?;
    let webhook = verify.webhook(account, service.sid, super::sid(&webhook)?).await?;
    let it = card(&console, &service, &webhook, at, MANY).await?;
    let tested = match results::kept(&headers, &operator, &console) {
        Some(FormResult::Webhook { sid, result }) if sid == it.sid => Some(result),
        _ => None,
    };
    let path = format!("/webhooks/{}/{}", service.sid, webhook.sid);
    let frame = Frame::new(&console, Some(&operator), Section::Webhooks).telling(&query);
    let is_first = at == FailedCallsCursor::default();
    let frame = if is_first { frame.live(&path, &query) } else { frame };
    frame::ok(&One { frame, it, tested })
}

async fn card(
    console: &Console,
    service: &Service,
    webhook: &Webhook,
    at: FailedCallsCursor,
    most: usize,
) -> Result<Card, PageError> {
    let (account, of) = (webhook.account, service.sid);
    let found = console.verify.failed_calls(account, of, webhook.sid, at, most + 1).await?;
    let FailedCalls { counts, failing, given_up } = found;
    let path = format!("{}/webhooks/{of}/{}", console.base(), webhook.sid);
    let list = |title, kind, count, name: &'static str, mut calls: Vec<Call>| {
        let at = if name == FAILING { at.failing } else { at.given_up };
        let side = at.map(|at| at.side);
        let is_cut = calls.len() > most;
        if is_cut && side == Some(Side::Before) {
            calls.remove(0);
        }
        calls.truncate(most);
        let mark = |call: &Call| format!("{}.{}", call.wake_at.as_micros(), call.id);
        let (first, last) = (calls.first(), calls.last());
        // The cursor of a page is a call that stood on the one beside it.
        let first = first.filter(|_| side == Some(Side::After) || side.is_some() && is_cut);
        let last = last.filter(|_| side == Some(Side::Before) || is_cut);
        let previous = first.map(|call| format!("{path}?{name}{BEFORE}={}", mark(call)));
        let next = last.map(|call| match most {
            FEW => path.clone(),
            _ => format!("{path}?{name}={}", mark(call)),
        });
        let mut events: Vec<_> = calls.iter().map(|call| call.event.clone()).collect();
        events.sort_unstable();
        events.dedup();
        let calls = calls.iter().map(row).collect();
        List { title, kind, word: name, events, count, calls, previous, next }
    };
    let lists = vec![
        list("Failed, and tried again", "tried again", counts.failing, FAILING, failing),
        list("Given up", "given up", counts.given_up, GIVEN_UP, given_up),
    ];
    let (tone, state) = state(webhook, &counts);
    let events: Vec<_> = webhook.event_types.iter().map(|event| event.as_str()).collect();
    Ok(Card {
        sid: webhook.sid.to_string(),
        service: of.to_string(),
        service_name: service.settings.friendly_name.to_string(),
        name: webhook.friendly_name.to_string(),
        url: webhook.url.as_str().to_owned(),
        events: events.join(", "),
        tone,
        state,
        backlog: backlog(&counts, console.now()),
        lists: lists.into_iter().filter(|list| list.count > 0).collect(),
    })
}

fn state(webhook: &Webhook, counts: &CallCounts) -> (Tone, String) {
    let (tone, state) = match counts {
        _ if !webhook.enabled => (CALM, "disabled"),
        CallCounts { failing: 1.., .. } => (BAD, "calls fail"),
        CallCounts { given_up: 1.., .. } => (BAD, "calls were given up"),
        CallCounts { waiting: 1.., .. } => (BUSY, "calls wait"),
        _ => (GOOD, "no call fails"),
    };
    (tone, state.to_owned())
}

/// Number and age of the pending calls.
fn backlog(counts: &CallCounts, now: Instant) -> Option<String> {
    let oldest = counts.oldest?;
    let wait = match counts.waiting {
        1 => "1 call waits".to_owned(),
        waiting => format!("{waiting} calls wait"),
    };
    let age = labels::span(now.since(oldest));
    let failing = match counts.failing {
        0 => "none of them after a failed try".to_owned(),
        failing => format!("{failing} of them after a failed try"),
    };
    Some(format!("{wait}, {failing}. The oldest is about an event {age} ago."))
}

fn row(call: &Call) -> Row {
    Row {
        id: call.id.to_string(),
        event: call.event.clone(),
        happened: Timestamp(call.happened_at),
        words: of_call(call),
        challenge: call.challenge.map(|sid| sid.to_string()),
        can_be_resent: matches!(call.state, CallState::Due | CallState::Failed),
        response: call.last_response.clone(),
    }
}

/// Resends a call.
pub(crate) async fn resend(
    State(console): State<SharedConsole>,
    Path((service, webhook, call)): Path<(String, String, String)>,
    Posted { operator, .. }: Posted,
) -> Result<Response, PageError> {
    let service: ServiceSid = super::sid(&service)?;
    let webhook: WebhookSid = super::sid(&webhook)?;
    let call = call_id(&call).ok_or(PageError::NotFound)?;
    console.verify.resend_call(operator.account, service, webhook, call).await?;
    Ok(frame::go(&console, &format!("/webhooks/{service}/{webhook}?done=resent")))
}

/// Resends the calls of a list, all or those of one event.
pub(crate) async fn resend_all(
    State(console): State<SharedConsole>,
    Path((service, webhook)): Path<(String, String)>,
    Posted { operator, form }: Posted,
) -> Result<Response, PageError> {
    let (service, webhook) = (super::sid(&service)?, super::sid(&webhook)?);
    let list = match form.text("list") {
        FAILING => CallList::Failing,
        GIVEN_UP => CallList::GivenUp,
        _ => return Err(PageError::NotFound),
    };
    let event = Some(form.text("event")).filter(|word| !word.is_empty());
    let event = event.map(super::sid::<EventType>).transpose()?;
    let resent =
        console.verify.resend_calls(operator.account, service, webhook, list, event).await?;
    let done = match resent {
        0 => "no-calls",
        MAX_RESENT => "some-resent",
        _ => "all-resent",
    };
    Ok(frame::go(&console, &format!("/webhooks/{service}/{webhook}?done={done}")))
}

/// The place of a list's page in a query.
fn cursor(query: &Form, name: &str) -> Result<Option<Cursor<CallCursor>>, PageError> {
    let at = |name: &str, side| {
        let text = query.given(name)?;
        Some(mark(text).map(|sid| Cursor { sid, side }).ok_or(PageError::NotFound))
    };
    let before = format!("{name}{BEFORE}");
    at(name, Side::After).or_else(|| at(&before, Side::Before)).transpose()
}

/// Parses the end of a list's page: an instant in microseconds, a dot, and a call.
fn mark(text: &str) -> Option<CallCursor> {
    let (micros, id) = text.split_once('.')?;
    Some(CallCursor { wake_at: Instant::from_micros(micros.parse().ok()?), id: call_id(id)? })
}

fn call_id(text: &str) -> Option<CallId> {
    Uuid::try_parse(text).ok().map(|id| CallId(id.into_bytes()))
}
