//! A client of Google's stand-in.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};

use super::client::{self, Hands, NOON, der, unsigned};
use crate::fcm::{Fcm, Options};
use crate::{Authority, CommonOptions, Faults};

pub(super) const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
pub(super) const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

pub(super) struct Google {
    pub(super) fcm: Fcm,
    pub(super) hands: Hands,
    pub(super) client: Client,
    pub(super) key: KeyPair,
}

impl Google {
    pub(super) async fn start() -> Self {
        let (hands, common) = Hands::at_noon();
        let authority = Authority::new(&[]).unwrap();
        let common = CommonOptions { faults: Faults::none(), ..common };
        let options = Options { common, ..Options::default() };
        let fcm = Fcm::start(&authority, options).await.unwrap();
        let pem = fcm.service_account()["private_key"].as_str().unwrap();
        let key = KeyPair::from_pkcs8(&der(pem)).unwrap();
        Self { client: client::client(&authority), fcm, hands, key }
    }

    pub(super) fn account(&self, member: &str) -> &str {
        self.fcm.service_account()[member].as_str().unwrap()
    }

    pub(super) fn header(&self) -> Value {
        json!({"alg": "RS256", "typ": "JWT", "kid": self.account("private_key_id")})
    }

    /// The claims of a valid assertion.
    pub(super) fn claims(&self) -> Value {
        json!({
            "iss": self.account("client_email"),
            "scope": SCOPE,
            "aud": self.account("token_uri"),
            "iat": NOON,
            "exp": NOON + 3600,
        })
    }

    pub(super) fn signed(key: &KeyPair, header: &Value, claims: &Value) -> String {
        let message = unsigned(header, claims);
        let mut signature = vec![0; key.public_modulus_len()];
        let random = SystemRandom::new();
        key.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    pub(super) fn assertion(&self) -> String {
        Self::signed(&self.key, &self.header(), &self.claims())
    }

    pub(super) async fn exchange(&self, grant: &str, assertion: &str) -> Answer {
        let form = [("grant_type", grant), ("assertion", assertion)];
        let url = self.account("token_uri");
        Answer::of(self.client.post(url).form(&form).send().await.unwrap()).await
    }

    pub(super) async fn access_token(&self) -> String {
        let answer = self.exchange(GRANT, &self.assertion()).await;
        assert_eq!((answer.status, &answer.body["expires_in"]), (200, &3599.into()), "{answer:?}");
        answer.body["access_token"].as_str().unwrap().to_owned()
    }

    /// A valid message.
    pub(super) fn message() -> Value {
        let mut data = client::keys();
        data["message"] = "Login to Owl Bank?".into();
        json!({"message": {
            "token": "device-1",
            "data": data,
            "android": {"priority": "HIGH", "ttl": "150s", "collapse_key": "YC03"},
        }})
    }

    pub(super) fn request(&self, access_token: &str, body: &Value) -> RequestBuilder {
        let project = self.account("project_id");
        let url = format!("{}/v1/projects/{project}/messages:send", self.fcm.url());
        self.client.post(url).bearer_auth(access_token).json(body)
    }

    pub(super) async fn send(&self, access_token: &str, body: &Value) -> Answer {
        Answer::of(self.request(access_token, body).send().await.unwrap()).await
    }
}

/// A response of Google's stand-in.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) retry_after: Option<String>,
    pub(super) body: Value,
}

impl Answer {
    pub(super) async fn of(response: Response) -> Self {
        let status = response.status().as_u16();
        let retry_after = response.headers().get("retry-after");
        let retry_after = retry_after.map(|value| value.to_str().unwrap().to_owned());
        let body = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default();
        Self { status, retry_after, body }
    }

    /// The status, `error.status`, and the `errorCode` of the `FcmError` detail.
    pub(super) fn error(&self) -> (u16, &str, Option<&str>) {
        let error = &self.body["error"];
        let details = error["details"].as_array();
        let own = details.and_then(|details| {
            let is_own =
                |kind: &Value| kind.as_str().is_some_and(|kind| kind.ends_with(".FcmError"));
            details.iter().find(|detail| is_own(&detail["@type"]))
        });
        let code = own.and_then(|detail| detail["errorCode"].as_str());
        (self.status, error["status"].as_str().unwrap_or_default(), code)
    }

    /// The malformed field that the response names.
    pub(super) fn field(&self) -> &str {
        let violation = &self.body["error"]["details"][0]["fieldViolations"][0];
        violation["field"].as_str().unwrap_or_default()
    }
}
