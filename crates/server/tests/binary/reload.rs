//! SIGHUP: certificates and the log filter are taken up, settings that need a restart are named, and an invalid file changes nothing.

use std::path::Path;

use countersign_phone::{ServerOptions, Verdict};
use countersign_testkit::mmdb;
use reqwest::{Certificate, Client};

use crate::support::{Application, Running, Stage, client, free_port, signal};

/// Writes a fresh certificate for this machine, and gives what a client must trust.
fn write_certificate(chain: &Path, key: &Path) -> Certificate {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let pem = made.cert.pem();
    std::fs::write(chain, &pem).expect("written");
    std::fs::write(key, made.signing_key.serialize_pem()).expect("written");
    Certificate::from_pem(pem.as_bytes()).expect("a certificate")
}

async fn is_shown(certificate: &Certificate, port: u16) -> bool {
    let builder = Client::builder().no_proxy().tls_certs_only([certificate.clone()]);
    let client = builder.build().expect("a client");
    client.get(format!("https://localhost:{port}/healthz")).send().await.is_ok()
}

/// Sends SIGHUP, and waits until so many of the lines that it causes were written.
async fn hang_up(running: &Running, words: &str, times: usize) {
    signal(running.id(), "HUP");
    for _ in 0..3_000 {
        if running.stderr().matches(words).count() >= times {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{words}: {}", running.stderr());
}

#[tokio::test]
async fn a_new_certificate_is_shown_at_once_and_a_broken_one_never() {
    let stage = Stage::new();
    let (chain, key) = (stage.path("chain.pem"), stage.path("key.pem"));
    let first = write_certificate(&chain, &key);
    let port = free_port();
    let settings = [
        "--set",
        &format!("http.tls_certificate={}", chain.display()),
        "--set",
        &format!("http.tls_key={}", key.display()),
    ];
    let running = stage.begin(&format!("127.0.0.1:{port}"), "https", &settings);
    running.says("is ready").await;
    assert!(is_shown(&first, port).await);

    let second = write_certificate(&chain, &key);
    hang_up(&running, "SIGHUP: the certificate was reloaded", 1).await;
    assert!(is_shown(&second, port).await && !is_shown(&first, port).await);

    std::fs::write(&key, "no key").expect("written");
    hang_up(&running, "SIGHUP: the new certificate is invalid; the old one stays", 1).await;
    assert!(is_shown(&second, port).await);
    std::fs::remove_file(&chain).expect("removed");
    hang_up(&running, "SIGHUP: the new certificate is invalid; the old one stays", 2).await;
    assert!(is_shown(&second, port).await);
    assert_eq!(running.stop().await.code, Some(0));
}

#[tokio::test]
async fn the_log_filter_is_taken_up_and_the_rest_is_named() {
    let stage = Stage::new();
    let write = |filter: &str, more: &str| {
        stage.write("c.toml", &format!("[log]\nfilter = \"{filter}\"\n{more}"))
    };
    let file = write("info", "");
    let running = stage.serve(&["--config", &file]).await;
    let asks = async || client().get(format!("{}/healthz", running.base)).send().await.is_ok();

    write("info,countersign_server=debug", "");
    hang_up(&running, "SIGHUP: log.filter was reloaded", 1).await;

    write("info", "[http]\nidle_seconds = 5\n[limits]\nservices_per_account = 7");
    hang_up(&running, "need a restart: http.idle_seconds, limits.services_per_account", 1).await;

    write("[[", "");
    hang_up(&running, "SIGHUP: the new log.filter is invalid; the old one stays", 1).await;
    for broken in ["[http]\nidle_seconds = \"soon\"", "[nonsense"] {
        let before = running.stderr().matches("the new settings are invalid").count();
        write("info", broken);
        hang_up(&running, "the new settings are invalid; the old ones stay", before + 1).await;
    }
    assert!(running.stderr().contains("http.idle_seconds, from "), "{}", running.stderr());
    assert!(asks().await, "it still serves");
    std::fs::remove_file(&file).expect("removed");
    hang_up(&running, "the new settings are invalid; the old ones stay", 3).await;
    assert_eq!(running.stop().await.code, Some(0));
}

#[tokio::test]
async fn a_new_database_of_places_is_used_at_once_and_a_broken_one_never() {
    let (stage, admin) = (Stage::with_account(), format!("127.0.0.1:{}", free_port()));
    let file = stage.path("places.mmdb");
    let write = |country: &str| {
        let known = [("127.0.0.0", 8, country), ("192.0.2.0", 24, "PT")];
        std::fs::write(&file, mmdb::countries(&known)).expect("written");
    };
    write("PT");
    let setting = format!("geo.database={}", file.display());
    let found = stage.run(&["doctor", "--set", &setting]);
    let line = found.stdout.lines().find(|line| line.contains("geo.database: "));
    assert!(line.is_some_and(|line| line.starts_with("ok ")), "{found:?}");
    let running = stage.serve_with_admin(&admin, &["--set", &setting]).await;
    let application = Application::of(&running);
    let phone = application.phone(&ServerOptions::default()).await;
    // A person in Portugal logs in; the answers come from where the database says that this machine is.
    let log_in = async || {
        let address = r#"{"label":"Address","value":"192.0.2.9"}"#;
        let form = [("Details.Message", "Log in?"), ("Details.Fields", address)];
        let path = application.challenge(&phone, &form).await;
        let sid = path.rsplit_once('/').expect("a SID").1.to_owned();
        phone.answer(&sid, Verdict::Approved).await.expect("an answer");
        let country = application.get(&format!("{path}/Context")).await.1["answer_country"].clone();
        (sid, country)
    };
    let told = |sid: &str| running.stderr().contains(&format!("challenge={sid}"));
    let (sid, country) = log_in().await;
    assert_eq!((country, told(&sid)), ("PT".into(), false));

    write("DE");
    hang_up(&running, "SIGHUP: the database of places was reloaded", 1).await;
    let (sid, country) = log_in().await;
    assert_eq!((country, told(&sid)), ("DE".into(), true), "{}", running.stderr());
    let words = "about an address in PT was answered from DE";
    assert_eq!(running.stderr().matches(words).count(), 1, "{}", running.stderr());
    let metrics = client().get(format!("http://{admin}/metrics")).send().await.expect("metrics");
    let metrics = metrics.text().await.expect("text");
    let line = "countersign_answers_from_another_country_total 1";
    assert!(metrics.lines().any(|shown| shown == line), "{metrics}");

    std::fs::write(&file, "no database").expect("written");
    let stays = "SIGHUP: the new database of places is invalid; the old one stays";
    hang_up(&running, stays, 1).await;
    assert_eq!(log_in().await.1, "DE");
    assert_eq!(running.stop().await.code, Some(0));
}

#[tokio::test]
async fn a_secret_file_that_is_read_at_the_start_alone_is_named_when_it_changes() {
    let stage = Stage::new();
    let key = stage.write("key", &"ab".repeat(32));
    let stage = stage.with("COUNTERSIGN_MASTER_KEY_FILE", &key);
    let running = stage.serve(&[]).await;
    hang_up(&running, "SIGHUP: reading settings, certificates and secret files again", 1).await;
    std::fs::write(&key, "cd".repeat(32)).expect("written");
    hang_up(&running, "need a restart: the file of COUNTERSIGN_MASTER_KEY_FILE", 1).await;
    let done = running.stop().await;
    assert_eq!(done.code, Some(0));
    assert!(!done.stderr.contains("cdcd"), "{done:?}");
}
