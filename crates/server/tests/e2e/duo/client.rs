//! A client of the Duo Auth API: it signs, sends and reads.

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_domain::world::Clock as _;
use countersign_testkit::ManualClock;
use reqwest::RequestBuilder;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::support::TestApp;

/// A client of one integration.
#[derive(Clone)]
pub struct Duo {
    pub key: String,
    pub secret: String,
    /// The address of the node that it asks.
    pub node: String,
    pub client: reqwest::Client,
    pub clock: ManualClock,
}

/// A response.
#[derive(Debug)]
pub struct Said {
    pub status: u16,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Said {
    async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.expect("the server answers");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.expect("a body").to_vec();
        Self { status, headers, bytes }
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|_| panic!("JSON: {self:?}"))
    }

    /// The content of a good response.
    #[track_caller]
    pub fn ok(&self) -> Value {
        let json = self.json();
        assert_eq!((self.status, &json["stat"]), (200, &"OK".into()), "{json}");
        assert_eq!(self.headers["cache-control"], "no-store");
        json["response"].clone()
    }

    /// Result and status of a login.
    #[track_caller]
    pub fn login(&self) -> (String, String) {
        let said = self.ok();
        let text = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
        assert!(!text("status_msg").is_empty(), "{said}");
        (text("result"), text("status"))
    }

    /// The code of a refusal.
    #[track_caller]
    pub fn refusal(&self) -> i64 {
        let json = self.json();
        assert_eq!(json["stat"], "FAIL", "{json}");
        let code = json["code"].as_i64().expect("a code");
        assert_eq!(i64::from(self.status), code / 100, "{json}");
        assert!(json["message"].as_str().is_some_and(|text| !text.is_empty()), "{json}");
        code
    }
}

/// The result of a login as [`Said::login`] gives it.
pub fn result(result: &str, status: &str) -> (String, String) {
    (result.to_owned(), status.to_owned())
}

impl Duo {
    pub fn new(app: &TestApp, key: &str, secret: &str) -> Self {
        Self {
            key: key.to_owned(),
            secret: secret.to_owned(),
            node: app.address().to_string(),
            client: app.api().client,
            clock: app.clock.clone(),
        }
    }

    /// The header for the lines that are signed.
    fn authorization(&self, lines: &[&str], algorithm: hmac::Algorithm) -> String {
        let key = hmac::Key::new(algorithm, self.secret.as_bytes());
        let mac = hmac::sign(&key, lines.join("\n").as_bytes());
        format!("Basic {}", STANDARD.encode(format!("{}:{}", self.key, hex(mac.as_ref()))))
    }

    fn date(&self) -> String {
        self.clock.now().to_http_date().replace("GMT", "-0000")
    }

    fn host(&self) -> &str {
        self.node.split(':').next().expect("a host")
    }

    /// A request signed by version 2.
    pub fn request(&self, method: &str, path: &str, form: &[(&str, &str)]) -> RequestBuilder {
        self.request_at(method, path, form, &self.date(), hmac::HMAC_SHA512)
    }

    pub fn request_at(
        &self,
        method: &str,
        path: &str,
        form: &[(&str, &str)],
        date: &str,
        algorithm: hmac::Algorithm,
    ) -> RequestBuilder {
        let parameters = canonical(form);
        let lines = [date, method, self.host(), path, &parameters];
        let authorization = self.authorization(&lines, algorithm);
        let request = self.send(method, path, form);
        request.header("date", date).header("authorization", authorization)
    }

    /// A request signed by version 1, without a date.
    pub fn legacy(&self, method: &str, path: &str, form: &[(&str, &str)]) -> RequestBuilder {
        let parameters = canonical(form);
        let lines = [method, self.host(), path, &parameters];
        let algorithm = hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY;
        let authorization = self.authorization(&lines, algorithm);
        self.send(method, path, form).header("authorization", authorization)
    }

    /// A request of JSON, signed by version 5.
    pub fn json(&self, path: &str, body: &Value) -> RequestBuilder {
        let (body, date) = (body.to_string(), self.date());
        let (content, none) = (sha512(body.as_bytes()), sha512(b""));
        let lines = [&date, "POST", self.host(), path, "", &content, &none];
        let authorization = self.authorization(&lines, hmac::HMAC_SHA512);
        let request = self.client.post(format!("http://{}{path}", self.node));
        let request = request.header("date", date).header("authorization", authorization);
        request.header("content-type", "application/json").body(body)
    }

    pub fn send(&self, method: &str, path: &str, form: &[(&str, &str)]) -> RequestBuilder {
        let url = format!("http://{}{path}", self.node);
        if method == "GET" {
            self.client.get(format!("{url}?{}", canonical(form)))
        } else {
            self.client.post(url).form(form)
        }
    }

    pub async fn said(request: RequestBuilder) -> Said {
        Said::of(request).await
    }

    pub async fn get(&self, path: &str, query: &[(&str, &str)]) -> Said {
        Said::of(self.request("GET", path, query)).await
    }

    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Said {
        Said::of(self.request("POST", path, form)).await
    }

    /// `auth` with further parameters, which returns the client's name of the login.
    pub async fn begin(&self, form: &[(&str, &str)]) -> String {
        let form = [form, &[("async", "1")]].concat();
        let said = self.post("/auth/v2/auth", &form).await.ok();
        said["txid"].as_str().expect("a name").to_owned()
    }

    pub async fn status(&self, txid: &str) -> Said {
        self.get("/auth/v2/auth_status", &[("txid", txid)]).await
    }

    /// The status of a login, by a task.
    pub fn status_later(&self, txid: &str) -> impl Future<Output = Said> + Send + 'static {
        let (client, txid) = (self.clone(), txid.to_owned());
        async move { client.status(&txid).await }
    }

    /// `auth` that waits for the person, by a task.
    pub fn auth_later(
        &self,
        form: &'static [(&'static str, &'static str)],
    ) -> impl Future<Output = Said> + Send + 'static {
        let client = self.clone();
        async move { client.post("/auth/v2/auth", form).await }
    }
}

fn canonical(form: &[(&str, &str)]) -> String {
    let escape = |text: &str| {
        let escape = |byte: u8| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        };
        text.bytes().map(escape).collect::<String>()
    };
    let mut pairs: Vec<_> =
        form.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
    pairs.sort();
    pairs.join("&")
}

fn sha512(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA512, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
