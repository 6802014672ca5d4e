//! The webhook.

use reqwest::Client;

use super::client::{self, Hands, NOON};
use crate::{Action, Authority, ScriptedResponse, Webhook};

async fn plain() -> (Webhook, Client) {
    let (_, common) = Hands::at_noon();
    let webhook = Webhook::start(None, common).await.unwrap();
    let client = Client::builder().no_proxy().retry(reqwest::retry::never());
    let client = client.redirect(reqwest::redirect::Policy::none()).build().unwrap();
    (webhook, client)
}

#[tokio::test]
async fn a_form_is_recorded_with_headers_and_url() {
    let authority = Authority::new(&[]).unwrap();
    let (_, common) = Hands::at_noon();
    let webhook = Webhook::start(Some(&authority), common).await.unwrap();
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
async fn a_webhook_responds_as_scripted() {
    let (webhook, client) = plain().await;
    webhook.script().next_to("/a", ScriptedResponse::status(503).retry_after(5));
    webhook.script().next_to("/b", ScriptedResponse::status(302).header("location", "/a"));
    webhook.script().next_to("/b", ScriptedResponse::status(200).header("not a name", ""));
    let get = |path: &str| client.get(format!("{}{path}", webhook.url())).send();
    let response = get("/a").await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (503, &"5".parse().unwrap())
    );
    assert_eq!(get("/b").await.unwrap().status(), 302);
    assert_eq!(get("/b").await.unwrap().status(), 418, "an invalid header becomes a 418");
    assert_eq!(get("/a").await.unwrap().status(), 200);
    let said = webhook.events().all().iter().map(|event| event.status).collect::<Vec<_>>();
    assert_eq!(said.len(), 4);
}

#[tokio::test]
async fn drops_and_stalls_work_over_http1() {
    let (webhook, client) = plain().await;
    let post = || client.post(webhook.url()).body("{}").send();
    for turn in [Action::Drop, Action::Reset, Action::Refuse] {
        webhook.script().next(turn);
        post().await.unwrap_err();
    }
    assert!(webhook.events().all().iter().all(|event| event.status.is_none()));

    webhook.script().next(Action::Stall);
    let stalled = tokio::spawn(post());
    webhook.events().wait_until(|events| events.len() == 4).await;
    webhook.script().release();
    assert_eq!(stalled.await.unwrap().unwrap().status(), 200);

    // The connection ends with its client, so the late response is lost.
    webhook.script().next(Action::Stall);
    let given_up = tokio::spawn(post());
    webhook.events().wait_for(5).await;
    given_up.abort();
    webhook.connections().wait_for_open(0).await;
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let (webhook, _) = plain().await;
    let port = url::Url::parse(webhook.url()).unwrap().port().unwrap();
    let common = crate::CommonOptions { port, ..crate::CommonOptions::default() };
    let error = Webhook::start(None, common).await.err().unwrap();
    assert_eq!(error.to_string(), format!("cannot listen on 127.0.0.1:{port}"));
}
