//! The envelope around every request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use countersign_domain::sid::RequestSid;
use countersign_domain::time::Instant;
use countersign_verify::concurrency::{ConcurrencyLimits, RequestLimiter};
use countersign_web::body::{BodyLimits, bounded};
use futures_util::stream;
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use rstest::rstest;
use serde_json::Value;
use tokio_util::task::AbortOnDropHandle;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::{at, base};
use crate::body;
use crate::envelope::Envelope;
use crate::fallback::{no_such_method, no_such_path};
use crate::headers::{HeaderSource, HeaderWriter};
use crate::state::ApiOptions;
use crate::urls::PublicUrl;

/// A clock that stands still, and ids that are counted up.
#[derive(Default)]
struct Counting(AtomicU8);

impl HeaderSource for Counting {
    fn now(&self) -> Instant {
        at()
    }

    fn request_sid(&self) -> RequestSid {
        RequestSid::from_bytes([self.0.fetch_add(1, Ordering::Relaxed); 16])
    }
}

fn app(public_url: &PublicUrl) -> Router {
    async fn panic() -> Response {
        panic!("on purpose")
    }
    let routes = Router::new()
        .route("/v2/Services", get(async || "served"))
        .route("/v2/Panic", get(panic))
        .route("/v2/Only", post(async || ()))
        .route("/v2/Slow", get(std::future::pending::<()>))
        .route("/v2/Large", get(async || "x".repeat(64 * 1024)))
        .route("/healthz", get(async || "alive"))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method);
    let writer = HeaderWriter::new(Arc::new(Counting::default()), public_url);
    let options = ApiOptions { header_limit: 1_024, ..ApiOptions::default() };
    let bounds = ConcurrencyLimits {
        requests: 4,
        unauthenticated_per_address: 1,
        ..ConcurrencyLimits::default()
    };
    let limiter = RequestLimiter::new(bounds);
    Envelope::around(routes, Arc::new(writer), &options, &limiter, &TaskTracker::new())
}

async fn call(app: &Router, request: Request<Body>) -> (http::response::Parts, Bytes) {
    let Ok(response) = app.clone().oneshot(request).await;
    let (parts, body) = response.into_parts();
    (parts, body.collect().await.expect("a body").to_bytes())
}

fn request(method: Method, path: &str) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "h")
        .body(Body::empty())
        .expect("a request")
}

#[tokio::test]
async fn every_header_is_there() {
    let (parts, _) = call(&app(&base()), request(Method::GET, "/v2/Services")).await;
    let mut headers: Vec<String> = parts
        .headers
        .iter()
        .filter(|(name, _)| *name != "twilio-request-duration")
        .map(|(name, value)| format!("{name}: {}", value.to_str().expect("text")))
        .collect();
    headers.sort();
    insta::assert_snapshot!(headers.join("\n"));
    let duration = parts.headers["twilio-request-duration"].to_str().expect("text");
    let (seconds, millis) = duration.split_once('.').expect("a fraction");
    assert!(seconds.parse::<u32>().is_ok() && millis.len() == 3, "{duration}");
}

#[tokio::test]
async fn plain_http_has_no_strict_transport_security() {
    let url = PublicUrl::parse("http://127.0.0.1:8080").expect("a URL");
    let (parts, _) = call(&app(&url), request(Method::GET, "/v2/Services")).await;
    assert!(!parts.headers.contains_key("strict-transport-security"));
    assert_eq!(parts.headers["x-api-domain"], "127.0.0.1");
}

#[rstest]
#[case(Method::GET, "/v2/Services", 200, None)]
#[case(Method::GET, "/v2/Services.json?PageSize=1", 200, None)]
#[case(Method::GET, "/v2/Services/", 200, None)]
#[case(Method::HEAD, "/v2/Services", 200, None)]
#[case(Method::OPTIONS, "/v2/Services", 204, None)]
#[case(Method::OPTIONS, "/nowhere", 204, None)]
#[case(Method::GET, "/nowhere", 404, Some(20404))]
#[case(Method::GET, "/v2/Services/a/b", 404, Some(20404))]
#[case(Method::POST, "/v2/Services", 405, Some(20004))]
#[case(Method::GET, "/v2/Only", 405, Some(20004))]
#[case(Method::GET, "/v2/Panic", 500, Some(20500))]
#[tokio::test]
async fn every_response_is_complete(
    #[case] method: Method,
    #[case] path: &str,
    #[case] status: u16,
    #[case] code: Option<u32>,
) {
    let (parts, body) = call(&app(&base()), request(method, path)).await;
    assert_eq!(parts.status.as_u16(), status);
    assert_eq!(parts.headers["date"], "Tue, 14 Nov 2023 22:13:20 GMT");
    assert_eq!(parts.headers["access-control-allow-origin"], "*");
    assert_eq!(parts.headers["cache-control"], "no-store");
    assert_eq!(parts.headers.contains_key("allow"), status == 405);
    if let Some(code) = code {
        assert_eq!(parts.headers["content-type"], "application/json");
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(body["code"], code);
        assert_eq!(body["status"], status);
    }
}

#[tokio::test]
async fn each_request_has_its_own_id_and_is_counted_until_it_is_done() {
    let app = app(&base());
    for id in ["RQ00000000000000000000000000000000", "RQ01010101010101010101010101010101"] {
        let (parts, _) = call(&app, request(Method::GET, "/v2/Services")).await;
        assert_eq!(parts.headers["twilio-request-id"], id);
        assert_eq!(parts.headers["twilio-concurrent-requests"], "1");
    }
}

#[tokio::test]
async fn headers_are_limited() {
    let long = "a".repeat(1_024);
    let mut fat = request(Method::GET, "/v2/Services");
    fat.headers_mut().insert("x-long", long.parse().expect("a value"));
    let fat_path = request(Method::GET, &format!("/v2/Services?x={long}"));
    for request in [fat, fat_path] {
        let (parts, body) = call(&app(&base()), request).await;
        assert_eq!(parts.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        assert!(!body.is_empty());
    }
}

#[rstest]
#[case("", None)]
#[case("Ttl=150", None)]
#[case("0123456789abcdef!", Some(20413))]
#[tokio::test]
async fn bodies_are_limited(#[case] text: &'static str, #[case] code: Option<u32>) {
    let announced = Request::post("/").header("content-length", text.len());
    let announced = announced.body(Body::from(text)).expect("a request");
    let halves = [text.get(..8), text.get(8..)].map(|half| Bytes::from(half.unwrap_or_default()));
    let streamed = Body::from_stream(stream::iter(halves.map(Ok::<_, std::io::Error>)));
    let streamed = Request::post("/").body(streamed).expect("a request");
    for request in [announced, streamed] {
        let (parts, body) = request.into_parts();
        let read = body::read(&parts.headers, body, 16).await;
        assert_eq!(read.err().map(|error| error.code_and_text().0), code);
    }
}

#[tokio::test]
async fn an_incomplete_body_is_rejected() {
    let broken = stream::iter([Ok(Bytes::from("Ttl=1")), Err(std::io::Error::other("gone"))]);
    let body = Body::from_stream(broken);
    let read = body::read(&http::HeaderMap::new(), body, 16).await;
    assert_eq!(read.expect_err("broken").code_and_text().0, 20422);
}

#[tokio::test]
async fn a_missing_body_times_out() {
    let body = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
    let body = bounded(body, BodyLimits { bytes: 16, within: Duration::ZERO });
    let read = body::read(&http::HeaderMap::new(), body, 16).await;
    assert_eq!(read.expect_err("late").code_and_text().0, 20408);
}

/// A request from this address.
fn from(address: [u8; 4], path: &str) -> Request<Body> {
    let mut request = request(Method::GET, path);
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from((address, 9))));
    request
}

/// A request that is served until the handle is dropped.
async fn begin(app: &Router, request: Request<Body>) -> AbortOnDropHandle<()> {
    let call = app.clone().oneshot(request);
    let begun = AbortOnDropHandle::new(tokio::spawn(async { drop(call.await) }));
    tokio::task::yield_now().await;
    begun
}

#[tokio::test]
async fn unauthenticated_requests_have_few_places() {
    let (app, here, there) = (app(&base()), [192, 0, 2, 1], [192, 0, 2, 2]);
    let first = begin(&app, from(here, "/v2/Slow")).await;
    let (parts, _) = call(&app, from(here, "/v2/Slow")).await;
    assert_eq!(
        (parts.status, &parts.headers["retry-after"]),
        (StatusCode::TOO_MANY_REQUESTS, &HeaderValue::from(1))
    );
    assert_eq!(call(&app, from(here, "/v2/Services")).await.0.status, 200);
    assert_eq!(
        call(&app, from(here, "/v2/Large")).await.0.status,
        429,
        "a large response needs a place"
    );
    assert_eq!(call(&app, from(there, "/v2/Large")).await.0.status, 200);
    let second = begin(&app, from(there, "/v2/Slow")).await;
    let (parts, _) = call(&app, from([192, 0, 2, 3], "/v2/Slow")).await;
    assert_eq!(
        (parts.status, &parts.headers["retry-after"]),
        (StatusCode::SERVICE_UNAVAILABLE, &HeaderValue::from(1))
    );
    assert_eq!(call(&app, request(Method::GET, "/healthz")).await.0.status, 200);
    drop((first, second));
    tokio::task::yield_now().await;
    assert_eq!(call(&app, from(here, "/v2/Large")).await.0.status, 200);
}

#[tokio::test]
async fn an_unread_response_holds_its_place_until_it_is_dropped() {
    let (app, here) = (app(&base()), [192, 0, 2, 1]);
    let Ok(unread) = app.clone().oneshot(from(here, "/v2/Large")).await;
    assert_eq!(call(&app, from(here, "/v2/Large")).await.0.status, 429);
    drop(unread);
    assert_eq!(call(&app, from(here, "/v2/Large")).await.0.status, 200);
}
