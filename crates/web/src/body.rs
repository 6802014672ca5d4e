//! The body of a request: how long it may take, how slow and how large it may be. These bounds hold for every reader.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::time::{Instant, Sleep, sleep_until};

/// A body must come at this rate at least on average, in bytes per second, once a third of its time is over.
const LEAST_RATE: u64 = 1_024;

/// Why a body was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyFault {
    /// It has more bytes than it may have.
    #[error("the body is too large")]
    TooLarge,
    /// It did not come in time, or too slowly.
    #[error("the body did not arrive in time")]
    Late,
    /// It ended before its end.
    #[error("the body broke off")]
    Broken,
}

/// What a body may take.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    /// The most bytes.
    pub bytes: usize,
    /// The most time for all of it. Of this, a third is for the first byte.
    pub within: Duration,
}

impl Allowance {
    /// How long after its beginning more than `bytes` must have come.
    fn deadline(&self, bytes: usize) -> Duration {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let earned = Duration::from_millis(bytes.saturating_mul(1_000) / LEAST_RATE);
        self.within.min(self.within / 3 + earned)
    }
}

/// Bounds a body. Reading more than is allowed, or for longer, fails with a [`BodyFault`].
pub fn bounded(body: Body, allowance: Allowance) -> Body {
    if body.is_end_stream() {
        return body;
    }
    let began = Instant::now();
    Body::new(Bounded { body, allowance, began, bytes: 0, timer: None })
}

/// Reads a body to its end, of `most` bytes at most.
///
/// # Errors
/// See [`BodyFault`].
pub async fn whole(body: Body, most: usize) -> Result<Bytes, BodyFault> {
    match Limited::new(body, most).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(BodyFault::TooLarge),
        Err(error) => {
            let inner = error.downcast::<axum::Error>().map(|error| error.into_inner());
            let fault = inner.ok().and_then(|error| error.downcast::<BodyFault>().ok());
            Err(fault.map_or(BodyFault::Broken, |fault| *fault))
        }
    }
}

struct Bounded {
    body: Body,
    allowance: Allowance,
    began: Instant,
    bytes: usize,
    /// Runs only while the body is waited for.
    timer: Option<Pin<Box<Sleep>>>,
}

impl HttpBody for Bounded {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let frame = match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                let deadline = self.began + self.allowance.deadline(self.bytes);
                let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
                if timer.deadline() != deadline {
                    timer.as_mut().reset(deadline);
                }
                ready!(timer.as_mut().poll(cx));
                return Poll::Ready(Some(Err(BodyFault::Late)));
            }
        };
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                self.bytes += frame.data_ref().map_or(0, Bytes::len);
                if self.bytes > self.allowance.bytes {
                    Some(Err(BodyFault::TooLarge))
                } else {
                    Some(Ok(frame))
                }
            }
            Some(Err(_)) => Some(Err(BodyFault::Broken)),
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
    const ALLOWANCE: Allowance = Allowance { bytes: 64 * 1024, within: Duration::from_secs(30) };

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
        bounded(Body::new(By(frames)), ALLOWANCE)
    }

    /// A body in so many parts of so many bytes.
    fn parts(count: usize, bytes: usize) -> Body {
        let mut left = count;
        bounded_by(move || {
            let Some(rest) = left.checked_sub(1) else { return Poll::Ready(None) };
            left = rest;
            Poll::Ready(Some(Ok(Frame::data(vec![b'x'; bytes].into()))))
        })
    }

    #[test]
    fn a_third_of_the_time_is_for_the_first_byte_and_each_one_earns_more() {
        let deadline = |bytes| ALLOWANCE.deadline(bytes);
        assert_eq!(deadline(0), 10 * SECOND);
        assert_eq!(deadline(512), 10 * SECOND + SECOND / 2);
        assert_eq!(deadline(16 * 1024), 26 * SECOND);
        assert_eq!(deadline(64 * 1024), 30 * SECOND, "all of its time");
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let silent = Body::new(By(|| Poll::Pending));
        let body = bounded(silent, Allowance { within: Duration::ZERO, ..ALLOWANCE });
        assert_eq!(whole(body, 16).await, Err(BodyFault::Late));
    }

    #[tokio::test]
    async fn a_body_has_a_bound_whoever_reads_it() {
        let length = async |body| whole(body, usize::MAX).await.map(|bytes| bytes.len());
        assert_eq!(length(parts(4, 16 * 1024)).await, Ok(64 * 1024));
        assert_eq!(length(parts(5, 16 * 1024)).await, Err(BodyFault::TooLarge));
        assert_eq!(whole(parts(1, 4), 4).await, Ok(Bytes::from("xxxx")));
        assert_eq!(whole(parts(1, 5), 4).await, Err(BodyFault::TooLarge));
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_not_taken() {
        let body = bounded_by(|| Poll::Ready(Some(Err(std::io::Error::other("gone")))));
        assert_eq!(whole(body, 16).await, Err(BodyFault::Broken));
    }
}
