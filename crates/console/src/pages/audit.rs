//! The audit trail.

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use countersign_domain::audit::AuditEntry;
use countersign_domain::sid::AuditSid;
use countersign_store::{Cursor, Order, PageQuery, Side};

use crate::error::PageError;
use crate::form::Form;
use crate::frame::{self, Frame, Section};
use crate::session::Operator;
use crate::state::SharedConsole;
use crate::views::Timestamp;

/// Entries of a page.
const MOST: u16 = 50;

struct Row {
    at: Timestamp,
    actor: String,
    event: String,
    subject: String,
    address: String,
    refusal: Option<String>,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct Audit {
    frame: Frame,
    entries: Vec<Row>,
    /// Whether this is not the first page.
    is_older: bool,
    /// The entry behind which the next page begins.
    next: Option<String>,
}

fn row(entry: &AuditEntry) -> Row {
    Row {
        at: Timestamp(entry.at),
        actor: entry.actor.clone(),
        event: entry.event.clone(),
        subject: entry.subject.clone().unwrap_or_default(),
        address: entry.address.map(|it| it.to_canonical().to_string()).unwrap_or_default(),
        refusal: entry.refusal.clone(),
    }
}

/// The page: the newest entries, or those before an entry.
pub(crate) async fn show(
    State(console): State<SharedConsole>,
    operator: Operator,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let query = Form::of_query(query.as_deref())?;
    let before: Option<AuditSid> = query.given("before").map(super::sid).transpose()?;
    let cursor = before.map(|sid| Cursor { sid, side: Side::After });
    let page = PageQuery { size: MOST, order: Order::Descending, cursor };
    let page = console.verify.audit_entries(operator.account, page).await?;
    let last = page.items.last().filter(|_| page.has_next);
    frame::ok(&Audit {
        frame: Frame::new(&console, Some(&operator), Section::Audit),
        entries: page.items.iter().map(row).collect(),
        is_older: before.is_some(),
        next: last.map(|entry| entry.sid.to_string()),
    })
}
