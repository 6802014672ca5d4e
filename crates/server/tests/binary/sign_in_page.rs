//! A browser without scripts on the sign-in page.

use countersign_phone::{ChallengeStatus, Phone, Verdict};

use crate::support::{Application, Browser};

/// The value of a hidden field.
fn field(page: &str, name: &str) -> String {
    let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\"")).expect(name);
    rest.split('"').next().expect("a value").to_owned()
}

/// Signs the phone's person in on the page for a client of the OpenID provider, after a wrong code.
pub async fn sign_in(application: &Application, phone: &Phone, key: &str, redirect_uri: &str) {
    let (mut browser, base) = (Browser::default(), &application.base);
    let own = [
        ("response_type", "code"),
        ("client_id", key),
        ("redirect_uri", redirect_uri),
        ("scope", "openid"),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
    ];
    let endpoint = format!("/openid/{}/authorize", phone.service_sid());
    let page = browser.follow(base, &endpoint, Some(&own)).await;
    let (token, request) = (field(&page, "form_token"), field(&page, "r"));
    let form = [("form_token", &*token), ("r", &*request), ("user", "ann")];
    let page = browser.follow(base, "/sign-in/ask", Some(&form)).await;
    let (token, attempt) = (field(&page, "form_token"), field(&page, "a"));
    let typed = |code| [("form_token", &*token), ("a", &*attempt), ("code", code)];
    let page = browser.follow(base, "/sign-in/code", Some(&typed("000000"))).await;
    assert!(page.contains("not the right code"), "{page}");
    let prompt = loop {
        let pending = phone.challenges(Some(ChallengeStatus::Pending)).await;
        if let Some(prompt) = pending.expect("its challenges").pop() {
            break prompt;
        }
        tokio::task::yield_now().await;
    };
    // A device that takes no numbers shows a code.
    let shown = prompt.fields.last().expect("the code").value.clone();
    phone.answer(&prompt.sid, Verdict::Approved).await.expect("it is recorded");
    let page = browser.follow(base, "/sign-in/code", Some(&typed(&shown))).await;
    assert!(page.contains("Signed in") && page.contains(redirect_uri), "{page}");
}
