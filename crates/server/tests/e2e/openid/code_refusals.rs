//! What bad input of the code flow gets: a refusal, and never a way to a stranger's address.

use std::time::Duration;

use super::shop::{BACK, CHALLENGE, Shop, VERIFIER, code};
use super::{ANN, Client};
use crate::sign_in::Browser;
use crate::support::TestApp;

/// The word and the description by which a browser is sent back, with the address.
async fn sent_back(shop: &Shop, more: &[(&str, &str)]) -> (String, String) {
    let led = shop.ask(more).await;
    assert_eq!(
        (led.status, &led.headers["cache-control"]),
        (303, &"no-store".parse().expect("text"))
    );
    let to = reqwest::Url::parse(led.location()).expect("an address");
    let value = |name: &str| super::shop::value(&to, name);
    assert!(to.as_str().starts_with(&format!("{BACK}&error=")), "{to}");
    assert_eq!(value("iss").as_ref(), Some(&shop.client.issuer));
    assert!(value("error_description").is_some() && value("code").is_none(), "{to}");
    (value("error").expect("a word"), value("state").unwrap_or_default())
}

#[tokio::test]
async fn a_client_is_told_at_its_own_address_what_is_wrong_with_its_request() {
    let app = TestApp::start().await;
    let shop = Shop::of(&app, &[]).await;
    let long = "x".repeat(1_025);
    for (name, value, word) in [
        ("response_type", "", "invalid_request"),
        ("response_type", "token", "unsupported_response_type"),
        ("response_mode", "form_post", "invalid_request"),
        ("scope", "email", "invalid_scope"),
        ("code_challenge", "", "invalid_request"),
        ("code_challenge", "short", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("code_challenge_method", "", "invalid_request"),
        ("prompt", "none", "login_required"),
        ("max_age", "soon", "invalid_request"),
        ("request", "e30.e30.", "request_not_supported"),
        ("request_uri", "https://a.example/r", "request_uri_not_supported"),
        ("nonce", &long, "invalid_request"),
    ] {
        let sent = sent_back(&shop, &[(name, value)]).await;
        assert_eq!(sent, (word.to_owned(), "a&b".to_owned()), "{name}={value}");
    }
    let sent = sent_back(&shop, &[("state", &long)]).await;
    assert_eq!(sent, ("invalid_request".to_owned(), String::new()), "it is not repeated");
    let twice = format!("{}?{}&scope=openid", shop.endpoint(), shop.parameters(&[]));
    assert!(shop.browser.get(&twice).await.location().contains("error=invalid_request"));
}

#[tokio::test]
async fn the_longest_request_that_is_taken_signs_in() {
    let app = TestApp::start().await;
    let long = format!("{BACK}&{}", "p".repeat(2_047 - BACK.len()));
    let shop = Shop::of(&app, &[("OpenId.RedirectUris", &long)]).await;
    let phone = app.enrol_phone_with_numbers(ANN).await;
    let (state, nonce) = ("s".repeat(1_024), "n".repeat(512));
    let more = [("redirect_uri", &*long), ("state", &state), ("nonce", &nonce)];
    let back = shop.sign_in(&phone, &more).await;
    assert_eq!(super::shop::value(&back, "state"), Some(state));
    shop.fetch(&code(&back), &[("redirect_uri", &long)]).await.expect(200);
}

#[tokio::test]
async fn nobody_is_sent_to_an_address_that_is_not_registered_to_the_byte() {
    let app = TestApp::start().await;
    let shop = Shop::of(&app, &[]).await;
    for address in [
        "",
        "https://shop.example.com/cb",
        "https://shop.example.com/cb?tenant=78",
        "https://shop.example.com/cb?tenant=%37",
        "https://SHOP.example.com/cb?tenant=7",
        "https://shop.example.com:443/cb?tenant=7",
        "https://shop.example.com/cb?tenant=7#x",
        "https://shop.example.com/../cb?tenant=7",
        "http://shop.example.com/cb?tenant=7",
        "https://evil.example/cb?tenant=7",
        "javascript:alert(1)",
    ] {
        let refused = shop.ask(&[("redirect_uri", address), ("prompt", "none")]).await;
        assert_eq!((refused.status, refused.location()), (400, ""), "{address}");
        assert!(refused.text.contains("redirect_uri"), "{}", refused.text);
    }
    let twice = format!("{}?{}&redirect_uri=x", shop.endpoint(), shop.parameters(&[]));
    assert_eq!(shop.browser.get(&twice).await.status, 400);
    let many = format!("{}?{}", shop.endpoint(), "a=1&".repeat(65));
    assert_eq!(shop.browser.get(&many).await.status, 400);
    let none = Shop { client: Client::register(&app, &[]).await, browser: Browser::of(&app) };
    assert_eq!(none.ask(&[]).await.status, 400, "it is registered with no address");
}

#[tokio::test]
async fn a_client_that_is_unknown_of_another_kind_or_service_or_suspended_is_one_refusal() {
    let app = TestApp::start().await;
    let shop = Shop::of(&app, &[]).await;
    let path = format!("/v2/Services/{}/Integrations", app.service);
    let duo = app.api().post(&path, &[("FriendlyName", "ssh"), ("Kind", "duo")]).await.expect(201);
    let made = app.api().post("/v2/Services", &[("FriendlyName", "other")]).await.expect(201);
    let other = made["sid"].as_str().unwrap();
    let page = shop.page(&[]).await;
    let text = shop.ask(&[("client_id", "DIAAAAAAAAAAAAAAAAAA")]).await.text;
    for id in ["x", "", duo["key"].as_str().unwrap()] {
        let refused = shop.ask(&[("client_id", id)]).await;
        assert_eq!((refused.status, &refused.text), (400, &text), "{id}");
    }
    for service in [other, "VA00000000000000000000000000000000", "VA1"] {
        let endpoint = shop.endpoint().replace(&app.service, service);
        let refused = shop.browser.get(&format!("{endpoint}?{}", shop.parameters(&[]))).await;
        assert_eq!((refused.status, &refused.text), (400, &text), "{service}");
    }
    app.server().verify.suspend_account(app.account.parse().unwrap()).await.unwrap();
    let refused = shop.ask(&[]).await;
    assert_eq!((refused.status, &refused.text), (400, &text));
    assert_eq!(shop.browser.say(&page, "ann", "").await.status, 400);
}

#[tokio::test]
async fn an_address_that_is_no_longer_registered_gets_no_code() {
    let app = TestApp::start().await;
    let shop = Shop::of(&app, &[]).await;
    let phone = app.enrol_phone_with_numbers(ANN).await;
    let (address, page) = shop.waiting(&[], "").await;
    let prompt = crate::duo::next_prompt(&phone).await;
    phone.approve_with(&prompt.sid, &page.number()).await.unwrap();
    let list = format!("/v2/Services/{}/Integrations", app.service);
    let all = app.api().get(&list).await.expect(200);
    let own = &all["integrations"][0];
    let path = format!("{list}/{}", own["sid"].as_str().unwrap());
    app.api().post(&path, &[("OpenId.RedirectUris", "")]).await.expect(200);
    let seen = shop.browser.get(&address).await;
    assert_eq!(seen.status, 400);
    assert!(!seen.text.contains("shop.example.com"), "{}", seen.text);
}

#[tokio::test]
async fn a_code_is_of_one_client_one_address_and_one_verifier_and_counts_for_a_minute() {
    let app = TestApp::start().await;
    let shop = Shop::of(&app, &[]).await;
    let other = Shop::of(&app, &[]).await;
    let phone = app.enrol_phone_with_numbers(ANN).await;
    let right = code(&shop.sign_in(&phone, &[]).await);
    let cut = &right[..right.len() - 1];
    let long = "x".repeat(9_000);
    let wrong_verifier = VERIFIER.replace('d', "e");
    for (code, more) in [
        ("x", ("code", "x")),
        (cut, ("code", cut)),
        (&long, ("code", &long)),
        (&right, ("redirect_uri", "https://shop.example.com/cb")),
        (&right, ("code_verifier", &wrong_verifier)),
        (&right, ("code_verifier", CHALLENGE)),
    ] {
        let refused = shop.fetch(code, &[more]).await;
        assert_eq!(refused.refusal(), (400, "invalid_grant"), "{more:?}");
    }
    assert_eq!(other.fetch(&right, &[]).await.refusal(), (400, "invalid_grant"));
    for name in ["code", "redirect_uri", "code_verifier"] {
        let refused = shop.fetch(&right, &[(name, "")]).await;
        assert_eq!(refused.refusal(), (400, "invalid_request"), "{name}");
    }
    let stranger = Client { secret: "x".repeat(40), ..shop.client.clone() };
    let stranger = Shop { client: stranger, browser: Browser::of(&app) };
    assert_eq!(stranger.fetch(&right, &[]).await.refusal(), (401, "invalid_client"));
    shop.fetch(&right, &[]).await.expect(200);

    let late = code(&shop.sign_in(&phone, &[]).await);
    app.clock.advance(Duration::from_secs(60));
    assert_eq!(shop.fetch(&late, &[]).await.refusal(), (400, "invalid_grant"), "late");
}
