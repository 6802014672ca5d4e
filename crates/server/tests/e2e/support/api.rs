//! The application's side, over plain HTTP: a test sees the bytes on the wire.

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

/// The headers of every response.
pub const ALWAYS: [&str; 13] = [
    "date",
    "content-type",
    "cache-control",
    "twilio-request-id",
    "twilio-request-duration",
    "twilio-concurrent-requests",
    "x-api-domain",
    "x-home-region",
    "access-control-allow-origin",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "access-control-allow-credentials",
    "access-control-expose-headers",
];

/// A response.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    /// `Null` if the body is empty.
    pub body: Value,
}

impl Reply {
    pub async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.expect("the server answers");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.expect("the body is text");
        let body = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).unwrap_or_else(|_| panic!("the body is JSON: {text}"))
        };
        let reply = Self { status, headers, body };
        reply.is_well_formed();
        reply
    }

    /// Checks what holds for every response of the API.
    #[track_caller]
    fn is_well_formed(&self) {
        for name in ALWAYS {
            let is_there = self.headers.contains_key(name);
            assert!(is_there || (name, self.status) == ("content-type", 204), "{name}: {self:?}");
        }
        if self.status < 400 {
            return;
        }
        let (status, code) = self.refusal();
        let members = self.body.as_object().expect("an error is an object");
        let is_known = |name: &String| {
            ["code", "message", "more_info", "status", "details"].contains(&name.as_str())
        };
        assert!(members.keys().all(is_known), "{self:?}");
        assert!(self.body["message"].as_str().is_some_and(|text| !text.is_empty()), "{self:?}");
        assert_eq!(
            self.body["more_info"],
            format!("https://www.twilio.com/docs/errors/{code}"),
            "{self:?}"
        );
        assert_eq!(self.headers.contains_key("www-authenticate"), status == 401, "{self:?}");
        let reason = self.body["details"]["reason"].as_str().unwrap_or_default();
        let is_paused = code == 60312 && reason.contains("limits.push_challenges_in_a_row");
        assert_eq!(
            self.headers.contains_key("retry-after"),
            is_paused || matches!(code, 20429 | 20503 | 60328),
            "{self:?}"
        );
    }

    /// A header's text.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("{name} in {self:?}"));
        value.to_str().expect("headers are text")
    }

    /// Status and code, as the error table pairs them.
    #[track_caller]
    pub fn refusal(&self) -> (u16, i64) {
        assert_eq!(self.body["status"], self.status, "{self:?}");
        (self.status, self.body["code"].as_i64().unwrap_or_else(|| panic!("a code: {self:?}")))
    }

    /// The body of a response that must have this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.body
    }

    /// A text member.
    #[track_caller]
    pub fn text(&self, member: &str) -> String {
        self.body[member].as_str().unwrap_or_else(|| panic!("{member} in {self:?}")).to_owned()
    }
}

/// A caller, with or without credentials.
#[derive(Clone)]
pub struct Caller {
    pub client: reqwest::Client,
    pub base: String,
    pub user: String,
    pub password: String,
}

impl Caller {
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = if path.starts_with('/') { format!("{}{path}", self.base) } else { path.into() };
        self.client.request(method, url).basic_auth(&self.user, Some(&self.password))
    }

    pub async fn get(&self, path: &str) -> Reply {
        Reply::of(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Reply {
        Reply::of(self.request(Method::POST, path).form(form)).await
    }

    /// Posts a body as it is, valid or not.
    pub async fn post_bytes(&self, path: &str, form: impl Into<Vec<u8>>) -> Reply {
        Reply::of(self.request(Method::POST, path).body(form.into())).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        Reply::of(self.request(Method::DELETE, path)).await
    }

    /// The same caller with other credentials.
    pub fn with(&self, user: &str, password: &str) -> Self {
        Self { user: user.into(), password: password.into(), ..self.clone() }
    }
}
