//! Enrolment codes: typed in place of a link, and guessed by strangers.

use std::time::Duration;

use countersign_domain::text::Identity;
use countersign_verify::access_tokens::NewAccessToken;
use reqwest::header::{LOCATION, RETRY_AFTER};
use reqwest::redirect;

use crate::support::TestApp;

#[tokio::test]
async fn a_code_leads_to_the_link_and_guesses_are_bounded_which_stops_no_link() {
    let app = TestApp::start().await;
    let verify = &app.server().verify;
    let new = NewAccessToken {
        identity: Identity::parse("sam-porter").expect("an identity"),
        factor_friendly_name: None,
        account_label: None,
        ttl: 300,
    };
    let (account, service) = (app.account.parse(), app.service.parse());
    let token = verify.invite(account.expect("a SID"), service.expect("a SID"), new);
    let token = token.await.expect("an invitation");
    let code = verify.enrolment_code(&token);
    let client = reqwest::Client::builder().redirect(redirect::Policy::none()).build();
    let client = client.expect("a client");
    let get = async |code: &str| {
        let url = format!("http://{}/e/{code}", app.address());
        client.get(url).send().await.expect("a response")
    };
    for typed in [code.expose().to_owned(), code.expose().to_lowercase().replace('-', "")] {
        let led = get(&typed).await;
        assert_eq!(led.status(), 303, "{typed}");
        let place = led.headers()[LOCATION].to_str().expect("text").to_owned();
        assert!(place.contains("/authenticator#service=VA"), "{place}");
    }

    for guess in 0..10 {
        assert_eq!(get(&format!("0000{guess}-00000")).await.status(), 404, "{guess}");
    }
    let refused = get(code.expose()).await;
    assert_eq!(refused.status(), 429, "unread");
    assert_eq!(refused.headers()[RETRY_AFTER], "61");
    assert_eq!(
        get(verify.short_link(&token).expose()).await.status(),
        303,
        "nobody guesses a link"
    );
    app.pass(Duration::from_secs(60)).await;
    assert_eq!(get(code.expose()).await.status(), 303);
}
