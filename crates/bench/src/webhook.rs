//! The application's webhook.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context as _, Result};
use aws_lc_rs::hmac;
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use data_encoding::HEXLOWER;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use url::form_urlencoded;

use crate::ledger::Sid;
use crate::logins::{Ending, Logins};

/// A listener that does not serve yet: its keys are known when the webhook was created with its URL.
pub(crate) struct Bound {
    listener: TcpListener,
    pub(crate) url: String,
}

/// The keys of both signatures.
pub(crate) struct Keys {
    twilio: hmac::Key,
    own: hmac::Key,
}

/// A listener that notes the ending that each event tells.
pub(crate) struct Ear {
    rejected: Arc<AtomicU64>,
    _serving: JoinSet<()>,
}

/// An event.
#[derive(Debug, PartialEq)]
struct Event {
    uuid: u128,
    challenge: Sid,
    ending: Ending,
}

impl Bound {
    pub(crate) async fn new() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}/hook", listener.local_addr()?);
        Ok(Self { listener, url })
    }

    /// Serves until the ear is dropped.
    pub(crate) fn serve(self, keys: Keys, logins: Arc<Logins>) -> Ear {
        let Self { listener, url } = self;
        let (rejected, keys) = (Arc::<AtomicU64>::default(), Arc::new(keys));
        let counter = Arc::clone(&rejected);
        let take = async move |headers: HeaderMap, body: Bytes| {
            let event = keys.are_of(&headers, &url, &body).then(|| Event::of(&body)).flatten();
            match event {
                Some(Event { uuid, challenge, ending }) => {
                    logins.told(challenge, uuid, ending, Instant::now());
                    StatusCode::OK
                }
                None => {
                    counter.fetch_add(1, Ordering::Relaxed);
                    StatusCode::FORBIDDEN
                }
            }
        };
        let router = Router::new().route("/hook", post(take));
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            // It serves until this is dropped.
            let _ = axum::serve(listener, router).await;
        });
        Ear { rejected, _serving: serving }
    }
}

impl Ear {
    /// Calls with a wrong signature, or of another kind.
    pub(crate) fn rejected(&self) -> u64 {
        self.rejected.load(Ordering::Relaxed)
    }
}

impl Keys {
    pub(crate) fn new(auth_token: &str, secret: &str) -> Self {
        Self {
            twilio: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, auth_token.as_bytes()),
            own: hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()),
        }
    }

    /// Whether both signatures are right.
    fn are_of(&self, headers: &HeaderMap, url: &str, body: &[u8]) -> bool {
        let value = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let are_right = || {
            let twilio = STANDARD.decode(value("x-twilio-signature")?).ok()?;
            let mut form: Vec<_> = form_urlencoded::parse(body).collect();
            form.sort();
            form.dedup();
            let pairs = form.iter().flat_map(|(name, value)| [&**name, &**value]);
            let text: String = std::iter::once(url).chain(pairs).collect();
            hmac::verify(&self.twilio, text.as_bytes(), &twilio).ok()?;

            let (time, own) = value("countersign-signature")?.split_once(",v1=")?;
            let own = HEXLOWER.decode(own.as_bytes()).ok()?;
            let text = [time.strip_prefix("t=")?.as_bytes(), b".", body].concat();
            hmac::verify(&self.own, &text, &own).ok()
        };
        are_right().is_some()
    }
}

impl Event {
    /// `None` if the form is no event that tells the ending of a challenge.
    fn of(form: &[u8]) -> Option<Self> {
        let value = |wanted: &str| {
            let found = form_urlencoded::parse(form).find(|(name, _)| name == wanted);
            found.map(|(_, value)| value.into_owned())
        };
        let hex = |text: &str| u128::from_str_radix(text, 16).ok();
        Some(Self {
            uuid: hex(&value("uuid")?.replace('-', ""))?,
            challenge: hex(value("challenge_sid")?.strip_prefix("YC")?)?,
            ending: Ending::named(value("type")?.strip_prefix("challenge.")?)?,
        })
    }
}

/// The secret in the response of `GET …/Webhooks/{Sid}/Secret`.
pub(crate) fn secret_of(body: &[u8]) -> Result<String> {
    let body: serde_json::Value = serde_json::from_slice(body)?;
    Ok(body["secret"].as_str().context("a webhook without a secret")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "http://127.0.0.1:1/hook";
    const BODY: &[u8] = b"uuid=0000000a-0000-0000-0000-000000000001&type=challenge.denied\
                          &challenge_sid=YC000000000000000000000000000000ff&text=a+b%26c";

    fn signed(keys: &Keys) -> HeaderMap {
        let text = format!(
            "{URL}challenge_sidYC000000000000000000000000000000fftexta b&ctypechallenge.denied\
             uuid0000000a-0000-0000-0000-000000000001"
        );
        let twilio = STANDARD.encode(hmac::sign(&keys.twilio, text.as_bytes()));
        let own = hmac::sign(&keys.own, &[b"7.", BODY].concat());
        let own = format!("t=7,v1={}", HEXLOWER.encode(own.as_ref()));
        let mut headers = HeaderMap::new();
        headers.insert("x-twilio-signature", twilio.parse().unwrap());
        headers.insert("countersign-signature", own.parse().unwrap());
        headers
    }

    #[test]
    fn a_call_needs_both_signatures_of_its_url_and_body() {
        let keys = Keys::new("token", "secret");
        let headers = signed(&keys);
        assert!(keys.are_of(&headers, URL, BODY));
        assert!(!keys.are_of(&headers, "http://127.0.0.1:2/hook", BODY));
        assert!(!keys.are_of(&headers, URL, &[BODY, b"&x=1"].concat()));
        assert!(!Keys::new("other", "secret").are_of(&headers, URL, BODY));
        assert!(!Keys::new("token", "other").are_of(&headers, URL, BODY));
        for missing in ["x-twilio-signature", "countersign-signature"] {
            let mut headers = headers.clone();
            headers.remove(missing);
            assert!(!keys.are_of(&headers, URL, BODY), "{missing}");
        }
    }

    #[test]
    fn an_event_tells_the_ending_of_its_challenge() {
        let uuid = (0xa << 96) | 1;
        let event = Event { uuid, challenge: 0xff, ending: Ending::Denied };
        assert_eq!(Event::of(BODY), Some(event));
        assert_eq!(Event::of(b"uuid=1&type=factor.created&challenge_sid=YC1"), None);
    }
}
