//! A server with a certificate of a private CA, for requests and for the stream.

use std::net::TcpListener;
use std::sync::Arc;

use axum::Router;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::routing::get;
use axum_server::tls_rustls::{RustlsConfig, from_tcp_rustls};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;

use super::fake_stream::{NONCE, linked};
use super::vectors;
use crate::{PhoneError, ServerOptions};

/// A server that accepts every stream, and its certificate in PEM.
async fn start() -> (String, Vec<u8>) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    // Both are offered, and the stream must not choose the first one.
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let base_url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let config = RustlsConfig::from_config(Arc::new(config));
    let server = from_tcp_rustls(listener, config).unwrap();
    tokio::spawn(server.serve(router().into_make_service()));
    (base_url, cert.pem().into_bytes())
}

fn router() -> Router {
    let stream = |upgrade: WebSocketUpgrade| async {
        upgrade.on_upgrade(|mut socket| async move {
            socket.send(Message::text(NONCE)).await.unwrap();
            socket.recv().await.unwrap().unwrap();
            socket.send(Message::text(linked().to_string())).await.unwrap();
            // Runs until the phone closes.
            while let Some(Ok(_)) = socket.recv().await {}
        })
    };
    Router::new()
        .route("/v2/Services/{service}/Entities/{identity}/Factors/{factor}/Stream", get(stream))
        .fallback(|| async { serde_json::Value::Object(vectors::challenge()).to_string() })
}

#[tokio::test]
async fn a_private_ca_is_trusted_for_requests_and_for_the_stream() {
    let (base_url, pem) = start().await;
    let options = ServerOptions { ca_pem: Some(pem), ..vectors::options() };
    let phone = vectors::phone_with(&base_url, &options);
    phone.challenge(vectors::CHALLENGE_SID).await.unwrap();
    phone.connect().await.unwrap().close().await;
}

#[tokio::test]
async fn another_ca_is_not_trusted() {
    let (base_url, _) = start().await;
    let (_, pem) = start().await;
    let options = ServerOptions { ca_pem: Some(pem), ..vectors::options() };
    let phone = vectors::phone_with(&base_url, &options);
    let called = phone.challenge(vectors::CHALLENGE_SID).await;
    assert!(matches!(called, Err(PhoneError::Unreachable(_))));
    assert!(matches!(phone.connect().await, Err(PhoneError::Unreachable(_))));
}
