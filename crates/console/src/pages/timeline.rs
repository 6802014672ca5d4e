//! What happened, newest first: challenges, their pushes, and each attempt.

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use countersign_verify::reports::MAX_SCANNED;

use crate::fault::Fault;
use crate::form::Form;
use crate::frame::{self, Frame, Here};
use crate::session::Operator;
use crate::state::Shared;
use crate::views::{Asked, Stamp};

/// Challenges on one page.
const ON_A_PAGE: usize = 25;

#[derive(Template)]
#[template(path = "timeline.html")]
struct Timeline {
    frame: Frame,
    asked: Vec<Asked>,
    /// After which challenge the next page begins.
    next: Option<String>,
    is_first: bool,
    seen_from: Option<Stamp>,
    most: usize,
}

/// The page.
pub(crate) async fn show(
    State(console): State<Shared>,
    operator: Operator,
    RawQuery(query): RawQuery,
) -> Result<Response, Fault> {
    let form = Form::of_query(query.as_deref())?;
    let before = form.given("before").map(super::sid).transpose()?;
    let account = operator.account;
    let mut found = console.verify.recent_challenges(account, before, ON_A_PAGE + 1).await?;
    let more = found.items.len() > ON_A_PAGE;
    found.items.truncate(ON_A_PAGE);
    let mut asked = Vec::with_capacity(found.items.len());
    for challenge in &found.items {
        asked.push(Asked::read(challenge, account, &console).await?);
    }
    let frame = Frame::new(&console, Some(&operator), Here::Timeline);
    let is_first = before.is_none();
    frame::ok(&Timeline {
        frame: if is_first { frame.live("/timeline", &form) } else { frame },
        next: asked.last().filter(|_| more).map(|last| last.sid.clone()),
        asked,
        is_first,
        seen_from: found.ended_at.map(Stamp).filter(|_| !more),
        most: MAX_SCANNED,
    })
}
