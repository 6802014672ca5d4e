//! Requests that are refused for their body, headers, path or method.

use std::time::Duration;

use tokio::io::AsyncReadExt as _;

use crate::support::{Home, TestApp, exchange, open};

#[tokio::test]
async fn a_scalar_given_twice_is_refused_and_not_guessed() {
    let app = TestApp::start().await;
    let home = Home::furnish(&app, app.api(), "alice-0001").await;
    let before = home.inventory().await;
    let factor = home.phone.factor_sid();
    for (path, form, code) in [
        ("/v2/Services".to_owned(), "FriendlyName=a&friendlyname=b".to_owned(), 60200),
        (home.service_path(), "CodeLength=4&CodeLength=4".to_owned(), 60200),
        (
            format!("{}/Entities", home.service_path()),
            "Identity=alice-0002&Identity=alice-0003".into(),
            60306,
        ),
        (
            format!("{}/AccessTokens", home.service_path()),
            "Identity=alice-0002&FactorType=push&Ttl=60&TTL=61".into(),
            60305,
        ),
        (
            format!("{}/Challenges", home.entity_path()),
            format!("FactorSid={factor}&Details.Message=a&details.message=b"),
            60306,
        ),
        (home.challenge_path(), "Metadata={}&Metadata={}".into(), 60306),
        (format!("{}/Notifications", home.challenge_path()), "Ttl=1&Ttl=2".into(), 60300),
        (home.factor_path(), "FriendlyName=a&FriendlyName=b".into(), 60306),
        ("/v1/Credentials".into(), "Type=apn&Type=fcm".into(), 60300),
    ] {
        let reply = home.caller.post_bytes(&path, form.clone()).await;
        assert_eq!(reply.refusal(), (400, code), "{path} {form}");
        assert_eq!(reply.body["details"]["reason"], "is given more than once");
    }
    assert_eq!(home.inventory().await, before);
}

#[tokio::test]
async fn a_body_that_is_no_text_or_no_end_of_parameters_is_refused() {
    let app = TestApp::start().await;
    let home = Home::furnish(&app, app.api(), "alice-0001").await;
    let before = home.inventory().await;
    let posts: Vec<_> = home
        .instances()
        .into_iter()
        .filter(|(_, methods)| methods.contains(&"POST"))
        .map(|(path, _)| path)
        .chain(home.lists().map(|(path, _)| path))
        .collect();
    for path in posts {
        for form in [
            b"FriendlyName=%ff%fe".to_vec(),
            b"FriendlyName=\xc3\x28".to_vec(),
            b"%c3=a".to_vec(),
            "a=b&".repeat(257).into_bytes(),
        ] {
            let reply = home.caller.post_bytes(&path, form.clone()).await;
            assert_eq!(
                reply.refusal(),
                (400, 20422),
                "{path} {:?}",
                String::from_utf8_lossy(&form)
            );
        }
    }
    let query = format!("{}?Status=%ff", home.challenge_path());
    assert_eq!(home.caller.get(&query).await.refusal(), (400, 20422));
    assert_eq!(home.inventory().await, before);
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_and_headers_over_theirs_are_431() {
    let app =
        TestApp::start_with(&["http.body_bytes_max=32768", "http.header_bytes_max=8192"]).await;
    let padded = |bytes: usize| {
        let form = "FriendlyName=padded&Padding=";
        format!("{form}{}", "x".repeat(bytes - form.len()))
    };
    let announced = app.api().post_bytes("/v2/Services", padded(32_769)).await;
    assert_eq!(announced.refusal(), (413, 20413));
    // Chunked, so its length is unknown.
    let head = format!(
        "POST /v2/Services HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAuthorization: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
        authorization(&app)
    );
    let chunked = format!("{head}{:x}\r\n{}\r\n0\r\n\r\n", 32_769, padded(32_769));
    let reply = exchange(app.address(), chunked.as_bytes()).await;
    assert_eq!((reply.status, reply.body.contains("20413")), (413, true), "{reply:?}");

    let wide = |bytes: usize| {
        let api = app.api();
        async move {
            let request = api.request(reqwest::Method::GET, "/v2/Services");
            crate::support::Reply::of(request.header("X-Padding", "x".repeat(bytes))).await
        }
    };
    assert_eq!(wide(8_192).await.refusal(), (431, 20431));
    assert_eq!(wide(7_000).await.status, 200);
    let far = format!("/v2/Services?Padding={}", "x".repeat(8_192));
    assert_eq!(app.api().get(&far).await.refusal(), (431, 20431));

    let names = app.api().get("/v2/Services").await.expect(200);
    assert_eq!(names["services"].as_array().map(Vec::len), Some(1), "nothing was made");
    let taken = app.api().post_bytes("/v2/Services", padded(32_768)).await;
    assert_eq!(taken.status, 201, "the largest size is accepted");
}

fn authorization(app: &TestApp) -> String {
    use base64::Engine as _;
    let pair = format!("{}:{}", app.account, app.token);
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
}

#[tokio::test]
async fn an_unknown_path_is_404_and_shown_without_its_version() {
    let app = TestApp::start().await;
    for (path, shown) in [
        ("/v2/Nonsense", "/Nonsense"),
        (
            "/v2/Services/VA00000000000000000000000000000001/Verifications",
            "/Services/VA00000000000000000000000000000001/Verifications",
        ),
        ("/v1/Credentials/a/b", "/Credentials/a/b"),
        ("/v2/Forms/form-totp", "/Forms/form-totp"),
        ("/v2", "/v2"),
        ("/v22/Services", "/v22/Services"),
        ("/v3/Services", "/v3/Services"),
        ("/", "/"),
        ("/v2//Services", "//Services"),
        ("/metrics", "/metrics"),
    ] {
        let reply = app.api().get(path).await;
        assert_eq!(reply.refusal(), (404, 20404), "{path}");
        let message = format!("The requested resource {shown} was not found");
        assert_eq!(reply.body["message"], message);
    }
}

#[tokio::test]
async fn an_unknown_method_is_405_and_told_which_are_known() {
    let app = TestApp::start().await;
    let home = Home::furnish(&app, app.api(), "alice-0001").await;
    let before = home.inventory().await;
    for (path, known) in home.instances() {
        for method in ["PUT", "PATCH", "POST", "DELETE", "TRACE", "BREW"] {
            if known.contains(&method) {
                continue;
            }
            let bytes = format!(
                "{method} {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            );
            let reply = exchange(app.address(), bytes.as_bytes()).await;
            assert_eq!(reply.status, 405, "{method} {path}: {reply:?}");
            assert!(reply.body.contains("20004"), "{reply:?}");
            let allowed: Vec<_> = reply.header("Allow").unwrap_or_default().split(',').collect();
            assert!(allowed.contains(&"GET"), "{reply:?}");
            assert!(known.iter().all(|method| allowed.contains(method)), "{reply:?}");
            assert!(!allowed.contains(&method), "{reply:?}");
        }
    }
    assert_eq!(home.inventory().await, before);
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_headers_is_hung_up_on() {
    let app = TestApp::start_with(&["http.header_seconds=1"]).await;
    let mut stream = open(app.address(), b"GET /v2/Services HTTP/1.1\r\nHost: h\r\nAuthor").await;
    let mut heard = Vec::new();
    let hung_up = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut heard));
    hung_up.await.expect("it does not stay open").ok();
    assert!(!String::from_utf8_lossy(&heard).contains("200 OK"));
}

#[tokio::test]
async fn bytes_that_are_not_http_leave_the_server_running() {
    let app = TestApp::start().await;
    for bytes in [
        &b"\0\0\0\0\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"GET /v2/Services HTTP/9.9\r\n\r\n",
        b"GET /v2/Services HTTP/1.1\r\nbad header\r\n\r\n",
        b"POST /v2/Services HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
        b"POST /v2/Services HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ] {
        drop(open(app.address(), bytes).await);
    }
    assert_eq!(app.api().get("/healthz").await.status, 200);
}
