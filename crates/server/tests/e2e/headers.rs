//! The headers of every response, byte by byte.

use crate::support::{ALWAYS, Home, Reply, TestApp, exchange};
use reqwest::Method;

fn request(method: &str, path: &str, more: &str) -> Vec<u8> {
    format!("{method} {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{more}\r\n").into_bytes()
}

fn basic(app: &TestApp) -> String {
    use base64::Engine as _;
    let pair = format!("{}:{}", app.account, app.token);
    let pair = base64::engine::general_purpose::STANDARD.encode(pair);
    format!("Authorization: Basic {pair}\r\n")
}

#[tokio::test]
async fn names_are_in_title_case_over_http_1() {
    let app = TestApp::start_with(&["http.public_url=https://verify.example.com"]).await;
    let phone = app.enrol_phone("alice-0001").await;
    let challenge = app.challenge(&phone, "Log in?").await;
    let path = format!("{}/{challenge}", app.challenges_path(&phone));
    let reply = exchange(app.address(), &request("GET", &path, &basic(&app))).await;
    assert_eq!(reply.status, 200);
    for (name, value) in [
        ("Date", "Thu, 01 Jan 2026 12:00:00 GMT"),
        ("Content-Type", "application/json"),
        ("Cache-Control", "no-store"),
        ("X-Api-Domain", "verify.example.com"),
        ("X-Home-Region", "us1"),
        ("Strict-Transport-Security", "max-age=31536000"),
        ("Access-Control-Allow-Origin", "*"),
        ("Access-Control-Allow-Methods", "GET, POST, DELETE, OPTIONS"),
        ("Access-Control-Allow-Credentials", "true"),
        (
            "Access-Control-Expose-Headers",
            "ETag, Date, Twilio-Verify-Signature-Fields, Retry-After, Twilio-Request-Id, \
             Countersign-Presence, Countersign-User-Verification, Countersign-Quiet, \
             Countersign-Status-Reason",
        ),
        (
            "Twilio-Verify-Signature-Fields",
            "sid,account_sid,service_sid,entity_sid,identity,factor_sid,factor_type,date_created,expiration_date,details,hidden_details",
        ),
        ("Twilio-Concurrent-Requests", "1"),
    ] {
        assert_eq!(reply.header(name), Some(value), "{reply:?}");
    }
    let id = reply.header("Twilio-Request-Id").unwrap();
    assert!(id.len() == 34 && id.starts_with("RQ"), "{id}");
    let (seconds, millis) =
        reply.header("Twilio-Request-Duration").unwrap().split_once('.').unwrap();
    assert!(millis.len() == 3 && seconds.parse::<u32>().is_ok());
}

#[tokio::test]
async fn every_response_has_the_same_headers() {
    let app = TestApp::start_with(&["limits.notifications_per_challenge=1"]).await;
    let home = Home::furnish(&app, app.api(), "alice-0001").await;
    let api = app.api();
    let device = app.device(&home.phone);
    let again = format!("{}/Notifications", home.challenge_path());
    let webhook = home.webhook_path();
    let put = Reply::of(api.request(Method::PUT, "/v2/Services")).await;
    // `Reply::of` checks the headers of each; this list has every kind of response.
    for (status, reply) in [
        (200, api.get("/v2/Services").await),
        (200, api.get("/v2/Forms/form-push").await),
        (200, api.get("/healthz").await),
        (201, api.post("/v2/Services", &[("FriendlyName", "a")]).await),
        (204, api.delete(&webhook).await),
        (400, api.post("/v2/Services", &[]).await),
        (401, api.with("AC1", "x").get("/v2/Services").await),
        (403, device.get("/v2/Services").await),
        (404, api.get(&webhook).await),
        (405, put),
        (426, api.get(&format!("{}/Stream", home.factor_path())).await),
        (429, api.post(&again, &[]).await),
    ] {
        assert_eq!(reply.status, status, "{reply:?}");
        assert!(!reply.headers.contains_key("strict-transport-security"), "plain http");
        assert_eq!(reply.header("access-control-allow-origin"), "*");
        let has_body = reply.headers.contains_key("content-type");
        assert_eq!(has_body, status != 204, "{reply:?}");
    }
    let (one, two) = (api.get("/healthz").await, api.get("/healthz").await);
    assert_ne!(one.header("twilio-request-id"), two.header("twilio-request-id"));
}

#[tokio::test]
async fn a_browser_may_ask_first_without_credentials() {
    let app = TestApp::start().await;
    let home = Home::furnish(&app, app.api(), "alice-0001").await;
    let paths = home.instances().map(|(path, _)| path).into_iter();
    for path in paths.chain(home.lists().map(|(path, _)| path)).chain(["/v2/Nonsense".to_owned()]) {
        let more = "Origin: https://app.example.com\r\nAccess-Control-Request-Method: POST\r\n\
                    Access-Control-Request-Headers: authorization\r\n";
        let reply = exchange(app.address(), &request("OPTIONS", &path, more)).await;
        assert_eq!((reply.status, reply.body.as_str()), (204, ""), "{path}");
        assert_eq!(reply.header("Access-Control-Allow-Origin"), Some("*"), "never echoed");
        let headers = reply.header("Access-Control-Allow-Headers").unwrap();
        assert!(headers.contains("Authorization") && headers.contains("Idempotency-Key"));
    }
}

#[tokio::test]
async fn head_is_get_without_its_body() {
    let app = TestApp::start().await;
    let home = Home::furnish(&app, app.api(), "alice-0001").await;
    for (path, credentials, status) in [
        ("/v2/Services".to_owned(), basic(&app), 200),
        (home.challenge_path(), basic(&app), 200),
        (home.challenge_path(), String::new(), 401),
        ("/v2/Nonsense".to_owned(), basic(&app), 404),
        ("/healthz".to_owned(), String::new(), 200),
    ] {
        let head = exchange(app.address(), &request("HEAD", &path, &credentials)).await;
        let get = exchange(app.address(), &request("GET", &path, &credentials)).await;
        assert_eq!((head.status, get.status), (status, status), "{path}");
        assert_eq!(head.body, "", "{path}");
        let length = get.body.len().to_string();
        assert_eq!(get.header("Content-Length"), Some(length.as_str()));
        assert_eq!(head.header("Content-Length"), Some(length.as_str()), "{path}: {head:?}");
        let names = |headers: &[String]| -> Vec<String> {
            headers.iter().filter_map(|line| Some(line.split_once(':')?.0.to_lowercase())).collect()
        };
        assert!(ALWAYS.iter().all(|name| names(&head.headers).iter().any(|has| has == name)));
    }
}

#[tokio::test]
async fn the_content_types_that_clients_accept_change_nothing() {
    let app = TestApp::start().await;
    // Both mobile SDKs accept a form on GET, and get JSON.
    for accept in ["application/x-www-form-urlencoded", "text/html", "image/png;q=0"] {
        let api = app.api();
        let get = api.request(Method::GET, "/v2/Services").header("Accept", accept);
        let reply = Reply::of(get).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, "application/json"));
    }
    for kind in ["application/x-www-form-urlencoded; charset=utf-8", "text/plain", ""] {
        let api = app.api();
        let post = api.request(Method::POST, "/v2/Services").header("Content-Type", kind);
        assert_eq!(Reply::of(post.body("FriendlyName=a")).await.status, 201, "{kind}");
    }
}

#[tokio::test]
async fn a_page_has_headers_of_its_own() {
    let app = TestApp::start_with(&["http.public_url=https://verify.example.com"]).await;
    let reply = exchange(app.address(), &request("GET", "/authenticator", "")).await;
    assert_eq!(reply.status, 200);
    for (name, value) in [
        ("Cache-Control", "no-cache"),
        ("Content-Type", "text/html; charset=utf-8"),
        ("Referrer-Policy", "no-referrer"),
        ("Strict-Transport-Security", "max-age=31536000"),
    ] {
        assert_eq!(reply.header(name), Some(value), "{reply:?}");
    }
    assert!(reply.header("Twilio-Request-Id").is_some(), "{reply:?}");
    assert_eq!(reply.header("Access-Control-Allow-Origin"), None, "no other origin needs it");
    let reply = exchange(app.address(), &request("GET", "/authenticator/0/app.js", "")).await;
    assert_eq!((reply.status, reply.header("Cache-Control")), (404, Some("no-store")));
}

#[tokio::test]
async fn a_request_names_its_host_once() {
    let app = TestApp::start().await;
    let ask = async |target: &str, hosts: &str| {
        let bytes = format!("GET {target} HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n");
        exchange(app.address(), bytes.as_bytes()).await
    };
    assert_eq!(ask("/healthz", "Host: h\r\n").await.status, 200);
    for (target, hosts, why) in [
        ("/healthz", "", "is missing"),
        ("/healthz", "Host: h\r\nHost: h\r\n", "is given more than once"),
        ("http://a/healthz", "Host: b\r\n", "is not the host of the request's target"),
    ] {
        let reply = ask(target, hosts).await;
        assert_eq!(reply.status, 400, "{hosts}: {reply:?}");
        assert!(reply.body.contains("\"code\":20422") && reply.body.contains(why), "{reply:?}");
    }
}
