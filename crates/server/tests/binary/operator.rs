//! An operator's settings of pages and pushes, and the messages about them.

use reqwest::header::SET_COOKIE;

use crate::support::{Stage, client, free_port};

async fn status(url: &str) -> u16 {
    client().get(url).send().await.expect("it answers").status().as_u16()
}

/// The cookie of the sign-in form.
async fn cookie(base: &str) -> String {
    let page = client().get(format!("{base}/console/sign-in")).send().await.expect("a page");
    assert_eq!(page.status(), 200);
    page.headers()[SET_COOKIE].to_str().expect("text").to_owned()
}

#[tokio::test]
async fn the_console_can_be_on_the_operators_listener_alone() {
    let admin = format!("127.0.0.1:{}", free_port());
    let moved = ["--public-url", "https://verify.owlbank.com", "--set", "console.listen=admin"];
    let stage = Stage::with_account();
    let running = stage.serve_with_admin(&admin, &moved).await;
    let on_admin = format!("http://{admin}");
    for (path, here, there) in [
        ("/console/sign-in", 404, 200),
        ("/console/nothing", 404, 404),
        ("/authenticator", 200, 404),
        ("/metrics", 404, 200),
    ] {
        assert_eq!(status(&format!("{}{path}", running.base)).await, here, "{path}");
        assert_eq!(status(&format!("{on_admin}{path}")).await, there, "{path}");
    }
    let cookie_there = cookie(&on_admin).await;
    assert!(!cookie_there.contains("Secure"), "a browser would not send it: {cookie_there}");
    running.stop().await;

    let behind_tls =
        [&moved[..], &["--set", "console.public_url=https://ops.owlbank.com"]].concat();
    let running = stage.serve_with_admin(&admin, &behind_tls).await;
    assert!(cookie(&on_admin).await.contains("Secure"));
    running.stop().await;

    let running = stage.serve_with_admin(&admin, &[]).await;
    assert_eq!(status(&format!("{}/console/sign-in", running.base)).await, 200);
    assert_eq!(status(&format!("{on_admin}/console/sign-in")).await, 404);
    running.stop().await;

    let running = stage
        .serve_with_admin(&admin, &[&moved[..], &["--set", "console.enabled=false"]].concat())
        .await;
    assert_eq!(status(&format!("{on_admin}/console/sign-in")).await, 404);
    running.stop().await;
}

#[tokio::test]
async fn without_a_contact_web_push_says_so_at_the_start_and_to_the_doctor() {
    let subject = |uri: &str| format!("outgoing.vapid_subject={uri}");
    let public = |url: &'static str| vec!["--set".to_owned(), format!("http.public_url={url}")];
    let set = |uri: &str| vec!["--set".to_owned(), subject(uri)];
    for (settings, fault) in [
        (vec![], Some("outgoing.vapid_subject is not set")),
        (public("https://verify.example.com"), Some("outgoing.vapid_subject is not set")),
        (public("https://localhost:8443"), Some("outgoing.vapid_subject is not set")),
        (set("mailto:you@example.com"), Some("outgoing.vapid_subject is mailto:you@example.com")),
        (public("https://verify.owlbank.com"), None),
        (set("mailto:ops@owlbank.com"), None),
    ] {
        let stage = Stage::with_account();
        let settings: Vec<_> = settings.iter().map(String::as_str).collect();
        let running = stage.serve(&settings).await;
        running.says("countersign is ready").await;
        let (stopped, doctor) =
            (running.stop().await, stage.run(&[&["doctor"], &settings[..]].concat()));
        let said = [&stopped.stderr, &doctor.stdout];
        for said in said {
            assert_eq!(said.contains("Web Push does not reach Safari"), fault.is_some(), "{said}");
            assert!(said.contains(fault.unwrap_or_default()), "{settings:?}: {said}");
        }
        assert_eq!(doctor.code, Some(0), "it is a note: {}", doctor.stdout);
    }
    let wrong = Stage::with_account().run(&["serve", "--set", &subject("ops@owlbank.com")]);
    assert_ne!(wrong.code, Some(0));
    assert!(wrong.stderr.contains("outgoing.vapid_subject must be"), "{}", wrong.stderr);
}
