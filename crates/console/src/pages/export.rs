//! The challenges of a filter as a file, CSV or JSON, which is written while it is sent.

use std::fmt::Write as _;

use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use countersign_domain::challenge::Challenge;
use countersign_domain::notification::Notification;
use countersign_domain::sid::AccountSid;
use countersign_domain::time::Instant;
use countersign_store::PageQuery;
use countersign_verify::VerifyError;
use countersign_verify::timeline::{Place, Rest};
use futures_util::stream;
use http::HeaderValue;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;

use crate::csv;
use crate::error::PageError;
use crate::filter::Filter;
use crate::form::Form;
use crate::session::Operator;
use crate::state::SharedConsole;

/// Challenges of one export at most.
pub(crate) const MOST_EXPORTED: usize = 10_000;
/// Challenges that are read at a time.
const PORTION: usize = 200;
/// Portions of one export at most: each searches a bounded number of challenges, whether they fit or not.
const MOST_PORTIONS: usize = 400;
/// Pushes of one challenge at most.
const MOST_PUSHES: u16 = 100;

/// The columns of CSV.
const COLUMNS: [&str; 16] = [
    "sid",
    "date_created",
    "expiration_date",
    "date_responded",
    "status",
    "service_sid",
    "identity",
    "factor_sid",
    "factor_type",
    "group_sid",
    "message",
    "pushes",
    "push_status",
    "platform",
    "outcome",
    "error_code",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv,
    Json,
}

/// An export on its way.
struct Export {
    console: SharedConsole,
    account: AccountSid,
    filter: Filter,
    format: Format,
    next: Next,
    written: usize,
    portions: usize,
    _permit: OwnedSemaphorePermit,
}

/// The next portion of an export.
enum Next {
    Head,
    Portion(Place),
    /// The end; with the challenge behind which nothing was written, if there may be more.
    Tail(Option<Instant>),
    Nothing,
}

/// The challenges as comma-separated values.
pub(crate) async fn csv(
    state: State<SharedConsole>,
    operator: Operator,
    query: RawQuery,
) -> Result<Response, PageError> {
    export(&state, &operator, query, Format::Csv)
}

/// The challenges as one JSON object.
pub(crate) async fn json(
    state: State<SharedConsole>,
    operator: Operator,
    query: RawQuery,
) -> Result<Response, PageError> {
    export(&state, &operator, query, Format::Json)
}

fn export(
    console: &SharedConsole,
    operator: &Operator,
    RawQuery(query): RawQuery,
    format: Format,
) -> Result<Response, PageError> {
    let filter = Filter::of(&Form::of_query(query.as_deref())?);
    if !filter.is_valid() {
        return Err(PageError::Refused("The filter is not valid.".into()));
    }
    let permit = console.exports.clone().try_acquire_owned().map_err(|_| PageError::Busy)?;
    let export = Export {
        console: SharedConsole::clone(console),
        account: operator.account,
        filter,
        format,
        next: Next::Head,
        written: 0,
        portions: 0,
        _permit: permit,
    };
    let chunks = stream::unfold(export, |mut export| async move {
        let chunk = export.chunk().await.transpose()?;
        if chunk.is_err() {
            export.next = Next::Nothing;
        }
        Some((chunk.map_err(std::io::Error::other), export))
    });
    let mut response = Body::from_stream(chunks).into_response();
    let (kind, name) = match format {
        Format::Csv => ("text/csv; charset=utf-8", "attachment; filename=\"challenges.csv\""),
        Format::Json => ("application/json", "attachment; filename=\"challenges.json\""),
    };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CONTENT_DISPOSITION, HeaderValue::from_static(name));
    Ok(response)
}

impl Export {
    /// The next part of the file; `None` at its end. After an error the connection breaks, so that half a file is not taken for one.
    async fn chunk(&mut self) -> Result<Option<Bytes>, VerifyError> {
        let text = match std::mem::replace(&mut self.next, Next::Nothing) {
            Next::Head => {
                self.next = Next::Portion(Place::Newest);
                match self.format {
                    Format::Csv => csv::line(COLUMNS),
                    Format::Json => "{\"challenges\":[".to_owned(),
                }
            }
            Next::Portion(place) => self.portion(place).await?,
            Next::Tail(cut_at) => match (self.format, cut_at.map(Instant::to_millis_string)) {
                (Format::Csv, None) => return Ok(None),
                (Format::Csv, Some(at)) => csv::line([&format!("CUT: more before {at}")]),
                (Format::Json, at) => format!("\n],\"cut_at\":{}}}\n", json!(at)),
            },
            Next::Nothing => return Ok(None),
        };
        Ok(Some(text.into()))
    }

    /// Writes some challenges.
    async fn portion(&mut self, place: Place) -> Result<String, VerifyError> {
        let size = PORTION.min(MOST_EXPORTED - self.written);
        let found =
            self.console.verify.timeline(self.account, &self.filter.at(place, size)).await?;
        self.portions += 1;
        let mut text = String::new();
        for challenge in &found.items {
            let pushes = self.pushes(challenge).await?;
            match self.format {
                Format::Csv => text.push_str(&self.record(challenge, &pushes)),
                Format::Json => {
                    let comma = if self.written == 0 { "" } else { "," };
                    let _ = write!(text, "{comma}\n{}", self.object(challenge, &pushes));
                }
            }
            self.written += 1;
        }
        let is_full = self.written == MOST_EXPORTED || self.portions == MOST_PORTIONS;
        self.next = match found.rest {
            Rest::Nothing => Next::Tail(None),
            Rest::More(sid) | Rest::Unread(sid) if is_full => Next::Tail(Some(sid.minted_at())),
            Rest::More(sid) | Rest::Unread(sid) => Next::Portion(Place::OlderThan(sid)),
        };
        Ok(text)
    }

    async fn pushes(&self, challenge: &Challenge) -> Result<Vec<Notification>, VerifyError> {
        let (owner, page) = (&challenge.owner, PageQuery::first(MOST_PUSHES));
        let verify = &self.console.verify;
        let found =
            verify.notifications(self.account, owner.service, &owner.identity, challenge.sid, page);
        match found.await {
            Ok((_, page)) => Ok(page.items),
            // Deleted since the list was read.
            Err(VerifyError::NotFound) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    fn record(&self, challenge: &Challenge, pushes: &[Notification]) -> String {
        let newest = pushes.iter().max_by_key(|push| push.created_at);
        let standing = newest.map(|push| push.current(self.console.verify.node()));
        let attempt = newest.and_then(|push| push.attempts.last());
        let code = standing.as_ref().and_then(|it| it.code);
        let code = attempt.and_then(|attempt| attempt.code).or(code);
        csv::line([
            challenge.sid.to_string(),
            challenge.created_at.to_millis_string(),
            challenge.expires_at.to_millis_string(),
            responded_at(challenge).unwrap_or_default(),
            challenge.status(self.console.now()).as_str().to_owned(),
            challenge.owner.service.to_string(),
            challenge.owner.identity.to_string(),
            challenge.factor.to_string(),
            challenge.factor_type.as_str().to_owned(),
            challenge.group.map(|sid| sid.to_string()).unwrap_or_default(),
            message(challenge).unwrap_or_default(),
            pushes.len().to_string(),
            standing.map(|it| it.status.as_str().to_owned()).unwrap_or_default(),
            attempt.map(|it| it.platform.clone()).unwrap_or_default(),
            attempt.map(|it| it.outcome.clone()).unwrap_or_default(),
            code.map(|code| code.0.to_string()).unwrap_or_default(),
        ])
    }

    fn object(&self, challenge: &Challenge, pushes: &[Notification]) -> Value {
        let node = self.console.verify.node();
        let pushes = pushes.iter().map(|push| {
            let standing = push.current(node);
            let attempts = push.attempts.iter().map(|attempt| {
                json!({
                    "date_started": attempt.started_at().to_millis_string(),
                    "microseconds": attempt.micros,
                    "platform": attempt.platform,
                    "outcome": attempt.outcome,
                    "provider_status": attempt.provider_status,
                    "provider_reason": attempt.provider_reason,
                    "error_code": attempt.code,
                })
            });
            json!({
                "sid": push.sid,
                "date_created": push.created_at.to_millis_string(),
                "status": standing.status.as_str(),
                "error_code": standing.code,
                "attempts": attempts.collect::<Vec<_>>(),
            })
        });
        json!({
            "sid": challenge.sid,
            "date_created": challenge.created_at.to_millis_string(),
            "expiration_date": challenge.expires_at.to_millis_string(),
            "date_responded": responded_at(challenge),
            "status": challenge.status(self.console.now()).as_str(),
            "service_sid": challenge.owner.service,
            "identity": challenge.owner.identity.as_str(),
            "factor_sid": challenge.factor,
            "factor_type": challenge.factor_type.as_str(),
            "group_sid": challenge.group,
            "message": message(challenge),
            "notifications": pushes.collect::<Vec<_>>(),
        })
    }
}

fn message(challenge: &Challenge) -> Option<String> {
    challenge.details.message.as_ref().map(ToString::to_string)
}

fn responded_at(challenge: &Challenge) -> Option<String> {
    crate::views::answered_at(challenge).map(|at| at.machine())
}
