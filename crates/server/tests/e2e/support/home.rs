//! One of each resource, its paths, and a listing of all of them.

use countersign_phone::{Authority, Enrolment, Phone};
use serde_json::{Map, Value};

use super::{Caller, TestApp};

/// A service with one of each resource.
pub struct Home {
    pub caller: Caller,
    pub service: String,
    pub phone: Phone,
    pub challenge: String,
    pub notification: String,
    pub webhook: String,
    pub integration: String,
    pub access_token: String,
    pub credential: String,
}

impl Home {
    /// Creates it in the account of `caller`.
    pub async fn furnish(app: &TestApp, caller: Caller, identity: &str) -> Self {
        let made = async |path: &str, form: &[(&str, &str)]| {
            let reply = caller.post(path, form).await;
            assert_eq!(reply.status, 201, "{reply:?}");
            reply.text("sid")
        };
        let service = made("/v2/Services", &[("FriendlyName", "home")]).await;
        let path = format!("/v2/Services/{service}");
        let authority =
            Authority::Account { sid: caller.user.clone(), auth_token: caller.password.clone() };
        let enrolment = Enrolment::new(&service, identity, authority);
        let phone = Phone::enrol(&app.phone_server(), &enrolment).await.expect("a phone");
        let challenges = format!("{path}/Entities/{identity}/Challenges");
        let form = [("FactorSid", phone.factor_sid()), ("Details.Message", "Log in?")];
        let challenge = made(&challenges, &form).await;
        let notification = made(&format!("{challenges}/{challenge}/Notifications"), &[]).await;
        let form = [
            ("FriendlyName", "hook"),
            ("EventTypes", "*"),
            ("WebhookUrl", "https://owlbank.example.com/hook"),
        ];
        let webhook = made(&format!("{path}/Webhooks"), &form).await;
        let form = [("FriendlyName", "ssh"), ("Kind", "duo")];
        let integration = made(&format!("{path}/Integrations"), &form).await;
        let form = [("Identity", identity), ("FactorType", "push")];
        let access_token = made(&format!("{path}/AccessTokens"), &form).await;
        let form = [("Type", "gcm"), ("FriendlyName", "the app")];
        let credential = made("/v1/Credentials", &form).await;
        Self {
            service,
            phone,
            challenge,
            notification,
            webhook,
            integration,
            access_token,
            credential,
            caller,
        }
    }

    pub fn service_path(&self) -> String {
        format!("/v2/Services/{}", self.service)
    }

    pub fn webhook_path(&self) -> String {
        format!("{}/Webhooks/{}", self.service_path(), self.webhook)
    }

    pub fn integration_path(&self) -> String {
        format!("{}/Integrations/{}", self.service_path(), self.integration)
    }

    pub fn access_token_path(&self) -> String {
        format!("{}/AccessTokens/{}", self.service_path(), self.access_token)
    }

    pub fn entity_path(&self) -> String {
        format!("{}/Entities/{}", self.service_path(), self.phone.identity())
    }

    pub fn factor_path(&self) -> String {
        format!("{}/Factors/{}", self.entity_path(), self.phone.factor_sid())
    }

    pub fn challenge_path(&self) -> String {
        format!("{}/Challenges/{}", self.entity_path(), self.challenge)
    }

    pub fn notification_path(&self) -> String {
        format!("{}/Notifications/{}", self.challenge_path(), self.notification)
    }

    pub fn credential_path(&self) -> String {
        format!("/v1/Credentials/{}", self.credential)
    }

    /// Every path of a single resource, and its methods beside GET.
    pub fn instances(&self) -> [(String, &'static [&'static str]); 9] {
        [
            (self.service_path(), &["POST", "DELETE"]),
            (self.webhook_path(), &["POST", "DELETE"]),
            (self.integration_path(), &["POST", "DELETE"]),
            (self.access_token_path(), &[]),
            (self.entity_path(), &["DELETE"]),
            (self.factor_path(), &["POST", "DELETE"]),
            (self.challenge_path(), &["POST"]),
            (self.notification_path(), &[]),
            (self.credential_path(), &["POST", "DELETE"]),
        ]
    }

    /// Every path of a list, and its key in the response; access tokens have no list.
    pub fn lists(&self) -> [(String, &'static str); 9] {
        [
            ("/v2/Services".to_owned(), "services"),
            ("/v1/Credentials".to_owned(), "credentials"),
            (format!("{}/Webhooks", self.service_path()), "webhooks"),
            (format!("{}/Integrations", self.service_path()), "integrations"),
            (format!("{}/AccessTokens", self.service_path()), ""),
            (format!("{}/Entities", self.service_path()), "entities"),
            (format!("{}/Factors", self.entity_path()), "factors"),
            (format!("{}/Challenges", self.entity_path()), "challenges"),
            (format!("{}/Notifications", self.challenge_path()), "notifications"),
        ]
    }

    /// Everything that can be listed, to compare before and after: a refused request must change nothing.
    pub async fn inventory(&self) -> Value {
        let mut all = Map::new();
        for (path, key) in self.lists() {
            if !key.is_empty() {
                let list = self.caller.get(&format!("{path}?PageSize=1000")).await.expect(200);
                all.insert(key.to_owned(), list[key].clone());
            }
        }
        for (path, _) in self.instances() {
            let body = self.caller.get(&path).await.expect(200);
            all.insert(path, body);
        }
        all.into()
    }
}
