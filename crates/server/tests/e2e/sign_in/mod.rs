//! The sign-in page and forward-auth, by a browser without scripts.

mod attempts;
mod browser;
mod sites;

use countersign_phone::{Challenge, Phone};

pub use browser::{Browser, SITE, Seen};

use crate::duo::next_prompt;
use crate::support::TestApp;

const ANN: &str = "alice-0001";

/// An integration of the site that knows Ann.
pub struct Wiki {
    pub key: String,
    pub path: String,
    pub browser: Browser,
}

impl Wiki {
    pub async fn of(app: &TestApp, more: &[(&str, &str)]) -> Self {
        let own = [
            ("FriendlyName", "Owl wiki"),
            ("Kind", "forward_auth"),
            ("ForwardAuth.Sites", SITE),
            ("Aliases", "ann=alice-0001"),
        ];
        let list = format!("/v2/Services/{}/Integrations", app.service);
        let made = app.api().post(&list, &[&own[..], more].concat()).await.expect(201);
        let text = |name: &str| made[name].as_str().expect(name).to_owned();
        let path = format!("{list}/{}", text("sid"));
        Self { key: text("key"), path, browser: Browser::of(app) }
    }

    /// The response to nginx, which asks whether this browser may reach an address.
    pub async fn nginx(&self, browser: &Browser, address: &str) -> Seen {
        let path = format!("/forward-auth/{}/nginx", self.key);
        browser.ask(reqwest::Method::GET, &path, &[("x-original-url", address)], None).await
    }

    /// The page that asks who somebody is, as a browser comes to it.
    pub async fn who(&self, browser: &Browser) -> Seen {
        let refused = self.nginx(browser, &format!("{SITE}/deep?x=1")).await;
        assert_eq!(refused.status, 401);
        let begun = browser.get(refused.location()).await;
        assert_eq!(begun.status, 302, "{}", begun.text);
        let page = browser.get(begun.location()).await;
        assert_eq!(page.status, 200, "{}", page.text);
        page
    }

    /// The answer to a name on that page.
    pub async fn ask(&self, browser: &Browser, page: &Seen, user: &str, remember: &str) -> Seen {
        browser.say(page, user, remember).await
    }

    /// The page of an attempt as this user, which waits.
    pub async fn waiting(&self, browser: &Browser, user: &str, remember: &str) -> (String, Seen) {
        let page = self.who(browser).await;
        let asked = self.ask(browser, &page, user, remember).await;
        assert_eq!(asked.status, 303, "{}", asked.text);
        let address = asked.location().to_owned();
        let page = browser.get(&address).await;
        assert_eq!(page.status, 200);
        (address, page)
    }
}

/// Approves the only prompt of a phone with the number.
async fn approve(phone: &Phone, number: &str) -> Challenge {
    let prompt = next_prompt(phone).await;
    phone.approve_with(&prompt.sid, number).await.expect("it is approved")
}
