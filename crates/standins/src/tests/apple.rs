//! A client of Apple's stand-in.

use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};

use super::client::{self, Hands, NOON, SigningKey};
use crate::apns::{Apns, Options, Push};
use crate::{Authority, CommonOptions, Faults};

pub(super) const TOPIC: &str = "com.example.owlbank";

/// A device token of one repeated hex digit.
pub(super) fn device(digit: char) -> String {
    std::iter::repeat_n(digit, 64).collect()
}

pub(super) struct Apple {
    pub(super) authority: Authority,
    pub(super) apns: Apns,
    pub(super) hands: Hands,
    pub(super) client: Client,
    pub(super) key: SigningKey,
    pub(super) token: String,
}

impl Apple {
    pub(super) async fn start() -> Self {
        Self::with(Faults::none()).await
    }

    pub(super) async fn with(faults: Faults) -> Self {
        let (hands, common) = Hands::at_noon();
        let authority = Authority::new(&[]).unwrap();
        let common = CommonOptions { faults, ..common };
        let options = Options { common, ..Options::default() };
        let apns = Apns::start(&authority, options).await.unwrap();
        let client = client::client(&authority);
        let key = SigningKey::read(&apns.key().pem);
        let mut apple = Self { authority, apns, hands, client, key, token: String::new() };
        apple.token = apple.issue(NOON);
        apple
    }

    /// A provider token of the first key.
    pub(super) fn issue(&self, at: i64) -> String {
        let key = self.apns.key();
        let header = json!({"alg": "ES256", "kid": key.key_id});
        self.key.sign(&header, &json!({"iss": key.team_id, "iat": at}))
    }

    pub(super) fn payload() -> Value {
        let mut payload = client::keys();
        payload["aps"] = json!({"alert": "Login?", "sound": "default"});
        payload
    }

    /// A request with only its payload.
    pub(super) fn bare(&self, token: &str) -> RequestBuilder {
        let url = format!("{}/3/device/{token}", self.apns.url());
        self.client.post(url).body(Self::payload().to_string())
    }

    /// A valid push.
    pub(super) fn request(&self, token: &str) -> RequestBuilder {
        self.bare(token)
            .header("authorization", format!("bearer {}", self.token))
            .header("apns-topic", TOPIC)
            .header("apns-push-type", "alert")
            .header("apns-priority", "10")
            .header("apns-expiration", "0")
    }

    pub(super) async fn push(&self, token: &str) -> Answer {
        Answer::of(self.request(token).send().await.unwrap()).await
    }

    pub(super) fn last(&self) -> Push {
        self.apns.pushes().all().pop().unwrap()
    }
}

/// A response of Apple's stand-in.
#[derive(Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) id: String,
    pub(super) body: Value,
}

impl Answer {
    pub(super) async fn of(response: Response) -> Self {
        let status = response.status().as_u16();
        let id = response.headers()["apns-id"].to_str().unwrap().to_owned();
        let body = response.bytes().await.unwrap();
        Self { status, id, body: serde_json::from_slice(&body).unwrap_or_default() }
    }

    pub(super) fn reason(&self) -> (u16, &str) {
        (self.status, self.body["reason"].as_str().unwrap_or_default())
    }
}
