use axum::body::Body;
use http::Request;
use http_body_util::BodyExt as _;
use serde_json::json;
use tower::ServiceExt as _;

use super::*;

fn description() -> Value {
    serde_json::from_str(include_str!("../../../docs/openapi.json")).unwrap()
}

fn html() -> String {
    page::render(&description(), true, "reference/x")
}

#[test]
fn every_operation_is_on_the_page_once_with_a_link_to_it() {
    let (all, html) = (description(), html());
    let calls =
        all["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap());
    let mut count = 0;
    for (_, call) in calls.filter(|(_, call)| call["operationId"].is_string()) {
        let id = call["operationId"].as_str().unwrap();
        assert_eq!(html.matches(&format!("<article id=\"{id}\">")).count(), 1, "{id}");
        assert_eq!(html.matches(&format!("href=\"#{id}\"")).count(), 1, "{id}");
        count += 1;
    }
    assert!(count > 20, "{count}");
    for words in ["CreateChallenge", "FriendlyName", "1 to 32 characters", "60309"] {
        assert!(html.contains(words), "{words}");
    }
}

#[test]
fn the_page_has_no_script_and_loads_only_its_own_files() {
    let html = html();
    assert!(!html.contains("<script") && !html.contains("style=") && !html.contains("src="));
    let loaded: Vec<_> = html.split("<link ").skip(1).collect();
    assert!(loaded.len() == 3 && loaded.iter().all(|link| link.contains("href=\"reference/x/")));
    assert!(html.contains("href=\"console\""));
    assert!(!page::render(&description(), false, "f").contains("Console"));
}

#[test]
fn texts_of_the_description_are_no_markup() {
    let hostile = "<img src=x onerror=alert(1)>\"'&";
    let all = json!({
        "info": {"version": hostile},
        "tags": [{"name": hostile}],
        "paths": {"/a": {"get": {
            "tags": [hostile], "operationId": "A", "summary": hostile, "description": hostile,
            "parameters": [{"name": hostile, "in": "query", "description": hostile,
                "schema": {"type": "string", "enum": [hostile]}}],
            "responses": {"200": {"description": hostile}},
        }}},
    });
    assert!(!page::render(&all, true, "f").contains("<img"));
}

#[tokio::test]
async fn the_page_and_its_files_are_served_with_the_policy_of_pages() {
    let router = router(&description(), false);
    let get = |path: String| {
        let request = Request::builder().uri(path).header("Accept-Encoding", "gzip");
        router.clone().oneshot(request.body(Body::empty()).unwrap())
    };
    let page = get("/reference".to_owned()).await.unwrap();
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("form-action 'none'"));
    let size = page.into_body().collect().await.unwrap().to_bytes().len();
    assert!(size < 40_000, "{size} bytes, compressed");
    for name in ["common.css", "reference.css", "icon.svg"] {
        let file = get(format!("/reference/{}/{name}", ASSETS.version())).await.unwrap();
        assert_eq!(file.status(), 200, "{name}");
    }
}
