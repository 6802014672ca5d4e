//! A client of the code flow, and a browser that it sends to the page.

use std::collections::BTreeMap;

use countersign_phone::Phone;
use reqwest::Url;

use super::{Client, Reply};
use crate::duo::next_prompt;
use crate::sign_in::{Browser, Seen};
use crate::support::TestApp;

/// Where the client has the browser come back to.
pub const BACK: &str = "https://shop.example.com/cb?tenant=7";
/// The verifier and the challenge of RFC 7636, appendix B.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A client of the code flow, and a browser.
pub struct Shop {
    pub client: Client,
    pub browser: Browser,
}

impl Shop {
    pub async fn of(app: &TestApp, more: &[(&str, &str)]) -> Self {
        let form = [&[("OpenId.RedirectUris", BACK)], more].concat();
        Self { client: Client::register(app, &form).await, browser: Browser::of(app) }
    }

    /// The path of the authorization endpoint.
    pub fn endpoint(&self) -> String {
        let (_, service) = self.client.issuer.split_once("/openid/").expect("an issuer");
        format!("/openid/{service}/authorize")
    }

    /// The parameters of a request, some of them replaced, or left out if they are empty.
    pub fn parameters(&self, more: &[(&str, &str)]) -> String {
        let own = [
            ("response_type", "code"),
            ("client_id", &*self.client.id),
            ("redirect_uri", BACK),
            ("scope", "openid"),
            ("state", "a&b"),
            ("nonce", "n-1"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let all: BTreeMap<_, _> = own.iter().chain(more).copied().collect();
        let given = all.into_iter().filter(|(_, value)| !value.is_empty());
        let url = Url::parse_with_params("http://x/", given).expect("a URL");
        url.query().expect("parameters").to_owned()
    }

    /// What the browser is answered to a request.
    pub async fn ask(&self, more: &[(&str, &str)]) -> Seen {
        self.browser.get(&format!("{}?{}", self.endpoint(), self.parameters(more))).await
    }

    /// The page that asks who somebody is.
    pub async fn page(&self, more: &[(&str, &str)]) -> Seen {
        let led = self.ask(more).await;
        assert_eq!(led.status, 303, "{}", led.text);
        let page = self.browser.get(led.location()).await;
        assert_eq!(page.status, 200, "{}", page.text);
        page
    }

    /// The page of an attempt as Ann, which waits, and its address.
    pub async fn waiting(&self, more: &[(&str, &str)], remember: &str) -> (String, Seen) {
        let page = self.page(more).await;
        let asked = self.browser.say(&page, "ann", remember).await;
        assert_eq!(asked.status, 303, "{}", asked.text);
        let address = asked.location().to_owned();
        let page = self.browser.get(&address).await;
        (address, page)
    }

    /// Signs Ann in with the number; where the browser is led.
    pub async fn sign_in(&self, phone: &Phone, more: &[(&str, &str)]) -> Url {
        let (address, page) = self.waiting(more, "").await;
        let prompt = next_prompt(phone).await;
        phone.approve_with(&prompt.sid, &page.number()).await.expect("it is approved");
        onward(&self.browser.get(&address).await)
    }

    /// What the client gets for a code, with some parameters replaced.
    pub async fn fetch(&self, code: &str, more: &[(&str, &str)]) -> Reply {
        let own = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", BACK),
            ("code_verifier", VERIFIER),
        ];
        let all: BTreeMap<_, _> = own.iter().chain(more).copied().collect();
        self.client.post("token", &all.into_iter().collect::<Vec<_>>()).await
    }
}

/// Where a page leads its browser.
pub fn onward(page: &Seen) -> Url {
    let address = page.onward().replace("&amp;", "&").replace("&#38;", "&");
    Url::parse(&address).unwrap_or_else(|error| panic!("{error}: {address}"))
}

/// A value that the browser brings to the client.
pub fn value(address: &Url, name: &str) -> Option<String> {
    let mut pairs = address.query_pairs();
    pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

/// The code that the browser brings to the client.
pub fn code(address: &Url) -> String {
    value(address, "code").unwrap_or_else(|| panic!("{address}"))
}
