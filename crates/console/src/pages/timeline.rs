//! The timeline: challenges by filter, a line each, newest first.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use countersign_domain::challenge::Challenge;
use countersign_domain::sid::{AccountSid, ChallengeSid, ServiceSid};
use countersign_store::PageQuery;
use countersign_verify::timeline::{Place, Rest, TimelinePage};
use http::StatusCode;

use crate::error::PageError;
use crate::fields::Field;
use crate::filter::{Filter, NAMES, Part};
use crate::form::Form;
use crate::frame::{self, Frame, Section};
use crate::labels;
use crate::pages::export::MOST_EXPORTED;
use crate::session::Operator;
use crate::state::{Console, SharedConsole};
use crate::views::{ChallengeSummary, Timestamp, isolated};

/// Lines of a page.
pub(crate) const LINES: usize = 50;
/// Services that are offered as a filter.
const MOST_SERVICES: u16 = 200;

/// A challenge on one line.
struct Line {
    summary: ChallengeSummary,
    service_name: String,
    /// The time from the question to the answer.
    answered_in: Option<String>,
    /// The newest push, and how many others there are.
    push: Option<LastPush>,
}

struct LastPush {
    status: &'static str,
    tone: labels::Tone,
    /// Why it did not arrive; empty if it did.
    words: &'static str,
    platform: String,
    code: Option<u32>,
    others: usize,
}

/// The lines, which a live page replaces.
#[derive(Template)]
#[template(path = "timeline_lines.html")]
pub(crate) struct Lines {
    base: String,
    lines: Vec<Line>,
}

#[derive(Template)]
#[template(path = "timeline.html")]
struct Timeline {
    frame: Frame,
    lines: Lines,
    fields: Vec<Field>,
    parts: Vec<Part>,
    /// Queries of the neighbouring pages.
    older: Option<String>,
    newer: Option<String>,
    /// How far the search came, and the query that goes on.
    searched_to: Option<(Timestamp, String)>,
    is_newest: bool,
    /// Whether a part of the filter is no value.
    is_wrong: bool,
    query: String,
    exported: usize,
}

/// The page.
pub(crate) async fn show(
    State(console): State<SharedConsole>,
    operator: Operator,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let form = Form::of_query(query.as_deref())?;
    let filter = Filter::of(&form);
    // A form sends its empty fields too; the address shall hold only what restricts.
    if NAMES.iter().any(|name| form.given(name) == Some("")) {
        return Ok(frame::go(&console, &format!("/timeline{}", filter.query(&[]))));
    }
    let place = place(&form)?;
    let account = operator.account;
    let found = if filter.is_valid() {
        console.verify.timeline(account, &filter.at(place, LINES)).await?
    } else {
        TimelinePage { items: Vec::new(), rest: Rest::Nothing }
    };
    let [older, newer] = neighbours(&filter, place, &found);
    let searched_to = match found.rest {
        Rest::Unread(sid) => {
            let name = if matches!(place, Place::NewerThan(_)) { "after" } else { "before" };
            Some((Timestamp(sid.minted_at()), filter.query(&[(name, &sid.to_string())])))
        }
        Rest::Nothing | Rest::More(_) => None,
    };
    let is_newest = place == Place::Newest;
    let frame = Frame::new(&console, Some(&operator), Section::Timeline);
    let is_live = is_newest && filter.is_valid();
    let path = format!("/timeline{}", filter.query(&[]));
    let page = Timeline {
        frame: if is_live { frame.streamed(&path, &form) } else { frame },
        lines: Lines::of(&found.items, account, &console).await?,
        fields: filter.fields(services(&console, account).await?),
        parts: filter.parts(),
        older,
        newer,
        searched_to,
        is_newest,
        is_wrong: !filter.is_valid(),
        query: filter.query(&[]),
        exported: MOST_EXPORTED,
    };
    let status = if filter.is_valid() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    frame::page(status, &page)
}

fn place(form: &Form) -> Result<Place, PageError> {
    let sid = |name| form.given(name).map(super::sid::<ChallengeSid>).transpose();
    Ok(match (sid("before")?, sid("after")?) {
        (Some(sid), _) => Place::OlderThan(sid),
        (None, Some(sid)) => Place::NewerThan(sid),
        (None, None) => Place::Newest,
    })
}

/// The queries of the older and the newer page, if there are any.
fn neighbours(filter: &Filter, place: Place, found: &TimelinePage) -> [Option<String>; 2] {
    let [first, last] = [found.items.first(), found.items.last()].map(|it| it.map(|it| it.sid));
    let before = |sid: ChallengeSid| filter.query(&[("before", &sid.to_string())]);
    let after = |sid: ChallengeSid| filter.query(&[("after", &sid.to_string())]);
    let has_more = matches!(found.rest, Rest::More(_));
    match place {
        Place::Newest => [last.filter(|_| has_more).map(before), None],
        Place::OlderThan(sid) => {
            [last.filter(|_| has_more).map(before), Some(after(first.unwrap_or(sid)))]
        }
        Place::NewerThan(sid) => {
            [Some(before(last.unwrap_or(sid))), first.filter(|_| has_more).map(after)]
        }
    }
}

/// The account's services, for the form.
async fn services(
    console: &Console,
    account: AccountSid,
) -> Result<Vec<(String, String)>, PageError> {
    let page = console.verify.services(account, PageQuery::first(MOST_SERVICES)).await?;
    let named = page.items.into_iter().map(|service| {
        (service.sid.to_string(), isolated(service.settings.friendly_name.as_str()))
    });
    Ok(named.collect())
}

impl Lines {
    /// Reads the pushes of the challenges.
    pub(crate) async fn of(
        challenges: &[Challenge],
        account: AccountSid,
        console: &Console,
    ) -> Result<Self, PageError> {
        let mut names = BTreeMap::<ServiceSid, String>::new();
        let mut lines = Vec::with_capacity(challenges.len());
        for challenge in challenges {
            let service = challenge.owner.service;
            let service_name = match names.get(&service) {
                Some(name) => name.clone(),
                None => {
                    let found = console.verify.service(account, service).await?;
                    let name = found.settings.friendly_name.to_string();
                    names.entry(service).or_insert(name).clone()
                }
            };
            let summary = ChallengeSummary::read(challenge, account, console).await?;
            let answered = summary.answered.map(|at| at.0.since(challenge.created_at));
            lines.push(Line {
                push: LastPush::of(&summary),
                service_name,
                answered_in: answered.map(labels::span),
                summary,
            });
        }
        Ok(Self { base: console.base(), lines })
    }
}

impl LastPush {
    fn of(summary: &ChallengeSummary) -> Option<Self> {
        let newest = summary.pushes.iter().max_by_key(|push| push.at)?;
        let attempt = newest.attempts.last();
        Some(Self {
            status: newest.status,
            tone: newest.tone,
            words: if newest.tone == labels::BAD { newest.words } else { "" },
            platform: attempt.map(|attempt| attempt.platform.clone()).unwrap_or_default(),
            code: attempt.and_then(|attempt| attempt.code_number),
            others: summary.pushes.len() - 1,
        })
    }
}
