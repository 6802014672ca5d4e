//! A client of Universal Prompt, which signs with the secret of its integration.

use std::collections::BTreeMap;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_domain::world::Clock as _;
use countersign_phone::Phone;
use countersign_testkit::ManualClock;
use reqwest::Url;
use serde_json::{Value, json};

use crate::openid::shop::{onward, value};
use crate::sign_in::{Browser, Seen};
use crate::support::TestApp;

pub const BACK: &str = "https://portal.example.com/duo?tenant=7";
pub const STATE: &str = "a-state-of-thirty-six-characters-000";

/// A response: its status and its body.
pub type Reply = (u16, Value);

/// A client, and a browser that it sends to the page.
pub struct Portal {
    pub key: String,
    pub secret: String,
    pub path: String,
    pub browser: Browser,
    pub host: String,
    http: reqwest::Client,
    clock: ManualClock,
    count: std::sync::atomic::AtomicU32,
}

impl Portal {
    /// An integration that knows Ann.
    pub async fn of(app: &TestApp, more: &[(&str, &str)]) -> Self {
        let own = [
            ("FriendlyName", "Owl portal"),
            ("Kind", "duo"),
            ("Aliases", "ann=alice-0001"),
            ("Duo.RedirectUris", BACK),
        ];
        let list = format!("/v2/Services/{}/Integrations", app.service);
        let made = app.api().post(&list, &[&own[..], more].concat()).await.expect(201);
        let text = |name: &str| made[name].as_str().expect(name).to_owned();
        Self {
            key: text("key"),
            secret: text("secret"),
            path: format!("{list}/{}", text("sid")),
            browser: Browser::of(app),
            host: app.address().to_string(),
            http: app.api().client,
            clock: app.clock.clone(),
            count: std::sync::atomic::AtomicU32::new(0),
        }
    }

    pub fn now(&self) -> i64 {
        self.clock.now().as_seconds()
    }

    /// A JWT of these claims under a secret.
    pub fn signed(claims: &Value, secret: &str, alg: &str) -> String {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let header = json!({"alg": alg, "typ": "JWT"}).to_string();
        let signed =
            format!("{}.{}", encode(header.as_bytes()), encode(claims.to_string().as_bytes()));
        let key = hmac::Key::new(hmac::HMAC_SHA512, secret.as_bytes());
        format!("{signed}.{}", encode(hmac::sign(&key, signed.as_bytes()).as_ref()))
    }

    /// The claims of an ID token under the secret.
    pub fn claims(&self, token: &str) -> Value {
        let (signed, signature) = token.rsplit_once('.').expect("a JWS");
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).expect("base64url");
        let key = hmac::Key::new(hmac::HMAC_SHA512, self.secret.as_bytes());
        hmac::verify(&key, signed.as_bytes(), &decode(signature)).expect("its signature");
        let (header, claims) = signed.split_once('.').expect("a JWS");
        let header: Value = serde_json::from_slice(&decode(header)).expect("JSON");
        assert_eq!(header["alg"], "HS512");
        serde_json::from_slice(&decode(claims)).expect("JSON")
    }

    /// The claims of an assertion for an endpoint, some of them replaced.
    pub fn assertion(&self, endpoint: &str, more: &[(&str, Value)]) -> Value {
        let count = self.count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut claims = json!({
            "iss": self.key, "sub": self.key, "aud": format!("https://{}/oauth/v1/{endpoint}", self.host),
            "exp": self.now() + 300, "jti": format!("{count:036}"),
        });
        for (name, value) in more {
            claims[*name] = value.clone();
        }
        claims
    }

    /// The claims of a request, some of them replaced.
    pub fn request(&self, more: &[(&str, Value)]) -> Value {
        let mut claims = json!({
            "scope": "openid", "redirect_uri": BACK, "client_id": self.key, "iss": self.key,
            "aud": format!("https://{}", self.host), "exp": self.now() + 300, "state": STATE,
            "response_type": "code", "duo_uname": "ann", "use_duo_code_attribute": true,
        });
        for (name, value) in more {
            claims[*name] = value.clone();
        }
        claims
    }

    /// The response of an endpoint to parameters in the query.
    pub async fn call(&self, endpoint: &str, query: &[(&str, &str)]) -> Reply {
        let url = format!("http://{}/oauth/v1/{endpoint}", self.host);
        let url = Url::parse_with_params(&url, query).expect("a URL");
        let response = self.http.post(url).send().await.expect("a response");
        (response.status().as_u16(), response.json().await.unwrap_or_default())
    }

    /// The response of an endpoint to parameters in the body.
    pub async fn post(&self, endpoint: &str, form: &[(&str, &str)]) -> Reply {
        let url = format!("http://{}/oauth/v1/{endpoint}", self.host);
        let response = self.http.post(url).form(form).send().await.expect("a response");
        (response.status().as_u16(), response.json().await.unwrap_or_default())
    }

    /// The health check with these claims.
    pub async fn health(&self, claims: &Value) -> Reply {
        let assertion = Self::signed(claims, &self.secret, "HS512");
        let form = [("client_id", &*self.key), ("client_assertion", &*assertion)];
        self.post("health_check", &form).await
    }

    /// The result for a code, with some parameters replaced.
    pub async fn fetch(&self, code: &str, more: &[(&str, &str)]) -> Reply {
        let assertion = self.assertion("token", &[]);
        let assertion = Self::signed(&assertion, &self.secret, "HS512");
        let own = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", BACK),
            ("client_id", &*self.key),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", &*assertion),
        ];
        let all: BTreeMap<_, _> = own.iter().chain(more).copied().collect();
        let given: Vec<_> = all.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        self.call("token", &given).await
    }

    /// The answer to a browser with a signed request.
    pub async fn ask(&self, claims: &Value, nonce: &str) -> Seen {
        let request = Self::signed(claims, &self.secret, "HS512");
        self.ask_with(&request, nonce).await
    }

    pub async fn ask_with(&self, request: &str, nonce: &str) -> Seen {
        let query = [
            ("response_type", "code"),
            ("client_id", &*self.key),
            ("request", request),
            ("nonce", nonce),
        ];
        let given = query.into_iter().filter(|(_, value)| !value.is_empty());
        let url = Url::parse_with_params("http://x/", given).expect("a URL");
        let query = url.query().expect("parameters");
        self.browser.get(&format!("/oauth/v1/authorize?{query}")).await
    }

    /// The page of an attempt, which waits, and its address.
    pub async fn waiting(&self, claims: &Value, nonce: &str) -> (String, Seen) {
        let led = self.ask(claims, nonce).await;
        assert_eq!(led.status, 303, "{}", led.text);
        let page = self.browser.get(led.location()).await;
        assert_eq!(page.status, 200, "{}", page.text);
        assert!(page.text.contains("readonly") && !page.text.contains("Remember"), "{}", page.text);
        let asked = self.browser.say(&page, "mallory", "").await;
        assert_eq!(asked.status, 303, "{}", asked.text);
        let address = asked.location().to_owned();
        let page = self.browser.get(&address).await;
        (address, page)
    }

    /// Signs Ann in with a tap; the address to which the browser is led.
    pub async fn sign_in(&self, phone: &Phone, claims: &Value, nonce: &str) -> Url {
        let (address, _) = self.waiting(claims, nonce).await;
        let prompt = crate::duo::next_prompt(phone).await;
        phone.answer(&prompt.sid, countersign_phone::Verdict::Approved).await.expect("it is taken");
        onward(&self.browser.get(&address).await)
    }
}

/// The code that a browser brings.
pub fn duo_code(address: &Url) -> String {
    value(address, "duo_code").unwrap_or_else(|| panic!("{address}"))
}
