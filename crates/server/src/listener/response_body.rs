//! The body of a response on its way to a client that may read slowly, or not at all.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::requests::SendingResponse;

/// The size of a part. hyper drops a body when it has taken the last part, so at most this much, beside hyper's own
/// buffers, is unsent when the request stops counting.
const PART: usize = 16 * 1024;

/// A body that is sent in parts and reports each.
pub(super) struct ResponseBody {
    body: Body,
    /// Bytes that were received from the body and not passed on yet.
    rest: Bytes,
    sending: SendingResponse,
}

impl ResponseBody {
    pub(super) const fn new(body: Body, sending: SendingResponse) -> Self {
        Self { body, rest: Bytes::new(), sending }
    }
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            let polled = Pin::new(&mut self.body).poll_frame(cx);
            if polled.is_pending() {
                self.sending.wait(Instant::now());
            }
            match ready!(polled) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                end => return Poll::Ready(end),
            }
        }
        let part = self.rest.len().min(PART);
        self.sending.advance(Instant::now(), part);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(part)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = u64::try_from(self.rest.len()).unwrap_or(u64::MAX);
        let of_body = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(of_body.lower().saturating_add(rest));
        if let Some(upper) = of_body.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use http_body_util::BodyExt as _;

    use super::super::requests::Requests;
    use super::*;

    #[tokio::test]
    async fn a_body_is_sent_in_parts_and_tells_its_whole_length() {
        let text = Bytes::from(vec![b'x'; 2 * PART + 1]);
        let requests = Arc::new(Requests::new(Instant::now()));
        let sending = requests.open().send(Instant::now(), Duration::from_secs(1));
        let mut body = ResponseBody::new(Body::from(text.clone()), sending);
        let mut lengths = Vec::new();
        while !body.is_end_stream() {
            let left = text.len() - lengths.iter().sum::<usize>();
            assert_eq!(body.size_hint().exact(), Some(u64::try_from(left).unwrap()));
            let frame = body.frame().await.unwrap().unwrap();
            lengths.push(frame.into_data().unwrap().len());
        }
        assert_eq!(lengths, [PART, PART, 1]);
        assert!(requests.idle().is_none());
        drop(body);
        assert!(requests.idle().is_some());
    }
}
