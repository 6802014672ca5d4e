//! `/readyz` is 503 while PostgreSQL cannot be written, for any cause, and 200 again by itself.

use std::time::Duration;

use countersign_testkit::postgres::PostgresServer;
use countersign_testkit::proxy::FaultyProxy;

use crate::support::{ACCOUNT, Application, Running, Stage, TOKEN, client};

/// How often to look, and how often at most.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const LOOKS: usize = 600;

fn stage(wire: &FaultyProxy) -> Stage {
    let url = format!("postgres://postgres@{}/postgres?sslmode=disable", wire.address());
    Stage::new()
        .with("COUNTERSIGN_DATABASE__URL", &url)
        .with("COUNTERSIGN_MASTER_KEY", &"ab".repeat(32))
        .with("COUNTERSIGN_ACCOUNT_SID", ACCOUNT)
        .with("COUNTERSIGN_AUTH_TOKEN", TOKEN)
}

async fn status(running: &Running, path: &str) -> u16 {
    let answer = client().get(format!("{}{path}", running.base)).send().await;
    answer.expect("it answers").status().as_u16()
}

/// Waits until readiness has this status. The process stays alive.
async fn readiness_is(running: &Running, expected: u16) {
    for _ in 0..LOOKS {
        assert_eq!(status(running, "/healthz").await, 200);
        if status(running, "/readyz").await == expected {
            return;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    panic!("/readyz never answers {expected}: {}", running.stderr());
}

/// Whether a write succeeds.
async fn makes_a_service(running: &Running) -> u16 {
    Application::of(running).post("/v2/Services", &[("FriendlyName", "owlbank")]).await.0
}

fn server() -> (PostgresServer, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    (PostgresServer::start(folder.path(), &[]), folder)
}

/// Like a machine that hangs, or a firewall that drops packets: connections stay open and carry nothing.
#[tokio::test]
async fn it_is_not_ready_while_the_way_to_the_database_swallows_everything() {
    let (server, _folder) = server();
    let wire = server.wire();
    let stage = stage(&wire);
    let running = stage.serve(&[]).await;
    readiness_is(&running, 200).await;
    wire.silence(true);
    readiness_is(&running, 503).await;
    assert_eq!(makes_a_service(&running).await, 503);
    wire.silence(false);
    readiness_is(&running, 200).await;
    assert_eq!(makes_a_service(&running).await, 201);
    let done = running.stop().await;
    assert_eq!(done.code, Some(0), "{done:?}");
}

/// After half a failover, the address leads to a standby that accepts no writes yet.
#[tokio::test]
async fn it_is_not_ready_while_the_database_is_a_standby() {
    let (server, _folder) = server();
    let wire = server.wire();
    let stage = stage(&wire);
    let running = stage.serve(&[]).await;
    readiness_is(&running, 200).await;
    let folder = tempfile::tempdir().expect("a folder");
    let standby = server.synchronous_standby(folder.path());
    server.kill();
    wire.redirect_to(&standby.wire());
    readiness_is(&running, 503).await;
    assert_eq!(makes_a_service(&running).await, 503);
    standby.promote();
    readiness_is(&running, 200).await;
    assert_eq!(makes_a_service(&running).await, 201);
    running.stop().await;
}
