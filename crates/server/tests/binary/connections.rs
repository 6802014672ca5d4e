//! Few open files and many connections: requests are served, and the operator's listener always responds.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Application, Running, Stage, client, free_port};

/// Opens connections and keeps them; every second one sends a request and reads the start of its response.
async fn crowd(address: &str, size: usize) -> Vec<TcpStream> {
    let mut all = Vec::new();
    for number in 0..size {
        let Ok(mut stream) = TcpStream::connect(address).await else { continue };
        if number % 2 == 0 {
            let _ = stream.write_all(b"GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n").await;
            let _ = stream.read(&mut [0; 16]).await;
        }
        all.push(stream);
    }
    all
}

async fn serves(running: &Running, admin: &str) {
    let (status, body) = Application::of(running).get("/v2/Services").await;
    assert_eq!(status, 200, "{body}");
    for path in ["/healthz", "/readyz", "/metrics"] {
        let answer = client().get(format!("http://{admin}{path}")).send().await;
        assert_eq!(answer.expect("it answers").status(), 200, "{path}");
    }
}

async fn metrics(admin: &str) -> String {
    let answer = client().get(format!("http://{admin}/metrics")).send().await.expect("it answers");
    answer.text().await.expect("text")
}

#[tokio::test]
async fn with_256_files_and_400_idle_connections_every_request_is_served() {
    let stage = Stage::with_account().with_files(256);
    let admin = format!("127.0.0.1:{}", free_port());
    let running = stage.serve_with_admin(&admin, &[]).await;
    running.says("up to 256 files").await;
    let crowd = crowd(running.base.strip_prefix("http://").unwrap(), 400).await;
    serves(&running, &admin).await;
    let metrics = metrics(&admin).await;
    assert!(
        metrics.contains("countersign_http_connections_closed_total{reason=\"room\"}"),
        "{metrics}"
    );
    assert!(!running.stderr().contains("cannot accept"), "{}", running.stderr());
    drop(crowd);
    assert_eq!(running.stop().await.code, Some(0));
}

#[tokio::test]
async fn without_a_free_file_the_log_has_it_and_a_connection_is_closed() {
    let stage = Stage::with_account().with_files(256);
    let admin = format!("127.0.0.1:{}", free_port());
    let settings = ["--set", "http.connections_max=1000"];
    let running = stage.serve_with_admin(&admin, &settings).await;
    running.says("http.connections_max exceeds").await;
    let crowd = crowd(running.base.strip_prefix("http://").unwrap(), 400).await;
    running.says("cannot accept a connection").await;
    serves(&running, &admin).await;
    let metrics = metrics(&admin).await;
    assert!(metrics.contains("countersign_http_accept_errors_total"), "{metrics}");
    drop(crowd);
    assert_eq!(running.stop().await.code, Some(0));
}

#[test]
fn the_demo_raises_the_limit_of_open_files_too() {
    let done = Stage::with_account().with_files(256).run(&[
        "demo",
        "--once",
        "--set",
        "log.filter=countersign=info",
    ]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stderr.contains("up to 256 files"), "{}", done.stderr);
}
