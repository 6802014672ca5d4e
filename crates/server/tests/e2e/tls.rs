//! The TLS listener while its certificate changes.

use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use countersign_server::listener::{self, Bounds, Certificate, Listener};
use reqwest::{Certificate as Trusted, Client};

/// Writes a new certificate for this machine; returns it for a client to trust.
fn write_certificate(chain: &Path, key: &Path) -> Trusted {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let pem = made.cert.pem();
    std::fs::write(chain, &pem).expect("written");
    std::fs::write(key, made.signing_key.serialize_pem()).expect("written");
    Trusted::from_pem(pem.as_bytes()).expect("a certificate")
}

/// A client that trusts that certificate and no other. Each makes connections of its own.
async fn is_trusted(trusted: &Trusted, port: u16) -> bool {
    let builder = Client::builder().no_proxy().tls_certs_only([trusted.clone()]);
    let client = builder.build().expect("a client");
    client.get(format!("https://localhost:{port}/")).send().await.is_ok()
}

async fn until_trusted(trusted: &Trusted, port: u16) {
    let reloaded = async {
        while !is_trusted(trusted, port).await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reloaded).await.expect("it is reloaded");
}

#[tokio::test]
async fn a_changed_certificate_is_taken_up_and_a_broken_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
    let first = write_certificate(&chain, &key);
    let socket = listener::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let port = socket.local_addr().unwrap().port();
    let router = Router::new().route("/", get(async || "hello"));
    let look_every = Duration::from_millis(20);
    let certificate = Certificate { look_every, ..Certificate::new(chain.clone(), key.clone()) };
    let within = Duration::from_secs(5);
    let listener =
        Listener::start(socket, router, Some(certificate), Bounds::default()).await.unwrap();
    assert!(is_trusted(&first, port).await);

    // A connection that is open goes on while the certificate changes.
    let builder = Client::builder().no_proxy().tls_certs_only([first.clone()]);
    let open = builder.build().unwrap();
    let url = format!("https://localhost:{port}/");
    open.get(&url).send().await.unwrap().bytes().await.unwrap();
    let second = write_certificate(&chain, &key);
    until_trusted(&second, port).await;
    assert!(!is_trusted(&first, port).await, "the old secret is no longer shown");
    open.get(&url).send().await.expect("the connection is still the same");

    std::fs::write(&chain, "no certificate").unwrap();
    assert!(is_trusted(&second, port).await);
    let third = write_certificate(&chain, &key);
    until_trusted(&third, port).await;
    listener.stop(within).await;
    assert!(!is_trusted(&third, port).await, "it no longer listens");
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_keeps_it_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
    write_certificate(&chain, &key);
    std::fs::write(&key, "no key").unwrap();
    let socket = listener::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let certificate = Certificate::new(chain.clone(), key);
    let started =
        Listener::start(socket, Router::new(), Some(certificate), Bounds::default()).await;
    let error = format!("{:#}", started.err().expect("it refuses"));
    assert!(error.contains("cannot use the certificate"), "{error}");
    assert!(error.contains("chain.pem"), "{error}");
}
