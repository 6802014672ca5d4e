//! A protected site: whose browsers are let in, and where others are led.

use std::time::Duration;

use super::{ANN, Browser, SITE, Wiki, approve};
use crate::support::TestApp;

/// The address that takes the sign-in of Ann.
async fn ticket(app: &TestApp, wiki: &Wiki, browser: &Browser) -> String {
    let phone = app.enrol_phone_with_numbers(ANN).await;
    let (address, page) = wiki.waiting(browser, "Ann", "").await;
    approve(&phone, &page.number()).await;
    browser.get(&address).await.onward()
}

#[tokio::test]
async fn a_sign_in_leads_back_to_the_page_that_was_wanted_and_lasts_its_time() {
    let app = TestApp::start().await;
    let wiki = Wiki::of(&app, &[("ForwardAuth.SessionLife", "600")]).await;
    let browser = &wiki.browser;
    let onward = ticket(&app, &wiki, browser).await;
    assert!(onward.starts_with(&format!("{SITE}/forward-auth/{}/done?", wiki.key)), "{onward}");
    let back = browser.get(&onward).await;
    assert_eq!((back.status, back.location()), (302, &*format!("{SITE}/deep?x=1")));
    let cookie = back.headers["set-cookie"].to_str().unwrap();
    let words = ["__Host-countersign_", "HttpOnly", "Secure", "SameSite=Lax", "Max-Age=600"];
    assert!(words.iter().all(|word| cookie.contains(word)), "{cookie}");
    let let_in = wiki.nginx(browser, &format!("{SITE}/other")).await;
    assert_eq!((let_in.status, &let_in.headers["remote-user"]), (200, &"ann".parse().unwrap()));
    app.clock.advance(Duration::from_secs(600));
    assert_eq!(wiki.nginx(browser, SITE).await.status, 401);
}

#[tokio::test]
async fn a_session_is_of_one_site_and_ends_with_the_secret() {
    let app = TestApp::start().await;
    let other = "https://other.example.com";
    let wiki = Wiki::of(&app, &[("ForwardAuth.Sites", other)]).await;
    let stranger = Wiki::of(&app, &[]).await;
    let browser = &wiki.browser;
    let onward = ticket(&app, &wiki, browser).await;
    browser.get(&onward).await;
    assert_eq!(wiki.nginx(browser, SITE).await.status, 200);
    assert_eq!(wiki.nginx(browser, other).await.status, 401, "another site of the integration");
    assert_eq!(wiki.nginx(browser, "https://evil.example.com").await.status, 403);
    let session = browser.cookie(&format!("__Host-countersign_{}", wiki.key)).unwrap();
    browser.keep(&format!("__Host-countersign_{}", stranger.key), &session);
    assert_eq!(stranger.nginx(browser, SITE).await.status, 401, "another integration");
    app.api().post(&format!("{}/Secret", wiki.path), &[]).await.expect(200);
    assert_eq!(wiki.nginx(browser, SITE).await.status, 401);
}

#[tokio::test]
async fn only_the_browser_that_began_brings_a_sign_in_to_its_site_and_not_late() {
    let app = TestApp::start().await;
    let wiki = Wiki::of(&app, &[]).await;
    let browser = &wiki.browser;
    let onward = ticket(&app, &wiki, browser).await;
    let other = Browser::of(&app);
    assert_eq!(other.get(&onward).await.status, 400, "it began nothing");
    wiki.who(&other).await;
    assert_eq!(other.get(&onward).await.status, 400, "it began something else");
    let cut = &onward[..onward.len() - 1];
    assert_eq!(browser.get(cut).await.status, 400);
    app.clock.advance(Duration::from_secs(60));
    assert_eq!(browser.get(&onward).await.status, 400, "late");
}

#[tokio::test]
async fn the_way_back_is_a_site_of_the_integration_to_the_byte() {
    let app = TestApp::start().await;
    let wiki = Wiki::of(&app, &[]).await;
    let browser = &wiki.browser;
    for address in [
        "http://wiki.example.com/",
        "https://wiki.example.com.evil.example/",
        "https://wiki.example.com:8443/",
        "https://wiki.example.com@evil.example/",
        "https://wiki.example.co/",
        "//wiki.example.com/",
        "wiki.example.com",
        "",
    ] {
        assert_eq!(wiki.nginx(browser, address).await.status, 403, "{address}");
    }
    let onward = ticket(&app, &wiki, browser).await;
    let forms = [("ForwardAuth.Sites", "https://elsewhere.example.com")];
    app.api().post(&wiki.path, &forms).await.expect(200);
    assert_eq!(browser.get(&onward).await.status, 403, "it is no longer one");
}

#[tokio::test]
async fn caddy_gets_a_redirection_for_pages_and_a_refusal_for_the_rest() {
    let app = TestApp::start().await;
    let wiki = Wiki::of(&app, &[]).await;
    let path = format!("/forward-auth/{}", wiki.key);
    let ask = async |more: &[(&'static str, &'static str)]| {
        let own = [
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "wiki.example.com"),
            ("x-forwarded-uri", "/a"),
        ];
        let headers = [&own[..], more].concat();
        wiki.browser.ask(reqwest::Method::GET, &path, &headers, None).await
    };
    let led = ask(&[]).await;
    assert_eq!(led.status, 302);
    assert!(led.location().starts_with(&format!("{SITE}{path}/begin?r=")), "{}", led.location());
    assert_eq!(ask(&[("sec-fetch-mode", "cors")]).await.status, 401);
    assert_eq!(ask(&[("x-forwarded-method", "POST")]).await.status, 401);
    let nobody = [("x-forwarded-proto", "https")];
    let bare = wiki.browser.ask(reqwest::Method::GET, &path, &nobody, None).await;
    assert_eq!(bare.status, 403);
}

#[tokio::test]
async fn an_unknown_key_one_of_another_kind_and_a_suspended_account_are_the_same() {
    let app = TestApp::start().await;
    let wiki = Wiki::of(&app, &[]).await;
    let list = format!("/v2/Services/{}/Integrations", app.service);
    let duo = app.api().post(&list, &[("FriendlyName", "ssh"), ("Kind", "duo")]).await.expect(201);
    let page = wiki.who(&wiki.browser).await;
    let account = app.account.parse().unwrap();
    for key in ["DIAAAAAAAAAAAAAAAAAA", "x", duo["key"].as_str().unwrap()] {
        let path = format!("/forward-auth/{key}/nginx");
        let headers = [("x-original-url", SITE)];
        let seen = wiki.browser.ask(reqwest::Method::GET, &path, &headers, None).await;
        assert_eq!(seen.status, 404, "{key}");
    }
    app.server().verify.suspend_account(account).await.unwrap();
    assert_eq!(wiki.nginx(&wiki.browser, SITE).await.status, 404);
    assert_eq!(wiki.ask(&wiki.browser, &page, "ann", "").await.status, 400);
}
