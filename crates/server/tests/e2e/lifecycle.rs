//! The life of every resource, from 201 to the second 404, with the members that clients rely on.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;

use crate::support::{Home, Reply, TestApp};

/// The members of each resource, by its list.
fn members(key: &str) -> Vec<&'static str> {
    let words = match key {
        "services" => {
            "account_sid code_length custom_code_enabled date_created date_updated default_template_sid \
             do_not_share_warning_enabled dtmf_input_required friendly_name links lookup_enabled passkeys psd2_enabled \
             push sid skip_sms_to_landlines totp tts_name url verify_event_subscription_enabled whatsapp"
        }
        "credentials" => "account_sid date_created date_updated friendly_name sandbox sid type url",
        "webhooks" => {
            "account_sid date_created date_updated event_types friendly_name service_sid sid status url version \
             webhook_method webhook_url"
        }
        "integrations" => {
            "account_sid aliases date_created date_updated duo_redirect_uris forward_auth friendly_name key keycloak kind \
             legacy links networks openid presence prompt_life radius service_sid sid unknown_users url user_rule"
        }
        "entities" => "account_sid date_created date_updated identity links service_sid sid url",
        "factors" => {
            "account_sid config date_created date_updated entity_sid factor_type friendly_name identity metadata \
             service_sid sid status url"
        }
        "challenges" => {
            "account_sid date_created date_responded date_updated details entity_sid expiration_date factor_sid \
             factor_type hidden_details identity links metadata responded_reason service_sid sid status url"
        }
        "notifications" => {
            "account_sid attempts automatic challenge_sid date_created date_updated entity_sid error_code identity \
             priority service_sid sid status status_reason ttl url"
        }
        _ => {
            "account_sid date_created entity_identity factor_friendly_name factor_type service_sid sid token ttl url"
        }
    };
    words.split_whitespace().collect()
}

fn names(body: &Value) -> Vec<&str> {
    let mut names: Vec<&str> =
        body.as_object().expect("an object").keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

/// The list of a resource.
fn list_of<'a>(home: &'a Home, path: &str) -> (String, &'a str) {
    let (head, _) = path.rsplit_once('/').expect("a path");
    home.lists().into_iter().find(|(list, _)| list == head).expect("a list")
}

#[tokio::test]
async fn each_is_read_as_it_was_made_by_every_spelling_of_its_path() {
    let app = TestApp::start().await;
    let home = Home::furnish(&app, app.api(), "alice-0001").await;
    for (path, _) in home.instances() {
        let body = home.caller.get(&path).await.expect(200);
        let (list, key) = list_of(&home, &path);
        assert_eq!(names(&body), members(key), "{path}");
        assert_eq!(body["url"], format!("{}{path}", home.caller.base), "it says where it is");
        assert_eq!(body["date_created"], "2026-01-01T12:00:00Z");
        for spelling in [format!("{path}.json"), format!("{path}/"), format!("{path}?Unknown=1")] {
            assert_eq!(home.caller.get(&spelling).await.expect(200), body, "{spelling}");
        }
        if !key.is_empty() {
            for spelling in
                [list.clone(), format!("{list}.json"), format!("{list}.json?pagesize=7")]
            {
                let page = home.caller.get(&spelling).await.expect(200);
                assert_eq!(page["meta"]["key"], key);
                assert!(page[key].as_array().expect("a list").contains(&body), "{spelling}");
            }
        }
    }
}

#[tokio::test]
async fn each_can_be_changed_and_says_when_it_was() {
    let app = TestApp::start().await;
    let home = Home::furnish(&app, app.api(), "alice-0001").await;
    app.clock.advance(Duration::from_secs(5));
    for (path, methods) in home.instances() {
        if !methods.contains(&"POST") {
            continue;
        }
        let before = home.caller.get(&path).await.expect(200);
        // Parameter names have any case; absent parameters change nothing.
        let form = [("friendlyname", "changed"), ("METADATA", r#"{"by":"us"}"#), ("unknown", "x")];
        let after = home.caller.post(&format!("{path}.json"), &form).await.expect(200);
        assert_eq!(after, home.caller.get(&path).await.expect(200), "{path}");
        assert_eq!(after["date_updated"], "2026-01-01T12:00:05Z", "{path}");
        let differs: Vec<&str> =
            names(&after).into_iter().filter(|name| after[*name] != before[*name]).collect();
        let what = if path.contains("Challenges") { "metadata" } else { "friendly_name" };
        assert_eq!(differs, ["date_updated", what], "{path}");
        home.caller.post(&path, &[]).await.expect(200);
    }
}

#[tokio::test]
async fn each_is_gone_once_it_is_deleted() {
    let app = TestApp::start().await;
    let home = Home::furnish(&app, app.api(), "alice-0001").await;
    // Children are deleted before their parents.
    let mut paths = home.instances();
    paths.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
    for (path, methods) in paths {
        if !methods.contains(&"DELETE") {
            let refused = Reply::of(home.caller.request(Method::DELETE, &path)).await;
            assert_eq!(refused.refusal(), (405, 20004));
            continue;
        }
        let (list, key) = list_of(&home, &path);
        let gone = home.caller.delete(&path).await;
        assert_eq!((gone.status, &gone.body), (204, &Value::Null), "{path}");
        assert_eq!(home.caller.delete(&path).await.refusal(), (404, 20404), "{path}");
        assert_eq!(home.caller.get(&path).await.refusal(), (404, 20404), "{path}");
        if methods.contains(&"POST") {
            let form = [("FriendlyName", "a")];
            assert_eq!(home.caller.post(&path, &form).await.refusal(), (404, 20404), "{path}");
        }
        let url = format!("{}{path}", home.caller.base);
        let left = home.caller.get(&list).await.expect(200);
        let left = left[key].as_array().expect("a list").clone();
        assert!(left.iter().all(|item| item["url"] != url.as_str()), "{path}");
    }
}

#[tokio::test]
async fn a_new_notification_has_exactly_nine_members_and_a_new_factor_shows_its_binding_once() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let challenge = app.challenge(&phone, "Log in?").await;
    let made = app.notify(&phone, &challenge, 150).await;
    let nine =
        "account_sid challenge_sid date_created entity_sid identity priority service_sid sid ttl";
    assert_eq!(names(&made).join(" "), nine);
    assert_eq!((&made["priority"], &made["ttl"]), (&"high".into(), &150.into()));

    let key = countersign_phone::DeviceKey::generate().unwrap().public_key_base64().unwrap();
    let form = [
        ("FriendlyName", "second"),
        ("FactorType", "push"),
        ("Binding.PublicKey", key.as_str()),
        ("Config.AppId", "a"),
        ("Config.SdkVersion", "1"),
        ("Config.NotificationPlatform", "none"),
    ];
    let factors = format!("{}/Factors", app.entity("alice-0001"));
    let made = app.api().post(&factors, &form).await.expect(201);
    assert_eq!(made["binding"]["public_key"], key);
    assert_eq!(made["status"], "unverified");
    let read = app.api().get(made["url"].as_str().unwrap()).await.expect(200);
    assert_eq!(names(&read), members("factors"), "neither binding nor options");
    assert_eq!(
        app.api().post(&factors, &form).await.refusal(),
        (409, 60317),
        "one key, one factor"
    );
    let entities = format!("/v2/Services/{}/Entities", app.service);
    let again = app.api().post(&entities, &[("Identity", "alice-0001")]).await;
    assert_eq!(again.refusal(), (409, 60301));
    let pending = [("FactorSid", made["sid"].as_str().unwrap()), ("Details.Message", "Hi")];
    let refused = app.api().post(&app.challenges_path(&phone), &pending).await;
    assert_eq!(refused.refusal(), (403, 60318), "not before it is verified");
    app.clock.advance(Duration::from_secs(24 * 60 * 60));
    let lapsed = app.api().get(made["url"].as_str().unwrap()).await;
    assert_eq!(lapsed.refusal(), (404, 20404), "and none a day later");
}
