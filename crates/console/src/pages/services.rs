//! The services of the account.

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_domain::service::{Service, ServiceSettings};
use countersign_domain::sid::ServiceSid;
use countersign_domain::text::ServiceName;
use countersign_store::PageQuery;
use http::StatusCode;

use super::confirm::Confirm;
use crate::error::PageError;
use crate::fields::{Field, Refusal, Wrong};
use crate::form::Form;
use crate::frame::{self, Frame, Section};
use crate::paging::{self, Turn};
use crate::session::{Operator, Posted};
use crate::state::{Console, SharedConsole};
use crate::views::Timestamp;

/// Largest number of services and credentials to choose from.
pub(crate) const MOST: u16 = 1_000;

struct Row {
    sid: String,
    name: String,
    made: Timestamp,
}

#[derive(Template)]
#[template(path = "services.html")]
struct List {
    frame: Frame,
    services: Vec<Row>,
    turn: Turn,
    name: Field,
}

/// The list of services.
pub(crate) async fn list(
    State(console): State<SharedConsole>,
    operator: Operator,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let query = Form::of_query(query.as_deref())?;
    frame::ok(&list_with(&console, &operator, &query, "", None).await?)
}

async fn list_with(
    console: &Console,
    operator: &Operator,
    query: &Form,
    name: &str,
    wrong: Option<&Wrong>,
) -> Result<List, PageError> {
    let page = console.verify.services(operator.account, paging::asked(query)?).await?;
    let path = format!("{}/services?", console.base());
    let row = |service: &Service| Row {
        sid: service.sid.to_string(),
        name: service.settings.friendly_name.to_string(),
        made: Timestamp(service.created_at),
    };
    let hint = "People see it when they are asked.";
    let field = Field::text("FriendlyName", "Name of the new service", name).hint(hint);
    let field = field.judged(wrong);
    let frame = Frame::new(console, Some(operator), Section::Services).telling(query);
    Ok(List {
        frame: frame.refusing(wrong, std::slice::from_ref(&field)),
        services: page.items.iter().map(row).collect(),
        turn: Turn::of("services", &path, &page, |it| it.sid),
        name: field,
    })
}

/// Creates a service.
pub(crate) async fn create(
    State(console): State<SharedConsole>,
    Posted { operator, form }: Posted,
) -> Result<Response, PageError> {
    match make(&console, &operator, &form).await {
        Ok(sid) => Ok(frame::go(&console, &format!("/services/{sid}?done=service-made"))),
        Err(refusal) => {
            let (wrong, given) = (refusal.wrong()?, form.text("FriendlyName"));
            let page = list_with(&console, &operator, &form, given, Some(&wrong)).await?;
            frame::page(StatusCode::BAD_REQUEST, &page)
        }
    }
}

async fn make(console: &Console, operator: &Operator, form: &Form) -> Result<ServiceSid, Refusal> {
    let name = form.read("FriendlyName", ServiceName::written)?;
    let settings = ServiceSettings::named(name);
    Ok(console.verify.create_service(operator.account, settings).await?.sid)
}

/// Asks before a service is deleted.
pub(crate) async fn ask_delete(
    State(console): State<SharedConsole>,
    operator: Operator,
    Path(sid): Path<String>,
) -> Result<Response, PageError> {
    let sid: ServiceSid = super::sid(&sid)?;
    let (verify, account) = (&console.verify, operator.account);
    let service = verify.service(account, sid).await?;
    let people = verify.entities(account, sid, PageQuery::first(MOST)).await?;
    let webhooks = verify.webhooks(account, sid, PageQuery::first(MOST)).await?;
    let people = counted(people.items.len(), people.has_next, "person", "people");
    let webhooks = counted(webhooks.items.len(), webhooks.has_next, "webhook", "webhooks");
    let name = service.settings.friendly_name.to_string();
    let words = ("Delete the service", "Delete the service");
    Confirm::new(&console, &operator, Section::Services, words, name)
        .says([
            format!("It has {people}: they go with all of their devices and challenges."),
            format!("It has {webhooks}: calls that wait are not made any more."),
            "Applications that use it get a 404 from now on, and no webhook is told.".to_owned(),
        ])
        .between(format!("/services/{sid}/delete"), format!("/services/{sid}"))
}

/// A number of things, of which there may be more than were read.
fn counted(count: usize, has_more: bool, one: &str, many: &str) -> String {
    match count {
        0 => format!("no {many}"),
        1 => format!("1 {one}"),
        _ if has_more => format!("more than {count} {many}"),
        _ => format!("{count} {many}"),
    }
}

/// Deletes a service.
pub(crate) async fn delete(
    State(console): State<SharedConsole>,
    Path(sid): Path<String>,
    Posted { operator, .. }: Posted,
) -> Result<Response, PageError> {
    console.verify.delete_service(operator.account, super::sid(&sid)?).await?;
    Ok(frame::go(&console, "/services?done=service-deleted"))
}
