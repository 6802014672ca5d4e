//! `countersign serve --test-mode`: what it refuses, and what it says.

use countersign_testkit::free_port;
use serde_json::{Value, json};

use crate::support::{Application, Done, Stage, client};

/// A start that is refused with these words.
fn refused(done: &Done, words: &str) {
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stderr.contains(words), "{words}: {done:?}");
}

#[test]
fn it_is_for_loopback_and_sqlite_alone() {
    for (arguments, words) in [
        (&["--listen", "0.0.0.0:0", "--insecure-http"][..], "http.listen is 0.0.0.0:0"),
        (
            &["--listen", "127.0.0.1:0", "--set", "admin.listen=0.0.0.0:0"],
            "admin.listen is 0.0.0.0:0",
        ),
        (&["--listen", "127.0.0.1:0", "--set", "radius.address=0.0.0.0:0"], "radius.address is"),
        (
            &["--listen", "127.0.0.1:0", "--public-url", "http://verify.example.com"],
            "http.public_url is",
        ),
        (
            &["--listen", "127.0.0.1:0", "--set", "database.url=postgres://a@127.0.0.1/a"],
            "test mode is for SQLite",
        ),
    ] {
        let stage = Stage::new();
        refused(&stage.run(&[&["serve", "--test-mode"], arguments].concat()), words);
        assert!(!stage.data().exists(), "nothing was made");
    }
}

#[tokio::test]
async fn a_database_that_people_rely_on_is_never_opened_in_test_mode_nor_a_test_database_without_it()
 {
    let real = Stage::with_account();
    real.serve(&[]).await.stop().await;
    let file = real.data().join("countersign.db");
    let before = std::fs::read(&file).unwrap();
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    refused(&real.run(&[&serve[..], &["--test-mode"]].concat()), "is no test database");
    assert_eq!(std::fs::read(&file).unwrap(), before, "it was only read");
    assert_eq!(real.serve(&[]).await.stop().await.code, Some(0));

    let test = Stage::with_account();
    let done = test.serve(&["--test-mode"]).await.stop().await;
    assert!(done.stderr.contains("TEST MODE"), "{done:?}");
    refused(&test.run(&serve), "is a test database, made with --test-mode");
    let from = format!("sqlite:{}", test.data().display());
    let to = format!("sqlite:{}", test.path("people").display());
    let done = test.run(&["migrate-data", "--from", &from, "--to", &to]);
    refused(&done, "is a test database, made with --test-mode");
    assert!(!test.path("people").exists(), "nothing was made");
    assert_eq!(test.serve(&["--test-mode"]).await.stop().await.code, Some(0), "again");
}

#[tokio::test]
async fn it_stops_in_order_while_its_clock_stands() {
    let stage = Stage::with_account();
    let running = stage.serve(&["--test-mode"]).await;
    let url = format!("{}/_test/clock", running.base);
    let hour = json!({ "frozen": true, "advance_seconds": 3600 }).to_string();
    let clock: Value = client().put(&url).body(hour).send().await.unwrap().json().await.unwrap();
    assert_eq!(clock["frozen"], true, "{clock}");
    let made = Application::of(&running).create("/v2/Services", &[("FriendlyName", "owl")]).await;
    let created = made["date_created"].as_str().unwrap();
    assert_eq!(created[..19], clock["now"].as_str().unwrap()[..19], "made by the tester's time");
    assert_eq!(running.stop().await.code, Some(0));
}

#[tokio::test]
async fn the_demo_is_in_test_mode() {
    let stage = Stage::new();
    let address = format!("127.0.0.1:{}", free_port());
    let demo = stage.spawn(&["demo", "--listen", &address]);
    demo.prints("/_test/clock").await;
    let url = format!("http://{address}/_test/clock");
    let day = json!({ "advance_seconds": 86_400 }).to_string();
    let answer = client().put(&url).body(day).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["countersign-test-mode"], "clock=running");
}
