//! `stand-ins`: a line for each push, and no secret in it.

use crate::support::{ACCOUNT, Application, Stage, TOKEN};

#[tokio::test]
async fn a_push_that_arrives_is_shown_in_a_line_without_a_secret() {
    let others = Stage::new();
    let folder = others.path("others");
    let services = others.spawn(&["stand-ins", "--folder", &folder.display().to_string()]);
    services.prints("one per line").await;
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("a file");

    let settings = folder.join("countersign.toml").display().to_string();
    let stage = Stage::new()
        .with("COUNTERSIGN_CONFIG", &settings)
        .with("COUNTERSIGN_ACCOUNT_SID", ACCOUNT)
        .with("COUNTERSIGN_AUTH_TOKEN", TOKEN);
    let running = stage.serve(&[]).await;
    let application = Application::of(&running);
    let google = [("Type", "fcm"), ("Secret", &*read("fcm.json"))];
    let google = application.create("/v1/Credentials", &google).await;
    let google = google["sid"].as_str().expect("a SID");
    let said = services.stdout();
    let after = |flag: &str| {
        let rest = said.split(flag).nth(1).expect("the command is printed");
        rest.split_whitespace().next().expect("a value").to_owned()
    };
    let (key, team, topic) = (after("KeyId="), after("TeamId="), after("Topic="));
    let apple = read("apns.p8");
    let form = [("Type", "apn"), ("PrivateKey", &*apple), ("KeyId", &key), ("TeamId", &team)];
    let apple = application.create("/v1/Credentials", &form).await;
    let apple = apple["sid"].as_str().expect("a SID");

    let token = format!("{}{}", "0123abcd", "ef".repeat(28));
    for credential in [google, apple] {
        let sent = stage.run(&[
            "push-test",
            credential,
            "--app-id",
            &topic,
            "--token",
            &token,
            "--message",
            "Transfer-to-Lisbon",
            "--send",
        ]);
        assert_eq!(sent.code, Some(0), "{sent:?}");
    }
    for line in ["Google   200  device 0123abcd…  challenge YC", "Apple    200  topic "] {
        services.prints(line).await;
    }
    let said = services.stdout();
    let key = read("fcm.json");
    let key: serde_json::Value = serde_json::from_str(&key).expect("JSON");
    let key = key["private_key"].as_str().expect("a key").lines().nth(1).expect("a line");
    for secret in [&token[..], "Transfer-to-Lisbon", key, "Bearer"] {
        assert!(!said.contains(secret), "{secret}: {said}");
    }
}
