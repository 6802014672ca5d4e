//! Challenges with their pushes and attempts, newest first.

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use countersign_verify::reports::MAX_SCANNED;

use crate::error::PageError;
use crate::form::Form;
use crate::frame::{self, Frame, Section};
use crate::session::Operator;
use crate::state::SharedConsole;
use crate::views::{ChallengeSummary, Timestamp};

/// Challenges on a page.
const ON_A_PAGE: usize = 25;

#[derive(Template)]
#[template(path = "timeline.html")]
struct Timeline {
    frame: Frame,
    challenges: Vec<ChallengeSummary>,
    /// The challenge after which the next page begins.
    next: Option<String>,
    is_first: bool,
    seen_from: Option<Timestamp>,
    most: usize,
}

/// The page.
pub(crate) async fn show(
    State(console): State<SharedConsole>,
    operator: Operator,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let form = Form::of_query(query.as_deref())?;
    let before = form.given("before").map(super::sid).transpose()?;
    let account = operator.account;
    let mut found = console.verify.recent_challenges(account, before, ON_A_PAGE + 1).await?;
    let more = found.items.len() > ON_A_PAGE;
    found.items.truncate(ON_A_PAGE);
    let mut challenges = Vec::with_capacity(found.items.len());
    for challenge in &found.items {
        challenges.push(ChallengeSummary::read(challenge, account, &console).await?);
    }
    let frame = Frame::new(&console, Some(&operator), Section::Timeline);
    let is_first = before.is_none();
    frame::ok(&Timeline {
        frame: if is_first { frame.live("/timeline", &form) } else { frame },
        next: challenges.last().filter(|_| more).map(|last| last.sid.clone()),
        challenges,
        is_first,
        seen_from: found.ended_at.map(Timestamp).filter(|_| !more),
        most: MAX_SCANNED,
    })
}
