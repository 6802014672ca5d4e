//! The sessions of the operator, and those of all operators for an admin.

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_domain::role::Role;
use countersign_domain::session::{SessionId, SessionStage};
use countersign_verify::sessions::{Session, Who};

use crate::error::PageError;
use crate::form::Form;
use crate::frame::{self, Frame, Section};
use crate::session::{self, Operator, Posted};
use crate::state::SharedConsole;
use crate::views::Timestamp;

struct Row {
    id: String,
    who: String,
    role: &'static str,
    address: String,
    opened: Timestamp,
    seen: Timestamp,
    until: Timestamp,
    is_half: bool,
    is_this: bool,
}

#[derive(Template)]
#[template(path = "sessions.html")]
struct Sessions {
    frame: Frame,
    sessions: Vec<Row>,
    is_admin: bool,
    ended: bool,
}

/// The opener of a session, in words.
fn words(who: &Who) -> String {
    match who {
        Who::Token => "a token of the account".to_owned(),
        Who::ApiKey(sid) => format!("API key {sid}"),
        Who::Operator(_, name) => name.to_string(),
    }
}

fn row(session: &Session, this: SessionId) -> Row {
    let address = session.address.map(|address| address.to_canonical().to_string());
    Row {
        id: session.id.to_string(),
        who: words(&session.who),
        role: session.role.as_str(),
        address: address.unwrap_or_else(|| "unknown".to_owned()),
        opened: Timestamp(session.opened_at),
        seen: Timestamp(session.seen_at),
        until: Timestamp(session.expires_at),
        is_half: session.stage != SessionStage::Open,
        is_this: session.id == this,
    }
}

/// The page.
pub(crate) async fn show(
    State(console): State<SharedConsole>,
    operator: Operator,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let query = Form::of_query(query.as_deref())?;
    let sessions = console.verify.sessions_for(&operator.session).await?;
    frame::ok(&Sessions {
        frame: Frame::new(&console, Some(&operator), Section::Sessions),
        sessions: sessions.iter().map(|it| row(it, operator.session.id)).collect(),
        is_admin: operator.role().covers(Role::Admin),
        ended: query.given("ended").is_some(),
    })
}

/// Ends a session. After its own, the operator signs in again.
pub(crate) async fn end(
    State(console): State<SharedConsole>,
    Path(id): Path<String>,
    Posted { operator, .. }: Posted,
) -> Result<Response, PageError> {
    let id = SessionId::parse(&id).ok_or(PageError::NotFound)?;
    console.verify.end_session(&operator.session, id).await?;
    if id != operator.session.id {
        return Ok(frame::go(&console, "/sessions?ended=yes"));
    }
    let mut response = frame::go(&console, "/sign-in");
    session::forget(&mut response, &console);
    Ok(response)
}
