//! Outcomes of recent pushes.

use std::time::Duration;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use countersign_store::PageQuery;
use countersign_verify::reports::MAX_SCANNED;

use crate::chart::Chart;
use crate::error::PageError;
use crate::form::Form;
use crate::frame::{self, Frame, Section};
use crate::session::Operator;
use crate::state::SharedConsole;
use crate::views::{ChallengeSummary, Timestamp};

/// Number of challenges that are shown.
const NEWEST: usize = 8;

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    frame: Frame,
    charts: [Chart; 2],
    /// Notifications before this were not read, if the limit was reached.
    seen_from: Option<Timestamp>,
    most: usize,
    has_service: bool,
    newest: Vec<ChallengeSummary>,
    now: Timestamp,
}

/// The page.
pub(crate) async fn show(
    State(console): State<SharedConsole>,
    operator: Operator,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let query = Form::of_query(query.as_deref())?;
    let (now, account) = (console.now(), operator.account);
    let day = Duration::from_secs(24 * 60 * 60);
    let fates = console.verify.recent_notifications(account, now - day).await?;
    let newest = console.verify.recent_challenges(account, None, NEWEST).await?;
    let services = console.verify.services(account, PageQuery::first(1)).await?;
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    frame::ok(&Overview {
        frame: Frame::new(&console, Some(&operator), Section::Overview).live("", &query),
        charts: [
            Chart::of(("hour", "The last hour"), &fates.items, now, minutes(5), 12),
            Chart::of(("day", "The last day"), &fates.items, now, minutes(60), 24),
        ],
        seen_from: fates.ended_at.map(Timestamp),
        most: MAX_SCANNED,
        has_service: !services.items.is_empty(),
        newest: newest.items.iter().map(|it| ChallengeSummary::without_pushes(it, now)).collect(),
        now: Timestamp(now),
    })
}

/// Redirects to the path without a slash.
pub(crate) async fn to_page(State(console): State<SharedConsole>) -> Response {
    frame::go(&console, "")
}
