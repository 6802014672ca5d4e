//! The application that takes webhooks.

use reqwest::Client;

use super::client::{self, Hands, NOON};
use crate::{Authority, HttpAnswer, Turn, Webhook};

async fn plain() -> (Webhook, Client) {
    let (_, setting) = Hands::at_noon();
    let webhook = Webhook::start(None, setting).await.unwrap();
    let client = Client::builder().no_proxy().retry(reqwest::retry::never());
    let client = client.redirect(reqwest::redirect::Policy::none()).build().unwrap();
    (webhook, client)
}

#[tokio::test]
async fn a_form_is_kept_with_its_headers_and_its_url() {
    let authority = Authority::new(&[]).unwrap();
    let (_, setting) = Hands::at_noon();
    let webhook = Webhook::start(Some(&authority), setting).await.unwrap();
    assert!(webhook.url().starts_with("https://"));
    let url = format!("{}/hooks/verify?tenant=7", webhook.url());
    let form = [("type", "challenge.approved"), ("text", "a b&c"), ("text", "again")];
    let request = client::client(&authority).post(&url).header("x-twilio-signature", "abc=");
    assert_eq!(request.form(&form).send().await.unwrap().status(), 200);

    let event = webhook.events().wait_for(1).await.remove(0);
    assert_eq!((event.method.as_str(), &event.url), ("POST", &url));
    assert_eq!((event.field("type"), event.field("text")), ("challenge.approved", "a b&c"));
    assert_eq!((event.form.len(), event.field("nothing")), (3, ""));
    assert_eq!((event.header("X-Twilio-Signature"), event.header("nothing")), ("abc=", ""));
    assert_eq!(event.body, b"type=challenge.approved&text=a+b%26c&text=again");
    assert_eq!((event.at, event.status), (NOON, Some(200)));
}

#[tokio::test]
async fn it_answers_as_it_is_told() {
    let (webhook, client) = plain().await;
    webhook.script().next_to("/a", HttpAnswer::status(503).retry_after(5));
    webhook.script().next_to("/b", HttpAnswer::status(302).header("location", "/a"));
    webhook.script().next_to("/b", HttpAnswer::status(200).header("not a name", ""));
    let get = |path: &str| client.get(format!("{}{path}", webhook.url())).send();
    let response = get("/a").await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (503, &"5".parse().unwrap())
    );
    assert_eq!(get("/b").await.unwrap().status(), 302);
    assert_eq!(get("/b").await.unwrap().status(), 418, "no such header can be said");
    assert_eq!(get("/a").await.unwrap().status(), 200);
    let said = webhook.events().all().iter().map(|event| event.status).collect::<Vec<_>>();
    assert_eq!(said.len(), 4);
}

#[tokio::test]
async fn it_drops_and_stalls_over_http1_too() {
    let (webhook, client) = plain().await;
    let post = || client.post(webhook.url()).body("{}").send();
    for turn in [Turn::Drop, Turn::Reset, Turn::Refuse] {
        webhook.script().next(turn);
        post().await.unwrap_err();
    }
    assert!(webhook.events().all().iter().all(|event| event.status.is_none()));

    webhook.script().next(Turn::Stall);
    let stalled = tokio::spawn(post());
    webhook.events().wait_until(|events| events.len() == 4).await;
    webhook.script().release();
    assert_eq!(stalled.await.unwrap().unwrap().status(), 200);

    // an answer to what nobody waits for any more: the connection ends with the caller
    webhook.script().next(Turn::Stall);
    let given_up = tokio::spawn(post());
    webhook.events().wait_for(5).await;
    given_up.abort();
    webhook.connections().wait_for_open(0).await;
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let (webhook, _) = plain().await;
    let port = url::Url::parse(webhook.url()).unwrap().port().unwrap();
    let setting = crate::Setting { port, ..crate::Setting::default() };
    let error = Webhook::start(None, setting).await.err().unwrap();
    assert_eq!(error.to_string(), format!("cannot listen on 127.0.0.1:{port}"));
}
