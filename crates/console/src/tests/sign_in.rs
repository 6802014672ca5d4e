//! Sign-in, sessions and form tokens.

use countersign_verify::SessionDurations;
use http::StatusCode;
use http::header::SET_COOKIE;

use super::scene::{PAGES, Scene};
use crate::files::ASSETS;

#[tokio::test]
async fn without_a_session_every_page_redirects_to_the_form() {
    let scene = Scene::new().await;
    let furnished = scene.furnish().await;
    let mut browser = scene.browser();
    for path in PAGES.into_iter().map(str::to_owned).chain(furnished.pages()) {
        let page = browser.get(&path).await;
        let seen = (page.status, page.location.as_str(), page.text.as_str());
        assert_eq!(seen, (StatusCode::SEE_OTHER, "/console/sign-in", ""), "{path}");
        let part = browser.get_part(&path).await;
        let seen = (part.status, part.header("hx-redirect"), part.text.as_str());
        assert_eq!(seen, (StatusCode::OK, "/console/sign-in", ""), "{path}");
        let page = browser.post_with("", "same-origin", &path, &[]).await;
        assert!(!page.status.is_success(), "{path}");
    }
    browser.cookies.insert("countersign_console".into(), "bm9uZSBvZiBvdXJz".into());
    assert_eq!(browser.get("/console").await.location, "/console/sign-in");
}

#[tokio::test]
async fn an_account_or_an_api_key_signs_in_and_out() {
    let scene = Scene::at("https://verify.example.com/push/").await;
    let (key, secret) = scene.verify().create_api_key(scene.account, "key").await.unwrap();
    for (user, secret) in
        [(scene.account.to_string(), scene.token.clone()), (key.sid.to_string(), secret)]
    {
        let mut browser = scene.browser();
        let page = browser.sign_in(&user, secret.expose()).await;
        assert_eq!((page.status, page.location.as_str()), (StatusCode::SEE_OTHER, "/push/console"));
        let cookie = page.header(SET_COOKIE.as_str());
        for part in ["HttpOnly", "SameSite=Strict", "Path=/push/console", "Secure", "Max-Age=28800"]
        {
            assert!(cookie.split("; ").any(|it| it == part), "{part}: {cookie}");
        }
        let page = browser.get("/console").await;
        assert_eq!(page.status, StatusCode::OK);
        page.shows(&scene.account.to_string());
        page.shows("href=\"/push/console/timeline\"");
        let page = browser.post("/console", "/console/sign-out", &[]).await;
        assert_eq!(page.location, "/push/console/sign-in");
        assert_eq!(browser.get("/console").await.status, StatusCode::SEE_OTHER);
    }
}

#[tokio::test]
async fn wrong_secrets_are_rejected_and_limited() {
    let scene = Scene::new().await;
    let mut browser = scene.browser();
    let user = scene.account.to_string();
    for wrong in ["", "token", "AC00000000000000000000000000000000", "SK1", &user] {
        let page = browser.sign_in(wrong, "x").await;
        assert_eq!(page.status, StatusCode::UNAUTHORIZED, "{wrong}");
        page.shows("No operator has this name with this password, and no account or API key has");
    }
    for _ in 0..9 {
        assert_eq!(browser.sign_in(&user, "x").await.status, StatusCode::UNAUTHORIZED);
    }
    scene.stage.pass(60);
    let page = browser.sign_in(&user, scene.token.expose()).await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS, "even with the right secret");
    assert_eq!(page.header("retry-after"), "540");
    page.shows("Wait ten minutes at most");
    scene.stage.pass(540);
    let page = browser.sign_in(&user, scene.token.expose()).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    for _ in 0..12 {
        let page = browser.sign_in(&user, scene.token.expose()).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "successful attempts do not count");
    }
}

#[tokio::test]
async fn a_session_ends_after_its_time_or_with_its_secret() {
    let scene = Scene::new().await;
    let mut browser = scene.operator().await;
    let SessionDurations { max: most, idle } = SessionDurations::default();
    let half = idle.as_secs() / 2;
    for _ in 1..most.as_secs() / half {
        scene.stage.pass(half);
        assert_eq!(browser.get("/console").await.status, StatusCode::OK);
    }
    scene.stage.pass(half - 1);
    let page = browser.get("/console").await;
    assert_eq!(page.status, StatusCode::OK, "a session in use lasts for its full time");
    scene.stage.pass(1);
    assert_eq!(browser.get("/console").await.status, StatusCode::SEE_OTHER);

    let mut browser = scene.operator().await;
    let (key, secret) = scene.verify().create_api_key(scene.account, "key").await.unwrap();
    let mut other = scene.browser();
    other.sign_in(&key.sid.to_string(), secret.expose()).await;
    assert_eq!(other.get("/console").await.status, StatusCode::OK);
    scene.verify().delete_api_key(key.sid).await.unwrap();
    assert_eq!(other.get("/console").await.status, StatusCode::SEE_OTHER);
    assert_eq!(browser.get("/console").await.status, StatusCode::OK);
    let verify = scene.verify();
    verify.rotate_token(scene.account).await.unwrap();
    verify.promote_token(scene.account).await.unwrap();
    assert_eq!(browser.get("/console").await.status, StatusCode::OK, "both tokens work");
    verify.rotate_token(scene.account).await.unwrap();
    assert_eq!(browser.get("/console").await.status, StatusCode::SEE_OTHER);
}

/// An open page that updates itself does not extend its session: only requests of a person do.
#[tokio::test]
async fn an_idle_session_ends() {
    let scene = Scene::new().await;
    let idle = SessionDurations::default().idle.as_secs();
    let (mut open, mut used) = (scene.operator().await, scene.operator().await);
    for _ in 0..2 {
        scene.stage.pass(idle / 2 - 1);
        assert_eq!(open.get_part("/console").await.status, StatusCode::OK);
        let again = [("sec-fetch-mode", "navigate"), ("sec-fetch-site", "same-origin")];
        assert_eq!(open.get_with("/console", &again).await.status, StatusCode::OK);
        let by_person = [again[0], again[1], ("sec-fetch-user", "?1")];
        assert_eq!(used.get_with("/console", &by_person).await.status, StatusCode::OK);
    }
    scene.stage.pass(2);
    let part = open.get_part("/console").await;
    assert_eq!(part.header("hx-redirect"), "/console/sign-in");
    assert_eq!(open.get("/console").await.location, "/console/sign-in");
    let page = used.post("/console", "/console/services", &[("FriendlyName", "Owl Club")]).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    assert_eq!(used.get("/console").await.status, StatusCode::OK);
}

#[tokio::test]
async fn signing_out_invalidates_every_copy_of_the_cookie() {
    let scene = Scene::new().await;
    let (mut browser, mut other) = (scene.operator().await, scene.operator().await);
    let mut early = scene.browser();
    early.cookies.clone_from(&browser.cookies);
    scene.stage.pass(120);
    assert_eq!(browser.get("/console").await.status, StatusCode::OK);
    let mut late = scene.browser();
    late.cookies.clone_from(&browser.cookies);
    for copy in [&mut early, &mut late] {
        assert_eq!(copy.get("/console").await.status, StatusCode::OK);
    }
    let page = browser.post("/console", "/console/sign-out", &[]).await;
    let cookie = page.header(SET_COOKIE.as_str());
    assert!(
        cookie.starts_with("countersign_console=;") && cookie.contains("Max-Age=0"),
        "{cookie}"
    );
    for copy in [&mut early, &mut late] {
        assert_eq!(copy.get("/console").await.location, "/console/sign-in");
        let part = copy.get_part("/console/timeline").await;
        assert_eq!(part.header("hx-redirect"), "/console/sign-in");
    }
    assert_eq!(other.get("/console").await.status, StatusCode::OK, "another session");
}

#[tokio::test]
async fn wrong_secrets_from_elsewhere_lock_nobody_out() {
    let scene = Scene::new().await;
    let user = scene.account.to_string();
    let shouted = format!("AC{}", user[2..].to_uppercase());
    let mut stranger = scene.browser_at("192.0.2.1");
    for number in 0..10 {
        let spelt = if number % 2 == 0 { &user } else { &shouted };
        assert_eq!(stranger.sign_in(spelt, "x").await.status, StatusCode::UNAUTHORIZED);
    }
    for spelt in [&user, &shouted] {
        let page = stranger.sign_in(spelt, scene.token.expose()).await;
        assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(page.header("retry-after"), "600");
    }
    let mut operator = scene.browser_at("198.51.100.7");
    let page = operator.sign_in(&shouted, scene.token.expose()).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);

    // A hundred failures from everywhere slow all attempts down.
    for number in 2..=10 {
        let mut stranger = scene.browser_at(&format!("192.0.2.{number}"));
        for _ in 0..10 {
            assert_eq!(stranger.sign_in(&user, "x").await.status, StatusCode::UNAUTHORIZED);
        }
    }
    let mut hasty = scene.browser_at("203.0.113.9");
    assert_eq!(hasty.sign_in(&user, "x").await.status, StatusCode::UNAUTHORIZED);
    let page = hasty.sign_in(&user, scene.token.expose()).await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(page.header("retry-after"), "10");
    page.shows("wait 10 s and try again");
    scene.stage.pass(10);
    let page = hasty.sign_in(&user, scene.token.expose()).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    let page = scene.browser_at("203.0.113.10").sign_in(&user, scene.token.expose()).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_link_signs_in_once_and_in_time() {
    let scene = Scene::new().await;
    let link = scene.console.one_time_link(scene.account);
    let path = link.strip_prefix("http://127.0.0.1:8080").unwrap();
    let mut browser = scene.browser();
    let page = browser.get(path).await;
    assert_eq!(page.status, StatusCode::OK);
    page.shows("<meta http-equiv=\"refresh\" content=\"0;url=/console\">");
    assert_eq!(browser.get("/console").await.status, StatusCode::OK);
    let mut other = scene.browser();
    let page = other.get(path).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    page.shows("This link was used before");
    assert_eq!(other.get("/console").await.status, StatusCode::SEE_OTHER);
    let late = scene.console.one_time_link(scene.account);
    scene.stage.pass(600);
    let page = other.get(late.strip_prefix("http://127.0.0.1:8080").unwrap()).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_form_of_another_session_or_site_changes_nothing() {
    let scene = Scene::new().await;
    let (mut browser, mut other) = (scene.operator().await, scene.operator().await);
    let right = browser.get("/console/services").await.form_token();
    let others = other.get("/console/services").await.form_token();
    let form = [("FriendlyName", "Harbour Bank")];
    for (token, site) in [
        ("", "same-origin"),
        ("x", "same-origin"),
        (others.as_str(), "same-origin"),
        (right.as_str(), "cross-site"),
        (right.as_str(), "same-site"),
        (right.as_str(), "none"),
    ] {
        let page = browser.post_with(token, site, "/console/services", &form).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{token} {site}");
        page.shows("This form was rejected");
    }
    browser.get("/console/services").await.shows("There is no service yet");
    let page = browser.post_with(&right, "same-origin", "/console/services", &form).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);

    let mut visitor = scene.browser();
    let token = visitor.get("/console/sign-in").await.form_token();
    visitor.cookies.clear();
    let form = [("user", scene.account.to_string()), ("secret", scene.token.expose().to_owned())];
    let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
    let page = visitor.post_with(&token, "same-origin", "/console/sign-in", &form).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "the form is bound to a browser");
}

#[tokio::test]
async fn every_page_allows_only_what_it_needs() {
    let scene = Scene::new().await;
    let furnished = scene.furnish().await;
    let mut browser = scene.operator().await;
    let others = ["/console/sign-in", "/console/nothing", "/console/"].map(str::to_owned);
    let pages = PAGES.into_iter().map(str::to_owned).chain(furnished.pages()).chain(others);
    for path in pages {
        let page = browser.get(&path).await;
        let policy = page.header("content-security-policy");
        for rule in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"] {
            assert!(policy.split("; ").any(|part| part == rule), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(page.header("referrer-policy"), "no-referrer");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert_eq!(page.header("cross-origin-opener-policy"), "same-origin");
        assert_eq!(page.header("cache-control"), "no-store");
        for inline in
            ["<script>", "style=", " onclick", " onload", "javascript:", "hx-on", "hx-vals"]
        {
            page.hides(inline);
        }
    }
}

#[tokio::test]
async fn files_are_cached_for_ever_under_their_version() {
    let scene = Scene::new().await;
    let mut browser = scene.operator().await;
    // The other pages load what this one loads, or less.
    let page = browser.get("/console/timeline").await;
    let base = format!("/console/files/{}", ASSETS.version());
    for (name, _) in ASSETS.files() {
        let file = browser.get(&format!("{base}/{name}")).await;
        assert_eq!(file.status, StatusCode::OK, "{name}");
        assert_eq!(file.header("cache-control"), "public, max-age=31536000, immutable");
        assert!(name.ends_with(".txt") || page.text.contains(&format!("{base}/{name}")), "{name}");
    }
    let stale = browser.get("/console/files/0000000000000000/style.css").await;
    assert_eq!(stale.status, StatusCode::NOT_FOUND);
}
