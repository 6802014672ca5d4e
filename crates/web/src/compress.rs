//! Compresses responses that are made for one request.

use std::io::Write as _;

use axum::body::{Body, Bytes};
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, VARY};
use http::{HeaderMap, HeaderValue};
use http_body::Body as _;
use http_body_util::BodyExt as _;

use crate::assets::accepts_gzip;

/// Smaller bodies fit into one packet anyway.
const LEAST: u64 = 1_024;
/// Larger bodies would occupy a thread that serves requests for too long.
const MOST: u64 = 4 * 1_024 * 1_024;

/// The response as gzip, if the client accepts it and the whole body is at hand. A body that is still being made is sent as it is: a
/// stream of events must not wait for more.
pub async fn compressed(response: Response, request: &HeaderMap) -> Response {
    let size = response.body().size_hint().exact().unwrap_or(0);
    let is_encoded = response.headers().contains_key(CONTENT_ENCODING);
    if is_encoded || !(LEAST..=MOST).contains(&size) {
        return response;
    }
    let (mut head, body) = response.into_parts();
    head.headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    if !accepts_gzip(request) {
        return Response::from_parts(head, body);
    }
    let Ok(whole) = body.collect().await.map(http_body_util::Collected::to_bytes) else {
        return Response::from_parts(head, Body::empty());
    };
    let packed = gzip(&whole);
    head.headers.remove(CONTENT_LENGTH);
    head.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    Response::from_parts(head, Body::from(packed))
}

/// Fast: pages are rendered for each request.
fn gzip(bytes: &Bytes) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.unwrap_or_else(|_| unreachable!("a vector takes every byte"))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn asking(encoding: &'static str) -> HeaderMap {
        let name = http::header::ACCEPT_ENCODING;
        [(name, HeaderValue::from_static(encoding))].into_iter().collect()
    }

    /// A body that does not tell its length.
    struct Unmeasured(Option<Bytes>);

    impl http_body::Body for Unmeasured {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
            std::task::Poll::Ready(self.0.take().map(|bytes| Ok(http_body::Frame::data(bytes))))
        }
    }

    async fn bytes(response: Response) -> Bytes {
        response.into_body().collect().await.unwrap().to_bytes()
    }

    #[tokio::test]
    async fn a_page_is_compressed_for_a_client_that_accepts_it() {
        let page = "a page ".repeat(1_000);
        let packed = compressed(Response::new(page.clone().into()), &asking("br, gzip")).await;
        assert_eq!(packed.headers()[CONTENT_ENCODING], "gzip");
        assert_eq!(packed.headers()[VARY], "Accept-Encoding");
        let packed = bytes(packed).await;
        assert!(packed.len() < page.len() / 10);
        let mut text = String::new();
        flate2::read::GzDecoder::new(&*packed).read_to_string(&mut text).unwrap();
        assert_eq!(text, page);
        let plain = compressed(Response::new(page.clone().into()), &asking("br")).await;
        assert_eq!(plain.headers().get(CONTENT_ENCODING), None);
        assert_eq!(plain.headers()[VARY], "Accept-Encoding");
        assert_eq!(bytes(plain).await, page);
    }

    #[tokio::test]
    async fn small_and_streamed_bodies_are_not_compressed() {
        let small = compressed(Response::new("small".into()), &asking("gzip")).await;
        assert_eq!(small.headers().get(CONTENT_ENCODING), None);
        let body = Unmeasured(Some(vec![b'x'; 10_000].into()));
        let streamed = compressed(Response::new(Body::new(body)), &asking("gzip")).await;
        assert_eq!(streamed.headers().get(CONTENT_ENCODING), None);
        assert_eq!(bytes(streamed).await.len(), 10_000);
    }
}
