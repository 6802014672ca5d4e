//! The first start and the second: files made, output, and what stays the same.

use crate::support::{ACCOUNT, Application, Stage, TOKEN, mode};

#[tokio::test]
async fn the_first_start_makes_an_account_and_tells_only_where_it_is_written() {
    let stage = Stage::new();
    let running = stage.serve(&[]).await;
    let path = stage.data().join("first-account");
    let text = std::fs::read_to_string(&path).unwrap();
    let words: Vec<&str> = text.lines().filter_map(|line| Some(line.split_once('=')?.1)).collect();
    let [account, token] = words[..] else { panic!("two lines: {text}") };
    assert_eq!((account.len(), token.len()), (34, 32));
    let application = Application::of(&running).with(account, token);
    assert_eq!(application.get("/v2/Services").await.0, 200);
    let database = ["countersign.db", "countersign.db-wal", "countersign.db-shm"];
    for name in ["first-account", "master.key", "lock"].iter().chain(&database) {
        assert_eq!(mode(&stage.data().join(name)), 0o600, "{name}");
    }
    assert_eq!(mode(&stage.data()), 0o700);
    let done = running.stop().await;
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stdout.contains(&path.display().to_string()), "{done:?}");
    assert!(done.stderr.contains("a master key was created"), "{done:?}");
    for secret in [token, account] {
        assert!(!done.stdout.contains(secret) && !done.stderr.contains(secret), "{done:?}");
    }

    let key = std::fs::read_to_string(stage.data().join("master.key")).unwrap();
    std::fs::remove_file(&path).unwrap();
    let again = stage.serve(&[]).await;
    let application = Application::of(&again).with(account, token);
    assert_eq!(application.get("/v2/Services").await.0, 200, "the account is kept");
    let done = again.stop().await;
    assert_eq!((done.stdout.as_str(), path.exists()), ("", false), "and nothing is created");
    assert!(!done.stderr.contains("master key"), "{done:?}");
    assert_eq!(std::fs::read_to_string(stage.data().join("master.key")).unwrap(), key);
}

#[tokio::test]
async fn the_environment_can_name_the_first_account_and_changes_nothing_later() {
    let stage = Stage::with_account();
    let running = stage.serve(&[]).await;
    assert_eq!(Application::of(&running).get("/v2/Services").await.0, 200);
    let done = running.stop().await;
    assert!(!stage.data().join("first-account").exists());
    assert!(!done.stderr.contains(TOKEN) && done.stdout.is_empty(), "{done:?}");

    let other = "f".repeat(32);
    let stage = stage.with("COUNTERSIGN_AUTH_TOKEN", &other);
    let running = stage.serve(&[]).await;
    let application = Application::of(&running);
    assert_eq!(application.get("/v2/Services").await.0, 200, "the old token still works");
    assert_eq!(application.with(ACCOUNT, &other).get("/v2/Services").await.0, 401);
    let done = running.stop().await;
    assert!(done.stderr.contains("is ignored"), "it warns: {done:?}");
    assert!(!done.stderr.contains(&other), "{done:?}");

    // From a file, with the line break that editors leave.
    let file = stage.write("token", &format!("{TOKEN}\n"));
    let stage = stage.without("COUNTERSIGN_AUTH_TOKEN").with("COUNTERSIGN_AUTH_TOKEN_FILE", &file);
    let done = stage.serve(&[]).await.stop().await;
    assert!(!done.stderr.contains("is ignored"), "the same token: {done:?}");
}

#[tokio::test]
async fn the_master_key_can_come_from_the_environment_or_another_file() {
    let key = "ab".repeat(32);
    let stage = Stage::new().with("COUNTERSIGN_MASTER_KEY", &key);
    assert_eq!(stage.serve(&[]).await.stop().await.code, Some(0));
    assert!(!stage.data().join("master.key").exists(), "it is not written anywhere");
    let file = stage.write("key", &key);
    let stage = stage.without("COUNTERSIGN_MASTER_KEY").with("COUNTERSIGN_MASTER_KEY_FILE", &file);
    for (mode, is_warned) in [("644", true), ("640", false), ("600", false)] {
        std::process::Command::new("chmod").args([mode, &file]).status().unwrap();
        let done = stage.serve(&[]).await.stop().await;
        assert_eq!(done.code, Some(0), "{done:?}");
        assert_eq!(done.stderr.contains("chmod 600"), is_warned, "{mode}: {done:?}");
    }
}

#[tokio::test]
async fn settings_come_from_a_file_then_the_environment_then_flags() {
    let stage = Stage::new();
    let file = stage.write(
        "countersign.toml",
        "[http]\npublic_url = \"https://file.example.com\"\nbody_bytes_max = 40000\n[limits]\nnotifications_per_challenge = 9\n",
    );
    let stage = stage
        .with("COUNTERSIGN_CONFIG", &file)
        .with("COUNTERSIGN_HTTP__PUBLIC_URL", "https://environment.example.com")
        .with("COUNTERSIGN_ACCOUNT_SID", ACCOUNT)
        .with("COUNTERSIGN_AUTH_TOKEN", TOKEN);
    for (flags, expected) in [
        (&[][..], "https://environment.example.com/v2/Services"),
        (&["--public-url", "https://flag.example.com"], "https://flag.example.com/v2/Services"),
    ] {
        let running = stage.serve(flags).await;
        let (_, page) = Application::of(&running).get("/v2/Services").await;
        let url = page["meta"]["url"].as_str().unwrap();
        assert!(url.starts_with(expected), "{url}");
        running.stop().await;
    }
}
