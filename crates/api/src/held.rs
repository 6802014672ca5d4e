//! A response's body, which holds the place of its request until it is sent or given up.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use countersign_verify::concurrency::RequestPermit;
use http_body::{Frame, SizeHint};

/// Holds the place as long as the body.
pub(crate) fn until_sent(body: Body, place: Option<Arc<RequestPermit>>) -> Body {
    match place {
        Some(place) if !body.is_end_stream() => Body::new(Held { body, _place: place }),
        _ => body,
    }
}

struct Held {
    body: Body,
    _place: Arc<RequestPermit>,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
