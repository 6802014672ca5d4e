//! Requests for resources of others or that do not exist get the same 404; malformed ones always a 400.

use reqwest::Method;

use crate::support::{Caller, Home, Reply, TestApp};

async fn ask(caller: &Caller, method: &str, path: &str) -> Reply {
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    // The form has a parameter for each of the POST routes.
    let form = [("FriendlyName", "changed"), ("Metadata", r#"{"changed":"yes"}"#)];
    let request = caller.request(method.clone(), path);
    Reply::of(if method == Method::POST { request.form(&form) } else { request }).await
}

/// The expected 404 of a path.
fn not_found(path: &str) -> String {
    let versionless = path.trim_start_matches("/v1").trim_start_matches("/v2");
    format!("The requested resource {versionless} was not found")
}

#[tokio::test]
async fn resources_of_another_account_are_as_absent_as_those_that_never_existed() {
    let app = TestApp::start().await;
    let theirs = Home::furnish(&app, app.stranger().await, "alice-0001").await;
    let before = theirs.inventory().await;
    let us = app.api();
    for (path, methods) in theirs.instances() {
        for method in methods.iter().chain(&["GET"]) {
            let (head, sid) = path.rsplit_once('/').unwrap();
            let never = format!("{head}/{}{}", &sid[..2], "0".repeat(32));
            let (foreign, never_was) =
                (ask(&us, method, &path).await, ask(&us, method, &never).await);
            assert_eq!(foreign.refusal(), (404, 20404), "{method} {path}");
            assert_eq!(foreign.body["message"], not_found(&path));
            let mut same = never_was.body.clone();
            same["message"] = not_found(&path).into();
            assert_eq!(foreign.body, same, "{method} {path}: nothing tells the two apart");
        }
    }
    for (path, key) in &theirs.lists()[2..] {
        if !key.is_empty() {
            assert_eq!(us.get(path).await.refusal(), (404, 20404), "{path}");
        }
        let made = us.post(path, &complete(key, &theirs)).await;
        assert_eq!(made.refusal(), (404, 20404), "POST {path}");
    }
    assert_eq!(theirs.inventory().await, before, "and nothing of theirs has changed");
}

/// A form that creates an item of the list.
fn complete<'a>(key: &str, home: &'a Home) -> Vec<(&'static str, &'a str)> {
    match key {
        "webhooks" => {
            vec![("FriendlyName", "a"), ("EventTypes", "*"), ("WebhookUrl", "https://a.example")]
        }
        "integrations" => vec![("FriendlyName", "a"), ("Kind", "duo")],
        "entities" => vec![("Identity", "mallory-1")],
        "factors" => vec![
            ("FriendlyName", "a"),
            ("FactorType", "push"),
            (
                "Binding.PublicKey",
                "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Z5A/4QCLi8maQa6elWKLxk8vGyDC1+n1F3o8KU1EYimQ==",
            ),
            ("Config.AppId", "a"),
            ("Config.SdkVersion", "1"),
            ("Config.NotificationPlatform", "none"),
        ],
        "challenges" => {
            vec![("FactorSid", home.phone.factor_sid()), ("Details.Message", "Log in?")]
        }
        "notifications" => vec![],
        _ => vec![("Identity", "mallory-1"), ("FactorType", "push")],
    }
}

#[tokio::test]
async fn resources_of_another_service_or_identity_are_not_found() {
    let app = TestApp::start().await;
    let (one, two) = tokio::join!(
        Home::furnish(&app, app.api(), "alice-0001"),
        Home::furnish(&app, app.api(), "alice-0001"),
    );
    app.api().post(&format!("{}/Entities", one.service_path()), &[("Identity", "bob-00001")]).await;
    let before = (one.inventory().await, two.inventory().await);
    let mut asked = 0;
    for (path, methods) in one.instances() {
        if !path.contains(&one.service) || path.ends_with(&one.service) {
            continue;
        }
        let elsewhere = path.replace(&one.service, &two.service);
        let somebody = path.replace("alice-0001", "bob-00001");
        for wrong in [elsewhere, somebody] {
            // The identity exists in both services.
            if wrong == path || wrong.ends_with("/alice-0001") || wrong.ends_with("/bob-00001") {
                continue;
            }
            for method in methods.iter().chain(&["GET"]) {
                let reply = ask(&app.api(), method, &wrong).await;
                assert_eq!(reply.refusal(), (404, 20404), "{method} {wrong}");
                asked += 1;
            }
        }
    }
    assert_eq!(
        asked,
        2 * 3 + 1 + 2 * (3 + 2 + 1),
        "webhook, integration, token; factor, challenge, notification"
    );
    let stray = format!("{}/Notifications/{}", two.challenge_path(), one.notification);
    assert_eq!(app.api().get(&stray).await.refusal(), (404, 20404));
    assert_eq!((one.inventory().await, two.inventory().await), before);
}

#[tokio::test]
async fn a_sid_without_the_form_of_one_is_a_bad_request() {
    let app = TestApp::start().await;
    let home = Home::furnish(&app, app.api(), "alice-0001").await;
    let before = home.inventory().await;
    for (path, methods) in home.instances() {
        let parts: Vec<&str> = path.split('/').collect();
        for at in (3..parts.len()).step_by(2) {
            let good = parts[at];
            let bad = if good == "alice-0001" {
                ["alice", "alice_0001", "alice%200001", "%FF%FE%FD%FC%FB%FA%F9%F8", "alice%2F0001"]
                    .map(str::to_owned)
            } else {
                [
                    good[..33].to_owned(),
                    format!("{good}0"),
                    format!("QQ{}", &good[2..]),
                    format!("{}g", &good[..33]),
                    format!("{}%00", &good[..33]),
                ]
            };
            for bad in bad {
                let mut parts = parts.clone();
                parts[at] = &bad;
                let path = parts.join("/");
                for method in methods.iter().chain(&["GET"]) {
                    let reply = ask(&home.caller, method, &path).await;
                    assert_eq!(reply.refusal(), (400, 60306), "{method} {path}");
                }
            }
        }
    }
    assert_eq!(home.inventory().await, before);
}

#[tokio::test]
async fn a_sid_may_be_written_in_capitals() {
    let app = TestApp::start().await;
    let home = Home::furnish(&app, app.api(), "alice-0001").await;
    for (path, _) in home.instances() {
        let (head, sid) = path.rsplit_once('/').unwrap();
        if sid != "alice-0001" {
            let path = format!("{head}/{}", sid.to_uppercase());
            assert_eq!(home.caller.get(&path).await.expect(200)["sid"], sid);
        }
    }
}
