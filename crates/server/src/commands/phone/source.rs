//! The source of challenges: the device stream, or polling.

use std::time::Duration;

use countersign_phone::{Challenge, ChallengeStatus, Closed, Event, Listener, Phone, PhoneError};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// The polling interval of a phone without a stream.
pub(super) const POLL_INTERVAL: Duration = Duration::from_secs(3);
/// The API's code for a forbidden request: a phone of another platform has no stream.
const FORBIDDEN: i64 = 20_403;

/// An event of the phone.
pub(super) enum PhoneEvent {
    /// An event of the stream.
    Stream(Event),
    /// This phone has no stream; it polls from now on.
    NoStream,
    /// The pending challenges.
    Pending(Vec<Challenge>),
    /// The pending challenges could not be read this time.
    Failed(PhoneError),
}

/// A stream or polling.
pub(super) enum ChallengeSource {
    Stream(Box<Listener>),
    Polling(Phone, Interval),
}

impl ChallengeSource {
    pub(super) fn stream(phone: &Phone) -> Self {
        Self::Stream(Box::new(phone.listen()))
    }

    fn polling(phone: &Phone) -> Self {
        let mut beat = interval(POLL_INTERVAL);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self::Polling(phone.clone(), beat)
    }

    /// The next event. Dropping the future loses nothing.
    ///
    /// # Errors
    /// A retry cannot help.
    pub(super) async fn next(&mut self, phone: &Phone) -> Result<PhoneEvent, PhoneError> {
        match self {
            Self::Stream(listener) => match listener.next().await {
                Err(error) if has_no_stream(&error) => {
                    *self = Self::polling(phone);
                    Ok(PhoneEvent::NoStream)
                }
                event => event.map(PhoneEvent::Stream),
            },
            Self::Polling(phone, beat) => {
                beat.tick().await;
                match phone.challenges(Some(ChallengeStatus::Pending)).await {
                    Err(error) if is_temporary(&error) => Ok(PhoneEvent::Failed(error)),
                    pending => pending.map(PhoneEvent::Pending),
                }
            }
        }
    }

    /// Closes the stream, so that the server knows at once.
    pub(super) async fn close(self) {
        if let Self::Stream(listener) = self {
            listener.close().await;
        }
    }
}

fn has_no_stream(error: &PhoneError) -> bool {
    match error {
        PhoneError::Closed(closed) => {
            // 4404: the platform of the factor changed; if it was deleted, the first poll will tell.
            closed.code == Closed::GONE || closed.refusal().is_some_and(|it| it.code == FORBIDDEN)
        }
        error => error.code() == Some(FORBIDDEN),
    }
}

/// Whether the same call may succeed later.
pub(super) fn is_temporary(error: &PhoneError) -> bool {
    match error {
        PhoneError::Unreachable(_) | PhoneError::Socket(_) | PhoneError::Silent => true,
        PhoneError::Api(countersign_phone::ApiError { status, .. })
        | PhoneError::NotTheApi { status } => {
            matches!(status, 408 | 429 | 500..)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed(code: u16, reason: &str) -> PhoneError {
        PhoneError::Closed(Closed { code, reason: reason.into() })
    }

    #[test]
    fn only_a_phone_without_a_stream_polls() {
        let refusal = |code| {
            format!(r#"{{"code":{code},"message":"No","server_time":"2026-11-22T10:00:00Z"}}"#)
        };
        assert!(has_no_stream(&closed(4401, &refusal(20_403))));
        assert!(has_no_stream(&closed(4404, "")));
        assert!(!has_no_stream(&closed(4401, &refusal(20_003))));
        assert!(!has_no_stream(&closed(4409, "")));
    }

    #[test]
    fn errors_of_an_overloaded_server_are_temporary() {
        assert!(is_temporary(&PhoneError::NotTheApi { status: 503 }));
        assert!(!is_temporary(&PhoneError::NotTheApi { status: 404 }));
        assert!(!is_temporary(&PhoneError::NotSignable));
    }
}
