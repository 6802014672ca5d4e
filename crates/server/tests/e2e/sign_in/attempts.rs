//! Attempts on the page: who causes a prompt, what it needs, and how it ends.

use std::time::Duration;

use countersign_phone::{ChallengeStatus, Verdict};

use super::{ANN, Browser, Wiki, approve};
use crate::duo::next_prompt;
use crate::support::TestApp;
use crate::totp;

const UNLIMITED: &str = "limits.push_challenges_in_a_row=0";

#[tokio::test]
async fn a_prompt_that_a_stranger_causes_needs_the_number_although_none_is_configured() {
    let app = TestApp::start().await;
    let wiki = Wiki::of(&app, &[("Presence", "none")]).await;
    let phone = app.enrol_phone_with_numbers(ANN).await;
    let (address, page) = wiki.waiting(&wiki.browser, "ann", "").await;
    let prompt = next_prompt(&phone).await;
    assert_eq!(prompt.message, "Sign in to Owl wiki?");
    let fields: Vec<_> = prompt.fields.iter().map(|field| &*field.value).collect();
    assert_eq!(fields, ["ann", "127.0.0.1"]);
    assert!(phone.answer(&prompt.sid, Verdict::Approved).await.is_err(), "without the number");
    phone.approve_with(&prompt.sid, &page.number()).await.unwrap();
    assert!(wiki.browser.get(&address).await.text.contains("Signed in"));
    let other = Browser::of(&app);
    assert_eq!(other.get(&address).await.status, 400, "the attempt is of another browser");
}

#[tokio::test]
async fn a_device_that_takes_no_number_shows_a_code_that_is_typed_on_the_page() {
    let app = TestApp::start().await;
    let wiki = Wiki::of(&app, &[]).await;
    let phone = app.enrol_phone(ANN).await;
    let (address, _) = wiki.waiting(&wiki.browser, "ann", "").await;
    let prompt = next_prompt(&phone).await;
    phone.answer(&prompt.sid, Verdict::Approved).await.unwrap();
    let page = wiki.browser.get(&address).await;
    assert!(page.text.contains("Now type the code"), "an approval alone is not enough");
    let code = prompt.fields.last().expect("the code").value.clone();
    let (token, attempt) = (page.field("form_token"), page.field("a"));
    let form = [("form_token", &*token), ("a", &*attempt), ("code", &*code)];
    let checked = wiki.browser.post("/sign-in/code", &form).await;
    assert!(wiki.browser.get(checked.location()).await.text.contains("Signed in"));
}

#[tokio::test]
async fn a_remembered_browser_needs_no_number_for_its_own_user() {
    let app = TestApp::start_with(&[UNLIMITED]).await;
    let wiki = Wiki::of(&app, &[("Aliases", "bob=bobby-0002")]).await;
    let phone = app.enrol_phone_with_numbers(ANN).await;
    let bobs = app.enrol_phone_with_numbers("bobby-0002").await;
    let (address, page) = wiki.waiting(&wiki.browser, "ann", "yes").await;
    approve(&phone, &page.number()).await;
    wiki.browser.get(&address).await;

    let (address, page) = wiki.waiting(&wiki.browser, "ANN", "").await;
    assert!(!page.text.contains("class=\"number\""), "{}", page.text);
    let prompt = next_prompt(&phone).await;
    phone.answer(&prompt.sid, Verdict::Approved).await.unwrap();
    assert!(wiki.browser.get(&address).await.text.contains("Signed in"));

    wiki.waiting(&wiki.browser, "bob", "").await;
    let prompt = next_prompt(&bobs).await;
    assert!(bobs.answer(&prompt.sid, Verdict::Approved).await.is_err(), "it knows only Ann");
    app.api().post(&format!("{}/Secret", wiki.path), &[]).await.expect(200);
    let (_, page) = wiki.waiting(&wiki.browser, "ann", "").await;
    page.number();
}

#[tokio::test]
async fn an_unknown_name_is_answered_as_a_known_one_until_nobody_has_answered() {
    let app = TestApp::start().await;
    let wiki = Wiki::of(&app, &[]).await;
    app.enrol_phone_with_numbers(ANN).await;
    let same = |text: &str, user: &str, number: &str| {
        let lines =
            text.lines().filter(|line| !line.contains("/sign-in/") && !line.contains("value="));
        lines
            .collect::<Vec<_>>()
            .join("\n")
            .replace(user, "USER")
            .replace(&format!(">{number}<"), ">NN<")
    };
    let mut seen = Vec::new();
    for user in ["ann", "eve"] {
        let (address, page) = wiki.waiting(&wiki.browser, user, "").await;
        seen.push((address, same(&page.text, user, &page.number())));
    }
    assert_eq!(seen[0].1, seen[1].1);
    app.clock.advance(Duration::from_secs(60));
    for (address, _) in seen {
        let page = wiki.browser.get(&address).await;
        assert!(page.text.contains("Nobody answered in time"), "{}", page.text);
    }
}

#[tokio::test]
async fn the_page_says_how_an_attempt_ended() {
    let app = TestApp::start_with(&[UNLIMITED]).await;
    let wiki = Wiki::of(&app, &[]).await;
    let phone = app.enrol_phone_with_numbers(ANN).await;
    let (address, _) = wiki.waiting(&wiki.browser, "ann", "").await;
    let prompt = next_prompt(&phone).await;
    phone.answer(&prompt.sid, Verdict::Denied).await.unwrap();
    assert!(wiki.browser.get(&address).await.text.contains("was denied on the device"));

    let (address, page) = wiki.waiting(&wiki.browser, "ann", "").await;
    let prompt = next_prompt(&phone).await;
    let wrong = if page.number() == "77" { "78" } else { "77" };
    for _ in 0..2 {
        assert!(phone.approve_with(&prompt.sid, wrong).await.is_err());
    }
    assert!(wiki.browser.get(&address).await.text.contains("a wrong number or code"));
}

#[tokio::test]
async fn a_code_of_an_authenticator_app_signs_in_and_a_wrong_one_does_not() {
    let app = TestApp::start().await;
    let wiki = Wiki::of(&app, &[]).await;
    totp::verified(&app, 6).await;
    app.clock.advance(Duration::from_secs(30));
    let (_, page) = wiki.waiting(&wiki.browser, "ann", "").await;
    let (token, attempt) = (page.field("form_token"), page.field("a"));
    let right = totp::code(&app, 6);
    let form = |code| [("form_token", &*token), ("a", &*attempt), ("code", code)];
    let checked = wiki.browser.post("/sign-in/code", &form(&right)).await;
    assert!(wiki.browser.get(checked.location()).await.text.contains("Signed in"));
    // A wrong one is answered after a while by the clock, which must not run far ahead of the request.
    let spent = form(&right);
    let again = wiki.browser.post("/sign-in/code", &spent);
    let mut again = std::pin::pin!(again);
    let api = app.api();
    let wrong = loop {
        tokio::select! {
            seen = &mut again => break seen,
            _ = api.get("/v2/Services") => app.clock.advance(Duration::from_millis(50)),
        }
    };
    assert!(wrong.location().ends_with("&wrong=yes"), "{}", wrong.location());
    assert!(wiki.browser.get(wrong.location()).await.text.contains("not the right code"));
}

#[tokio::test]
async fn a_form_of_another_site_and_one_of_another_browser_cause_no_prompt() {
    let app = TestApp::start().await;
    let wiki = Wiki::of(&app, &[]).await;
    let phone = app.enrol_phone_with_numbers(ANN).await;
    let page = wiki.who(&wiki.browser).await;
    let (token, request) = (page.field("form_token"), page.field("r"));
    let form = [("form_token", &*token), ("r", &*request), ("user", "ann")];
    let foreign = [("sec-fetch-site", "cross-site")];
    let post = reqwest::Method::POST;
    let seen = wiki.browser.ask(post, "/sign-in/ask", &foreign, Some(&form)).await;
    assert_eq!(seen.status, 400);
    let other = Browser::of(&app);
    assert_eq!(other.post("/sign-in/ask", &form).await.status, 400);
    wiki.who(&other).await;
    assert_eq!(other.post("/sign-in/ask", &form).await.status, 400);
    let bare = [("form_token", &*token), ("r", "x"), ("user", "ann")];
    assert_eq!(wiki.browser.post("/sign-in/ask", &bare).await.status, 400);
    let missing = wiki.ask(&wiki.browser, &page, " ", "").await;
    assert!(missing.text.contains("Type your user name"));
    assert!(phone.challenges(Some(ChallengeStatus::Pending)).await.unwrap().is_empty());
}

#[tokio::test]
async fn strangers_have_ten_tries_as_one_user_whether_there_is_one_or_not() {
    let app = TestApp::start_with(&[UNLIMITED]).await;
    let wiki = Wiki::of(&app, &[]).await;
    app.enrol_phone_with_numbers(ANN).await;
    let page = wiki.who(&wiki.browser).await;
    for user in ["ann", "eve"] {
        for _ in 0..10 {
            assert_eq!(wiki.ask(&wiki.browser, &page, user, "").await.status, 303);
        }
        let refused = wiki.ask(&wiki.browser, &page, user, "").await;
        assert_eq!((refused.status, &refused.headers["retry-after"]), (429, &600.into()));
    }
    app.clock.advance(Duration::from_secs(600));
    assert_eq!(wiki.ask(&wiki.browser, &page, "ann", "").await.status, 303);
}

#[tokio::test]
async fn people_sign_in_from_the_networks_of_the_integration_only() {
    let app = TestApp::start().await;
    let wiki = Wiki::of(&app, &[]).await;
    let page = wiki.who(&wiki.browser).await;
    app.api().post(&wiki.path, &[("Networks", "192.0.2.0/24")]).await.expect(200);
    assert_eq!(wiki.ask(&wiki.browser, &page, "ann", "").await.status, 403);
}
