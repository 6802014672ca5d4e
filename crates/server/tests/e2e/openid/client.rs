//! A client of the OpenID provider, which checks its tokens by the published keys.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::RequestBuilder;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::support::TestApp;

/// A response.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Reply {
    async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.expect("the server answers");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.expect("a body");
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        Self { status, headers, body }
    }

    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("{name} in {self:?}"));
        value.to_str().expect("headers are text")
    }

    /// The body of a response that must have this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.body
    }

    /// Status and word of a refusal, which says no more than these.
    #[track_caller]
    pub fn refusal(&self) -> (u16, &str) {
        assert!(self.body["error_description"].is_string(), "{self:?}");
        assert_eq!(self.body.as_object().map(serde_json::Map::len), Some(2), "{self:?}");
        assert_eq!(self.header("cache-control"), "no-store");
        assert_eq!(self.headers.contains_key("www-authenticate"), self.status == 401);
        (self.status, self.body["error"].as_str().expect("a word"))
    }
}

/// A client that has found its issuer.
#[derive(Clone)]
pub struct Client {
    pub id: String,
    pub secret: String,
    pub issuer: String,
    pub node: String,
    pub http: reqwest::Client,
}

fn text(body: &Value, name: &str) -> String {
    body[name].as_str().unwrap_or_else(|| panic!("{name}: {body}")).to_owned()
}

impl Client {
    /// An integration that knows Ann, and its client.
    pub async fn register(app: &TestApp, more: &[(&str, &str)]) -> Self {
        let own = [("FriendlyName", "Owl shop"), ("Kind", "openid"), ("Aliases", "ann=alice-0001")];
        let form = [&own[..], more].concat();
        let path = format!("/v2/Services/{}/Integrations", app.service);
        let made = app.api().post(&path, &form).await.expect(201);
        Self {
            id: text(&made, "key"),
            secret: text(&made, "secret"),
            issuer: text(&made["openid"], "issuer"),
            node: app.address().to_string(),
            http: app.api().client,
        }
    }

    /// The address of a path of the issuer.
    fn url(&self, path: &str) -> String {
        let (_, rest) = self.issuer.split_once("/openid/").expect("an issuer");
        format!("http://{}/openid/{rest}/{path}", self.node)
    }

    pub async fn get(&self, path: &str) -> Reply {
        Reply::of(self.http.get(self.url(path))).await
    }

    /// A request with the secret in a header.
    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Reply {
        let request = self.http.post(self.url(path)).form(form);
        Reply::of(request.basic_auth(&self.id, Some(&self.secret))).await
    }

    /// A request without a header.
    pub async fn post_plain(&self, path: &str, form: &[(&str, &str)]) -> Reply {
        Reply::of(self.http.post(self.url(path)).form(form)).await
    }

    pub async fn user(&self, token: &str) -> Reply {
        Reply::of(self.http.get(self.url("userinfo")).bearer_auth(token)).await
    }

    /// Asks Ann, and returns the name of the question.
    pub async fn ask(&self, more: &[(&str, &str)]) -> String {
        let form = [&[("scope", "openid"), ("login_hint", "ann")], more].concat();
        let asked = self.post("bc-authorize", &form).await;
        assert_eq!(asked.header("cache-control"), "no-store");
        let asked = asked.expect(200);
        assert_eq!(asked["interval"], 5);
        text(&asked, "auth_req_id")
    }

    pub async fn fetch(&self, name: &str) -> Reply {
        let form = [("grant_type", "urn:openid:params:grant-type:ciba"), ("auth_req_id", name)];
        self.post("token", &form).await
    }

    /// As [`Self::fetch`], by a task.
    pub fn fetch_later(&self, name: &str) -> impl Future<Output = Reply> + Send + 'static {
        let (client, name) = (self.clone(), name.to_owned());
        async move { client.fetch(&name).await }
    }

    /// The claims of an ID token that a published key has signed.
    pub async fn claims(&self, token: &str) -> Value {
        let part = |text: &str| -> Vec<u8> { URL_SAFE_NO_PAD.decode(text).expect("base64url") };
        let json = |text: &str| -> Value { serde_json::from_slice(&part(text)).expect("JSON") };
        let (signed, signature) = token.rsplit_once('.').expect("a JWS");
        let (header, claims) = signed.split_once('.').expect("a JWS");
        let header = json(header);
        let keys = self.get("jwks").await.expect(200);
        let mut known = keys["keys"].as_array().expect("keys").iter();
        let key = known.find(|key| key["kid"] == header["kid"]).expect("a published key");
        assert_eq!(key["alg"], header["alg"]);
        let member = |name: &str| part(key[name].as_str().expect(name));
        let (signed, signature) = (signed.as_bytes(), part(signature));
        if header["alg"] == "ES256" {
            let point = [&[4][..], &member("x"), &member("y")].concat();
            let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
            key.verify(signed, &signature).expect("its signature");
        } else {
            assert_eq!(header["alg"], "RS256");
            let key = RsaPublicKeyComponents { n: member("n"), e: member("e") };
            let algorithm = &RSA_PKCS1_2048_8192_SHA256;
            key.verify(algorithm, signed, &signature).expect("its signature");
        }
        json(claims)
    }
}
