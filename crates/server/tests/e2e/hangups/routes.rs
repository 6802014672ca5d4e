//! Every writing route, with a request for each and the path that shows its effect.

use countersign_phone::{DeviceKey, Phone, Platform, Verdict};

use super::answer;
use crate::support::TestApp;

/// A request that changes something.
pub(super) struct Route {
    /// Method and path with stars for its variables.
    pub(super) pattern: String,
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) form: String,
    /// The device whose phone asks, rather than the application.
    pub(super) by_device: bool,
    pub(super) phone: Phone,
    /// The path that is read before and after.
    pub(super) shows: String,
    /// A text that is there afterwards. Empty for access tokens and secrets: only the caller learns what to look for, and
    /// their commit has no consequences.
    pub(super) sign: String,
}

const GONE: &str = "was not found";

/// One request for each writing route, in an order in which all of them find what they need.
pub(super) async fn all(app: &TestApp) -> Vec<Route> {
    let api = app.api();
    let made = async |path: &str, form: &[(&str, &str)]| api.post(path, form).await.text("sid");
    let services = "/v2/Services";
    let service = format!("{services}/{}", app.service);
    let other = format!("{services}/{}", made(services, &[("FriendlyName", "other")]).await);
    let hook = [
        ("FriendlyName", "hook"),
        ("EventTypes", "*"),
        ("WebhookUrl", "https://owlbank.example.com/hook"),
    ];
    let webhooks = format!("{service}/Webhooks");
    let webhook = format!("{webhooks}/{}", made(&webhooks, &hook).await);
    let integrations = format!("{service}/Integrations");
    let ssh = [("FriendlyName", "ssh"), ("Kind", "duo")];
    let integration = format!("{integrations}/{}", made(&integrations, &ssh).await);
    let credentials = "/v1/Credentials";
    let app_key = [("Type", "gcm"), ("FriendlyName", "the app")];
    let credential = format!("{credentials}/{}", made(credentials, &app_key).await);
    let entities = format!("{service}/Entities");
    made(&entities, &[("Identity", "carol-0001")]).await;

    let phone = app.enrol("alice-0001", Platform::None).await;
    let spare = app.enrol("alice-0001", Platform::None).await;
    let challenge = app.challenge(&phone, "Log in?").await;
    let asked = app.enrol_phone("bob-00001").await;
    let notified = app.challenge(&asked, "Log in?").await;
    let factors = format!("{}/Factors", app.entity("alice-0001"));
    let coded =
        [("FactorSid", phone.factor_sid()), ("Details.Message", "Log in?"), ("Presence", "code")];
    let coded = made(&app.challenges_path(&phone), &coded).await;
    let approved = phone.answer(&coded, Verdict::Approved).await.expect("an approval");
    let code = format!("Code={}", approved.fields[0].value);
    let challenges = app.challenges_path(&phone);
    let answered = format!("{challenges}/{challenge}");
    let notifications = format!("{}/{notified}/Notifications", app.challenges_path(&asked));
    let new_key = DeviceKey::generate().and_then(|key| key.public_key_base64()).expect("a key");

    let signed = answer(&phone, &challenge, Verdict::Approved).await;
    let question = format!("FactorSid={}&Details.Message=And+now", phone.factor_sid());
    let enrolment = [
        "FactorType=push",
        "FriendlyName=fresh",
        "Config.NotificationPlatform=none",
        "Config.AppId=com.example.app",
        "Config.SdkVersion=1.0",
        &format!("Binding.Alg=ES256&Binding.PublicKey={}", escaped(&new_key)),
    ]
    .join("&");
    let tokens = format!("{service}/AccessTokens");

    let mut routes = Vec::new();
    let mut add = |method: &'static str, path: &str, form: &str, shows: &str, sign: &str| {
        routes.push(Route {
            pattern: pattern(method, path),
            method,
            path: path.to_owned(),
            form: form.to_owned(),
            by_device: false,
            phone: phone.clone(),
            shows: shows.to_owned(),
            sign: sign.to_owned(),
        });
    };
    add("POST", services, "FriendlyName=fresh", services, "fresh");
    add("POST", &service, "FriendlyName=renamed", &service, "renamed");
    let own = format!("{service}/Protection");
    add("POST", &own, "InARowMax=77", &own, "77");
    let branding = format!("{service}/Branding");
    add("POST", &branding, "Label=Branded", &branding, "Branded");
    add("DELETE", &other, "", &other, GONE);
    add(
        "POST",
        &webhooks,
        "FriendlyName=fresh&EventTypes=*&WebhookUrl=https://owlbank.example.com/x",
        &webhooks,
        "fresh",
    );
    add("POST", &webhook, "FriendlyName=renamed", &webhook, "renamed");
    add("DELETE", &webhook, "", &webhook, GONE);
    add("POST", &integrations, "FriendlyName=fresh&Kind=duo", &integrations, "fresh");
    add("POST", &integration, "FriendlyName=renamed", &integration, "renamed");
    add("POST", &format!("{integration}/Secret"), "", &integration, "");
    add("DELETE", &integration, "", &integration, GONE);
    add("POST", credentials, "Type=gcm&FriendlyName=fresh", credentials, "fresh");
    add("POST", &credential, "FriendlyName=renamed", &credential, "renamed");
    add("DELETE", &credential, "", &credential, GONE);
    add("POST", &entities, "Identity=dave-00001", &entities, "dave-00001");
    add("POST", &tokens, "Identity=alice-0001&FactorType=push", &tokens, "");
    add("POST", &factors, &enrolment, &factors, "fresh");
    add("POST", &app.factor_path(&spare), "FriendlyName=renamed", &factors, "renamed");
    add("DELETE", &app.factor_path(&spare), "", &app.factor_path(&spare), GONE);
    add("POST", &challenges, &question, &challenges, "And now");
    add("POST", &answered, &signed, &answered, "approved");
    add("POST", &notifications, "Ttl=150", &notifications, "150");
    let confirmed = format!("{challenges}/{coded}/Presence");
    add("POST", &confirmed, &code, &confirmed, "\"confirmed\":true");
    let carol = app.entity("carol-0001");
    let protection = format!("{carol}/Protection");
    add("POST", &protection, "Paused=true", &protection, "application");
    let label = format!("{carol}/Branding");
    add("POST", &label, "Label=Carola", &label, "Carola");
    add("DELETE", &carol, "", &carol, GONE);
    for route in &mut routes {
        route.by_device = route.path == answered;
    }
    routes
}

/// Method and path, with a star for each variable.
fn pattern(method: &str, path: &str) -> String {
    let fixed = [
        "",
        "v1",
        "v2",
        "Services",
        "Webhooks",
        "Integrations",
        "Secret",
        "Credentials",
        "Entities",
        "AccessTokens",
        "Factors",
        "Challenges",
        "Notifications",
        "Branding",
        "Protection",
        "Presence",
    ];
    let parts: Vec<_> =
        path.split('/').map(|part| if fixed.contains(&part) { part } else { "*" }).collect();
    format!("{method} {}", parts.join("/"))
}

/// Standard base64, as a form has it.
fn escaped(text: &str) -> String {
    text.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
}
