//! Refusals of limits, and of too many device streams.

use std::time::Duration;

use reqwest::Method;
use tokio::io::AsyncReadExt as _;

use super::{KEY, Walk};
use crate::support::{Reply, TestApp};

pub(super) async fn of_limits(walk: &mut Walk) {
    let app = TestApp::start_with(&[
        "limits.notifications_per_challenge=1",
        "limits.challenges_per_factor_per_hour=1",
        "limits.push_factors_per_entity=1",
        "limits.factors_per_entity_per_day=2",
        "limits.entities_per_account_per_second=1",
        "limits.services_per_account=1",
        "limits.credentials_per_account=1",
        "limits.webhooks_per_service=1",
        "limits.integrations_per_service=1",
    ])
    .await;
    let api = app.api();
    let phone = app.enrol_phone("alice-0001").await;
    let sid = app.challenge(&phone, "Log in?").await;
    let path = app.challenges_path(&phone);
    let notifications = format!("{path}/{sid}/Notifications");
    api.post(&notifications, &[]).await.expect(201);
    let more = api.post(&notifications, &[]).await;
    walk.meets(&more, 60309, None, "limits.notifications_per_challenge");
    let form = [("FactorSid", phone.factor_sid()), ("Details.Message", "Log in?")];
    let more = api.post(&path, &form).await;
    walk.meets(&more, 60312, Some("FactorSid"), "limits.challenges_per_");
    let quiet = TestApp::start_with(&["limits.push_challenges_in_a_row=1"]).await;
    let person = quiet.enrol_phone("alice-0001").await;
    quiet.challenge(&person, "Log in?").await;
    let question = [("FactorSid", person.factor_sid()), ("Details.Message", "Log in?")];
    let challenges = quiet.challenges_path(&person);
    let more = quiet.api().post(&challenges, &question).await;
    walk.meets(&more, 60312, None, "limits.push_challenges_in_a_row");
    let protection = format!("{}/Protection", quiet.entity("alice-0001"));
    quiet.api().post(&protection, &[("Paused", "true")]).await.expect(200);
    walk.meets(&quiet.api().post(&challenges, &question).await, 60204, None, "application");
    let entity = [("Identity", "carol-0001")];
    let more = api.post(&format!("/v2/Services/{}/Entities", app.service), &entity).await;
    walk.meets(&more, 60328, None, "limits.entities_per_account_per_second");
    let more = api.post("/v2/Services", &[("FriendlyName", "more")]).await;
    walk.meets(&more, 60200, None, "limits.services_per_account is 1");
    api.post("/v1/Credentials", &[("Type", "gcm")]).await.expect(201);
    let more = api.post("/v1/Credentials", &[("Type", "gcm")]).await;
    walk.meets(&more, 60300, None, "limits.credentials_per_account is 1");
    let hooks = format!("/v2/Services/{}/Webhooks", app.service);
    let form = [
        ("FriendlyName", "hook"),
        ("EventTypes", "*"),
        ("WebhookUrl", "https://owlbank.example.com/hook"),
    ];
    api.post(&hooks, &form).await.expect(201);
    walk.meets(&api.post(&hooks, &form).await, 60306, None, "limits.webhooks_per_service is 1");

    let integrations = format!("/v2/Services/{}/Integrations", app.service);
    let form = [("FriendlyName", "ssh"), ("Kind", "duo")];
    api.post(&integrations, &form).await.expect(201);
    let more = api.post(&integrations, &form).await;
    walk.meets(&more, 60306, None, "limits.integrations_per_service is 1");

    let factors = format!("{}/Factors", app.entity("alice-0001"));
    let codes = [("FriendlyName", "codes"), ("FactorType", "totp")];
    let push = [
        ("FriendlyName", "Ann's other phone"),
        ("FactorType", "push"),
        ("Binding.PublicKey", KEY),
        ("Config.SdkVersion", "1.0.0"),
        ("Config.AppId", "com.example.owlbank"),
        ("Config.NotificationPlatform", "none"),
    ];
    let more = api.post(&factors, &push).await;
    walk.meets(&more, 60315, None, "limits.push_factors_per_entity is 1");
    api.post(&factors, &codes).await.expect(201);
    let more = api.post(&factors, &codes).await;
    walk.meets(&more, 60326, None, "limits.factors_per_entity_per_day");

    let app = TestApp::start_with(&["limits.requests_per_account_per_second=2"]).await;
    app.clock.advance(Duration::from_secs(1));
    for _ in 0..2 {
        app.api().get("/v2/Services").await.expect(200);
    }
    let more = app.api().get("/v2/Services").await;
    walk.meets(&more, 20429, None, "limits.requests_per_account_per_second");
}

pub(super) async fn of_crowds(walk: &mut Walk) {
    let app = TestApp::start_with(&["stream.unauthenticated_max=1"]).await;
    let phone = app.enrol_phone("alice-0001").await;
    let path = format!("{}/Stream", app.factor_path(&phone));
    let upgrade = format!(
        "GET {path} HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    let mut held = crate::support::open(app.address(), upgrade.as_bytes()).await;
    let mut first = [0; 12];
    held.read_exact(&mut first).await.expect("an answer");
    assert_eq!(&first, b"HTTP/1.1 101");
    let request = app.api().request(Method::GET, &path).header("Connection", "Upgrade");
    let request = request.header("Upgrade", "websocket").header("Sec-WebSocket-Version", "13");
    let request = request.header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    let more = Reply::of(request).await;
    walk.meets(&more, 20503, None, "stream.unauthenticated_max");
    drop(held);
}
