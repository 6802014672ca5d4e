//! Responses of the running API have exactly the properties of their schemas: those that no snapshot pins.

use axum::Router;
use axum::body::Body;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{Method, Request};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

use super::scene::state;
use super::views::check;
use super::{document, resolved};
use crate::router::router;

/// An application that compares every response with the document.
struct Application {
    routes: Router,
    credentials: String,
    document: Value,
}

impl Application {
    /// Sends a form to `path`, which `template` has in the document, and returns the body of the response.
    async fn call(&self, method: Method, template: &str, path: &str, form: &str) -> Value {
        let request = Request::builder()
            .method(method.clone())
            .uri(path)
            .header(HOST, "localhost")
            .header(AUTHORIZATION, &self.credentials)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(form.to_owned()))
            .expect("a request");
        let Ok(response) = self.routes.clone().oneshot(request).await;
        let status = response.status();
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        let operation = &self.document["paths"][template][method.as_str().to_lowercase()];
        let response = resolved(&self.document, &operation["responses"][status.as_str()]);
        let schema = response["content"]["application/json"]["schema"]["$ref"].as_str();
        let schema = schema.unwrap_or_else(|| panic!("{method} {path}: {status} {body}"));
        check(&self.document, schema.rsplit('/').next().expect("a name"), &body);
        body
    }

    async fn get(&self, template: &str, path: &str) -> Value {
        self.call(Method::GET, template, path, "").await
    }

    async fn post(&self, template: &str, path: &str, form: &str) -> Value {
        self.call(Method::POST, template, path, form).await
    }
}

#[tokio::test]
async fn responses_without_a_snapshot_have_exactly_the_properties_of_their_schemas() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = state(&folder);
    let (account, token) = state.verify.create_account("owlbank").await.expect("an account");
    let credentials = BASE64_STANDARD.encode(format!("{}:{}", account.sid, token.expose()));
    let application = Application {
        routes: router(&state, Router::new()),
        credentials: format!("Basic {credentials}"),
        document: document(),
    };

    application.get("/healthz", "/healthz").await;
    application.get("/readyz", "/readyz").await;
    application.get("/v2/Forms/{FormType}", "/v2/Forms/form-push").await;

    let service = application.post("/v2/Services", "/v2/Services", "FriendlyName=owlbank").await;
    let path = format!("/v2/Services/{}", service["sid"].as_str().expect("a SID"));
    let template = "/v2/Services/{ServiceSid}";
    application.get("/v2/Services", "/v2/Services").await;
    application.get(&format!("{template}/Name"), &format!("{path}/Name")).await;
    application.get(&format!("{template}/WebPushKey"), &format!("{path}/WebPushKey")).await;

    let form = "FriendlyName=hook&EventTypes=*&WebhookUrl=https%3A%2F%2Fowlbank.example.com%2Fhook";
    let webhooks = format!("{path}/Webhooks");
    let webhook = application.post(&format!("{template}/Webhooks"), &webhooks, form).await;
    let secret = format!("{webhooks}/{}/Secret", webhook["sid"].as_str().expect("a SID"));
    application.get(&format!("{template}/Webhooks/{{Sid}}/Secret"), &secret).await;

    let form = "FriendlyName=vpn&Kind=radius&Networks=192.0.2.0%2F24&Aliases=root%3Dalice-0001";
    let (integrations, pattern) =
        (format!("{path}/Integrations"), format!("{template}/Integrations"));
    let made = application.post(&pattern, &integrations, form).await;
    let integration = format!("{integrations}/{}", made["sid"].as_str().expect("a SID"));
    let pattern = format!("{pattern}/{{Sid}}");
    application.get(&pattern, &integration).await;
    application.post(&pattern, &integration, "PromptLife=30").await;
    application.post(&format!("{pattern}/Secret"), &format!("{integration}/Secret"), "").await;
    let who = format!("{integration}/Identity?UserName=ann");
    application.get(&format!("{pattern}/Identity"), &who).await;

    let template = format!("{template}/Entities/{{Identity}}/Factors");
    let factors = format!("{path}/Entities/ff483d1ff591898a9942916050d2ca3f/Factors");
    let totp = application.post(&template, &factors, "FriendlyName=codes&FactorType=totp").await;
    let factor = format!("{factors}/{}", totp["sid"].as_str().expect("a SID"));
    application.get(&format!("{template}/{{Sid}}"), &factor).await;

    let nowhere = "/v2/Services/VA00000000000000000000000000000000";
    let error = application.get("/v2/Services/{Sid}", nowhere).await;
    assert_eq!(error["code"], 20404);
    let error = application.post("/v2/Services", "/v2/Services", "").await;
    assert!(error["details"]["reason"].is_string(), "{error}");
}
