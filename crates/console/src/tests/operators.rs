//! Operators: their sign-in, their second factor, their sessions and the audit trail.

use countersign_domain::challenge::Verdict;
use countersign_domain::operator::{Operator, OperatorName};
use countersign_domain::role::Role;
use countersign_domain::secret::Secret;
use countersign_domain::session::SessionStage;
use countersign_store::seam::{Answer, Recorded};
use countersign_verify::SignInRules;
use countersign_verify::second_factor::SecondFactor;
use http::StatusCode;

use super::page::Page;
use super::scene::{Browser, Scene};

const DEVICE: &str = "/console/sign-in/device";

impl Scene {
    /// Stores an operator.
    pub(super) async fn operator_with(&self, name: &str, role: Role) -> Operator {
        let name = OperatorName::parse(name).unwrap();
        self.verify().create_operator(self.account, name, role).await.unwrap()
    }

    /// The path of a new link of an operator.
    async fn link_of(&self, operator: &Operator) -> String {
        let (key, _) = self.verify().create_operator_link(operator).await.unwrap();
        format!("/console/link?key={}", key.expose())
    }

    /// A browser that an operator has signed in with by a link.
    pub(super) async fn signed_in(&self, operator: &Operator) -> Browser {
        let mut browser = self.browser();
        let page = browser.follow(&self.link_of(operator).await).await;
        assert_eq!(page.location, "/console");
        browser
    }

    /// A scene in which operators need a second factor.
    async fn guarded() -> Self {
        Self::with("http://127.0.0.1:8080", SignInRules::default()).await
    }

    /// Enrols a device of an operator in the place where the console looks for it.
    async fn enrol_device(&self, browser: &Browser) {
        let cookie = &browser.cookies["countersign_console"];
        let session = self.verify().session(cookie).await.unwrap();
        let invitation = self.verify().invite_device(&session).await.unwrap();
        let service = self.stage.store.service(invitation.service).await.unwrap().unwrap();
        let factor = self.stage.factor_of(&service, &invitation.identity).await;
        let change = countersign_domain::factor::FactorChange {
            takes_numbers: Some(true),
            ..Default::default()
        };
        let (entity, now) = (factor.owner.entity, self.stage.now());
        self.stage.store.update_factor(entity, factor.sid, &change, now).await.unwrap();
    }

    /// Answers the prompt that a browser waits for.
    async fn answer(&self, browser: &Browser, verdict: Verdict) {
        let cookie = &browser.cookies["countersign_console"];
        let session = self.verify().session(cookie).await.unwrap();
        let SessionStage::Half { prompt: Some(prompt) } = session.stage else {
            panic!("{:?}", session.stage)
        };
        let challenge = prompt.first();
        let number = match self.verify().second_factor(&session).await.unwrap() {
            SecondFactor::Asked { number, .. } => number,
            other => panic!("{other:?}"),
        };
        let number = number.filter(|_| verdict == Verdict::Approved);
        let answer = Answer { number, ..Answer::new(challenge, verdict, self.stage.now()) };
        assert_eq!(self.stage.store.answer_challenge(answer).await, Ok(Recorded::Done));
    }
}

impl Browser {
    /// Opens a link and presses its button.
    async fn follow(&mut self, link: &str) -> Page {
        let page = self.get(link).await;
        assert_eq!(page.status, StatusCode::OK);
        let key = link.split("key=").nth(1).unwrap().to_owned();
        let form = [("key", key.as_str())];
        self.post_with(&page.form_token(), "same-origin", "/console/link", &form).await
    }

    async fn on_device_page(&mut self, what: &str) -> Page {
        self.post(DEVICE, DEVICE, &[("do", what)]).await
    }
}

#[tokio::test]
async fn a_link_of_an_operator_signs_in_once_and_in_time() {
    let scene = Scene::new().await;
    let ada = scene.operator_with("ada", Role::Read).await;
    let link = scene.link_of(&ada).await;
    let mut browser = scene.browser();
    for _ in 0..2 {
        assert_eq!(browser.get(&link).await.status, StatusCode::OK, "reading does not use it up");
    }
    assert_eq!(browser.follow(&link).await.location, "/console");
    let page = browser.get("/console").await;
    page.shows("signed in as ada (read)");
    let mut other = scene.browser();
    let replaced = scene.link_of(&ada).await;
    let late = scene.link_of(&ada).await;
    scene.stage.pass(15 * 60);
    for old in [link, replaced, late] {
        let page = other.follow(&old).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST);
        page.shows("This link was used before, is too old, or was replaced");
    }
}

#[tokio::test]
async fn a_password_of_an_operator_signs_in_until_it_is_replaced() {
    let scene = Scene::new().await;
    let ada = scene.operator_with("ada@example.com", Role::Operate).await;
    let mut browser = scene.browser();
    let page = browser.sign_in("ada@example.com", "").await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED, "there is no password yet");
    let password = scene.verify().set_operator_password(&ada, None).await.unwrap();
    let page = browser.sign_in("Ada@Example.com", password.expose()).await;
    assert_eq!(page.location, "/console");
    let chosen = Secret::new("correct horse battery");
    scene.verify().set_operator_password(&ada, Some(chosen.clone())).await.unwrap();
    assert_eq!(browser.get("/console").await.location, "/console/sign-in", "it ended the session");
    let page = scene.browser().sign_in("ada@example.com", password.expose()).await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    let page = scene.browser().sign_in("ada@example.com", chosen.expose()).await;
    assert_eq!(page.location, "/console");
}

#[tokio::test]
async fn strangers_who_guess_lock_no_operator_out() {
    let scene = Scene::new().await;
    let ada = scene.operator_with("ada", Role::Read).await;
    let password = scene.verify().set_operator_password(&ada, None).await.unwrap();
    let mut stranger = scene.browser_at("192.0.2.1");
    for number in 0..10 {
        let spelt = if number % 2 == 0 { "ada" } else { "ADA" };
        assert_eq!(stranger.sign_in(spelt, "x").await.status, StatusCode::UNAUTHORIZED);
    }
    let page = stranger.sign_in("ada", password.expose()).await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    let page = stranger.sign_in("bob", "x").await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED, "another name has its own count");
    let page = scene.browser_at("198.51.100.7").sign_in("ada", password.expose()).await;
    assert_eq!(page.location, "/console");
}

#[tokio::test]
async fn tokens_sign_in_only_if_the_setting_allows_it() {
    let rules = SignInRules { by_token: false, second_factor: false };
    let scene = Scene::with("http://127.0.0.1:8080", rules).await;
    let mut browser = scene.browser();
    browser.get("/console/sign-in").await.hides("auth token");
    let page = browser.sign_in(&scene.account.to_string(), scene.token.expose()).await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    page.shows("Tokens do not sign in here.");
    let ada = scene.operator_with("ada", Role::Admin).await;
    scene.signed_in(&ada).await;
}

#[tokio::test]
async fn the_first_sign_in_enrols_a_device_and_asks_it() {
    let scene = Scene::guarded().await;
    let ada = scene.operator_with("ada", Role::Admin).await;
    let mut browser = scene.browser();
    assert_eq!(browser.follow(&scene.link_of(&ada).await).await.location, DEVICE);
    for path in ["/console", "/console/timeline", "/console/services"] {
        assert_eq!(browser.get(path).await.location, DEVICE, "{path}");
    }
    browser.get(DEVICE).await.shows("You have none yet");
    let page = browser.on_device_page("ask").await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    page.shows("No device has been enrolled by this link yet.");
    let page = browser.on_device_page("invite").await;
    page.shows("href=\"http://127.0.0.1:8080/e/");
    scene.enrol_device(&browser).await;
    let page = browser.on_device_page("invite").await;
    page.hides("8080/e/");
    assert_eq!(browser.on_device_page("ask").await.location, DEVICE);
    let page = browser.get(DEVICE).await;
    page.shows("id=\"number\">");
    page.shows("every 2s");
    scene.answer(&browser, Verdict::Approved).await;
    let page = browser.get_part(DEVICE).await;
    assert_eq!((page.status, page.header("hx-redirect")), (StatusCode::OK, "/console"));
    browser.get("/console").await.shows("signed in as ada (admin)");
    assert_eq!(browser.get(DEVICE).await.location, "/console");
}

#[tokio::test]
async fn a_later_sign_in_asks_the_device_at_once() {
    let scene = Scene::guarded().await;
    let ada = scene.operator_with("ada", Role::Admin).await;
    let mut first = scene.browser();
    first.follow(&scene.link_of(&ada).await).await;
    scene.enrol_device(&first).await;
    let mut browser = scene.browser();
    browser.follow(&scene.link_of(&ada).await).await;
    browser.get(DEVICE).await.shows("id=\"number\">");
    scene.answer(&browser, Verdict::Denied).await;
    browser.get(DEVICE).await.shows("The prompt was denied, or the number was wrong.");
    assert_eq!(browser.get("/console").await.location, DEVICE);
    browser.on_device_page("ask").await;
    scene.stage.pass(120);
    browser.get(DEVICE).await.shows("The prompt was not answered in time.");
    scene.stage.pass(480);
    let page = browser.get(DEVICE).await;
    assert_eq!(page.location, "/console/sign-in", "the sign-in itself has expired");
}

#[tokio::test]
async fn a_forgotten_device_is_enrolled_again() {
    let scene = Scene::guarded().await;
    let ada = scene.operator_with("ada", Role::Admin).await;
    let mut browser = scene.browser();
    browser.follow(&scene.link_of(&ada).await).await;
    assert_eq!(scene.verify().forget_devices(&ada).await, Ok(false));
    scene.enrol_device(&browser).await;
    assert_eq!(scene.verify().forget_devices(&ada).await, Ok(true));
    browser.get(DEVICE).await.shows("You have none yet");
}

#[tokio::test]
async fn an_operator_ends_their_own_sessions_and_an_admin_any() {
    let scene = Scene::new().await;
    let bob = scene.operator_with("bob", Role::Read).await;
    let ada = scene.operator_with("ada", Role::Admin).await;
    let mut his = scene.signed_in(&bob).await;
    scene.stage.pass(1);
    let mut other = scene.signed_in(&bob).await;
    scene.stage.pass(1);
    let mut hers = scene.signed_in(&ada).await;
    let page = his.get("/console/sessions").await;
    assert_eq!(page.text.matches(">bob<").count(), 2);
    page.hides("ada");
    let ends = |page: &Page, number: usize| {
        let rest = page.text.split("/console/sessions/").nth(number + 1).unwrap();
        format!("/console/sessions/{}", rest.split('"').next().unwrap())
    };
    let all = hers.get("/console/sessions").await;
    all.shows("bob");
    let of_ada = ends(&all, 0);
    let page = his.post("/console/sessions", &of_ada, &[]).await;
    assert_eq!(page.status, StatusCode::NOT_FOUND, "another operator's session stays");
    let of_other = ends(&his.get("/console/sessions").await, 0);
    let page = his.post("/console/sessions", &of_other, &[]).await;
    assert_eq!(page.location, "/console/sessions?ended=yes");
    assert_eq!(other.get("/console").await.location, "/console/sign-in");
    let of_his = ends(&his.get("/console/sessions").await, 0);
    hers.post("/console/sessions", &of_his, &[]).await;
    assert_eq!(his.get("/console").await.location, "/console/sign-in");
    let page = hers.post("/console/sessions", &of_ada, &[]).await;
    assert_eq!(page.location, "/console/sign-in", "her own");
    assert_eq!(hers.get("/console").await.location, "/console/sign-in");
}

#[tokio::test]
async fn the_actions_of_operators_are_in_the_audit_trail() {
    let scene = Scene::new().await;
    let furnished = scene.furnish().await;
    let (bob, ada) = (
        scene.operator_with("bob", Role::Read).await,
        scene.operator_with("ada", Role::Admin).await,
    );
    let (mut his, mut hers) = (scene.signed_in(&bob).await, scene.signed_in(&ada).await);
    let service = format!("/console/services/{}", furnished.service.sid);
    hers.post(&service, &service, &[("FriendlyName", "Owl Club")]).await;
    hers.post(&service, &service, &[("FriendlyName", "")]).await;
    his.post(&service, &service, &[("FriendlyName", "Mine")]).await;
    hers.post(&service, &format!("{}/challenges", furnished.person()), &[]).await;
    let page = his.get("/console/audit").await;
    for entry in [
        "<strong>ada</strong> <code>sign_in</code>".to_owned(),
        "<strong>ada</strong> <code>service.updated</code>".to_owned(),
        furnished.service.sid.to_string(),
        "<strong>bob</strong> <code>console.action</code>".to_owned(),
        "POST /console/services/{service}</code>: the role does not allow it".to_owned(),
        "POST /console/services/{service}</code>: the form is not valid".to_owned(),
    ] {
        page.shows(&entry);
    }
    page.hides("sam-porter");
    let (stranger, token) = scene.verify().create_account("stranger").await.unwrap();
    let mut other = scene.browser();
    other.sign_in(&stranger.sid.to_string(), token.expose()).await;
    let page = other.get("/console/audit").await;
    page.shows("<strong>token</strong> <code>sign_in</code>");
    page.hides("ada");
}

#[tokio::test]
async fn the_audit_trail_goes_on_page_by_page() {
    let scene = Scene::new().await;
    let ada = scene.operator_with("ada", Role::Admin).await;
    let mut browser = scene.signed_in(&ada).await;
    for _ in 0..51 {
        browser.post("/console/services", "/console/services", &[("FriendlyName", "")]).await;
        scene.stage.pass(1);
    }
    let page = browser.get("/console/audit").await;
    assert_eq!(page.text.matches("<strong>ada</strong>").count(), 50);
    let next = page.text.split("/console/audit?before=").nth(1).unwrap();
    let next = format!("/console/audit?before={}", next.split('"').next().unwrap());
    let page = browser.get(&next).await;
    assert_eq!(page.text.matches("<strong>ada</strong>").count(), 2);
    page.shows("sign_in");
    page.hides("?before=");
}
