//! The pages at the root: browsers get a page, API clients get what they got before.

use serde_json::Value;

use crate::support::{Stage, client, client_without_redirects};

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

#[tokio::test]
async fn the_root_leads_a_browser_to_the_reference_and_is_a_404_for_all_others() {
    let stage = Stage::new();
    let running = stage.serve(&[]).await;
    let root = format!("{}/", running.base);
    let led = client_without_redirects().get(&root).header("Accept", BROWSER).send().await.unwrap();
    assert_eq!(
        (led.status().as_u16(), &led.headers()["location"]),
        (303, &"reference".parse().unwrap())
    );
    let page = client().get(&root).header("Accept", BROWSER).send().await.unwrap();
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    let text = page.text().await.unwrap();
    assert!(text.contains("href=\"console\"") && text.contains("href=\"authenticator\""), "{text}");
    for link in ["console", "authenticator", "openapi.json"] {
        let found = client().get(format!("{root}{link}")).send().await.unwrap();
        assert_eq!(found.status(), 200, "{link}");
    }

    let elsewhere = client().get(format!("{root}nowhere")).send().await.unwrap();
    let elsewhere: Value = elsewhere.json().await.unwrap();
    for request in [
        client().get(&root),
        client().get(&root).header("Accept", "application/json"),
        client().post(&root).header("Accept", BROWSER),
        client().delete(&root),
    ] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 404);
        assert_eq!(answer.headers()["content-type"], "application/json");
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["code"], elsewhere["code"]);
        assert_eq!(body["message"], "The requested resource / was not found");
    }
    for words in ["/reference", "/authenticator", "/console", "version=\"0.1.0"] {
        assert!(running.stderr().contains(words), "{words}: {}", running.stderr());
    }
    assert_eq!(running.stop().await.code, Some(0));
    let plain = stage.serve(&["--set", "console.enabled=false"]).await;
    let page = client().get(format!("{}/reference", plain.base)).send().await.unwrap();
    assert!(!page.text().await.unwrap().contains("href=\"console\""));
}
