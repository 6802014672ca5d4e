//! Requests that a page makes a browser send, with credentials that the browser remembers.

use reqwest::Method;

use crate::support::{Reply, TestApp};

/// A request with the application's credentials, as a browser adds them by itself, and with the browser's headers on how the
/// request was caused.
async fn sent(app: &TestApp, method: Method, path: &str, site: &str, mode: &str) -> Reply {
    let mut request = app.api().request(method.clone(), path);
    if method == Method::POST {
        request = request.form(&[("FriendlyName", "forged")]);
    }
    Reply::of(request.header("Sec-Fetch-Site", site).header("Sec-Fetch-Mode", mode)).await
}

#[tokio::test]
async fn a_change_that_another_sites_page_causes_is_refused_and_changes_nothing() {
    let app = TestApp::start().await;
    let service = format!("/v2/Services/{}", app.service);
    let credentials = app.api().post("/v1/Credentials", &[("Type", "gcm")]).await.text("sid");
    let credential = format!("/v1/Credentials/{credentials}");
    for (site, mode) in [
        ("cross-site", "navigate"),
        ("cross-site", "no-cors"),
        ("same-site", "navigate"),
        ("same-site", "no-cors"),
        ("same-origin", "navigate"),
        ("none", "navigate"),
    ] {
        for (method, path) in [
            (Method::POST, "/v2/Services"),
            (Method::POST, service.as_str()),
            (Method::DELETE, service.as_str()),
            (Method::POST, credential.as_str()),
            (Method::DELETE, credential.as_str()),
        ] {
            let reply = sent(&app, method.clone(), path, site, mode).await;
            assert_eq!(reply.refusal(), (403, 20403), "{method} {path}, {site} {mode}");
            let reason = reply.body["details"]["reason"].as_str().unwrap_or_default();
            assert!(reason.contains("browser"), "{reply:?}");
        }
    }
    let all = app.api().get("/v2/Services").await.expect(200);
    let names: Vec<_> =
        all["services"].as_array().unwrap().iter().map(|it| &it["friendly_name"]).collect();
    assert_eq!(names, ["owlbank"]);
    app.api().get(&credential).await.expect(200);
}

/// The refusal does not tell whether the browser's remembered credentials are good.
#[tokio::test]
async fn the_refusal_comes_before_the_credentials_are_judged() {
    let app = TestApp::start().await;
    let request = app.api().with(&app.account, "wrong").request(Method::POST, "/v2/Services");
    let request =
        request.header("Sec-Fetch-Site", "cross-site").header("Sec-Fetch-Mode", "navigate");
    assert_eq!(Reply::of(request).await.refusal(), (403, 20403));
}

#[tokio::test]
async fn scripts_programs_and_reads_are_served_as_before() {
    let app = TestApp::start().await;
    for (site, mode) in [
        ("same-origin", "cors"),
        ("same-origin", "same-origin"),
        ("cross-site", "cors"),
        ("same-site", "cors"),
        ("none", "cors"),
    ] {
        let made = sent(&app, Method::POST, "/v2/Services", site, mode).await;
        assert_eq!(made.status, 201, "{site} {mode}: {made:?}");
    }
    for (site, mode) in
        [("cross-site", "navigate"), ("none", "navigate"), ("cross-site", "no-cors")]
    {
        let read = sent(&app, Method::GET, "/v2/Services", site, mode).await;
        assert_eq!(read.status, 200, "{site} {mode}");
    }
    assert_eq!(app.api().post("/v2/Services", &[("FriendlyName", "curl")]).await.status, 201);
}
