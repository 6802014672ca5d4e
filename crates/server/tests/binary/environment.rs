//! The environments that people run servers in: Kubernetes' variables, and secret files as Docker, Kubernetes and systemd
//! give them.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use crate::support::{ACCOUNT, Application, Stage, TOKEN, signal};

#[tokio::test]
async fn kubernetes_variables_of_a_service_do_not_stop_the_server_and_a_mistyped_one_is_noticed() {
    let links = [
        ("COUNTERSIGN_PORT", "tcp://10.96.0.7:8080"),
        ("COUNTERSIGN_SERVICE_HOST", "10.96.0.7"),
        ("COUNTERSIGN_SERVICE_PORT", "8080"),
        ("COUNTERSIGN_SERVICE_PORT_HTTP", "8080"),
        ("COUNTERSIGN_PORT_8080_TCP", "tcp://10.96.0.7:8080"),
        ("COUNTERSIGN_PORT_8080_TCP_PROTO", "tcp"),
        ("COUNTERSIGN_PORT_8080_TCP_PORT", "8080"),
        ("COUNTERSIGN_PORT_8080_TCP_ADDR", "10.96.0.7"),
        ("COUNTERSIGN_ADMIN_PORT_9090_TCP_ADDR", "10.96.0.8"),
    ];
    let mut stage = Stage::new();
    for (name, value) in links {
        stage = stage.with(name, value);
    }
    let done = stage.serve(&[]).await.stop().await;
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(!done.stderr.contains("WARN") || done.stderr.contains("master key"), "{done:?}");
    assert!(links.iter().all(|(name, _)| !done.stderr.contains(name)), "{done:?}");

    let mistyped = stage.with("COUNTERSIGN_HTTP_PUBLIC_URL", "https://a.example");
    let done = mistyped.serve(&[]).await.stop().await;
    let words = "COUNTERSIGN_HTTP_PUBLIC_URL in the environment is not a setting and is ignored: \
                 is COUNTERSIGN_HTTP__PUBLIC_URL meant?";
    assert!(done.stderr.contains(words), "{done:?}");
    for command in [&["accounts", "list"][..], &["doctor", "--set", "http.listen=127.0.0.1:0"]] {
        let done = mistyped.run(command);
        assert_eq!(done.code, Some(0), "{done:?}");
        let said = format!("{}{}", done.stdout, done.stderr);
        assert!(said.contains(words), "without a log it is shown all the same: {done:?}");
    }
}

#[tokio::test]
async fn an_address_is_taken_as_people_write_it() {
    for address in ["localhost:0", ":0", "*:0"] {
        let stage = Stage::new();
        let running = stage.spawn_serve(address);
        running.says("is ready").await;
        let done = running.stop().await;
        assert_eq!(done.code, Some(0), "{address}: {done:?}");
    }
}

/// A file of that mode.
fn secret(path: &Path, text: &str, mode: u32) {
    std::fs::write(path, text).expect("written");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("it is ours");
}

/// Serves with the master key and the account's token from these files; returns whether it warns about each.
async fn serves(key: &Path, token: &Path) -> [bool; 2] {
    let stage = Stage::new()
        .with("COUNTERSIGN_MASTER_KEY_FILE", &key.display().to_string())
        .with("COUNTERSIGN_ACCOUNT_SID", ACCOUNT)
        .with("COUNTERSIGN_AUTH_TOKEN_FILE", &token.display().to_string());
    let running = stage.serve(&[]).await;
    assert_eq!(Application::of(&running).get("/v2/Services").await.0, 200);
    let done = running.stop().await;
    assert_eq!(done.code, Some(0), "{done:?}");
    let beside = stage.run(&["accounts", "list"]);
    assert_eq!(beside.code, Some(0), "{beside:?}");
    let warns = |said: &str, path: &Path| {
        let named = format!("may read {}, which holds a secret", path.display());
        said.contains(&named)
    };
    assert_eq!(warns(&done.stderr, key), warns(&beside.stderr, key), "{done:?}: {beside:?}");
    [warns(&done.stderr, key), warns(&done.stderr, token)]
}

#[tokio::test]
async fn given_secrets_are_taken_with_the_modes_that_docker_kubernetes_and_systemd_give_them() {
    let master = "ab".repeat(32);
    for (mode, is_open) in
        [(0o400, false), (0o440, false), (0o640, false), (0o444, true), (0o644, true)]
    {
        // Docker: /run/secrets/NAME.
        let folder = tempfile::tempdir().expect("a folder");
        let (key, token) = (folder.path().join("key"), folder.path().join("token"));
        secret(&key, &master, mode);
        secret(&token, &format!("{TOKEN}\n"), mode);
        assert_eq!(serves(&key, &token).await, [is_open, is_open], "{mode:o}");
    }

    // Kubernetes: the name is a link into `..data`, which is a link to a folder that is replaced as a whole.
    let folder = tempfile::tempdir().expect("a folder");
    let version = folder.path().join("..2026_11_29");
    std::fs::create_dir(&version).expect("a folder");
    symlink("..2026_11_29", folder.path().join("..data")).expect("a link");
    for (name, text, mode) in [("key", &*master, 0o440), ("token", TOKEN, 0o644)] {
        secret(&version.join(name), text, mode);
        symlink(format!("..data/{name}"), folder.path().join(name)).expect("a link");
    }
    let (key, token) = (folder.path().join("key"), folder.path().join("token"));
    assert_eq!(serves(&key, &token).await, [false, true]);

    // systemd: $CREDENTIALS_DIRECTORY, which only the unit's user may enter.
    let folder = tempfile::tempdir().expect("a folder");
    let (key, token) = (folder.path().join("key"), folder.path().join("token"));
    secret(&key, &master, 0o400);
    secret(&token, TOKEN, 0o440);
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o500)).expect("ours");
    assert_eq!(serves(&key, &token).await, [false, false]);
}

#[tokio::test]
async fn no_signal_ends_a_server_abruptly() {
    let stage = Stage::new();
    let running = stage.serve(&[]).await;
    for (name, words) in [
        ("HUP", "SIGHUP: reading settings, certificates and secret files again"),
        ("USR1", "SIGUSR1 is ignored"),
        ("USR2", "SIGUSR2 is ignored"),
    ] {
        signal(running.id(), name);
        running.says(words).await;
    }
    signal(running.id(), "PIPE");
    assert_eq!(Application::of(&running).get("/healthz").await.0, 200);
    signal(running.id(), "QUIT");
    let done = running.end().await;
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stderr.contains("countersign has stopped"), "{done:?}");
}
