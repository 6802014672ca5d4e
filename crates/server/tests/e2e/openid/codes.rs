//! The code flow, from the browser's request to the tokens.

use std::time::Duration;

use countersign_phone::Verdict;
use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

use super::ANN;
use super::shop::{BACK, Shop, code, onward, value};
use crate::duo::next_prompt;
use crate::support::TestApp;
use crate::totp;

#[tokio::test]
async fn a_sign_in_becomes_tokens_once_and_a_second_use_of_its_code_ends_them() {
    let app = TestApp::start().await;
    let shop = Shop::of(&app, &[]).await;
    let phone = app.enrol_phone_with_numbers(ANN).await;
    let back = shop.sign_in(&phone, &[]).await;
    assert!(back.as_str().starts_with(&format!("{BACK}&code=")), "{back}");
    assert_eq!(value(&back, "state").as_deref(), Some("a&b"));
    assert_eq!(value(&back, "iss").as_ref(), Some(&shop.client.issuer));
    let fetched = shop.fetch(&code(&back), &[]).await;
    assert_eq!(fetched.header("cache-control"), "no-store");
    let tokens = fetched.expect(200);
    let claims = shop.client.claims(tokens["id_token"].as_str().unwrap()).await;
    let now = claims["iat"].as_i64().unwrap();
    assert_eq!(
        claims,
        json!({
            "iss": shop.client.issuer, "sub": ANN, "aud": shop.client.id, "iat": now, "exp": now + 300,
            "auth_time": now, "acr": "urn:countersign:acr:push-number", "amr": ["pop", "swk", "user"],
            "nonce": "n-1",
        })
    );
    let bearer = tokens["access_token"].as_str().unwrap();
    assert_eq!(shop.client.user(bearer).await.expect(200), json!({"sub": ANN}));

    let again = shop.fetch(&code(&back), &[]).await;
    assert_eq!(again.refusal(), (400, "invalid_grant"));
    assert_eq!(shop.client.user(bearer).await.refusal(), (401, "invalid_token"), "it is revoked");
}

#[tokio::test]
async fn of_requests_for_one_code_at_once_one_gets_tokens() {
    let app = TestApp::start().await;
    let shop = Shop::of(&app, &[]).await;
    let phone = app.enrol_phone_with_numbers(ANN).await;
    let code = code(&shop.sign_in(&phone, &[]).await);
    let shop = std::sync::Arc::new(shop);
    let mut fetches = JoinSet::new();
    for _ in 0..4 {
        let (shop, code) = (std::sync::Arc::clone(&shop), code.clone());
        fetches.spawn(async move { shop.fetch(&code, &[]).await.status });
    }
    let mut statuses = fetches.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400, 400, 400]);
}

#[tokio::test]
async fn a_page_that_is_opened_again_gives_no_second_sign_in() {
    let app = TestApp::start().await;
    let shop = Shop::of(&app, &[]).await;
    let phone = app.enrol_phone_with_numbers(ANN).await;
    let (address, page) = shop.waiting(&[], "").await;
    let prompt = next_prompt(&phone).await;
    phone.approve_with(&prompt.sid, &page.number()).await.unwrap();
    let [first, second] =
        [onward(&shop.browser.get(&address).await), onward(&shop.browser.get(&address).await)];
    assert_ne!(code(&first), code(&second));
    shop.fetch(&code(&second), &[]).await.expect(200);
    assert_eq!(shop.fetch(&code(&first), &[]).await.refusal(), (400, "invalid_grant"));
}

#[tokio::test]
async fn a_request_may_be_a_form_and_suggests_a_name_as_a_stranger_does() {
    let app = TestApp::start().await;
    let shop = Shop::of(&app, &[("Presence", "none")]).await;
    let phone = app.enrol_phone_with_numbers(ANN).await;
    let hint = [("login_hint", "ann"), ("max_age", "0"), ("prompt", "login"), ("ui_locales", "de")];
    let parameters = shop.parameters(&hint);
    let form: Vec<_> = parameters.split('&').map(|pair| pair.split_once('=').unwrap()).collect();
    let url = reqwest::Url::parse(&format!("http://x/?{parameters}")).unwrap();
    assert_eq!(form.len(), url.query_pairs().count());
    let pairs: Vec<_> = url.query_pairs().collect();
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
    let led = shop.browser.ask(Method::POST, &shop.endpoint(), &[], Some(&pairs)).await;
    assert_eq!(led.status, 303, "{}", led.text);
    let page = shop.browser.get(led.location()).await;
    assert!(page.text.contains("name=\"user\" value=\"ann\""), "{}", page.text);
    shop.browser.say(&page, "ann", "").await;
    let prompt = next_prompt(&phone).await;
    assert!(phone.answer(&prompt.sid, Verdict::Approved).await.is_err(), "without the number");
}

#[tokio::test]
async fn a_client_can_have_the_number_entered_even_in_a_remembered_browser() {
    let app = TestApp::start_with(&["limits.push_challenges_in_a_row=0"]).await;
    let shop = Shop::of(&app, &[("Presence", "none")]).await;
    let phone = app.enrol_phone_with_numbers(ANN).await;
    let (address, page) = shop.waiting(&[], "yes").await;
    let prompt = next_prompt(&phone).await;
    phone.approve_with(&prompt.sid, &page.number()).await.unwrap();
    shop.browser.get(&address).await;

    let (address, _) = shop.waiting(&[], "").await;
    phone.answer(&next_prompt(&phone).await.sid, Verdict::Approved).await.unwrap();
    let plain = onward(&shop.browser.get(&address).await);
    let tokens = shop.fetch(&code(&plain), &[]).await.expect(200);
    let claims = shop.client.claims(tokens["id_token"].as_str().unwrap()).await;
    assert_eq!(claims["acr"], "urn:countersign:acr:push");

    let (_, page) = shop.waiting(&[("acr_values", "urn:countersign:acr:push-number x")], "").await;
    page.number();
    let prompt = next_prompt(&phone).await;
    assert!(phone.answer(&prompt.sid, Verdict::Approved).await.is_err(), "without the number");
}

#[tokio::test]
async fn a_code_of_an_authenticator_app_is_a_class_of_its_own() {
    let app = TestApp::start().await;
    let shop = Shop::of(&app, &[]).await;
    totp::verified(&app, 6).await;
    app.clock.advance(Duration::from_secs(30));
    let (_, page) = shop.waiting(&[("nonce", "")], "").await;
    let done = shop.browser.type_code(&page, &totp::code(&app, 6)).await;
    let tokens = shop.fetch(&code(&onward(&done)), &[]).await.expect(200);
    let claims = shop.client.claims(tokens["id_token"].as_str().unwrap()).await;
    assert_eq!(
        (&claims["acr"], &claims["amr"]),
        (&json!("urn:countersign:acr:code"), &json!(["otp"]))
    );
    assert_eq!((&claims["sub"], claims.get("nonce")), (&json!(ANN), None));
}

#[tokio::test]
async fn the_networks_of_a_client_are_not_those_of_browsers() {
    let app = TestApp::start().await;
    let shop = Shop::of(&app, &[("Networks", "192.0.2.0/24")]).await;
    let phone = app.enrol_phone_with_numbers(ANN).await;
    let back = shop.sign_in(&phone, &[]).await;
    let refused = shop.fetch(&code(&back), &[]).await;
    assert_eq!(refused.refusal(), (401, "invalid_client"), "it asks from elsewhere");
}
