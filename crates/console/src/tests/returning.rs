//! Addresses and forms that arrive without a session.

use countersign_store::seam::Inserted;
use countersign_verify::VerifyError;
use http::StatusCode;

use super::page::Page;
use super::scene::Scene;

#[tokio::test]
async fn a_deep_link_survives_the_sign_in() {
    let scene = Scene::new().await;
    let furnished = scene.furnish().await;
    let mut browser = scene.browser();
    let (user, secret) = (scene.account.to_string(), scene.token.expose().to_owned());
    let wanted = format!("/console/challenges/{}?live=no", furnished.challenge.sid);
    assert_eq!(browser.get(&wanted).await.location, "/console/sign-in");
    assert_eq!(browser.sign_in(&user, "wrong").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(browser.sign_in(&user, &secret).await.location, wanted);
    assert_eq!(browser.sign_in(&user, &secret).await.location, "/console", "once");
    for strange in ["//owl.example", "https://owl.example", "/", ""] {
        let mut browser = scene.browser();
        browser.cookies.insert("countersign_wanted".into(), strange.into());
        let page = browser.sign_in(&user, &secret).await;
        assert!(page.location.starts_with("/console"), "{strange}: {}", page.location);
    }
}

fn kept(page: &Page, form: &[(&str, &str)]) -> String {
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    page.shows("Your session is over");
    for (name, value) in form {
        page.shows(&format!("<textarea name=\"{name}\" hidden>\n{value}</textarea>"));
    }
    page.form_token()
}

#[tokio::test]
async fn a_form_whose_session_is_over_is_sent_again_after_a_sign_in() {
    let scene = Scene::new().await;
    let path = format!("/console/services/{}", scene.service().await.sid);
    let mut browser = scene.operator().await;
    let old = browser.get(&path).await.form_token();
    browser.cookies.remove("countersign_console");
    let form = [("FriendlyName", "Owl Club"), ("Totp.Skew", "2")];
    let page = browser.post_with(&old, "same-origin", &path, &form).await;
    let token = kept(&page, &form);
    let page = browser.post_with(&token, "same-origin", &path, &form).await;
    assert_eq!(kept(&page, &form), token, "nobody has signed in yet");

    let (user, secret) = (scene.account.to_string(), scene.token.expose().to_owned());
    browser.sign_in(&user, &secret).await;
    // Not with other contents, elsewhere, from another site or in another browser.
    let other = [("FriendlyName", "Mine"), ("Totp.Skew", "2")];
    for (site, path, form) in [
        ("same-origin", path.as_str(), other),
        ("same-origin", "/console/services", form),
        ("cross-site", &path, form),
    ] {
        let page = browser.post_with(&token, site, path, &form).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{site} {path}");
    }
    let mut elsewhere = scene.operator().await;
    let page = elsewhere.post_with(&token, "same-origin", &path, &form).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    let page = browser.post_with(&token, "same-origin", &path, &form).await;
    assert_eq!(page.location, format!("{path}?done=saved"));
}

#[tokio::test]
async fn a_form_of_another_site_is_not_kept() {
    let scene = Scene::new().await;
    let mut browser = scene.browser();
    for site in ["cross-site", "same-site", "none"] {
        let page =
            browser.post_with("", site, "/console/services", &[("FriendlyName", "Mine")]).await;
        assert_eq!(page.location, "/console/sign-in", "{site}");
    }
}

#[tokio::test]
async fn nobody_can_make_a_short_link() {
    let scene = Scene::new().await;
    let service = scene.service().await;
    let identity = scene.stage.make.identity();
    let token = scene.stage.make.access_token(&service, &identity);
    assert_eq!(scene.stage.store.create_access_token(&token).await, Ok(Inserted::Done));
    let code = scene.verify().short_link(&token);
    let code = code.expose();
    assert!(scene.verify().open_short_link(code).await.is_ok());
    let other = scene.verify().short_link(&scene.stage.make.access_token(&service, &identity));
    let mixed = format!("{}{}", &other.expose()[..43], &code[43..]);
    for wrong in ["", "x", &code[1..], &code[..85], &mixed, other.expose(), &"é".repeat(43)] {
        let opened = scene.verify().open_short_link(wrong).await;
        assert_eq!(opened.err(), Some(VerifyError::NotFound), "{wrong}");
    }
    scene.stage.pass(60);
    let opened = scene.verify().open_short_link(code).await;
    assert_eq!(opened.err(), Some(VerifyError::NotFound), "its time is over");
}
