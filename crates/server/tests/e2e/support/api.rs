//! The application's side: plain HTTP, so that a test sees what is on the wire.

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

/// An answer.
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
        Self { status, headers, body }
    }

    /// Status and code, as the error table pairs them.
    pub fn refusal(&self) -> (u16, i64) {
        assert_eq!(self.body["status"], self.status, "{self:?}");
        (self.status, self.body["code"].as_i64().unwrap_or_else(|| panic!("a code: {self:?}")))
    }

    /// The body of an answer with this status.
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

/// One who calls, with credentials or without.
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

    pub async fn delete(&self, path: &str) -> Reply {
        Reply::of(self.request(Method::DELETE, path)).await
    }

    /// The same caller with other credentials.
    pub fn with(&self, user: &str, password: &str) -> Self {
        Self { user: user.into(), password: password.into(), ..self.clone() }
    }
}
