//! Actions.

use countersign_domain::call_response::CallResponse;
use countersign_domain::credential::CredentialType;
use countersign_domain::secret::Secret;
use countersign_domain::text::Identity;
use countersign_domain::webhook_call::{AfterCall, CallOutcome, CallState};
use countersign_verify::credentials::CredentialUpdate;
use countersign_verify::enrolment_codes::EnrolmentCodeError;
use countersign_verify::{Caller, CredentialSecrets, VerifyError};
use http::StatusCode;

use super::page::Page;
use super::scene::{PAGES, PRIVATE_KEY, Scene};

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
    assert_eq!((page.status, page.location), (StatusCode::SEE_OTHER, format!("{path}?done=saved")));
    let page = browser.get(&format!("{path}?done=saved")).await;
    page.shows("The settings are saved.");
    page.shows("Owl Club");
    let settings =
        &scene.verify().service(scene.account, furnished.service.sid).await.unwrap().settings;
    assert_eq!(settings.push.apn_credential_sid, Some(furnished.credential.sid));
    assert_eq!((settings.totp.skew, settings.push.include_date), (2, true));
    assert_eq!(settings.code_length, 6, "settings that are not on the page stay");

    for (name, value, why) in [
        ("Totp.Skew", "3", "Time steps of tolerance must be a whole number from 0 to 2."),
        ("FriendlyName", "", "Name must have"),
        (
            "Push.FcmCredentialSid",
            &credential,
            "Credential for Google must be a credential of this account and platform.",
        ),
    ] {
        let page = browser.post(&path, &path, &[(name, value)]).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{name}");
        let beside = page.text.split(&format!("id=\"{name}-error\">")).nth(1).expect(name);
        assert!(beside.starts_with(why), "{beside}");
        page.shows("aria-invalid=\"true\"");
        page.shows("<strong>Nothing was done.</strong>");
        page.shows("<title>Error: Owl Club");
        page.shows(&format!("<a href=\"#{name}\">{}", why.split('.').next().unwrap()));
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
async fn a_device_is_challenged() {
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
    page.shows("Waits for the device: it is not connected.");
    let page = browser.post(&person, &path, &[("device", &device), ("message", "")]).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    page.shows(&format!("id=\"refused-{device}\""));
}

#[tokio::test]
async fn a_device_is_invited() {
    let scene = Scene::new().await;
    let service_of = scene.service().await;
    let service = service_of.sid.to_string();
    let mut browser = scene.operator().await;
    let form = [("service", service.as_str()), ("identity", "sam")];
    let page = browser.post("/console/enrol", "/console/enrol", &form).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    page.shows("id=\"identity-error\"");
    let form = [("service", service.as_str()), ("identity", "sam-porter")];
    let page = browser.post("/console/enrol", "/console/enrol", &form).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    let path = page.location;
    let page = browser.get(&path).await;
    page.shows("class=\"code-dark\"");
    page.shows("Valid for another 5 min");
    page.shows(&format!("hx-get=\"{path}\""));
    let link = page.text.split("href=\"http://127.0.0.1:8080/e/").nth(1).unwrap();
    let code = link.split('"').next().unwrap().to_owned();
    let side = page.text.split("viewBox=\"0 0 ").find_map(|rest| {
        let side: usize = rest.split(' ').next()?.parse().ok()?;
        (side > 24).then_some(side)
    });
    assert!(side.is_some_and(|side| side <= 57 + 8), "at most version 10: {side:?}");
    let opened = scene.verify().open_short_link(&code).await.unwrap();
    let caller = scene.verify().authenticate("token", opened.text.expose()).await.unwrap();
    assert!(matches!(&caller, Caller::Enrolling(token) if token.identity.as_str() == "sam-porter"));
    let typed = page.text.split("id=\"typed\"").nth(1).unwrap();
    let typed = typed.split("data-copy=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert_eq!(typed.len(), 11, "{typed}");
    let by_code = scene.verify().open_enrolment_code(&typed.to_lowercase(), None).await.unwrap();
    assert_eq!(by_code.text.expose(), opened.text.expose());
    scene.stage.pass(100);
    browser.get(&path).await.shows("Valid for another 3 min");
    let identity = Identity::parse("sam-porter").unwrap();
    let factor = scene.stage.make.factor(&scene.stage.make.entity(&service_of, &identity).owner);
    let sid = path.rsplit('/').next().unwrap().parse().unwrap();
    scene.stage.enrol(&factor, Some(sid)).await;
    let over = scene.verify().open_short_link(&code).await;
    assert_eq!(over.err(), Some(VerifyError::NotFound));
    let over = scene.verify().open_enrolment_code(&typed, None).await;
    assert!(matches!(over, Err(EnrolmentCodeError::Unknown)));
    let page = browser.get(&path).await;
    page.shows(
        "<strong>Enrolled.</strong> <bdi lang=\"\">Ann&#39;s phone</bdi> answers for sam-porter",
    );
    page.hides("code-dark");
    page.hides("hx-get");
    scene.stage.pass(300);
    browser.get(&path).await.shows("The time of this link is over");
    let other = path.replace("sam-porter", "somebody-else");
    browser.get(&other).await.shows("The time of this link is over");
}

#[tokio::test]
async fn a_credential_is_tested() {
    let scene = Scene::new().await;
    let sid = scene.furnish().await.credential.sid;
    let mut browser = scene.operator().await;
    let page = browser.get("/console/credentials").await;
    page.shows("value=\"com.example.owl\"");
    let path = format!("/console/credentials/{sid}/test");
    for (app_id, texts) in [
        (
            "com.example.app",
            [
                "The credential works.",
                "The push service said: <q>",
                "400 &#60;b&#62;BadDeviceToken&#60;/b&#62; com.example.app",
            ],
        ),
        (
            "com.example.away",
            ["The credential works.", "This server noted: <q>", "value=\"com.example.away\""],
        ),
        ("", ["Nothing was tried. The app id", "value=\"\"", "role=\"alert\""]),
    ] {
        let page = browser.post("/console/credentials", &path, &[("app_id", app_id)]).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER);
        let place = page.location.split('#').next().unwrap().to_owned();
        for _ in 0..2 {
            let page = browser.get(&place).await;
            for text in texts {
                page.shows(text);
            }
        }
    }
    scene.stage.pass(300);
    browser.get("/console/credentials").await.hides("Nothing was tried.");
}

#[tokio::test]
async fn a_failed_call_is_resent() {
    let scene = Scene::new().await;
    let furnished = scene.furnish().await;
    let call = scene.fail_a_call().await;
    let mut browser = scene.operator().await;
    let page = browser.get("/console/webhooks").await;
    page.shows("factor.created: given up after 1 tries. Last answer: status 500.");
    let (service, webhook) = (furnished.service.sid, furnished.webhook.sid);
    let path = format!("/console/webhooks/{service}/{webhook}/calls/{call}/resend");
    let page = browser.post("/console/webhooks", &path, &[]).await;
    assert_eq!(page.location, format!("/console/webhooks/{service}/{webhook}?done=resent"));
    let factor = furnished.factor.sid;
    let calls = scene.stage.store.calls_about(webhook, factor, None, 10).await.unwrap();
    let sent = calls.iter().find(|it| it.id.to_string() == call).unwrap();
    assert_eq!((sent.state, sent.attempts), (CallState::Due, 0));
    browser.get(&page.location).await.shows("The call is made again now.");
    for unknown in ["x", "00000000-0000-0000-0000-000000000000", "+0000000000000000000000000000000"]
    {
        let path = format!("/console/webhooks/{service}/{webhook}/calls/{unknown}/resend");
        let page = browser.post("/console/webhooks", &path, &[]).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{unknown}");
    }
}

#[tokio::test]
async fn all_failed_calls_of_a_list_are_resent() {
    let scene = Scene::new().await;
    let furnished = scene.furnish().await;
    scene.take_calls().await;
    let (service, webhook) = (&furnished.service, furnished.webhook.sid);
    scene.queue_calls(service, 4, AfterCall::Failed).await;
    let mut browser = scene.operator().await;
    let path = format!("/console/webhooks/{}/{webhook}", service.sid);
    let page = browser.get(&path).await;
    page.shows("Given up: 4");
    page.shows("<option value=\"factor.created\">");
    let resend = format!("{path}/resend");
    for (list, event, done) in [
        ("given-up", "challenge.denied", "no-calls"),
        ("given-up", "factor.created", "all-resent"),
        ("given-up", "", "no-calls"),
        ("failing", "", "no-calls"),
    ] {
        let page = browser.post(&path, &resend, &[("list", list), ("event", event)]).await;
        assert_eq!(page.location, format!("{path}?done={done}"), "{list} {event}");
    }
    let counts = scene.stage.store.call_counts(webhook).await.unwrap();
    assert_eq!((counts.given_up, counts.failing), (0, 4), "they failed, and are due");
    for form in [[("list", "x"), ("event", "")], [("list", "failing"), ("event", "x")]] {
        let page = browser.post(&path, &resend, &form).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn the_response_to_a_failed_call_is_shown() {
    let scene = Scene::new().await;
    let furnished = scene.furnish().await;
    let headers = [("server", b"<i>owl</i>".as_slice()), ("set-cookie", b"hush".as_slice())];
    let response = CallResponse::of(500, headers, b"<script>alert(1)</script>");
    let call = scene.stage.lease_calls().await.remove(0);
    let failure = CallOutcome::Refused(response).into_failure();
    let (store, now) = (&scene.stage.store, scene.stage.now());
    assert_eq!(store.settle_call(&call, AfterCall::Failed, failure, now).await, Ok(true));
    let mut browser = scene.operator().await;
    let (service, webhook) = (furnished.service.sid, furnished.webhook.sid);
    let page = browser.get(&format!("/console/webhooks/{service}/{webhook}")).await;
    page.shows("What the application responded");
    page.shows("&#60;i&#62;owl&#60;/i&#62;");
    page.shows("&#60;script&#62;alert(1)&#60;/script&#62;");
    page.shows("(not kept)");
    page.hides("hush");
}

/// Failed calls are visible however many others are pending, and all of them can be reached.
#[tokio::test]
async fn calls_are_counted_and_failed_ones_are_listed() {
    let scene = Scene::new().await;
    let furnished = scene.furnish().await;
    scene.take_calls().await;
    let (service, webhook) = (&furnished.service, furnished.webhook.sid);
    for _ in 0..7 {
        scene.queue_calls(service, 4, AfterCall::Failed).await;
        scene.stage.pass(1);
    }
    scene.stage.pass(7_200 - 7);
    scene.queue_calls(service, 4, AfterCall::Retry { at: scene.stage.later(600) }).await;
    scene.queue_calls(service, 150, AfterCall::Retry { at: scene.stage.later(600) }).await;
    scene.stage.pass(60);
    let mut browser = scene.operator().await;
    let page = browser.get("/console/webhooks").await;
    page.shows("155 calls wait, 8 of them after a failed try.");
    page.shows("The oldest is about an event 116 min ago.");
    page.shows("Failed, and tried again: 8");
    page.shows("Given up: 28");
    page.shows("factor.created: given up after 1 tries. Last answer: status 500.");
    let path = format!("/console/webhooks/{}/{webhook}", service.sid);
    page.shows(&format!("href=\"{path}\">More that are given up"));

    let given_up = |page: &Page| page.text.matches("given up after 1 tries").count();
    let page = browser.get(&path).await;
    assert_eq!((page.status, given_up(&page)), (StatusCode::OK, 25));
    page.shows(&format!("hx-get=\"{path}\""));
    let next = page.text.split(&format!("{path}?given-up=")).nth(1).unwrap();
    let next = format!("{path}?given-up={}", next.split('"').next().unwrap());
    let page = browser.get(&next).await;
    assert_eq!(given_up(&page), 3);
    page.hides("?given-up=");
    page.hides("hx-get");
    let back = page.text.split(&format!("{path}?given-up-before=")).nth(1).unwrap();
    let back = format!("{path}?given-up-before={}", back.split('"').next().unwrap());
    let page = browser.get(&back).await;
    assert_eq!(given_up(&page), 25);
    page.shows(&format!("href=\"{next}\""));
    page.hides("Earlier ones that are given up");
    for wrong in ["x", "1.x", "1", "x.00000000-0000-0000-0000-000000000000"] {
        let page = browser.get(&format!("{path}?failing={wrong}")).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{wrong}");
    }
}

#[tokio::test]
async fn buttons_on_a_page_have_distinct_names() {
    let scene = Scene::new().await;
    let furnished = scene.furnish().await;
    scene.take_calls().await;
    scene.queue_calls(&furnished.service, 3, AfterCall::Failed).await;
    // A second device and a second credential of the same name.
    scene.stage.factor_of(&furnished.service, &furnished.identity).await;
    let update = CredentialUpdate {
        friendly_name: Some("good".to_owned()),
        secrets: CredentialSecrets {
            private_key: Some(Secret::new(PRIVATE_KEY)),
            ..CredentialSecrets::default()
        },
        ..CredentialUpdate::default()
    };
    let (verify, account) = (scene.verify(), scene.account);
    verify.create_credential(account, CredentialType::Apn, update).await.unwrap();
    let mut browser = scene.operator().await;
    let pages = PAGES.into_iter().map(str::to_owned).chain(furnished.pages());
    for (path, least) in pages.map(|path| (path.clone(), 1)).chain([
        ("/console/webhooks".to_owned(), 4),
        ("/console/credentials".to_owned(), 3),
        (furnished.person(), 3),
    ]) {
        let mut names = browser.get(&path).await.buttons();
        assert!(names.len() >= least, "{path}: {names:?}");
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{path}: {names:?}");
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
    page.shows("of Harbour Bank");
}
