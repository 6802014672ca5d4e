//! Steps of phones and their application.

use std::net::SocketAddr;
use std::sync::Arc;

use countersign_domain::world::Clock as _;
use countersign_phone::{Authority, Enrolment, Phone, Platform, Server, ServerOptions};
use serde_json::Value;

use super::{Caller, TestApp};

impl TestApp {
    /// Enrols a verified phone on the server's clock, reached by its stream.
    pub async fn enrol_phone(&self, identity: &str) -> Phone {
        self.enrol(identity, Platform::Stream).await
    }

    /// A phone that asks its person for the number of a challenge.
    pub async fn enrol_phone_with_numbers(&self, identity: &str) -> Phone {
        let authority = Authority::AccessToken(self.access_token(identity).await);
        let enrolment =
            Enrolment { takes_numbers: true, ..Enrolment::new(&self.service, identity, authority) };
        Phone::enrol(&self.phone_server(), &enrolment).await.expect("the phone enrols")
    }

    /// A new access token for an identity.
    pub async fn access_token(&self, identity: &str) -> String {
        let path = format!("/v2/Services/{}/AccessTokens", self.service);
        let form = [("Identity", identity), ("FactorType", "push")];
        self.api().post(&path, &form).await.text("token")
    }

    pub async fn enrol(&self, identity: &str, platform: Platform) -> Phone {
        let authority = Authority::AccessToken(self.access_token(identity).await);
        let enrolment =
            Enrolment { platform, ..Enrolment::new(&self.service, identity, authority) };
        Phone::enrol(&self.phone_server(), &enrolment).await.expect("the phone enrols")
    }

    /// The server, as phones reach it.
    pub fn phone_server(&self) -> Server {
        self.phone_server_off_by(0)
    }

    /// Another server over the same database, as phones reach it.
    pub fn phone_server_at(&self, address: SocketAddr) -> Server {
        let clock = self.clock.clone();
        let local_time = Some(Arc::new(move || clock.now().as_seconds()) as _);
        let options = ServerOptions { local_time, ..ServerOptions::default() };
        Server::new(&format!("http://{address}"), &options).expect("a server's address")
    }

    /// The server, as phones reach it whose clocks are that many seconds ahead.
    pub fn phone_server_off_by(&self, seconds: i64) -> Server {
        let clock = self.clock.clone();
        let local_time = Some(Arc::new(move || clock.now().as_seconds() + seconds) as _);
        let options = ServerOptions { local_time, ..ServerOptions::default() };
        Server::new(&self.api().base, &options).expect("a server's address")
    }

    pub fn factor_path(&self, phone: &Phone) -> String {
        format!("{}/Factors/{}", self.entity(phone.identity()), phone.factor_sid())
    }

    pub fn challenges_path(&self, phone: &Phone) -> String {
        format!("{}/Challenges", self.entity(phone.identity()))
    }

    /// Opens a challenge; its SID.
    pub async fn challenge(&self, phone: &Phone, message: &str) -> String {
        let form = [("FactorSid", phone.factor_sid()), ("Details.Message", message)];
        let reply = self.api().post(&self.challenges_path(phone), &form).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.text("sid")
    }

    /// Posts a notification of a challenge.
    pub async fn notify(&self, phone: &Phone, challenge: &str, ttl: u16) -> Value {
        let path = format!("{}/{challenge}/Notifications", self.challenges_path(phone));
        self.api().post(&path, &[("Ttl", &ttl.to_string())]).await.expect(201)
    }

    /// A challenge as the application sees it.
    pub async fn read_challenge(&self, phone: &Phone, challenge: &str) -> Value {
        self.api().get(&format!("{}/{challenge}", self.challenges_path(phone))).await.expect(200)
    }

    /// The notifications of a challenge, the automatic one first, each as "status reason".
    pub async fn standing(&self, phone: &Phone, challenge: &str) -> Vec<String> {
        let listed = self.notifications(phone, challenge).await;
        let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        listed
            .iter()
            .map(|n| format!("{} {}", word(&n["status"]), word(&n["status_reason"])))
            .collect()
    }

    /// The notifications of a challenge, whole.
    pub async fn notifications(&self, phone: &Phone, challenge: &str) -> Vec<Value> {
        let path = format!("{}/{challenge}/Notifications", self.challenges_path(phone));
        let body = self.api().get(&path).await.expect(200);
        body["notifications"].as_array().expect("a list").clone()
    }

    /// A phone as a plain HTTP caller, with a valid device token.
    pub fn device(&self, phone: &Phone) -> Caller {
        self.api().with("token", &phone.device_jwt().expect("a token"))
    }
}
