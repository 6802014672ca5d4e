//! Crowds: requests that wait, bodies that come slowly, and responses that nobody reads, from strangers, a device or an account.
//! Everybody else is served.

#[path = "../common/silent.rs"]
mod silent;

use std::time::Duration;

use countersign_phone::Phone;
use http::{Method, Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use tokio::task::JoinSet;

use crate::support::{Caller, TestApp};
use silent::Silent;

const NOTHING: Silent = Silent(0);

/// An HTTP/2 connection whose streams have a receive window of `window` bytes.
async fn connect(app: &TestApp, window: u32) -> SendRequest<Silent> {
    silent::connect(app.address(), window).await
}

fn request(
    app: &TestApp,
    method: Method,
    path: &str,
    header: (&str, &str),
    body: Silent,
) -> Request<Silent> {
    let uri = format!("http://{}{path}", app.address());
    let request = Request::builder().method(method).uri(uri).header(header.0, header.1);
    request.body(body).expect("a request")
}

fn basic(caller: &Caller) -> String {
    use base64::Engine as _;
    let pair = format!("{}:{}", caller.user, caller.password);
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
}

/// Begins a request whose body does not come.
async fn post(
    app: &TestApp,
    client: &mut SendRequest<Silent>,
    path: &str,
    header: (&str, &str),
) -> JoinSet<Option<Response<Incoming>>> {
    client.ready().await.expect("the connection is there");
    let response = client.send_request(request(app, Method::POST, path, header, Silent(9)));
    let mut begun = JoinSet::new();
    begun.spawn(async { response.await.ok() });
    begun
}

/// Waits until all but `waiting` requests are answered; the statuses, and the requests that wait.
async fn answered(
    all: Vec<JoinSet<Option<Response<Incoming>>>>,
    waiting: usize,
) -> (Vec<u16>, Vec<JoinSet<Option<Response<Incoming>>>>) {
    let (mut statuses, mut left) = (Vec::new(), all);
    while left.len() > waiting {
        let mut still = Vec::new();
        for mut one in left {
            match one.try_join_next() {
                Some(Ok(Some(response))) => statuses.push(response.status().as_u16()),
                Some(other) => panic!("{other:?}"),
                None => still.push(one),
            }
        }
        left = still;
        tokio::task::yield_now().await;
    }
    (statuses, left)
}

#[tokio::test]
async fn sign_ins_without_a_body_leave_the_api_and_readiness_as_they_are() {
    let app =
        TestApp::start_with(&["http.requests_max=200", "http.unauthenticated_per_address=20"])
            .await;
    let page = reqwest::get(format!("http://{}/console/sign-in", app.address())).await.unwrap();
    let cookie =
        page.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let (mut clients, mut all) = (Vec::new(), Vec::new());
    for _ in 0..8 {
        let mut client = connect(&app, 65_535).await;
        for _ in 0..40 {
            all.push(post(&app, &mut client, "/console/sign-in", ("cookie", &cookie)).await);
        }
        clients.push(client);
    }
    let (refused, waiting) = answered(all, 20).await;
    assert!(refused.iter().all(|status| *status == 429), "{refused:?}");
    assert_eq!((refused.len(), waiting.len()), (300, 20));
    // The same address, with good credentials.
    app.api().get("/v2/Services").await.expect(200);
    app.api().get("/readyz").await.expect(200);
    let phone = app.enrol_phone("alice-0001").await;
    app.challenge(&phone, "Log in?").await;
    // Bad credentials are refused as such, as long as there are places to check them.
    assert_eq!(app.api().with("AC1", "x").get("/v2/Services").await.refusal(), (401, 20003));
    drop((clients, waiting));
}

#[tokio::test]
async fn slow_bodies_of_a_device_take_the_places_of_that_device_alone() {
    let app = TestApp::start_with(&["http.requests_max=200", "http.requests_per_device=5"]).await;
    let phone = app.enrol_phone("alice-0001").await;
    let other = app.enrol_phone("alice-0001").await;
    let challenge = app.challenge(&phone, "Log in?").await;
    let path = format!("{}/{challenge}", app.challenges_path(&phone));
    let credentials = basic(&app.device(&phone));
    let (mut clients, mut all) = (Vec::new(), Vec::new());
    for _ in 0..6 {
        let mut client = connect(&app, 65_535).await;
        for _ in 0..50 {
            all.push(post(&app, &mut client, &path, ("authorization", &credentials)).await);
        }
        clients.push(client);
    }
    let (refused, waiting) = answered(all, 5).await;
    // 503 while its credentials wait for the database: an address has a share of such checks.
    assert!(refused.iter().all(|status| matches!(status, 429 | 503)), "{refused:?}");
    assert!(refused.contains(&429), "{refused:?}");
    assert_eq!(waiting.len(), 5);
    assert_eq!(app.device(&phone).get(&path).await.refusal(), (429, 20429), "the device is told");
    app.device(&other).get(&app.challenges_path(&other)).await.expect(200);
    app.api().get("/v2/Services").await.expect(200);
    app.stranger().await.get("/v2/Services").await.expect(200);
    drop((clients, waiting));
    // Their connections are gone: the places are free again.
    while app.device(&phone).get(&path).await.status == 429 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_ends_with_408_for_the_api_and_for_a_form() {
    let app = TestApp::start_with(&["http.body_seconds=1"]).await;
    let mut client = connect(&app, 65_535).await;
    let page = reqwest::get(format!("http://{}/console/sign-in", app.address())).await.unwrap();
    let cookie =
        page.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let credentials = basic(&app.api());
    for (path, header) in [
        ("/v2/Services", ("authorization", credentials.as_str())),
        ("/console/sign-in", ("cookie", cookie.as_str())),
    ] {
        let begun = post(&app, &mut client, path, header).await;
        let (statuses, _) = answered(vec![begun], 0).await;
        assert_eq!(statuses, [408], "{path}");
    }
}

/// Fills a person's list so that a page of it is large.
async fn with_a_long_list(app: &TestApp) -> Phone {
    let phone = app.enrol_phone("alice-0001").await;
    let field = format!(r#"{{"label":"{}","value":"{}"}}"#, "l".repeat(36), "v".repeat(128));
    for _ in 0..60 {
        let mut form = vec![("FactorSid", phone.factor_sid()), ("Details.Message", "Log in?")];
        form.extend(vec![("Details.Fields", field.as_str()); 20]);
        app.api().post(&app.challenges_path(&phone), &form).await.expect(201);
    }
    phone
}

#[tokio::test]
async fn unread_lists_hold_the_places_of_their_account_until_they_are_given_up() {
    let settings = ["http.requests_per_account=10", "limits.push_challenges_in_a_row=0"];
    let mut app = TestApp::start_with(&settings).await;
    let phone = with_a_long_list(&app).await;
    let path = format!("{}?PageSize=1000", app.challenges_path(&phone));
    let credentials = basic(&app.api());
    // A window so small that the connection can always be written, and a response never.
    let mut client = connect(&app, 16).await;
    let mut unread = Vec::new();
    for _ in 0..10 {
        client.ready().await.unwrap();
        let list = request(&app, Method::GET, &path, ("authorization", &credentials), NOTHING);
        let response = client.send_request(list).await.unwrap();
        assert_eq!(response.status(), 200);
        unread.push(response);
    }
    let list = request(&app, Method::GET, &path, ("authorization", &credentials), NOTHING);
    let refused = client.send_request(list).await.unwrap();
    assert_eq!(refused.status(), 429, "ten responses are still to be sent");
    assert_eq!(refused.headers()["retry-after"], "1");
    app.stranger().await.get("/v2/Services").await.expect(200);
    drop((client, unread));

    // The server gives up a response that is not read, and frees its place.
    app.restart_with(|config| {
        config.http.requests_per_account = 1;
        config.http.write_seconds = 1;
    })
    .await;
    let mut client = connect(&app, 16).await;
    client.ready().await.unwrap();
    let list = request(&app, Method::GET, &path, ("authorization", &credentials), NOTHING);
    let unread = client.send_request(list).await.unwrap();
    assert_eq!(unread.status(), 200);
    while app.api().get("/v2/Services").await.status == 429 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(unread.into_body().collect().await.is_err(), "it ended in the middle");
}

#[tokio::test]
async fn unread_lists_are_bounded_in_bytes_by_account_and_in_all() {
    for (setting, refusal) in
        [("http.unsent_bytes_per_account=1000000", 429), ("http.unsent_bytes_max=1000000", 503)]
    {
        let app = TestApp::start_with(&[setting, "limits.push_challenges_in_a_row=0"]).await;
        let phone = with_a_long_list(&app).await;
        let path = format!("{}?PageSize=1000", app.challenges_path(&phone));
        let credentials = basic(&app.api());
        let mut client = connect(&app, 16).await;
        let (mut unread, mut bytes) = (Vec::new(), 0);
        let refused = loop {
            client.ready().await.unwrap();
            let list = request(&app, Method::GET, &path, ("authorization", &credentials), NOTHING);
            let response = client.send_request(list).await.unwrap();
            if response.status() != 200 {
                break response;
            }
            let length = response.headers()["content-length"].to_str().unwrap();
            bytes += length.parse::<usize>().unwrap();
            assert!(bytes <= 1_000_000, "{setting}");
            unread.push(response);
        };
        assert_eq!(refused.status(), refusal);
        assert_eq!(refused.headers()["retry-after"], "1");
        assert!(unread.len() >= 2, "{}", unread.len());
        app.api().get("/v2/Services").await.expect(200);
        let form = [("FactorSid", phone.factor_sid()), ("Details.Message", "Log in?")];
        app.api().post(&app.challenges_path(&phone), &form).await.expect(201);
        drop((client, unread, refused));
        while app.api().get(&path).await.status == refusal {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn concurrent_requests_are_those_of_the_caller() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let challenge = app.challenge(&phone, "Log in?").await;
    let path = format!("{}/{challenge}?WaitSeconds=50", app.challenges_path(&phone));
    let (application, device) = (app.api(), app.device(&phone));
    let mut waiting = JoinSet::new();
    for caller in [application, device] {
        let path = path.clone();
        waiting.spawn(async move { caller.get(&path).await });
    }
    while app.serving().await < 3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(app.serving().await, 3, "two waiting requests and the present one");
    let other = app.stranger().await.get("/v2/Services").await;
    assert_eq!(other.header("twilio-concurrent-requests"), "1", "another account's are its own");
    let stranger = app.api().get("/healthz").await;
    assert_eq!(stranger.header("twilio-concurrent-requests"), "1");
}

#[tokio::test]
async fn readiness_says_no_before_requests_are_refused() {
    let settings =
        ["http.requests_max=20", "http.requests_per_device=0", "http.requests_per_account=0"];
    let app = TestApp::start_with(&settings).await;
    let credentials = basic(&app.api());
    let mut client = connect(&app, 65_535).await;
    let mut waiting = Vec::new();
    for _ in 0..19 {
        waiting
            .push(post(&app, &mut client, "/v2/Services", ("authorization", &credentials)).await);
    }
    let busy = loop {
        let reply = app.api().get("/readyz").await;
        if reply.status != 200 {
            break reply;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(busy.refusal(), (503, 20503));
    app.api().get("/healthz").await.expect(200);
    drop((client, waiting));
    while app.api().get("/readyz").await.status != 200 {
        tokio::task::yield_now().await;
    }
}
