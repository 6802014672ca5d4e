//! The clock over HTTP, at `/_test/clock`.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use countersign_domain::time::Instant;
use countersign_domain::world::Clock as _;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;

use super::desk::Desk;
use super::reply::json_response;

/// The furthest that one request moves the clock: 400 days.
const ADVANCE_MOST: Duration = Duration::from_secs(400 * 24 * 60 * 60);
/// How long a request may move the clock, in seconds of real time, unless it says so.
const TIMEOUT_SECONDS: u64 = 60;
/// The most that it may say.
const TIMEOUT_SECONDS_MOST: u64 = 600;

/// The body of `PUT /_test/clock`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockChange {
    /// Whether the clock stands afterwards. Absent: as before.
    frozen: Option<bool>,
    /// How far to move it.
    advance_seconds: Option<f64>,
    /// Where to move it instead.
    now: Option<String>,
    /// How long this may take.
    timeout_seconds: Option<u64>,
}

/// A valid change.
struct Move {
    to: Option<Instant>,
    frozen: Option<bool>,
    within: Duration,
}

impl ClockChange {
    fn read(body: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(body).map_err(|error| {
            format!("the body must be JSON such as {{\"advance_seconds\": 300}}: {error}")
        })
    }

    fn check(self, now: Instant) -> Result<Move, String> {
        let to = match (self.advance_seconds, self.now) {
            (Some(_), Some(_)) => return Err("give advance_seconds or now, not both".to_owned()),
            (Some(seconds), None) => {
                let span = Duration::try_from_secs_f64(seconds);
                let span = span.map_err(|_| "advance_seconds must be 0 or more".to_owned())?;
                Some(now + bounded(span)?)
            }
            (None, Some(text)) => {
                let to = Instant::parse(&text).map_err(|why| format!("now {}", why.0))?;
                if to < now {
                    return Err(format!("the clock is at {now} and cannot go back to {to}"));
                }
                bounded(to.since(now))?;
                Some(to)
            }
            (None, None) => None,
        };
        let seconds = self.timeout_seconds.unwrap_or(TIMEOUT_SECONDS);
        if !(1..=TIMEOUT_SECONDS_MOST).contains(&seconds) {
            return Err(format!("timeout_seconds must be 1 to {TIMEOUT_SECONDS_MOST}"));
        }
        Ok(Move { to, frozen: self.frozen, within: Duration::from_secs(seconds) })
    }
}

fn bounded(span: Duration) -> Result<Duration, String> {
    if span > ADVANCE_MOST {
        return Err("one request moves the clock by 400 days at most".to_owned());
    }
    Ok(span)
}

/// Shows the clock.
pub(super) async fn show_clock(State(desk): State<Arc<Desk>>) -> Response {
    desk.respond(StatusCode::OK, None)
}

/// Changes the clock. Runs to its end also when the caller hangs up: the clock would be left standing.
pub(super) async fn set_clock(State(desk): State<Arc<Desk>>, body: Bytes) -> Response {
    let changed = tokio::spawn(async move { desk.change_clock(&body).await });
    changed.await.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

impl Desk {
    async fn change_clock(&self, body: &[u8]) -> Response {
        let clock = &self.mode.clock;
        // One at a time: the next begins where this one ends.
        let _turn = self.mode.turn.lock().await;
        let was_frozen = clock.is_frozen();
        let change = match ClockChange::read(body).and_then(|change| change.check(clock.now())) {
            Ok(change) => change,
            Err(why) => return self.respond(StatusCode::BAD_REQUEST, Some(why)),
        };
        let Some(engine) = self.engine.upgrade() else {
            let why = "the server is stopping".to_owned();
            return self.respond(StatusCode::SERVICE_UNAVAILABLE, Some(why));
        };
        let moved = match change.to {
            Some(to) => timeout(change.within, Box::pin(self.mode.advance(&engine, to))).await,
            None => Ok(Ok(())),
        };
        if change.frozen.unwrap_or(was_frozen) {
            clock.freeze();
        } else {
            clock.run();
        }
        match moved {
            Ok(Ok(())) => self.respond(StatusCode::OK, None),
            Ok(Err(error)) => {
                self.respond(StatusCode::SERVICE_UNAVAILABLE, Some(error.to_string()))
            }
            Err(_) => {
                let why = format!(
                    "what fell due was not done within {} s, so the clock has not reached its aim; ask again to go on, with a larger \
                     timeout_seconds",
                    change.within.as_secs()
                );
                self.respond(StatusCode::GATEWAY_TIMEOUT, Some(why))
            }
        }
    }

    /// The clock as it is; `message` says what is wrong, if anything is.
    fn respond(&self, status: StatusCode, message: Option<String>) -> Response {
        let clock = &self.mode.clock;
        let in_flight = self.engine.upgrade().map_or(0, |engine| engine.in_flight());
        let mut shown = json!({
            "now": clock.now().to_micros_string(),
            "frozen": clock.is_frozen(),
            "in_flight": in_flight,
        });
        if let Some(message) = message {
            shown["message"] = message.into();
        }
        json_response(status, &shown)
    }
}
