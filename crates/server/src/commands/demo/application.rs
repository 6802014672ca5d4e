//! The application: it uses the REST API with its account's credentials, as any HTTP client would.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use countersign_domain::secret::Secret;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Method};
use url::form_urlencoded::{self, byte_serialize};

use super::response::Response;
use super::timeout::TIMEOUT;

/// An HTTP client with credentials.
pub(super) struct Application {
    http: Client,
    /// The server's URL, without a slash at its end.
    pub(super) base: String,
    /// The account's SID.
    pub(super) account: String,
    token: Secret,
}

/// One call, which can be sent and shown as a command.
pub(super) struct Call {
    method: Method,
    url: String,
    form: Vec<(&'static str, String)>,
}

impl Call {
    pub(super) fn get(url: impl Into<String>) -> Self {
        Self { method: Method::GET, url: url.into(), form: Vec::new() }
    }

    pub(super) fn post(url: impl Into<String>, form: &[(&'static str, &str)]) -> Self {
        let form = form.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self { method: Method::POST, url: url.into(), form }
    }

    /// The encoded form.
    fn body(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.form).finish()
    }
}

impl Application {
    pub(super) fn new(base: String, account: String, token: Secret) -> anyhow::Result<Self> {
        let http = Client::builder()
            // the server is on this machine, in plain http: no proxy, no certificates
            .no_proxy()
            .tls_certs_only([])
            .timeout(TIMEOUT)
            .build()?;
        Ok(Self { http, base, account, token })
    }

    /// The account's token. It may be shown, since it is worthless after the demo.
    pub(super) fn token(&self) -> &str {
        self.token.expose()
    }

    /// Sends a call and returns any response.
    async fn make(&self, call: &Call) -> anyhow::Result<Response> {
        let mut request = self
            .http
            .request(call.method.clone(), &call.url)
            .basic_auth(&self.account, Some(self.token.expose()));
        if call.method == Method::POST {
            request =
                request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(call.body());
        }
        let sent = Instant::now();
        let response = request.send().await.with_context(|| call.to_string())?;
        let status = response.status();
        let text = response.text().await.with_context(|| call.to_string())?;
        Ok(Response { status, text, sent, received_at: Instant::now() })
    }

    /// Sends a call whose response must have this status.
    pub(super) async fn expect(&self, call: &Call, status: u16) -> anyhow::Result<Response> {
        let response = self.make(call).await?;
        if response.status.as_u16() != status {
            bail!("{call}: expected {status}, got {}: {}", response.status, response.text);
        }
        Ok(response)
    }

    /// Repeats a call until its response is as wanted.
    pub(super) async fn until<T>(
        &self,
        call: &Call,
        wanted: impl Fn(&Response) -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        let began = Instant::now();
        loop {
            let response = self.expect(call, 200).await?;
            if let Some(found) = wanted(&response)? {
                return Ok(found);
            }
            if began.elapsed() > TIMEOUT {
                bail!(
                    "{call}: timed out after {} s; the last response was {}",
                    TIMEOUT.as_secs(),
                    response.text
                );
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The call as a curl command.
    pub(super) fn curl(&self, call: &Call, indent: &str) -> String {
        let Call { method, url, form } = call;
        let mut lines = vec![
            "curl".to_owned(),
            format!("--request {method} '{url}'"),
            format!("--user \"{}:{}\"", self.account, self.token.expose()),
        ];
        if *method == Method::POST {
            lines.push("--header \"Content-Type: application/x-www-form-urlencoded\"".to_owned());
        }
        for (name, value) in form {
            let is_plain = byte_serialize(value.as_bytes()).collect::<String>() == *value;
            let option = if is_plain { "--data" } else { "--data-urlencode" };
            lines.push(format!("{option} '{name}={}'", value.replace('\'', r"'\''")));
        }
        format!("{indent}{}", lines.join(&format!(" \\\n{indent} ")))
    }
}

/// The call without its host and without secrets.
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.url.split_once("/v2/").map_or(self.url.as_str(), |(_, path)| path);
        write!(f, "{} /v2/{path}", self.method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_shown_as_it_is_sent() {
        let base = "http://127.0.0.1:1".to_owned();
        let app = Application::new(base, "AC1".into(), Secret::new("t")).unwrap();
        let call = Call::post("http://127.0.0.1:1/v2/x", &[("Ttl", "150"), ("M", "it's a b")]);
        assert_eq!(call.body(), "Ttl=150&M=it%27s+a+b");
        let expected = "curl \\\n --request POST 'http://127.0.0.1:1/v2/x' \\\n --user \"AC1:t\" \\\n \
             --header \"Content-Type: application/x-www-form-urlencoded\" \\\n --data 'Ttl=150' \\\n \
             --data-urlencode 'M=it'\\''s a b'";
        assert_eq!(app.curl(&call, ""), expected);
        assert_eq!(call.to_string(), "POST /v2/x");
    }
}
