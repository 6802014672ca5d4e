//! The newest lines of the timeline as server-sent events, until the session ends.
//!
//! A task reads the lines every two seconds and sends them if they differ from those sent last. It holds the place of the request,
//! which counts as waiting.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use askama::Template as _;
use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use countersign_verify::concurrency::RequestPermit;
use countersign_verify::timeline::Place;
use futures_util::stream;
use http::HeaderMap;
use tokio::sync::mpsc;

use super::timeline::{LINES, Lines};
use crate::error::PageError;
use crate::filter::Filter;
use crate::form::Form;
use crate::listeners::Listener;
use crate::session::Operator;
use crate::state::{Console, SharedConsole};

/// The time between two reads.
const PERIOD: Duration = Duration::from_secs(2);
/// The longest time without an event. The page gives a stream up after three times as long.
const BEAT: Duration = Duration::from_secs(15);
/// The reads of one stream. After them the browser connects again.
const MOST_READS: u32 = 450;

/// The content of one stream, and its account.
struct Watch {
    console: SharedConsole,
    operator: Operator,
    headers: HeaderMap,
    filter: Filter,
}

/// The stream.
pub(crate) async fn stream(
    State(console): State<SharedConsole>,
    operator: Operator,
    RawQuery(query): RawQuery,
    permit: Option<Extension<Arc<RequestPermit>>>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let filter = Filter::of(&Form::of_query(query.as_deref())?);
    if !filter.is_valid() {
        return Err(PageError::NotFound);
    }
    let listener =
        console.listeners.join(&operator.session.id.to_string()).ok_or(PageError::Busy)?;
    let (sender, receiver) = mpsc::channel(1);
    let watch = Watch { console, operator, headers, filter };
    tokio::spawn(watch.run(sender, listener, permit.map(|Extension(permit)| permit)));
    let events = stream::unfold(receiver, |mut receiver| async move {
        let event = receiver.recv().await?;
        Some((Ok::<_, Infallible>(event), receiver))
    });
    // An event and no comment: a script does not see comments, and takes a silent stream for a broken one.
    let beat = KeepAlive::new().interval(BEAT).event(Event::default().event("beat").data(""));
    Ok(Sse::new(events).keep_alive(beat).into_response())
}

impl Watch {
    /// Sends events until the browser leaves, the session ends, the server stops or the stream is old.
    async fn run(
        self,
        sender: mpsc::Sender<Event>,
        _listener: Listener,
        permit: Option<Arc<RequestPermit>>,
    ) {
        let _waiting = permit.as_deref().map(RequestPermit::begin_long_poll);
        let shutdown = self.console.shutdown.clone();
        let mut sent = None;
        for _ in 0..MOST_READS {
            let read = self.read().await;
            let is_over = matches!(read, Err(PageError::SignedOut));
            let event = match read {
                Ok(lines) if sent.as_ref() == Some(&lines) => None,
                Ok(lines) => {
                    let event = Event::default().event("lines").data(&lines);
                    sent = Some(lines);
                    Some(event)
                }
                Err(_) if is_over => Some(Event::default().event("over").data("")),
                // The next read may succeed.
                Err(_) => None,
            };
            if let Some(event) = event
                && sender.send(event).await.is_err()
            {
                return;
            }
            if is_over {
                return;
            }
            tokio::select! {
                () = sender.closed() => return,
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(PERIOD) => {}
            }
        }
    }

    /// The lines as markup.
    async fn read(&self) -> Result<String, PageError> {
        let console: &Console = &self.console;
        Operator::of(&self.headers, console).await?;
        let account = self.operator.account;
        let query = self.filter.at(Place::Newest, LINES);
        let found = console.verify.timeline(account, &query).await?;
        let lines = Lines::of(&found.items, account, console).await?;
        lines.render().map_err(|_| PageError::Internal)
    }
}
