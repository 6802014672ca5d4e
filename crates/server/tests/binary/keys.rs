//! `countersign keys`: the master key is changed beside a running server.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::support::{Application, Done, Stage, signal};

const KEY: &str = "COUNTERSIGN_MASTER_KEY";

fn new_key() -> String {
    "cd".repeat(32)
}

/// The number of stored secrets under each sealing key.
fn secrets(done: &Done) -> Vec<(u64, u64)> {
    let lines = done.stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let number = |line: &Value, name: &str| line[name].as_u64().expect("a number");
    lines.map(|line| (number(&line, "id"), number(&line, "secrets"))).collect()
}

fn logs(done: &Done, event: &str) -> bool {
    done.stderr.contains(&format!("event=\"{event}\"")) && done.stderr.contains("via=\"command\"")
}

#[tokio::test]
async fn the_master_key_is_changed_by_commands_beside_a_server() {
    let stage = Stage::with_account();
    let running = stage.serve(&[]).await;
    let application = Application::of(&running);
    let beside = Stage::new().with("COUNTERSIGN_DATA_DIR", &stage.data().display().to_string());
    let data = stage.data().display().to_string();
    let file = beside.write("new.key", &new_key());
    let rotate = ["--data-dir", &data, "keys", "rotate", "--new-key-file", &file];

    // Killed somewhere in the middle, and run again.
    let first = beside.spawn(&rotate);
    first.says("Both master keys open the database now").await;
    signal(first.id(), "KILL");
    first.end().await;
    let again = beside.run(&rotate);
    assert_eq!(again.code, Some(0), "{again:?}");
    assert!(!again.stderr.contains(&new_key()) && !again.stdout.contains(&new_key()));
    application.create("/v2/Services", &[("FriendlyName", "owls")]).await;

    let list = ["--data-dir", &data, "keys", "list", "--json"];
    let listed = beside.run(&list);
    assert_eq!(secrets(&listed), [(1, 0), (2, 1)], "{listed:?}");
    assert!(listed.stderr.contains("this is the old master key"), "{listed:?}");
    let finish = ["--data-dir", &data, "keys", "finish", "--at-once"];
    let early = beside.run(&finish);
    assert!(early.code == Some(1) && early.stderr.contains("the old master key"), "{early:?}");

    let kept = stage.data().join("master.key");
    let old = std::fs::read_to_string(&kept).expect("a key").trim().to_owned();
    std::fs::copy(&file, &kept).expect("a copy");
    std::fs::set_permissions(&kept, std::fs::Permissions::from_mode(0o600)).expect("private");
    let done = beside.run(&finish);
    assert!(done.code == Some(0) && logs(&done, "master_key.rotation_finished"), "{done:?}");
    let with_old = beside.with(KEY, &old);
    let refused = with_old.run(&list);
    assert!(refused.code == Some(1) && refused.stderr.contains("does not belong"), "{refused:?}");

    // The server goes on, and starts with the new key.
    application.create("/v2/Services", &[("FriendlyName", "doves")]).await;
    running.stop().await;
    let running = stage.serve(&[]).await;
    assert_eq!(Application::of(&running).get("/v2/Services").await.0, 200);
    let checked = stage.run(&["check"]);
    assert!(checked.stdout.contains("secrets are sealed under key 2"), "{checked:?}");
}

#[tokio::test]
async fn a_change_of_the_master_key_is_abandoned_by_a_command() {
    let stage = Stage::with_account();
    stage.serve(&[]).await.stop().await;
    let file = stage.write("new.key", &new_key());
    let begun = stage.run(&["keys", "rotate", "--new-key-file", &file]);
    assert!(begun.code == Some(0) && logs(&begun, "master_key.rotation_begun"), "{begun:?}");
    let checked = stage.run(&["check"]);
    assert!(checked.stdout.contains("a rotation has begun"), "{checked:?}");
    let done = stage.run(&["keys", "abandon", "--at-once"]);
    assert!(done.code == Some(0) && logs(&done, "master_key.rotation_abandoned"), "{done:?}");
    let with_new = stage.with(KEY, &new_key());
    assert_eq!(with_new.run(&["keys", "list"]).code, Some(1));
}

#[tokio::test]
async fn the_master_key_comes_from_a_command() {
    let stage = Stage::with_account();
    let key = stage.write("the.key", &new_key());
    let stage = stage.with("COUNTERSIGN_MASTER_KEY_COMMAND", &format!("cat {key}"));
    let running = stage.serve(&[]).await;
    assert_eq!(Application::of(&running).get("/v2/Services").await.0, 200);
    assert!(!running.stderr().contains(&new_key()));
    assert!(!stage.data().join("master.key").exists());
    running.stop().await;
    let failing = stage.with("COUNTERSIGN_MASTER_KEY_COMMAND", "false");
    let done = failing.run(&["check"]);
    assert!(done.stdout.contains("COUNTERSIGN_MASTER_KEY_COMMAND is invalid"), "{done:?}");
}
