//! A browser that signs in to the console: it keeps cookies and sends the forms of pages.

use super::{Application, client_without_redirects};

/// A browser with cookies.
#[derive(Default)]
pub struct Browser {
    cookies: Vec<(String, String)>,
}

impl Browser {
    /// Loads a page, or sends a form; the status and the text.
    pub async fn ask(&mut self, url: &str, form: Option<&[(&str, &str)]>) -> (u16, String) {
        let answer = self.send(url, form).await;
        (answer.status().as_u16(), answer.text().await.expect("text"))
    }

    /// As [`Self::ask`], and follows where it is led within the server at `base`; the text of the page.
    pub async fn follow(
        &mut self,
        base: &str,
        path: &str,
        form: Option<&[(&str, &str)]>,
    ) -> String {
        let mut answer = self.send(&format!("{base}{path}"), form).await;
        while let Some(place) = answer.headers().get("location") {
            let place = place.to_str().expect("text").to_owned();
            let path = place.strip_prefix(base).unwrap_or(&place);
            answer = self.send(&format!("{base}{path}"), None).await;
        }
        answer.text().await.expect("text")
    }

    async fn send(&mut self, url: &str, form: Option<&[(&str, &str)]>) -> reqwest::Response {
        let client = client_without_redirects();
        let cookies: Vec<_> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = match form {
            None => client.get(url),
            Some(form) => client.post(url).form(form),
        };
        let answer = request.header("Cookie", cookies.join("; ")).send().await.expect("an answer");
        for set in answer.headers().get_all("set-cookie") {
            let pair = set.to_str().expect("text").split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').expect("a cookie");
            self.cookies.retain(|(known, _)| known != name);
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
        answer
    }

    /// Sends the form of a page with the page's form token; the status.
    pub async fn submit(&mut self, page: &str, url: &str, form: &[(&str, &str)]) -> u16 {
        let (_, text) = self.ask(page, None).await;
        let token = text.split("name=\"form_token\" value=\"").nth(1).unwrap_or_default();
        let token = token.split('"').next().unwrap_or_default();
        self.ask(url, Some(&[form, &[("form_token", token)]].concat())).await.0
    }
}

impl Application {
    /// Signs in to the console with these credentials and, if that succeeds, out again; the status of the sign-in.
    pub async fn visit_console(&self) -> u16 {
        let mut browser = Browser::default();
        let sign_in = format!("{}/console/sign-in", self.base);
        let form = [("user", self.account.as_str()), ("secret", self.token.as_str())];
        let status = browser.submit(&sign_in, &sign_in, &form).await;
        if status < 400 {
            let home = format!("{}/console", self.base);
            let out = format!("{home}/sign-out");
            assert!(browser.submit(&home, &out, &[]).await < 400);
        }
        status
    }
}
