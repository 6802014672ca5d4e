//! Bounds the body of a request: its size, its duration and its slowness. The bounds hold for every reader.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::time::{Instant, Sleep, sleep_until};

/// The slowest average rate, in bytes per second, once a third of the time is over.
const SLOWEST_RATE: u64 = 1_024;

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It exceeds the size limit.
    #[error("the body is too large")]
    TooLarge,
    /// It did not arrive in time, or too slowly.
    #[error("the body did not arrive in time")]
    Late,
    /// The connection ended within it.
    #[error("the body broke off")]
    Broken,
}

/// The limits of a body.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// The largest size, in bytes.
    pub bytes: usize,
    /// The longest duration. The first byte must arrive within a third of it.
    pub within: Duration,
}

impl BodyLimits {
    /// The time after the start by which more than `bytes` must have arrived.
    fn deadline(&self, bytes: usize) -> Duration {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let earned = Duration::from_millis(bytes.saturating_mul(1_000) / SLOWEST_RATE);
        self.within.min(self.within / 3 + earned)
    }
}

/// Bounds a body. Reading past its limits fails with a [`BodyError`].
pub fn bounded(body: Body, limits: BodyLimits) -> Body {
    if body.is_end_stream() {
        return body;
    }
    let began = Instant::now();
    Body::new(Bounded { body, limits, began, bytes: 0, timer: None })
}

/// Reads a whole body of up to `most` bytes.
///
/// # Errors
/// See [`BodyError`].
pub async fn whole(body: Body, most: usize) -> Result<Bytes, BodyError> {
    match Limited::new(body, most).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge),
        Err(error) => {
            let inner = error.downcast::<axum::Error>().map(|error| error.into_inner());
            let error = inner.ok().and_then(|error| error.downcast::<BodyError>().ok());
            Err(error.map_or(BodyError::Broken, |error| *error))
        }
    }
}

struct Bounded {
    body: Body,
    limits: BodyLimits,
    began: Instant,
    bytes: usize,
    /// Runs only while a read waits.
    timer: Option<Pin<Box<Sleep>>>,
}

impl HttpBody for Bounded {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                let deadline = self.began + self.limits.deadline(self.bytes);
                let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
                if timer.deadline() != deadline {
                    timer.as_mut().reset(deadline);
                }
                ready!(timer.as_mut().poll(cx));
                return Poll::Ready(Some(Err(BodyError::Late)));
            }
        };
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                self.bytes += frame.data_ref().map_or(0, Bytes::len);
                if self.bytes > self.limits.bytes {
                    Some(Err(BodyError::TooLarge))
                } else {
                    Some(Ok(frame))
                }
            }
            Some(Err(_)) => Some(Err(BodyError::Broken)),
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const LIMITS: BodyLimits = BodyLimits { bytes: 64 * 1024, within: Duration::from_secs(30) };

    type Polled = Poll<Option<std::io::Result<Frame<Bytes>>>>;

    /// A body whose frames come from a function.
    struct By<F>(F);

    impl<F: FnMut() -> Polled + Unpin> HttpBody for By<F> {
        type Data = Bytes;
        type Error = std::io::Error;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Polled {
            (self.0)()
        }
    }

    fn bounded_by(frames: impl FnMut() -> Polled + Unpin + Send + 'static) -> Body {
        bounded(Body::new(By(frames)), LIMITS)
    }

    /// A body of `count` parts of `bytes` bytes each.
    fn parts(count: usize, bytes: usize) -> Body {
        let mut left = count;
        bounded_by(move || {
            let Some(rest) = left.checked_sub(1) else { return Poll::Ready(None) };
            left = rest;
            Poll::Ready(Some(Ok(Frame::data(vec![b'x'; bytes].into()))))
        })
    }

    #[test]
    fn the_deadline_is_a_third_of_the_time_and_grows_with_each_byte() {
        let deadline = |bytes| LIMITS.deadline(bytes);
        assert_eq!(deadline(0), 10 * SECOND);
        assert_eq!(deadline(512), 10 * SECOND + SECOND / 2);
        assert_eq!(deadline(16 * 1024), 26 * SECOND);
        assert_eq!(deadline(64 * 1024), 30 * SECOND, "the whole time");
    }

    #[tokio::test]
    async fn a_body_that_does_not_arrive_times_out() {
        let silent = Body::new(By(|| Poll::Pending));
        let body = bounded(silent, BodyLimits { within: Duration::ZERO, ..LIMITS });
        assert_eq!(whole(body, 16).await, Err(BodyError::Late));
    }

    #[tokio::test]
    async fn the_size_limit_holds_for_every_reader() {
        let length = async |body| whole(body, usize::MAX).await.map(|bytes| bytes.len());
        assert_eq!(length(parts(4, 16 * 1024)).await, Ok(64 * 1024));
        assert_eq!(length(parts(5, 16 * 1024)).await, Err(BodyError::TooLarge));
        assert_eq!(whole(parts(1, 4), 4).await, Ok(Bytes::from("xxxx")));
        assert_eq!(whole(parts(1, 5), 4).await, Err(BodyError::TooLarge));
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_rejected() {
        let body = bounded_by(|| Poll::Ready(Some(Err(std::io::Error::other("gone")))));
        assert_eq!(whole(body, 16).await, Err(BodyError::Broken));
    }
}
