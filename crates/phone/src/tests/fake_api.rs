//! An API that returns prepared responses in turn and records the requests.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use super::vectors;

/// A prepared response.
pub(super) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

/// A request as it arrived.
pub(super) struct RecordedRequest {
    /// Method and path.
    pub(super) line: String,
    pub(super) query: HashMap<String, String>,
    pub(super) headers: HeaderMap,
    pub(super) user: String,
    pub(super) password: String,
    pub(super) form: HashMap<String, String>,
}

pub(super) struct FakeApi {
    pub(super) base_url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    replies: VecDeque<Reply>,
    asked: Vec<RecordedRequest>,
}

impl FakeApi {
    /// Starts an API that returns these responses, and 500 afterwards.
    pub(super) async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let replies = replies.into_iter().collect();
        let state = Arc::new(Mutex::new(State { replies, ..State::default() }));
        let router = router(state.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { base_url, state }
    }

    /// The requests so far. Asserts that every prepared response was used.
    pub(super) fn asked(&self) -> Vec<RecordedRequest> {
        let mut state = self.state.lock().unwrap();
        assert!(state.replies.is_empty(), "{} answers left", state.replies.len());
        std::mem::take(&mut state.asked)
    }
}

fn router(state: Arc<Mutex<State>>) -> Router {
    Router::new().fallback(move |request: Request| async move {
        let (head, body) = request.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let (user, password) = credentials(&head.headers);
        let asked = RecordedRequest {
            line: format!("{} {}", head.method, head.uri.path()),
            query: pairs(head.uri.query().unwrap_or_default().as_bytes()),
            form: pairs(&body),
            headers: head.headers,
            user,
            password,
        };
        let mut state = state.lock().unwrap();
        state.asked.push(asked);
        let reply = state.replies.pop_front();
        reply.unwrap_or_else(|| Reply::error(500, 20500, "Internal Server Error"))
    })
}

fn credentials(headers: &HeaderMap) -> (String, String) {
    let header = headers.get("authorization").map(|value| value.to_str().unwrap());
    let basic = header.and_then(|value| value.strip_prefix("Basic "));
    let text = basic.map(|text| String::from_utf8(STANDARD.decode(text).unwrap()).unwrap());
    let text = text.unwrap_or_default();
    let (user, password) = text.split_once(':').unwrap_or_default();
    (user.to_owned(), password.to_owned())
}

fn pairs(encoded: &[u8]) -> HashMap<String, String> {
    url::form_urlencoded::parse(encoded).into_owned().collect()
}

impl Reply {
    pub(super) fn json(status: u16, body: impl Into<Value>) -> Self {
        let body = body.into().to_string().into_bytes();
        Self { status, headers: Vec::new(), body }
    }

    pub(super) fn error(status: u16, code: u32, message: &str) -> Self {
        Self::json(status, json!({"code": code, "message": message, "status": status}))
    }

    pub(super) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// The documented factor, verified or not.
    pub(super) fn factor(status: u16, word: &str) -> Self {
        let mut factor = vectors::factor();
        factor.insert("status".into(), word.into());
        Self::json(status, factor)
    }

    /// The documented challenge with a status. While it is pending, with the names of the members to sign.
    pub(super) fn challenge(word: &str) -> Self {
        let reply = Self::json(200, challenge(word));
        match word {
            "pending" => reply.with("Twilio-Verify-Signature-Fields", vectors::SIGNED),
            _ => reply,
        }
    }
}

pub(super) fn challenge(word: &str) -> Map<String, Value> {
    let mut challenge = vectors::challenge();
    challenge.insert("status".into(), word.into());
    challenge
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap();
        let mut response = (status, Bytes::from(self.body)).into_response();
        for (name, value) in self.headers {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        response
    }
}
