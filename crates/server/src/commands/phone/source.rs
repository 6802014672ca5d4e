//! Where challenges come from: the device stream, or asking again and again.

use std::time::Duration;

use countersign_phone::{Challenge, ChallengeStatus, Closed, Error, Event, Listener, Phone};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// How often a phone asks that has no stream.
pub(super) const ASK_EVERY: Duration = Duration::from_secs(3);
/// The API's code for what is not allowed: a phone of another platform has no stream.
const FORBIDDEN: i64 = 20_403;

/// What a phone hears.
pub(super) enum News {
    /// Something about the stream.
    Stream(Event),
    /// This phone has no stream; it asks from now on.
    NoStream,
    /// The pending challenges.
    Pending(Vec<Challenge>),
    /// They could not be had this time.
    NotNow(Error),
}

/// One of the two.
pub(super) enum Source {
    Stream(Box<Listener>),
    Asking(Phone, Interval),
}

impl Source {
    pub(super) fn stream(phone: &Phone) -> Self {
        Self::Stream(Box::new(phone.listen()))
    }

    fn asking(phone: &Phone) -> Self {
        let mut beat = interval(ASK_EVERY);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self::Asking(phone.clone(), beat)
    }

    /// The next news. Dropping the future loses nothing.
    ///
    /// # Errors
    /// Trying again cannot help.
    pub(super) async fn next(&mut self, phone: &Phone) -> Result<News, Error> {
        match self {
            Self::Stream(listener) => match listener.next().await {
                Err(error) if has_no_stream(&error) => {
                    *self = Self::asking(phone);
                    Ok(News::NoStream)
                }
                event => event.map(News::Stream),
            },
            Self::Asking(phone, beat) => {
                beat.tick().await;
                match phone.challenges(Some(ChallengeStatus::Pending)).await {
                    Err(error) if may_pass(&error) => Ok(News::NotNow(error)),
                    pending => pending.map(News::Pending),
                }
            }
        }
    }

    /// Says goodbye, so that the server knows at once.
    pub(super) async fn close(self) {
        if let Self::Stream(listener) = self {
            listener.close().await;
        }
    }
}

fn has_no_stream(error: &Error) -> bool {
    match error {
        Error::Closed(closed) => {
            // 4404: it had one, and then its platform changed; if it is deleted, the first question will tell.
            closed.code == Closed::GONE || closed.refusal().is_some_and(|it| it.code == FORBIDDEN)
        }
        error => error.code() == Some(FORBIDDEN),
    }
}

/// Whether the same call may succeed later.
pub(super) fn may_pass(error: &Error) -> bool {
    match error {
        Error::Unreachable(_) | Error::Socket(_) | Error::Silent => true,
        Error::Api(countersign_phone::ApiError { status, .. }) | Error::NotTheApi { status } => {
            matches!(status, 408 | 429 | 500..)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed(code: u16, reason: &str) -> Error {
        Error::Closed(Closed { code, reason: reason.into() })
    }

    #[test]
    fn only_a_phone_without_a_stream_goes_asking() {
        let refusal = |code| {
            format!(r#"{{"code":{code},"message":"No","server_time":"2026-11-22T10:00:00Z"}}"#)
        };
        assert!(has_no_stream(&closed(4401, &refusal(20_403))));
        assert!(has_no_stream(&closed(4404, "")));
        assert!(!has_no_stream(&closed(4401, &refusal(20_003))));
        assert!(!has_no_stream(&closed(4409, "")));
    }

    #[test]
    fn an_overloaded_server_may_recover() {
        assert!(may_pass(&Error::NotTheApi { status: 503 }));
        assert!(!may_pass(&Error::NotTheApi { status: 404 }));
        assert!(!may_pass(&Error::NotSignable));
    }
}
