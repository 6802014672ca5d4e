//! How pushes fared lately.

use std::time::Duration;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use countersign_store::PageQuery;
use countersign_verify::reports::MAX_SCANNED;

use crate::chart::Chart;
use crate::fault::Fault;
use crate::form::Form;
use crate::frame::{self, Frame, Here};
use crate::session::Operator;
use crate::state::Shared;
use crate::views::{Asked, Stamp};

/// Challenges that are shown.
const NEWEST: usize = 8;

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    frame: Frame,
    charts: [Chart; 2],
    /// Nothing older was looked at, if the look ended at its bound.
    seen_from: Option<Stamp>,
    most: usize,
    has_service: bool,
    newest: Vec<Asked>,
    now: Stamp,
}

/// The page.
pub(crate) async fn show(
    State(console): State<Shared>,
    operator: Operator,
    RawQuery(query): RawQuery,
) -> Result<Response, Fault> {
    let query = Form::of_query(query.as_deref())?;
    let (now, account) = (console.now(), operator.account);
    let day = Duration::from_secs(24 * 60 * 60);
    let fates = console.verify.recent_notifications(account, now - day).await?;
    let newest = console.verify.recent_challenges(account, None, NEWEST).await?;
    let services = console.verify.services(account, PageQuery::first(1)).await?;
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    frame::ok(&Overview {
        frame: Frame::new(&console, Some(&operator), Here::Overview).live("", &query),
        charts: [
            Chart::of(("hour", "The last hour"), &fates.items, now, minutes(5), 12),
            Chart::of(("day", "The last day"), &fates.items, now, minutes(60), 24),
        ],
        seen_from: fates.ended_at.map(Stamp),
        most: MAX_SCANNED,
        has_service: !services.items.is_empty(),
        newest: newest.items.iter().map(|it| Asked::alone(it, now)).collect(),
        now: Stamp(now),
    })
}

/// Without the slash.
pub(crate) async fn to_page(State(console): State<Shared>) -> Response {
    frame::go(&console, "")
}
