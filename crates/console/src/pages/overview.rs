//! The overview: conditions that need attention, rates, and the newest challenges.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use countersign_domain::service::Service;
use countersign_domain::sid::ServiceSid;
use countersign_domain::summary::{CountedPlatform, Grain, Measure};
use countersign_store::PageQuery;
use countersign_store::seam::{PeriodSummary, ServiceSummary};

use crate::attention::Item;
use crate::chart::{CHALLENGES, Chart, PUSHES, Sums};
use crate::error::PageError;
use crate::form::Form;
use crate::frame::{self, Frame, Section};
use crate::rates::{self, Rate};
use crate::session::Operator;
use crate::state::SharedConsole;
use crate::views::{ChallengeSummary, Timestamp};

/// Number of challenges that are shown.
const NEWEST: usize = 8;
/// Services that can be chosen and compared.
const SERVICES: u16 = 200;

/// The time that the rates are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    word: &'static str,
    name: &'static str,
    grain: Grain,
    periods: u32,
}

impl Range {
    const fn is_by_hours(self) -> bool {
        matches!(self.grain, Grain::Hour)
    }
}

const DAY: Range = Range { word: "day", name: "24 hours", grain: Grain::Hour, periods: 24 };
const MONTH: Range = Range { word: "month", name: "30 days", grain: Grain::Day, periods: 30 };

/// A link to another range.
struct Choice {
    name: &'static str,
    query: String,
    is_current: bool,
}

/// A service that can be chosen.
struct ServiceChoice {
    sid: ServiceSid,
    name: String,
    is_chosen: bool,
}

impl ServiceChoice {
    fn of(service: &Service, chosen: Option<ServiceSid>) -> Self {
        Self {
            sid: service.sid,
            name: service.settings.friendly_name.to_string(),
            is_chosen: chosen == Some(service.sid),
        }
    }
}

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    frame: Frame,
    attention: Vec<Item>,
    checked_at: Timestamp,
    range: Range,
    ranges: Vec<Choice>,
    services: Vec<ServiceChoice>,
    has_service: bool,
    /// The end of a query that leads to the timeline.
    of_service: String,
    charts: [Chart; 2],
    by_platform: Vec<Rate>,
    by_service: Vec<Rate>,
    newest: Vec<ChallengeSummary>,
}

/// The page.
pub(crate) async fn show(
    State(console): State<SharedConsole>,
    operator: Operator,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let query = Form::of_query(query.as_deref())?;
    let (now, account) = (console.now(), operator.account);
    let range = if query.text("range") == MONTH.word { MONTH } else { DAY };
    let chosen = match query.text("service") {
        "" => None,
        sid => Some(super::sid::<ServiceSid>(sid)?),
    };
    let verify = &console.verify;
    let checkup = console.vitals.of_account(account).await?;
    let Range { grain, periods, .. } = range;
    let rows = verify.summaries(account, chosen, grain, periods).await?;
    let of_services = verify.service_summaries(account, chosen, grain, periods).await?;
    let services = verify.services(account, PageQuery::first(SERVICES)).await?.items;
    let newest = verify.recent_challenges(account, None, NEWEST).await?;
    let from = verify.first_period(grain, periods);
    let base = console.base();
    let of_service = chosen.map(|sid| format!("&service={sid}")).unwrap_or_default();
    let scale = (grain, from, periods);
    let path = address(range, chosen);
    frame::ok(&Overview {
        frame: Frame::new(&console, Some(&operator), Section::Overview).live(&path, &query),
        attention: checkup.attention.into_iter().map(|it| Item::of(it, &base)).collect(),
        checked_at: Timestamp(checkup.checked_at),
        range,
        ranges: [DAY, MONTH].into_iter().map(|it| choice(it, range, chosen)).collect(),
        charts: [CHALLENGES, PUSHES].map(|subject| Chart::of(subject, &rows, scale)),
        by_platform: platforms(&rows, &base, &format!("from={from}{of_service}")),
        by_service: by_service(&of_services, &services, &base, &format!("from={from}")),
        has_service: !services.is_empty(),
        services: services.iter().map(|it| ServiceChoice::of(it, chosen)).collect(),
        of_service,
        newest: newest.items.iter().map(|it| ChallengeSummary::without_pushes(it, now)).collect(),
    })
}

/// The path and query of the page.
fn address(range: Range, service: Option<ServiceSid>) -> String {
    let service = service.map(|sid| format!("&service={sid}")).unwrap_or_default();
    if range == DAY && service.is_empty() {
        String::new()
    } else {
        format!("?range={}{service}", range.word)
    }
}

fn choice(range: Range, current: Range, service: Option<ServiceSid>) -> Choice {
    let query = address(range, service);
    Choice { name: range.name, query, is_current: range == current }
}

fn platforms(rows: &[PeriodSummary], base: &str, query: &str) -> Vec<Rate> {
    let mut sums: BTreeMap<CountedPlatform, Sums> = BTreeMap::new();
    for row in rows {
        sums.entry(row.by.1).or_default().add(row.measure, row.bucket, row.count);
    }
    let rate = |(platform, sums): (CountedPlatform, Sums)| {
        let filter = rates::filter(platform);
        let link = format!("{base}/timeline?{query}{filter}");
        Rate::of(rates::platform(platform).to_owned(), Some(link), &sums)
    };
    sums.into_iter().filter(|(_, sums)| sums.of(Measure::Asked) > 0).map(rate).collect()
}

fn by_service(rows: &[ServiceSummary], services: &[Service], base: &str, query: &str) -> Vec<Rate> {
    let mut sums: BTreeMap<ServiceSid, Sums> = BTreeMap::new();
    for row in rows {
        sums.entry(row.by).or_default().add(row.measure, row.bucket, row.count);
    }
    let rate = |(sid, sums): (ServiceSid, Sums)| {
        let service = services.iter().find(|service| service.sid == sid);
        let name = service.map(|service| service.settings.friendly_name.to_string());
        let link = name.is_some().then(|| format!("{base}/timeline?{query}&service={sid}"));
        Rate::of(name.unwrap_or_else(|| format!("Service {sid}")), link, &sums)
    };
    let mut rates: Vec<_> = sums.into_iter().map(rate).collect();
    rates.sort_by_key(|rate| std::cmp::Reverse(rate.asked));
    rates.truncate(usize::from(SERVICES));
    rates
}

/// Redirects to the path without a slash.
pub(crate) async fn to_page(State(console): State<SharedConsole>) -> Response {
    frame::go(&console, "")
}
