//! The content of pages, empty and full.

use countersign_domain::challenge::{Challenge, Details, Field};
use countersign_domain::ending::{Ending, ErrorCode, StatusReason};
use countersign_domain::factor::Factor;
use countersign_domain::outcome::{AfterAttempt, Outcome};
use countersign_domain::text::{FriendlyName, Message, StringMap};
use countersign_store::seam::LogStep;
use countersign_tlog::edge::GrownTiles;
use countersign_tlog::tile::hashes_to_bytes;
use countersign_tlog::{Checkpoint, Edge, Hash};
use http::StatusCode;

use super::scene::{PAGES, PRIVATE_KEY, Scene};

#[tokio::test]
async fn an_empty_page_says_what_to_do_next() {
    let scene = Scene::new().await;
    let mut browser = scene.operator().await;
    for (path, text) in [
        ("/console", "Make the first service"),
        ("/console/timeline", "There is no challenge here."),
        ("/console/services", "Make the first one here."),
        ("/console/credentials", "There is no push credential."),
        ("/console/webhooks", "There is no webhook."),
        ("/console/enrol", "Make the first service"),
        ("/console/audit", "sign_in"),
        ("/console/log", "has no transparency log"),
        ("/console/sessions", "this session"),
    ] {
        let page = browser.get(path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        page.shows(text);
        page.shows("aria-current=\"page\"");
    }
    browser.get("/console/search").await.shows("people, by identity");
    let service = scene.service().await;
    browser.get("/console").await.shows("Enrol a device</a>, and then send it a test challenge");
    let page = browser.get(&format!("/console/services/{}", service.sid)).await;
    page.shows("Enrol the first device");
}

#[tokio::test]
async fn nothing_of_other_accounts_is_visible() {
    let scene = Scene::new().await;
    let furnished = scene.furnish().await;
    let (stranger, token) = scene.verify().create_account("stranger").await.unwrap();
    let mut browser = scene.browser();
    browser.sign_in(&stranger.sid.to_string(), token.expose()).await;
    let unknown = "/console/challenges/YC00000000000000000000000000000000".to_owned();
    for path in furnished.pages().into_iter().chain([unknown, "/console/challenges/x".into()]) {
        let page = browser.get(&path).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{path}");
        page.shows("Page not found");
        page.hides("Harbour Bank");
    }
    for path in PAGES {
        let page = browser.get(path).await;
        for text in ["Harbour Bank", "sam-porter", "Lisbon", "com.example.owl", "owlbank.example"] {
            page.hides(text);
        }
    }
    let (service, webhook) = (furnished.service.sid, furnished.webhook.sid);
    let call = scene.fail_a_call().await;
    for (path, form) in [
        (format!("/console/services/{service}"), [("FriendlyName", "Mine".to_owned())]),
        (
            format!("{}/challenges", furnished.person()),
            [("device", furnished.factor.sid.to_string())],
        ),
        (
            format!("/console/credentials/{}/test", furnished.credential.sid),
            [("app_id", "a.b".into())],
        ),
        (
            format!("/console/webhooks/{service}/{webhook}/calls/{call}/resend"),
            [("", String::new())],
        ),
        ("/console/enrol".to_owned(), [("service", service.to_string())]),
    ] {
        let mut form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        form.extend([("identity", "sam-porter"), ("message", "Is it you?")]);
        let page = browser.post("/console/services", &path, &form).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{path}");
    }
    for sought in [furnished.challenge.sid.to_string(), service.to_string(), "sam-porter".into()] {
        browser.get(&format!("/console/search?q={sought}")).await.shows("Nothing in this account");
    }
}

#[tokio::test]
async fn a_challenge_is_shown_from_its_creation_to_the_webhook_calls() {
    let scene = Scene::new().await;
    let furnished = scene.furnish().await;
    let path = format!("/console/challenges/{}", furnished.challenge.sid);
    let mut browser = scene.operator().await;
    let page = browser.get(&path).await;
    page.shows("Log in from Lisbon?");
    page.shows("Nothing was pushed");
    page.shows("challenge.expired: made if nobody answers until");
    let lease = scene.stage.leased(&furnished.challenge).await;
    scene.stage.pass(1);
    let mut record = scene.stage.record(Outcome::Acknowledged);
    record.outcome = "gone".to_owned();
    record.provider_status = Some(410);
    record.provider_reason = Some("Unregistered <b>".to_owned());
    record.code = Some(ErrorCode::NO_DESTINATION);
    let after =
        AfterAttempt::Done(Ending::failed(StatusReason::AddressGone, ErrorCode::NO_DESTINATION));
    let what =
        countersign_domain::settled::DeliveryEvent::Attempted { record, after, forget: None };
    assert!(scene.stage.settle(&lease, what).await);
    let page = browser.get(&path).await;
    page.shows("410 Unregistered &#60;b&#62;");
    page.shows("52001: Nobody is there.");
    page.shows("the push service no longer knows the device");
    let line = browser.get("/console/timeline").await;
    line.shows("the push service no longer knows the device");
    line.shows("<a href=\"/console/timeline?code=52001\"");
    let person = browser.get(&furnished.person()).await;
    person.shows("Its newest push has not arrived.");
    person.shows("410 Unregistered");
    person.shows("codes (TOTP)");
    person.shows("not connected");
    scene.stage.pass(300);
    scene.stage.count_challenges(9).await;
    let overview = browser.get("/console").await;
    overview.shows("1 push: 1 failed");
    overview.shows("<rect class=\"bar-failed\"");
    browser.get(&path).await.shows("Expired unanswered");
}

#[tokio::test]
async fn a_successful_call_is_an_event_of_the_challenge() {
    let scene = Scene::new().await;
    let furnished = scene.furnish().await;
    scene.take_calls().await;
    let path = format!("/console/challenges/{}", furnished.challenge.sid);
    scene.stage.answer(&furnished.challenge).await;
    let mut browser = scene.operator().await;
    browser.get(&path).await.shows("challenge.approved: about to be made.");
    scene.stage.pass(2);
    scene.take_calls().await;
    let page = browser.get(&path).await;
    page.shows("Webhook called: challenge.approved");
    page.shows("taken with status 204 at the first try, 2.0 s after it happened");
    page.shows("challenge.approved: taken with status 204 at the first try.");
    browser.get("/console/webhooks").await.shows("no call fails");
    let (service, webhook) = (furnished.service.sid, furnished.webhook.sid);
    assert_eq!(scene.stage.store.delete_webhook(service, webhook).await, Ok(true));
    let page = browser.get(&path).await;
    page.shows("a webhook that was removed since");
    page.shows("The service has no webhook");
}

#[tokio::test]
async fn texts_of_applications_are_escaped() {
    let scene = Scene::new().await;
    let service = scene.service().await;
    let identity = countersign_domain::text::Identity::parse("sam-porter").unwrap();
    let evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\u{202e}";
    let factor = scene.stage.factor_of(&service, &identity).await;
    let change = countersign_domain::factor::FactorChange {
        friendly_name: Some(FriendlyName::parse(evil).unwrap()),
        ..Default::default()
    };
    let store = &scene.stage.store;
    let (entity, now) = (factor.owner.entity, scene.stage.now());
    let factor: Factor =
        store.update_factor(entity, factor.sid, &change, now).await.unwrap().unwrap();
    let challenge = Challenge {
        details: Details {
            message: Some(Message::parse(evil).unwrap()),
            fields: vec![Field { label: "<i>".into(), value: evil.into() }],
            date: None,
        },
        hidden_details: StringMap::parse(r#"{"ip":"hidden-192.0.2.9"}"#).ok(),
        ..scene.stage.make.challenge(&factor)
    };
    scene.stage.open(&challenge, None).await;
    let mut browser = scene.operator().await;
    let person = format!("/console/services/{}/people/{identity}", service.sid);
    let one = format!("/console/challenges/{}", challenge.sid);
    let search = "/console/search?q=%3Cscript%3Ealert(1)%3C/script%3E%22%27%3E%3Cimg%20src=x%20onerror=alert(1)%3E";
    for path in ["/console", "/console/timeline", &person, &one, search] {
        let page = browser.get(path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        page.hides("<script>");
        page.hides("<img");
        page.hides("<i>");
        page.hides("hidden-192.0.2.9");
        page.shows("&#60;script&#62;");
        if path != search {
            page.shows("‹U+202E›");
        }
        page.hides("\u{202e}");
    }
}

/// With their own language and direction.
#[tokio::test]
async fn texts_of_applications_are_isolated() {
    let scene = Scene::new().await;
    let service = scene.service().await;
    let identity = countersign_domain::text::Identity::parse("sam-porter").unwrap();
    let factor = scene.stage.factor_of(&service, &identity).await;
    let said = "שלם 40 EUR";
    let challenge = Challenge {
        details: Details {
            message: Some(Message::parse(said).unwrap()),
            fields: vec![Field { label: "סכום".into(), value: said.into() }],
            date: None,
        },
        ..scene.stage.make.challenge(&factor)
    };
    scene.stage.open(&challenge, None).await;
    let mut browser = scene.operator().await;
    let person = format!("/console/services/{}/people/{identity}", service.sid);
    let one = format!("/console/challenges/{}", challenge.sid);
    for (path, times) in [("/console", 1), ("/console/timeline", 1), (&person, 1), (&one, 2)] {
        let mut page = browser.get(path).await;
        // The commands at the end are isolated as a whole.
        if let Some(at) = page.text.find("<pre class=\"command\"") {
            page.text.truncate(at);
        }
        let isolated = page.text.matches(&format!("<bdi lang=\"\">{said}</bdi>")).count();
        assert_eq!((isolated, page.text.matches(said).count()), (times, times), "{path}");
    }
}

/// As in the API, a question must not contain invisible characters.
#[tokio::test]
async fn a_test_challenge_contains_only_visible_characters() {
    let scene = Scene::new().await;
    let furnished = scene.furnish().await;
    let mut browser = scene.operator().await;
    let (person, device) = (furnished.person(), furnished.factor.sid.to_string());
    let form = [("device", device.as_str()), ("message", "Pay \u{202e}40 EUR?")];
    let page = browser.post(&person, &format!("{person}/challenges"), &form).await;
    browser.get(&page.location).await.shows("Pay 40 EUR?");
    let list = "/console/services";
    let page = browser.post(list, list, &[("FriendlyName", "Owl\u{3164} Club")]).await;
    browser.get(&page.location).await.shows(">Owl Club</bdi>");
}

#[tokio::test]
async fn updates_of_a_page_can_be_paused() {
    let scene = Scene::new().await;
    let furnished = scene.furnish().await;
    let mut browser = scene.operator().await;
    let challenge = format!("/console/challenges/{}", furnished.challenge.sid);
    let webhook = format!("{}/{}", furnished.service.sid, furnished.webhook.sid);
    let webhook = format!("/console/webhooks/{webhook}");
    for path in ["/console", "/console/webhooks", &challenge, &webhook] {
        let page = browser.get(path).await;
        page.shows(&format!("hx-get=\"{path}\" hx-trigger=\"every 5s, resume\""));
        page.shows("id=\"hold\"");
        page.shows("<meta http-equiv=\"refresh\"");
        page.shows(&format!("<a href=\"{path}?live=no\">Pause updates</a>"));
        let held = browser.get(&format!("{path}?live=no")).await;
        for gone in ["hx-get", "id=\"hold\"", "http-equiv=\"refresh\""] {
            held.hides(gone);
        }
        held.shows(&format!("<a href=\"{path}\">Resume updates</a>"));
    }
}

/// Not even calls that wait for an expiry which never comes.
#[tokio::test]
async fn a_challenge_shows_its_pending_calls() {
    let scene = Scene::new().await;
    let furnished = scene.furnish().await;
    // More calls about the same device than the page reads.
    for _ in 0..60 {
        let challenge = scene.stage.challenge(&furnished.factor).await;
        scene.stage.answer(&challenge).await;
    }
    let last = scene.stage.challenge(&furnished.factor).await;
    scene.stage.answer(&last).await;
    let mut browser = scene.operator().await;
    let page = browser.get(&format!("/console/challenges/{}", last.sid)).await;
    page.shows("challenge.approved: waits for an earlier call about the same device.");
    page.hides("No call is on record");
    page.hides("made without an answer");
}

#[tokio::test]
async fn no_page_shows_a_secret() {
    let scene = Scene::new().await;
    let furnished = scene.furnish().await;
    scene.fail_a_call().await;
    let mut browser = scene.operator().await;
    let hook =
        scene.verify().webhook_secret(scene.account, furnished.service.sid, furnished.webhook.sid);
    let hook = hook.await.unwrap();
    let session = browser.cookies["countersign_console"].clone();
    let key = furnished.factor.key_sid.to_string();
    let secrets = [scene.token.expose(), PRIVATE_KEY, hook.expose(), &session, &key];
    for path in PAGES.into_iter().map(str::to_owned).chain(furnished.pages()) {
        let page = browser.get(&path).await;
        for secret in secrets {
            page.hides(secret);
        }
    }
}

#[tokio::test]
async fn an_entry_of_the_transparency_log_is_checked_and_its_own_account_sees_it() {
    let scene = Scene::new().await;
    let verify = scene.verify();
    verify.begin_log("log.example/log").await.unwrap();
    scene.service().await;
    let store = &scene.stage.store;
    let facts = store.facts(100).await.unwrap();
    let mut edge = Edge::default();
    let mut filled = GrownTiles::new();
    let mut step = LogStep {
        from: 0,
        facts: Vec::new(),
        entries: Vec::new(),
        tiles: Vec::new(),
        watches: Vec::new(),
    };
    for (key, fact) in facts {
        let entry = fact.into_entry([7; 32], scene.stage.now());
        edge.push(Hash::of_leaf(entry.entry.as_bytes()), &mut filled);
        step.facts.push(key);
        step.entries.push(entry);
    }
    let tiles = edge.grown(filled).into_iter();
    step.tiles = tiles.map(|((level, tile), it)| (level, tile, hashes_to_bytes(&it))).collect();
    assert_eq!(store.add_entries(&step).await, Ok(true));
    let number = edge.size() - 1;
    let path = format!("/console/log/{number}");
    let mut browser = scene.operator().await;
    browser.get("/console/log").await.shows("service.created");
    browser.get(&path).await.shows("No checkpoint has this entry yet");
    let key = verify.log_key().await.unwrap().unwrap();
    let origin = key.public().name.clone();
    let checkpoint = Checkpoint { origin, size: edge.size(), root: edge.root() };
    let note = checkpoint.signed(&key).to_string();
    assert!(store.publish_log(edge.size(), &note).await.unwrap());
    let page = browser.get(&path).await;
    page.shows("in the log");
    page.shows("c2sp.org/tlog-proof@v1");
    assert_eq!(
        browser.get("/console/log/0").await.status,
        StatusCode::NOT_FOUND,
        "of another account"
    );
    let (stranger, token) = verify.create_account("stranger").await.unwrap();
    let mut other = scene.browser();
    other.sign_in(&stranger.sid.to_string(), token.expose()).await;
    assert_eq!(other.get(&path).await.status, StatusCode::NOT_FOUND);
}
