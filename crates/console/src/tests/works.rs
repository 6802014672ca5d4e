//! What can be done.

use countersign_domain::webhook_call::CallState;
use countersign_verify::Caller;
use http::StatusCode;

use super::scene::Scene;

#[tokio::test]
async fn settings_are_changed_by_the_rules_of_the_api() {
    let scene = Scene::new().await;
    let furnished = scene.furnish().await;
    let path = format!("/console/services/{}", furnished.service.sid);
    let mut browser = scene.operator().await;
    let credential = furnished.credential.sid.to_string();
    let page = browser
        .post(
            &path,
            &path,
            &[
                ("FriendlyName", "Owl Club"),
                ("Push.ApnCredentialSid", &credential),
                ("Push.IncludeDate", "true"),
                ("Totp.Skew", "2"),
                ("CodeLength", "9"),
            ],
        )
        .await;
    assert_eq!((page.status, page.location), (StatusCode::SEE_OTHER, format!("{path}?saved=yes")));
    let page = browser.get(&format!("{path}?saved=yes")).await;
    page.shows("The settings are saved.");
    page.shows("Owl Club");
    let settings =
        &scene.verify().service(scene.account, furnished.service.sid).await.unwrap().settings;
    assert_eq!(settings.push.apn_credential_sid, Some(furnished.credential.sid));
    assert_eq!((settings.totp.skew, settings.push.include_date), (2, true));
    assert_eq!(settings.code_length, 6, "what is not on the page is left alone");

    for (name, value, why) in [
        ("Totp.Skew", "3", "Totp.Skew must be a whole number from 0 to 2."),
        ("FriendlyName", "", "FriendlyName"),
        (
            "Push.FcmCredentialSid",
            &credential,
            "Push.FcmCredentialSid must be a credential of this account and platform.",
        ),
    ] {
        let page = browser.post(&path, &path, &[(name, value)]).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{name}");
        let beside = page.text.split(&format!("id=\"{name}-error\">")).nth(1).expect(name);
        assert!(beside.starts_with(why), "{beside}");
        page.shows("aria-invalid=\"true\"");
        page.shows("Nothing was saved");
    }
    let again = scene.verify().service(scene.account, furnished.service.sid).await.unwrap();
    assert_eq!(again.settings.totp.skew, 2);
}

#[tokio::test]
async fn a_service_is_made() {
    let scene = Scene::new().await;
    let mut browser = scene.operator().await;
    let list = "/console/services";
    let page = browser.post(list, list, &[("FriendlyName", "owl!")]).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    page.shows("id=\"FriendlyName-error\"");
    let page = browser.post(list, list, &[("FriendlyName", "Owl Club")]).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    browser.get(&page.location).await.shows("Owl Club");
}

#[tokio::test]
async fn a_device_is_asked_something() {
    let scene = Scene::new().await;
    let furnished = scene.furnish().await;
    let mut browser = scene.operator().await;
    let (person, device) = (furnished.person(), furnished.factor.sid.to_string());
    let path = format!("{person}/challenges");
    let page =
        browser.post(&person, &path, &[("device", &device), ("message", "Are you there?")]).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    let page = browser.get(&page.location).await;
    page.shows("Are you there?");
    page.shows("Waits for the device: it holds no stream now.");
    let page = browser.post(&person, &path, &[("device", &device), ("message", "")]).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    page.shows(&format!("id=\"refused-{device}\""));
}

#[tokio::test]
async fn a_device_is_invited() {
    let scene = Scene::new().await;
    let service = scene.service().await.sid.to_string();
    let mut browser = scene.operator().await;
    let form = [("service", service.as_str()), ("identity", "sam")];
    let page = browser.post("/console/enrol", "/console/enrol", &form).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    page.shows("id=\"identity-error\"");
    let form = [("service", service.as_str()), ("identity", "sam-porter")];
    let page = browser.post("/console/enrol", "/console/enrol", &form).await;
    assert_eq!(page.status, StatusCode::OK);
    page.shows("class=\"code-dark\"");
    let link = page.text.split("href=\"http://127.0.0.1:8080/authenticator#").nth(1).unwrap();
    let fragment = link.split('"').next().unwrap().replace("&#38;", "&");
    let token = url::form_urlencoded::parse(fragment.as_bytes()).find(|(name, _)| name == "token");
    let caller = scene.verify().authenticate("token", &token.unwrap().1).await.unwrap();
    assert!(matches!(caller, Caller::Enrolling(token) if token.identity.as_str() == "sam-porter"));
}

#[tokio::test]
async fn a_credential_is_tried() {
    let scene = Scene::new().await;
    let sid = scene.furnish().await.credential.sid;
    let mut browser = scene.operator().await;
    let page = browser.get("/console/credentials").await;
    page.shows("value=\"com.example.owl\"");
    let path = format!("/console/credentials/{sid}/test");
    let page = browser.post("/console/credentials", &path, &[("app_id", "com.example.app")]).await;
    page.shows("The credential works.");
    page.shows("400 &#60;b&#62;BadDeviceToken&#60;/b&#62; com.example.app");
    let page = browser.post("/console/credentials", &path, &[("app_id", "")]).await;
    page.shows("Nothing was tried. The app id");
}

#[tokio::test]
async fn a_call_that_failed_is_sent_again() {
    let scene = Scene::new().await;
    let furnished = scene.furnish().await;
    let call = scene.fail_a_call().await;
    let mut browser = scene.operator().await;
    let page = browser.get("/console/webhooks").await;
    page.shows("factor.created: given up after 1 tries. Last answer: status 500.");
    let (service, webhook) = (furnished.service.sid, furnished.webhook.sid);
    let path = format!("/console/webhooks/{service}/{webhook}/calls/{call}/resend");
    let page = browser.post("/console/webhooks", &path, &[]).await;
    assert_eq!(page.location, "/console/webhooks?resent=yes");
    let calls = scene.verify().failed_calls(scene.account, service, webhook).await.unwrap();
    assert_eq!((calls.len(), calls[0].state), (1, CallState::Due));
    browser.get(&page.location).await.shows("The call is made again now.");
    for unknown in ["x", "00000000-0000-0000-0000-000000000000", "+0000000000000000000000000000000"]
    {
        let path = format!("/console/webhooks/{service}/{webhook}/calls/{unknown}/resend");
        let page = browser.post("/console/webhooks", &path, &[]).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{unknown}");
    }
}

#[tokio::test]
async fn things_are_found_by_their_names() {
    let scene = Scene::new().await;
    let furnished = scene.furnish().await;
    let mut browser = scene.operator().await;
    let notification = scene.stage.due(&furnished.challenge).await.delivery.notification;
    let challenge = format!("/console/challenges/{}", furnished.challenge.sid);
    for (sought, path) in [
        (furnished.challenge.sid.to_string(), challenge.clone()),
        (notification.to_string(), challenge),
        (furnished.service.sid.to_string(), format!("/console/services/{}", furnished.service.sid)),
        (furnished.credential.sid.to_string(), "/console/credentials".to_owned()),
    ] {
        let page = browser.get(&format!("/console/search?q=+{sought}+")).await;
        assert_eq!((page.status, page.location), (StatusCode::SEE_OTHER, path));
    }
    let page = browser.get("/console/search?q=sam-porter").await;
    page.shows(&furnished.person());
    page.shows("sam-porter of Harbour Bank");
    browser.get("/console/search?q=sam-porte").await.shows("Nothing in this account is called");
}
