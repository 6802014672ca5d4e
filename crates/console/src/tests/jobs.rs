//! Jobs from the question to the result: devices, people, services, credentials, webhooks and API keys.

use countersign_domain::service_protection::{PresenceMode, ServiceLimit};
use countersign_domain::sid::ApiKeySid;
use countersign_store::PageQuery;
use countersign_verify::{Caller, VerifyError};
use http::StatusCode;

use super::page::Page;
use super::scene::{Browser, PRIVATE_KEY, Scene};

/// Sends a form and loads the page that follows, twice.
async fn done(browser: &mut Browser, from: &str, path: &str, form: &[(&str, &str)]) -> Page {
    let sent = browser.post(from, path, form).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{path}: {}", sent.text);
    let place = sent.location.split('#').next().unwrap();
    assert_eq!(browser.get(place).await.status, StatusCode::OK, "{place}");
    browser.get(place).await
}

#[tokio::test]
async fn a_device_is_renamed_and_removed() {
    let scene = Scene::new().await;
    let furnished = scene.furnish().await;
    let mut browser = scene.operator().await;
    let (person, sid) = (furnished.person(), furnished.factor.sid);
    let rename = format!("{person}/devices/{sid}/name");
    browser.get(&person).await.shows(&format!("href=\"{rename}\""));
    let page = browser.post(&rename, &rename, &[("FriendlyName", "")]).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    page.shows("<title>Error: Rename a device");
    page.shows("<a href=\"#FriendlyName\">Name of the device must have");
    let page = done(&mut browser, &rename, &rename, &[("FriendlyName", "Sam’s phone")]).await;
    page.shows("The device is renamed.");
    page.shows("Sam’s phone");

    let remove = format!("{person}/devices/{sid}/remove");
    let page = browser.get(&remove).await;
    page.shows("Sam’s phone");
    page.shows("The person has one other device.");
    let page = done(&mut browser, &remove, &remove, &[]).await;
    page.shows("The device is removed.");
    page.hides("Sam’s phone");
    let caller = Caller::Application(scene.account);
    let (service, identity) = (furnished.service.sid, &furnished.identity);
    let gone = scene.verify().factor(&caller, service, identity, sid).await;
    assert_eq!(gone, Err(VerifyError::NotFound));
    assert_eq!(browser.get(&remove).await.status, StatusCode::NOT_FOUND);
    // Codes too have a name, and can be the last device.
    let page = PageQuery::first(10);
    let left = scene.verify().factors(scene.account, service, identity, page).await.unwrap();
    let path = format!("{person}/devices/{}", left.items[0].sid());
    let (rename, remove) = (format!("{path}/name"), format!("{path}/remove"));
    let page = done(&mut browser, &rename, &rename, &[("FriendlyName", "Codes")]).await;
    page.shows("<bdi lang=\"\">Codes</bdi>");
    browser.get(&remove).await.shows("It is the only device of the person");
}

#[tokio::test]
async fn a_person_is_deleted_with_all_that_is_theirs() {
    let scene = Scene::new().await;
    let furnished = scene.furnish().await;
    let mut browser = scene.operator().await;
    let delete = format!("{}/delete", furnished.person());
    let page = browser.get(&delete).await;
    page.shows("These devices go, and their streams end at once");
    page.shows("“Ann&#39;s phone”");
    let page = done(&mut browser, &delete, &delete, &[]).await;
    page.shows("The person is deleted.");
    page.hides("sam-porter");
    assert_eq!(browser.get(&furnished.person()).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_service_is_deleted_with_all_that_is_its() {
    let scene = Scene::new().await;
    let furnished = scene.furnish().await;
    let mut browser = scene.operator().await;
    let service = format!("/console/services/{}", furnished.service.sid);
    browser.get(&service).await.shows("Challenges are kept for 30 days");
    let delete = format!("{service}/delete");
    let page = browser.get(&delete).await;
    page.shows("It has 1 person:");
    page.shows("It has 1 webhook:");
    let page = done(&mut browser, &delete, &delete, &[]).await;
    page.shows("The service is deleted.");
    assert_eq!(browser.get(&service).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_person_is_paused_for_hours_or_until_somebody_ends_it() {
    let scene = Scene::new().await;
    let furnished = scene.furnish().await;
    let mut browser = scene.operator().await;
    let person = furnished.person();
    let (ask, change) = (format!("{person}/pause"), format!("{person}/protection"));
    let page = browser.post(&ask, &change, &[("paused", "true"), ("hours", "0")]).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    page.shows("Hours of the pause must be a whole number from 1 to 8760.");
    let form = [("paused", "true"), ("hours", "2")];
    done(&mut browser, &ask, &change, &form).await.shows("new challenges are refused until <time");
    let page = done(&mut browser, &person, &change, &[("paused", "false")]).await;
    page.shows("The pause is ended.");
    let page = done(&mut browser, &ask, &change, &[("paused", "true")]).await;
    page.shows("new challenges are refused until the pause is ended");
}

#[tokio::test]
async fn the_protection_of_a_service_is_set_by_the_rules_of_the_api() {
    let scene = Scene::new().await;
    let service = scene.service().await.sid;
    let mut browser = scene.operator().await;
    let path = format!("/console/services/{service}/protection");
    let page = browser.get(&path).await;
    page.shows("0 to 100. Empty: 5, as this server is set. 0: no limit.");
    for (name, value, why) in [
        ("Presence", "none, code", "Presence must end with none, if it has it."),
        (
            "InARowMinutes",
            "61",
            "Minutes that a challenge counts for a row must be a whole number from 1 to 60.",
        ),
    ] {
        let page = browser.post(&path, &path, &[("InARowMax", "7"), (name, value)]).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST);
        page.shows(why);
        page.shows(&format!("value=\"{value}\""));
        page.shows("value=\"7\"");
    }
    let form = [("Presence", "number, code"), ("UserVerification", "required"), ("InARowMax", "7")];
    done(&mut browser, &path, &path, &form).await.shows("The protection is saved.");
    let found = scene.verify().service(scene.account, service).await.unwrap();
    let protection = &found.settings.protection;
    assert_eq!(protection.presence(), [PresenceMode::Number, PresenceMode::Code]);
    assert_eq!(protection.own(ServiceLimit::InARowMax), Some(7));
    done(&mut browser, &path, &path, &[("InARowMax", "")]).await.shows("value=\"number, code\"");
    let found = scene.verify().service(scene.account, service).await.unwrap();
    assert_eq!(found.settings.protection.own(ServiceLimit::InARowMax), None);
}

#[tokio::test]
async fn a_credential_is_made_replaced_and_deleted() {
    let scene = Scene::new().await;
    let mut browser = scene.operator().await;
    let (list, new) = ("/console/credentials", "/console/credentials/new?type=apn");
    let long = "n".repeat(65);
    let page = browser
        .post(new, list, &[("type", "apn"), ("FriendlyName", &long), ("PrivateKey", PRIVATE_KEY)])
        .await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    page.shows("<a href=\"#FriendlyName\">Name must have");
    page.hides(PRIVATE_KEY);
    let form = [
        ("type", "apn"),
        ("FriendlyName", "Owl"),
        ("PrivateKey", PRIVATE_KEY),
        ("KeyId", " AB CD "),
        ("TeamId", "T1"),
        ("Sandbox", "true"),
    ];
    let page = done(&mut browser, new, list, &form).await;
    page.shows("The credential is made.");
    for text in ["Owl", "ABCD", "T1", "test (sandbox)"] {
        page.shows(text);
    }
    page.hides(PRIVATE_KEY);
    let all = scene.verify().credentials(scene.account, PageQuery::first(10)).await.unwrap().items;
    let path = format!("{list}/{}", all[0].sid);
    let page = browser.get(&path).await;
    page.shows("value=\"ABCD\"");
    page.hides(PRIVATE_KEY);
    let form = [("FriendlyName", "Owl"), ("PrivateKey", "another key"), ("Sandbox", "false")];
    done(&mut browser, &path, &path, &form).await.shows("production");
    let opened = scene.verify().opened_credential(all[0].sid).await.unwrap().unwrap();
    assert_eq!(opened.1.private_key.as_ref().unwrap().expose(), "another key");
    assert_eq!(opened.0.key_id.as_deref(), Some("ABCD"), "fields left empty keep their values");

    // A service pushes with it.
    let service = scene.service().await.sid;
    let settings = format!("/console/services/{service}");
    let sid = all[0].sid.to_string();
    done(&mut browser, &settings, &settings, &[("Push.ApnCredentialSid", &sid)]).await;
    let delete = format!("{path}/delete");
    browser.get(&delete).await.shows(
        "1 of your services push with it, and their pushes to it fail from now on: “Harbour Bank”.",
    );
    let page = done(&mut browser, &delete, &delete, &[]).await;
    page.shows("The credential is deleted.");
    page.hides(&sid);
}

#[tokio::test]
async fn the_secret_of_an_api_key_is_shown_to_the_session_that_made_it() {
    let scene = Scene::new().await;
    let mut browser = scene.operator().await;
    let path = "/console/api-keys";
    let page = browser.post(path, path, &[("FriendlyName", "")]).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    page.shows("Name of the new key must have");
    let page = done(&mut browser, path, path, &[("FriendlyName", "shop <b>")]).await;
    page.shows("shop &#60;b&#62;");
    let secret = page.text.split("<code class=\"secret\">").nth(1).unwrap();
    let secret = secret.split('<').next().unwrap().to_owned();
    let sid = page.text.split("<dd><code>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert!(scene.verify().authenticate(&sid, &secret).await.is_ok());
    // Not on its own page, not in another session, and not for long.
    browser.get(path).await.hides(&secret);
    let mut other = scene.operator().await;
    let cookie = browser.cookies["countersign_result"].clone();
    other.cookies.insert("countersign_result".into(), cookie);
    other.get(&format!("{path}?done=key-made")).await.hides(&secret);
    scene.stage.pass(300);
    browser.get(&format!("{path}?done=key-made")).await.hides(&secret);

    let revoke = format!("{path}/{sid}/revoke");
    browser.get(&revoke).await.shows(&sid);
    done(&mut browser, &revoke, &revoke, &[]).await.shows("The API key is revoked.");
    assert!(scene.verify().authenticate(&sid, &secret).await.is_err());
    let (stranger, _) = scene.verify().create_account("stranger").await.unwrap();
    let (key, _) = scene.verify().create_api_key(stranger.sid, "theirs").await.unwrap();
    let theirs: ApiKeySid = key.sid;
    let revoke = format!("{path}/{theirs}/revoke");
    assert_eq!(browser.get(&revoke).await.status, StatusCode::NOT_FOUND);
    assert_eq!(browser.post(path, &revoke, &[]).await.status, StatusCode::NOT_FOUND);
    assert!(scene.verify().api_key(stranger.sid, theirs).await.is_ok());
}

#[tokio::test]
async fn a_webhook_is_made_changed_tested_and_deleted() {
    let scene = Scene::new().await;
    let service = scene.service().await.sid.to_string();
    let mut browser = scene.operator().await;
    let (list, new) = ("/console/webhooks", format!("/console/webhooks/new?service={service}"));
    browser.get(&new).await.shows("id=\"EventTypes-1\" name=\"EventTypes\" value=\"*\"");
    let url = "https://owlbank.example.com/hook";
    for (field, form, why) in [
        (
            "WebhookUrl",
            [("FriendlyName", "a"), ("WebhookUrl", "hook"), ("EventTypes", "*")],
            "URL must be an absolute",
        ),
        (
            "EventTypes-1",
            [("FriendlyName", "a"), ("WebhookUrl", url), ("Version", "v1")],
            "Events must be at least one.",
        ),
        (
            "FriendlyName",
            [("FriendlyName", ""), ("WebhookUrl", url), ("EventTypes", "*")],
            "Name must have",
        ),
    ] {
        let form: Vec<_> = form.into_iter().chain([("service", service.as_str())]).collect();
        let page = browser.post(&new, list, &form).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{why}");
        page.shows(&format!("<a href=\"#{field}\">{why}"));
    }
    let form = [
        ("service", service.as_str()),
        ("FriendlyName", "good"),
        ("WebhookUrl", url),
        ("EventTypes", "challenge.approved"),
        ("EventTypes", "challenge.expired"),
        ("Status", "enabled"),
    ];
    let page = done(&mut browser, &new, list, &form).await;
    page.shows("The webhook is made.");
    page.shows("challenge.approved, challenge.expired");
    let all = scene
        .verify()
        .webhooks(scene.account, service.parse().unwrap(), PageQuery::first(10))
        .await
        .unwrap();
    let webhook = &all.items[0];
    let path = format!("{list}/{service}/{}", webhook.sid);
    let secret =
        scene.verify().webhook_secret(scene.account, webhook.service, webhook.sid).await.unwrap();
    browser.get(&path).await.hides(secret.expose());
    browser.get(&format!("{path}/secret")).await.shows(secret.expose());

    let test = format!("{path}/test");
    let page = done(&mut browser, &path, &test, &[]).await;
    page.shows("It was taken with status 204. It took 7 ms.");
    let edit = format!("{path}/edit");
    browser.get(&edit).await.shows("value=\"challenge.expired\" checked");
    let form =
        [("FriendlyName", "bad"), ("WebhookUrl", url), ("EventTypes", "*"), ("Status", "disabled")];
    let page = done(&mut browser, &edit, &edit, &form).await;
    page.shows("The webhook is saved.");
    page.shows("disabled");
    let page = done(&mut browser, &path, &test, &[]).await;
    page.shows("It was refused with status 500.");
    page.shows("text/&#60;b&#62;plain&#60;/b&#62;");
    page.shows("&#60;script&#62;alert(1)&#60;/script&#62;");

    let delete = format!("{path}/delete");
    browser.get(&delete).await.shows("No call waits.");
    done(&mut browser, &delete, &delete, &[]).await.shows("The webhook is deleted.");
    assert_eq!(browser.get(&path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn lists_are_read_page_by_page_in_both_directions() {
    let scene = Scene::new().await;
    let service = scene.service().await;
    let mut names = Vec::new();
    for _ in 0..120 {
        let identity = scene.stage.make.identity();
        scene.stage.factor_of(&service, &identity).await;
        names.push(identity.to_string());
        scene.stage.pass(1);
    }
    let mut browser = scene.operator().await;
    let first = format!("/console/services/{}", service.sid);
    let link = |page: &Page, rel: &str| {
        let rest = page.text.split(&format!("rel=\"{rel}\" href=\"")).nth(1)?;
        Some(rest.split('"').next().unwrap().to_owned())
    };
    let (mut path, mut seen) = (first.clone(), Vec::new());
    loop {
        let page = browser.get(&path).await;
        let shown: Vec<_> =
            names.iter().filter(|it| page.text.contains(&format!("/people/{it}\""))).collect();
        assert!(!shown.is_empty() && shown.len() <= 50, "{path}");
        seen.extend(shown);
        match link(&page, "next") {
            Some(next) => path = next,
            None => break,
        }
    }
    assert_eq!(seen, names.iter().collect::<Vec<_>>(), "each once");
    let page = browser.get(&path).await;
    let page = browser.get(&link(&page, "prev").unwrap()).await;
    page.shows(&format!("/people/{}\"", names[50]));
    let page = browser.get(&link(&page, "prev").unwrap()).await;
    page.shows(&format!("/people/{}\"", names[0]));
    assert_eq!(link(&page, "prev"), None);
    assert_eq!(browser.get(&format!("{first}?after=x")).await.status, StatusCode::NOT_FOUND);
}
