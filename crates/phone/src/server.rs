//! The server as a phone sees it: address, certificates, headers and error bodies.

use std::sync::Arc;
use std::time::Duration;

use jiff::fmt::rfc2822;
use reqwest::header::{ACCEPT, CONTENT_TYPE, DATE, HeaderMap};
use reqwest::{Certificate, Client, ClientBuilder, Method, redirect};
use serde_json::{Map, Value};
use url::{Host, Url};

use crate::clock::{LocalTime, system_time};
use crate::error::{ApiError, PhoneError};

const FORM: &str = "application/x-www-form-urlencoded";
const SIGNATURE_FIELDS: &str = "twilio-verify-signature-fields";
const PRESENCE: &str = "countersign-presence";
const USER_VERIFICATION: &str = "countersign-user-verification";
const QUIET: &str = "countersign-quiet";
const STATUS_REASON: &str = "countersign-status-reason";

/// Settings for the connection to a server.
#[derive(Clone, Default)]
pub struct ServerOptions {
    /// PEM certificates that are trusted in addition to the system's, for a private CA.
    pub ca_pem: Option<Vec<u8>>,
    /// Allows plain http to other machines, although anyone on the network can read it.
    pub insecure_http: bool,
    /// The device's clock. Default: the system's.
    pub local_time: Option<LocalTime>,
}

/// A server. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Server {
    base: Url,
    calls: Client,
    upgrades: Client,
    local_time: LocalTime,
}

/// A request of a device.
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) form: &'a [(&'a str, &'a str)],
}

/// A response of any status.
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// The `Date` header, in Unix seconds.
    pub(crate) date: Option<i64>,
    /// The facts about a challenge in its headers.
    pub(crate) of_challenge: ChallengeHeaders,
    body: Vec<u8>,
}

/// The headers of a response with a challenge.
#[derive(Default)]
pub(crate) struct ChallengeHeaders {
    /// `Twilio-Verify-Signature-Fields`.
    pub(crate) fields_to_sign: Option<String>,
    /// `Countersign-Presence`.
    pub(crate) presence: Option<String>,
    /// `Countersign-User-Verification`.
    pub(crate) user_verification: Option<String>,
    /// `Countersign-Quiet`.
    pub(crate) quiet: Option<String>,
    /// `Countersign-Status-Reason`.
    pub(crate) status_reason: Option<String>,
}

impl Server {
    /// A server with a base URL such as `https://verify.example.com`. A path before `/v2` is kept.
    pub fn new(base_url: &str, options: &ServerOptions) -> Result<Self, PhoneError> {
        let base = Url::parse(base_url).map_err(|error| PhoneError::Address(error.to_string()))?;
        let loopback = is_loopback(&base);
        match base.scheme() {
            "https" => {}
            "http" if loopback || options.insecure_http => {}
            "http" => {
                return Err(PhoneError::Address("plain http is for loopback only".into()));
            }
            other => {
                return Err(PhoneError::Address(format!("{other} is neither http nor https")));
            }
        }
        let builder = || client(base.scheme() == "https", loopback, options.ca_pem.as_deref());
        let build = |builder: ClientBuilder| {
            builder.build().map_err(|error| PhoneError::Address(error.to_string()))
        };
        Ok(Self {
            calls: build(builder()?.timeout(Duration::from_secs(30)))?,
            // A WebSocket begins as HTTP/1.1.
            upgrades: build(builder()?.http1_only())?,
            local_time: options.local_time.clone().unwrap_or_else(|| Arc::new(system_time)),
            base,
        })
    }

    /// The base URL.
    pub fn base_url(&self) -> &Url {
        &self.base
    }

    pub(crate) fn local_time(&self) -> LocalTime {
        self.local_time.clone()
    }

    /// The URL of a path below the base URL.
    pub(crate) fn url(&self, path: &[&str]) -> Result<Url, PhoneError> {
        let mut url = self.base.clone();
        url.set_query(None);
        url.path_segments_mut()
            .map_err(|()| PhoneError::Address("it has no path".into()))?
            .pop_if_empty()
            .extend(path);
        Ok(url)
    }

    /// Sends a request with this user and password, with the headers of the mobile SDKs.
    pub(crate) async fn send(
        &self,
        call: &Call<'_>,
        (user, password): (&str, &str),
    ) -> Result<Reply, PhoneError> {
        // Both SDKs accept a form and parse JSON when they read.
        let accept = match call.method {
            Method::GET => FORM,
            _ => "application/json",
        };
        let mut request = self
            .calls
            .request(call.method.clone(), call.url.clone())
            .basic_auth(user, Some(password))
            .header(ACCEPT, accept);
        request = match call.form {
            [] => request.header(CONTENT_TYPE, FORM),
            form => request.form(form),
        };
        Reply::read(request.send().await.map_err(PhoneError::Unreachable)?).await
    }

    /// Requests an upgrade and returns the response.
    pub(crate) async fn upgrade(
        &self,
        url: Url,
        headers: HeaderMap,
    ) -> Result<reqwest::Response, PhoneError> {
        let request = self.upgrades.get(url).headers(headers);
        request.send().await.map_err(PhoneError::Unreachable)
    }
}

impl Reply {
    pub(crate) async fn read(response: reqwest::Response) -> Result<Self, PhoneError> {
        let header = |name: &str| {
            let value = response.headers().get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        Ok(Self {
            status: response.status().as_u16(),
            date: header(DATE.as_str()).and_then(|date| unix_seconds(&date)),
            of_challenge: ChallengeHeaders {
                fields_to_sign: header(SIGNATURE_FIELDS),
                presence: header(PRESENCE),
                user_verification: header(USER_VERIFICATION),
                quiet: header(QUIET),
                status_reason: header(STATUS_REASON),
            },
            body: response.bytes().await.map_err(PhoneError::Unreachable)?.into(),
        })
    }

    /// The response if its status is a success, otherwise the API's error.
    pub(crate) fn accepted(self) -> Result<Self, PhoneError> {
        match self.status {
            200..300 => Ok(self),
            _ => Err(self.refusal()),
        }
    }

    /// The body as a JSON object.
    pub(crate) fn object(&self) -> Result<Map<String, Value>, PhoneError> {
        serde_json::from_slice(&self.body)
            .map_err(|error| PhoneError::malformed(format!("not a JSON object: {error}")))
    }

    fn refusal(&self) -> PhoneError {
        // The iOS SDK drops an error whose code is not an integer or whose message is not a string.
        let parse = || {
            let mut body = self.object().ok()?;
            Some(ApiError {
                status: self.status,
                code: body.get("code")?.as_i64()?,
                message: body.get("message")?.as_str()?.to_owned(),
                more_info: body.get("more_info").and_then(Value::as_str).map(str::to_owned),
                details: body.remove("details"),
            })
        };
        let status = self.status;
        parse().map_or(PhoneError::NotTheApi { status }, PhoneError::Api)
    }
}

fn client(https: bool, loopback: bool, ca_pem: Option<&[u8]>) -> Result<ClientBuilder, PhoneError> {
    let mut builder = Client::builder()
        .user_agent(concat!("countersign-phone/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(10))
        // A device's credentials are sent only to the server that it knows.
        .redirect(redirect::Policy::none());
    if loopback {
        builder = builder.no_proxy();
    }
    Ok(match ca_pem {
        // Plain http needs no certificates, and reading the system's takes time.
        _ if !https => builder.tls_certs_only([]),
        None => builder,
        Some(pem) => {
            let certificates = Certificate::from_pem_bundle(pem)
                .map_err(|error| PhoneError::Address(format!("the CA file: {error}")))?;
            builder.tls_certs_merge(certificates)
        }
    })
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Parses an HTTP date (`Tue, 14 Nov 2023 22:13:20 GMT`) as Unix seconds.
fn unix_seconds(http_date: &str) -> Option<i64> {
    let parser = rfc2822::DateTimeParser::new();
    Some(parser.parse_timestamp(http_date).ok()?.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(base: &str) -> Result<Server, PhoneError> {
        Server::new(base, &ServerOptions::default())
    }

    #[test]
    fn paths_are_appended_to_the_base() {
        for base in ["http://localhost:1/api", "http://localhost:1/api/?x=1"] {
            let url = server(base).unwrap().url(&["v2", "Services", "a b"]);
            let expected = "http://localhost:1/api/v2/Services/a%20b";
            assert_eq!(url.unwrap().as_str(), expected);
        }
    }

    #[test]
    fn plain_http_is_for_loopback_unless_allowed() {
        for fine in ["http://127.0.0.1:8080", "http://[::1]:8080", "http://localhost"] {
            assert!(server(fine).is_ok(), "{fine}");
        }
        for bad in ["http://example.com", "ftp://localhost", "localhost:8080", ""] {
            assert!(matches!(server(bad), Err(PhoneError::Address(_))), "{bad}");
        }
        let insecure_http = true;
        let options = ServerOptions { insecure_http, ..ServerOptions::default() };
        assert!(Server::new("http://countersign:8080", &options).is_ok());
    }

    #[test]
    fn the_date_header_is_read() {
        let date = unix_seconds("Tue, 14 Nov 2023 22:13:20 GMT");
        assert_eq!(date, Some(1_700_000_000));
        assert_eq!(unix_seconds("yesterday"), None);
    }

    #[test]
    fn an_error_body_is_parsed_and_other_bodies_are_not_the_api() {
        let refusal = |body: &str| {
            let body = body.as_bytes().to_vec();
            let of_challenge = ChallengeHeaders::default();
            let answer = Reply { status: 403, date: None, of_challenge, body };
            answer.accepted().map(|_| ()).unwrap_err()
        };
        let error = refusal(r#"{"code":60318,"message":"Factor is unverified","status":403}"#);
        assert_eq!(error.code(), Some(60318));
        assert_eq!(error.to_string(), "Factor is unverified (60318, HTTP 403)");
        for other in ["", "<html>", r#"{"code":"60318","message":"text code"}"#] {
            assert!(matches!(refusal(other), PhoneError::NotTheApi { status: 403 }));
        }
    }
}
