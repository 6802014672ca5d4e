//! An application with an account, calling a server over HTTP.

use countersign_phone::{Authority, Enrolment, Phone, Server, ServerOptions};
use serde_json::Value;

use super::Running;

pub const ACCOUNT: &str = "AC00000000000000000000000000000001";
pub const TOKEN: &str = "0123456789abcdef0123456789abcdef";

pub fn client() -> reqwest::Client {
    builder().build().expect("a client")
}

/// A client that shows redirections instead of following them.
pub fn client_without_redirects() -> reqwest::Client {
    builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client")
}

fn builder() -> reqwest::ClientBuilder {
    // Reading the system's certificates takes long, and none of them is needed.
    reqwest::Client::builder().no_proxy().tls_certs_only([])
}

#[derive(Clone)]
pub struct Application {
    pub client: reqwest::Client,
    pub base: String,
    pub account: String,
    pub token: String,
}

impl Application {
    /// With the account that the environment named.
    pub fn of(running: &Running) -> Self {
        Self {
            client: client(),
            base: running.base.clone(),
            account: ACCOUNT.to_owned(),
            token: TOKEN.to_owned(),
        }
    }

    /// The same with other credentials.
    pub fn with(&self, account: &str, token: &str) -> Self {
        Self { account: account.to_owned(), token: token.to_owned(), ..self.clone() }
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        self.send(self.client.get(format!("{}{path}", self.base))).await
    }

    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> (u16, Value) {
        self.send(self.client.post(format!("{}{path}", self.base)).form(form)).await
    }

    /// The body of a 201.
    pub async fn create(&self, path: &str, form: &[(&str, &str)]) -> Value {
        let (status, body) = self.post(path, form).await;
        assert_eq!(status, 201, "{body}");
        body
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> (u16, Value) {
        let answer = request.basic_auth(&self.account, Some(&self.token)).send().await;
        let answer = answer.expect("it answers");
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or_default())
    }

    /// A service, and a phone in it.
    pub async fn phone(&self, options: &ServerOptions) -> Phone {
        let service = self.create("/v2/Services", &[("FriendlyName", "owl")]).await;
        let service = service["sid"].as_str().expect("a SID").to_owned();
        let path = format!("/v2/Services/{service}/AccessTokens");
        let form = [("Identity", "alice-0001"), ("FactorType", "push")];
        let token = self.create(&path, &form).await["token"].as_str().expect("a token").to_owned();
        let enrolment = Enrolment::new(service, "alice-0001", Authority::AccessToken(token));
        let server = Server::new(&self.base, options).expect("an address");
        Phone::enrol(&server, &enrolment).await.expect("a phone")
    }

    /// Opens a challenge; its path.
    pub async fn challenge(&self, phone: &Phone, form: &[(&str, &str)]) -> String {
        let path = format!(
            "/v2/Services/{}/Entities/{}/Challenges",
            phone.service_sid(),
            phone.identity()
        );
        let form = [&[("FactorSid", phone.factor_sid())], form].concat();
        let made = self.create(&path, &form).await;
        format!("{path}/{}", made["sid"].as_str().expect("a SID"))
    }
}
