//! A response body that holds the place of its request until it is sent or dropped.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use countersign_verify::concurrency::RequestPermit;
use http_body::{Frame, SizeHint};

/// Wraps a body so that it holds the place.
pub(crate) fn until_sent(body: Body, place: Option<Arc<RequestPermit>>) -> Body {
    match place {
        Some(place) if !body.is_end_stream() => Body::new(HeldBody { body, _place: place }),
        _ => body,
    }
}

struct HeldBody {
    body: Body,
    _place: Arc<RequestPermit>,
}

impl HttpBody for HeldBody {
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
