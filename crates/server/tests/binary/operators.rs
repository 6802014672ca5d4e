//! `countersign operators` and the sign-in that it leads to, with a phone as the second factor.

use std::collections::BTreeSet;

use countersign_phone::{Authority, ChallengeStatus, Enrolment, Phone, Server, ServerOptions};
use serde_json::Value;

use crate::security::lines;
use crate::support::{ACCOUNT, Browser, Running, Stage, client_without_redirects};

/// A browser that presses the button of a link.
async fn follow(running: &Running, link: &str) -> Browser {
    let mut browser = Browser::default();
    let key = link.split_once("key=").expect("a key").1.trim();
    let enter = format!("{}/console/link", running.base);
    assert_eq!(browser.submit(link.trim(), &enter, &[("key", key)]).await, 303);
    browser
}

/// Enrols a phone by the link on the page of the second factor.
async fn enrol(running: &Running, browser: &mut Browser) -> Phone {
    let page = format!("{}/console/sign-in/device", running.base);
    let (_, text) = browser.ask(&page, None).await;
    let token = text.split("name=\"form_token\" value=\"").nth(1).expect("a form");
    let form = [("do", "invite"), ("form_token", token.split('"').next().expect("a token"))];
    let (status, text) = browser.ask(&page, Some(&form)).await;
    assert_eq!(status, 200, "{text}");
    let short = text.split("href=\"").find(|rest| rest.contains("/e/")).expect("a short link");
    let short = short.split('"').next().expect("a short link");
    let led = client_without_redirects().get(short).send().await.expect("a response");
    let link = led.headers()["location"].to_str().expect("text");
    let link = url::Url::parse(link).expect("a link");
    let fragment = link.fragment().expect("a fragment").as_bytes();
    let part = |name: &str| {
        let found = url::form_urlencoded::parse(fragment).find(|(known, _)| known == name);
        found.unwrap_or_else(|| panic!("{name}: {link}")).1.into_owned()
    };
    let authority = Authority::AccessToken(part("token"));
    let known = Enrolment::new(part("service"), part("identity"), authority);
    let enrolment = Enrolment { takes_numbers: true, ..known };
    let server = Server::new(&running.base, &ServerOptions::default()).expect("an address");
    Phone::enrol(&server, &enrolment).await.expect("a phone")
}

/// Has the console ask the phone; returns the number that it shows.
async fn ask(running: &Running, browser: &mut Browser) -> String {
    let page = format!("{}/console/sign-in/device", running.base);
    assert_eq!(browser.submit(&page, &page, &[("do", "ask")]).await, 303);
    number(running, browser).await
}

async fn number(running: &Running, browser: &mut Browser) -> String {
    let (_, text) = browser.ask(&format!("{}/console/sign-in/device", running.base), None).await;
    let number = text.split("id=\"number\">").nth(1).unwrap_or_else(|| panic!("{text}"));
    number.split('<').next().expect("a number").to_owned()
}

async fn approve(phone: &Phone, number: &str) {
    let pending = phone.challenges(Some(ChallengeStatus::Pending)).await.expect("a list");
    let challenge = pending.last().expect("a prompt");
    assert!(challenge.message.contains("as ada?"), "{challenge:?}");
    phone.approve_with(&challenge.sid, number).await.expect("it is approved");
}

#[tokio::test]
async fn an_operator_is_made_signs_in_with_a_phone_and_is_removed() {
    let stage = Stage::with_account();
    let running = stage.serve(&["--set", "log.format=json"]).await;
    let url = format!("http.public_url={}", running.base);
    let run = |arguments: &[&str]| {
        let done = stage.run(&[&["operators"], arguments, &["--set", &url]].concat());
        assert_eq!(done.code, Some(0), "{done:?}");
        done
    };
    let link = run(&["add", "Ada", "--role", "operate"]).stdout;
    let again = stage.run(&["operators", "add", "ada"]);
    assert_eq!(again.code, Some(1));
    assert!(again.stderr.contains("there is an operator ada already"), "{again:?}");

    let mut browser = follow(&running, &link).await;
    let home = format!("{}/console", running.base);
    assert_eq!(browser.ask(&home, None).await.0, 303, "the second factor is missing");
    let phone = enrol(&running, &mut browser).await;
    let shown = ask(&running, &mut browser).await;
    approve(&phone, &shown).await;
    let device = format!("{home}/sign-in/device");
    assert_eq!(browser.ask(&device, None).await.0, 303);
    let (status, text) = browser.ask(&home, None).await;
    assert_eq!(status, 200);
    assert!(text.contains("signed in as ada (operate)"), "{text}");
    let services = format!("{home}/services");
    let form = [("FriendlyName", "owls")];
    assert_eq!(browser.submit(&services, &services, &form).await, 403);
    run(&["role", "ada", "admin"]);
    assert_eq!(browser.submit(&services, &services, &form).await, 303);

    let listed = run(&["list", "--json"]).stdout;
    let listed: Value = serde_json::from_str(&listed).expect("one line");
    assert_eq!((&listed["name"], &listed["account_sid"]), (&"ada".into(), &ACCOUNT.into()));
    let sessions = run(&["sessions", "ada", "--json"]).stdout;
    let session: Value = serde_json::from_str(&sessions).expect("one line");
    assert_eq!(session["second_factor_missing"], false);
    run(&["revoke", "--session", session["id"].as_str().expect("an id")]);
    assert_eq!(browser.ask(&home, None).await.0, 303, "the session has ended");

    let mut second = follow(&running, &run(&["link", "ada"]).stdout).await;
    approve(&phone, &number(&running, &mut second).await).await;
    assert_eq!(second.ask(&device, None).await.0, 303);
    assert_eq!(second.ask(&home, None).await.0, 200);
    run(&["revoke", "ada"]);
    let invited = run(&["link", "ada", "--new-device"]);
    assert!(invited.stderr.contains("second_factor.forgotten"), "{invited:?}");
    let mut third = follow(&running, &invited.stdout).await;
    assert!(third.ask(&device, None).await.1.contains("You have none yet"));
    let password = run(&["password", "ada", "--json"]).stdout;
    let password: Value = serde_json::from_str(&password).expect("one line");
    let secret = password["password"].as_str().expect("a password").to_owned();
    let mut fourth = Browser::default();
    let sign_in = format!("{home}/sign-in");
    let form = [("user", "ADA"), ("secret", secret.as_str())];
    assert_eq!(fourth.submit(&sign_in, &sign_in, &form).await, 303);
    run(&["remove", "ada"]);
    assert_eq!(fourth.submit(&sign_in, &sign_in, &form).await, 401);

    let log = running.stop().await.stderr;
    assert!(
        !log.contains(&secret) && !log.contains(link.split_once("key=").expect("a key").1.trim())
    );
    let by_ada = lines(&log).into_iter().filter(|line| line.get("operator") == Some(&"ada".into()));
    let done: BTreeSet<_> =
        by_ada.filter_map(|line| Some(line["event"].as_str()?.to_owned())).collect();
    for event in [
        "sign_in",
        "second_factor.invited",
        "second_factor.asked",
        "console.action",
        "service.created",
    ] {
        assert!(done.contains(event), "{event}: {done:?}");
    }
}
