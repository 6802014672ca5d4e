//! A browser without scripts, which keeps its cookies and follows nothing by itself.

use std::collections::BTreeMap;
use std::sync::Mutex;

use reqwest::header::{COOKIE, HeaderMap, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Method};

use crate::support::TestApp;

pub const SITE: &str = "https://wiki.example.com";

/// A response to a browser.
pub struct Seen {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Seen {
    /// Where it is led.
    pub fn location(&self) -> &str {
        self.headers.get(LOCATION).map_or("", |place| place.to_str().expect("text"))
    }

    /// The value of the hidden field of that name.
    pub fn field(&self, name: &str) -> String {
        self.between(&format!("name=\"{name}\" value=\""))
    }

    /// The number that it shows.
    pub fn number(&self) -> String {
        self.between("<div class=\"number\">").split('<').next().expect("a number").to_owned()
    }

    /// Where it goes when it is signed in.
    pub fn onward(&self) -> String {
        self.between("content=\"0; url=")
    }

    fn between(&self, before: &str) -> String {
        let (_, rest) = self.text.split_once(before).unwrap_or_else(|| panic!("{}", self.text));
        rest.split('"').next().unwrap_or_default().to_owned()
    }
}

/// A browser. The protected site is the same server here, as it is behind a web server.
pub struct Browser {
    client: Client,
    base: String,
    cookies: Mutex<BTreeMap<String, String>>,
}

impl Browser {
    pub fn of(app: &TestApp) -> Self {
        let builder = Client::builder().no_proxy().tls_certs_only([]).redirect(Policy::none());
        let base = format!("http://{}", app.address());
        Self { client: builder.build().expect("a client"), base, cookies: Mutex::default() }
    }

    /// The path at this server of an address.
    fn path<'a>(&self, address: &'a str) -> &'a str {
        let at_site = address.strip_prefix(SITE);
        at_site.or_else(|| address.strip_prefix(&*self.base)).unwrap_or(address)
    }

    pub async fn ask(
        &self,
        method: Method,
        address: &str,
        headers: &[(&str, &str)],
        form: Option<&[(&str, &str)]>,
    ) -> Seen {
        let mut request =
            self.client.request(method, format!("{}{}", self.base, self.path(address)));
        let cookies = self.cookies.lock().expect("cookies").clone();
        let pairs: Vec<_> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        request = request.header(COOKIE, pairs.join("; "));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(form) = form {
            request = request.form(form);
        }
        let response = request.send().await.expect("an answer");
        for line in response.headers().get_all(SET_COOKIE) {
            let pair = line.to_str().expect("text").split(';').next().expect("a pair");
            let (name, value) = pair.split_once('=').expect("a pair");
            self.cookies.lock().expect("cookies").insert(name.to_owned(), value.to_owned());
        }
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Seen { status, headers, text: response.text().await.expect("a body") }
    }

    pub async fn get(&self, address: &str) -> Seen {
        self.ask(Method::GET, address, &[], None).await
    }

    pub async fn post(&self, address: &str, form: &[(&str, &str)]) -> Seen {
        self.ask(Method::POST, address, &[], Some(form)).await
    }

    /// Types a name on the page that asks who somebody is.
    pub async fn say(&self, page: &Seen, user: &str, remember: &str) -> Seen {
        let (token, request) = (page.field("form_token"), page.field("r"));
        let form =
            [("form_token", &*token), ("r", &*request), ("user", user), ("remember", remember)];
        self.post("/sign-in/ask", &form).await
    }

    /// Types a code on the page of an attempt; the page that follows.
    pub async fn type_code(&self, page: &Seen, code: &str) -> Seen {
        let (token, attempt) = (page.field("form_token"), page.field("a"));
        let form = [("form_token", &*token), ("a", &*attempt), ("code", code)];
        let judged = self.post("/sign-in/code", &form).await;
        self.get(judged.location()).await
    }

    pub fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.lock().expect("cookies").get(name).cloned()
    }

    pub fn keep(&self, name: &str, value: &str) {
        self.cookies.lock().expect("cookies").insert(name.to_owned(), value.to_owned());
    }
}
