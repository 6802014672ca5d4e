//! The calls of webhooks, and what follows from a try. `docs/understand/states.md` shows the states of a call.

use std::time::Duration;

use crate::call_response::CallResponse;
use crate::event::CallId;
use crate::node::NodeId;
use crate::sid::{ChallengeSid, ServiceSid, WebhookSid};
use crate::time::Instant;
use crate::webhook::Webhook;

/// How long a call is tried after its event.
pub const TRIED_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a call that was given up is kept for the operator.
pub const KEPT_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How long a call waits for an earlier one before it is judged again, whatever happened to that one.
pub const BEHIND_FOR: Duration = Duration::from_secs(10 * 60);
/// Calls of one webhook that were given up and are kept at a time.
pub const KEPT: usize = 10_000;
/// The error of a call that was given up because too many calls were waiting.
pub const OVERFLOWED: &str = "given up: too many calls were waiting";
/// The error of a call whose time ended before its first try.
pub const UNTRIED: &str = "not tried in time";

/// The delay after the first failed try.
const FIRST_DELAY: Duration = Duration::from_secs(5);
/// The longest delay.
const LONGEST_DELAY: Duration = Duration::from_secs(60 * 60);

/// The right of a node to make a call, until an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallLease {
    /// The id of the call.
    pub id: CallId,
    /// The webhook, with its present settings.
    pub webhook: Webhook,
    /// The form, with the values of the time of the event.
    pub parameters: Vec<(String, String)>,
    /// The number of tries before this one.
    pub attempts: u32,
    /// The instant from which it is not tried again.
    pub deadline: Instant,
    /// The node that holds the lease.
    pub node: NodeId,
    /// When the lease ends.
    pub until: Instant,
}

/// The outcome of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallOutcome {
    /// The application responded with this status, a 2xx.
    Taken(u16),
    /// The application responded with another status.
    Refused(CallResponse),
    /// There was no response: why, without the URL and without secrets.
    Unanswered(String),
}

/// Why a try failed, for the operator.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallFailure {
    /// The error in words; empty for a try that did not fail.
    pub error: String,
    /// The application's response, if there was one.
    pub response: Option<CallResponse>,
}

impl From<&str> for CallFailure {
    fn from(error: &str) -> Self {
        Self { error: error.to_owned(), response: None }
    }
}

impl CallOutcome {
    /// Why the try failed, if it did.
    pub fn into_failure(self) -> CallFailure {
        match self {
            Self::Taken(_) => CallFailure::default(),
            Self::Refused(response) => CallFailure {
                error: format!("status {}", response.status),
                response: Some(response),
            },
            Self::Unanswered(error) => CallFailure { error, response: None },
        }
    }

    /// The word in metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Taken(_) => "taken",
            Self::Refused(_) => "refused",
            Self::Unanswered(_) => "unanswered",
        }
    }
}

/// The consequence of a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterCall {
    /// The application accepted the call, which is recorded with its challenge, if it is about one.
    Taken {
        /// The status of the response.
        status: u16,
    },
    /// The call is tried again.
    Retry {
        /// The time of the next attempt.
        at: Instant,
    },
    /// The call is given up.
    Failed,
}

/// Decides what follows from a try that ended at `now`, after `attempts` earlier tries. `jitter` is a random number.
pub fn after_call(
    outcome: &CallOutcome,
    attempts: u32,
    now: Instant,
    deadline: Instant,
    jitter: u32,
) -> AfterCall {
    if let CallOutcome::Taken(status) = *outcome {
        return AfterCall::Taken { status };
    }
    let at = now + delay(attempts, jitter);
    if at < deadline { AfterCall::Retry { at } } else { AfterCall::Failed }
}

/// The delay before the next try: 5 s, doubling to one hour, minus up to a fifth as jitter.
fn delay(attempts: u32, jitter: u32) -> Duration {
    let whole = FIRST_DELAY.saturating_mul(1 << attempts.min(16)).min(LONGEST_DELAY);
    whole - whole.mul_f64(f64::from(jitter) / f64::from(u32::MAX) / 5.0)
}

/// A webhook whose calls fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailingWebhook {
    /// The webhook.
    pub webhook: WebhookSid,
    /// The service whose events it subscribes to.
    pub service: ServiceSid,
    /// Its URL.
    pub url: String,
    /// The number of calls that failed at least once and are tried again.
    pub waiting: u32,
    /// The number of calls that were given up and are still kept.
    pub given_up: u32,
    /// The error of the last failed try.
    pub last_error: String,
    /// When the next call is tried, if any waits.
    pub next_try: Option<Instant>,
}

/// The state of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallState {
    /// It is made if the challenge expires unanswered.
    Asleep,
    /// It is made at its time.
    Due,
    /// It waits for an earlier call of the same webhook and factor.
    Behind,
    /// It is being made.
    Leased,
    /// It was given up.
    Failed,
}

impl CallState {
    /// Parses the word of the database; `None` for any other text.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "asleep" => Some(Self::Asleep),
            "due" => Some(Self::Due),
            "behind" => Some(Self::Behind),
            "leased" => Some(Self::Leased),
            "failed" => Some(Self::Failed),
            _ => None,
        }
    }
}

/// A call that is still to be made, or was given up. An accepted call is a [`TakenCall`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its id.
    pub id: CallId,
    /// The event: the word of an [`EventType`](crate::webhook::EventType), or one of a newer release.
    pub event: String,
    /// The challenge that it is about, if any.
    pub challenge: Option<ChallengeSid>,
    /// When the event happened.
    pub happened_at: Instant,
    /// The number of tries so far.
    pub attempts: u32,
    /// Its state.
    pub state: CallState,
    /// When its state ends: the next try, the end of the lease, or its removal.
    pub wake_at: Instant,
    /// The error of the last failed try.
    pub last_error: Option<String>,
    /// The application's response. Absent without a response, and in calls of older releases.
    pub last_response: Option<CallResponse>,
}

impl Call {
    /// Reads the challenge from the form of a call.
    pub fn challenge_of(parameters: &[(String, String)]) -> Option<ChallengeSid> {
        parameters
            .iter()
            .find(|(name, _)| name == "challenge_sid")
            .and_then(|(_, sid)| sid.parse().ok())
    }
}

/// A call about a challenge that the application accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenCall {
    /// Its id.
    pub id: CallId,
    /// The webhook, which may be deleted.
    pub webhook: WebhookSid,
    /// The event, as in [`Call::event`].
    pub event: String,
    /// When the event happened.
    pub happened_at: Instant,
    /// The number of tries, including the accepted one.
    pub attempts: u32,
    /// When it was accepted.
    pub taken_at: Instant,
    /// The status of the response, a 2xx.
    pub status: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_tried_at_growing_intervals_until_the_deadline() {
        let now = Instant::from_seconds(1_700_000_000);
        let deadline = now + TRIED_FOR;
        let refused = CallOutcome::Refused(CallResponse::bare(500));
        let wait = |attempts, jitter| match after_call(&refused, attempts, now, deadline, jitter) {
            AfterCall::Retry { at } => at.since(now).as_millis(),
            other => panic!("{other:?}"),
        };
        let waits = [0, 1, 2, 9, 10, 40].map(|attempts| wait(attempts, 0));
        assert_eq!(waits, [5_000, 10_000, 20_000, 2_560_000, 3_600_000, 3_600_000]);
        assert_eq!(wait(0, u32::MAX), 4_000);
        let late = deadline - Duration::from_secs(5);
        let after = |outcome: CallOutcome, at| after_call(&outcome, 0, at, deadline, 0);
        assert_eq!(after(CallOutcome::Unanswered("timeout".into()), late), AfterCall::Failed);
        assert_eq!(after(CallOutcome::Taken(204), deadline), AfterCall::Taken { status: 204 });
    }
}
