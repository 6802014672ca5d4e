//! `countersign audit`: reading, copying and proving the transparency log, and the checks that need no server.

#![expect(clippy::unwrap_used, reason = "helpers of tests: an unwrap is an assertion")]

use std::path::PathBuf;

use countersign_phone::{ServerOptions, Verdict};
use serde_json::Value;

use crate::support::{Application, Done, Running, Stage, signal};

const ON: &str = "transparency.enabled=true";

async fn serve(stage: &Stage) -> Running {
    stage.serve(&["--set", ON, "--set", "transparency.origin=log.example/log"]).await
}

fn run(stage: &Stage, arguments: &[&str]) -> Done {
    let done = stage.run(&[&["audit"], arguments].concat());
    assert_eq!(done.code, Some(0), "{arguments:?}: {done:?}");
    done
}

/// Waits until the log has an entry of this kind about a resource; its index.
async fn index_of(stage: &Stage, sid: &str, kind: &str) -> String {
    loop {
        let done = run(stage, &["list", "--about", sid, "--json"]);
        let entries = done.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let found = entries.into_iter().find(|entry| entry["entry"]["kind"] == kind);
        if let Some(entry) = found {
            return entry["index"].to_string();
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// Waits until a proof can be made: until the checkpoint has the entry.
async fn prove(stage: &Stage, index: &str, out: &str) {
    while stage.run(&["audit", "prove", index, "--out", out]).code != Some(0) {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

struct Log {
    stage: Stage,
    running: Option<Running>,
    sid: String,
    key: String,
}

impl Log {
    fn path(&self, name: &str) -> String {
        self.stage.path(name).display().to_string()
    }
}

/// A server whose log has an answered challenge. It was killed right after the answer, and started again.
async fn answered() -> Log {
    let stage = Stage::with_account();
    let running = serve(&stage).await;
    let application = Application::of(&running);
    let phone = application.phone(&ServerOptions::default()).await;
    let path = application.challenge(&phone, &[("Details.Message", "Log in?")]).await;
    let sid = path.rsplit_once('/').unwrap().1.to_owned();
    phone.answer(&sid, Verdict::Approved).await.unwrap();
    signal(running.id(), "KILL");
    running.end().await;
    let running = serve(&stage).await;
    let key = run(&stage, &["key"]).stdout.trim().to_owned();
    Log { stage, running: Some(running), sid, key }
}

#[tokio::test]
async fn an_answer_is_proved_offline_to_a_stranger() {
    let mut log = answered().await;
    let index = index_of(&log.stage, &log.sid, "challenge.approved").await;
    prove(&log.stage, &index, &log.path("answer")).await;
    log.running.take().unwrap().stop().await;
    let [proof, entry, opening] =
        [".tlog-proof", ".json", ".opening.json"].map(|it| log.path("answer") + it);
    assert!(std::fs::metadata(&proof).unwrap().len() < 2_048);
    let stranger = Stage::new();
    let check = |entry: &str, opening: &str, key: &str| {
        let files = ["audit", "check", "entry", &proof, "--entry", entry, "--opening", opening];
        stranger.run(&[&files[..], &["--key", key]].concat())
    };
    let checked = check(&entry, &opening, &log.key);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    for words in ["The proof holds", "challenge.approved", &log.sid, "alice-0001", "answer_sha256"]
    {
        assert!(checked.stdout.contains(words), "{words}: {checked:?}");
    }
    let forge = |name: &str, file: &str, from: &str, to: &str| {
        let text = std::fs::read_to_string(file).unwrap();
        assert!(text.contains(from), "{text}");
        stranger.write(name, &text.replace(from, to))
    };
    let denied = forge("denied.json", &entry, "approved", "denied");
    let other = forge("other.json", &opening, "alice-0001", "mallory-01");
    for (refused, words) in [
        (check(&denied, &opening, &log.key), "not in the log"),
        (check(&entry, &other, &log.key), "does not commit"),
        (check(&entry, &opening, &log.key.replace("log.example", "log.invalid")), "key"),
    ] {
        assert_ne!(refused.code, Some(0), "{refused:?}");
        assert!(refused.stderr.contains(words), "{words}: {refused:?}");
    }
}

#[tokio::test]
async fn a_copy_is_checked_and_continues_an_older_checkpoint() {
    let mut log = answered().await;
    let index = index_of(&log.stage, &log.sid, "challenge.approved").await;
    prove(&log.stage, &index, &log.path("answer")).await;
    let copy = log.path("copy");
    run(&log.stage, &["export", &copy]);
    let old = log.path("old");
    std::fs::copy(PathBuf::from(&copy).join("checkpoint"), &old).unwrap();
    Application::of(log.running.as_ref().unwrap())
        .create("/v2/Services", &[("FriendlyName", "owl")])
        .await;
    let before = std::fs::read(&old).unwrap();
    while std::fs::read(PathBuf::from(&copy).join("checkpoint")).unwrap() == before {
        run(&log.stage, &["export", &copy]);
    }
    log.running.take().unwrap().stop().await;
    let check = |since: &str| {
        let command = ["audit", "check", "copy", &copy, "--key", &log.key, "--since", since];
        Stage::new().run(&command)
    };
    let checked = check(&old);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(
        checked.stdout.contains("is whole") && checked.stdout.contains("continues"),
        "{checked:?}"
    );

    let bundles = PathBuf::from(&copy).join("tile/entries");
    let newest = std::fs::read_dir(bundles.join("000.p")).unwrap().flatten();
    let newest = newest.max_by_key(|file| file.metadata().unwrap().len()).unwrap().path();
    let mut bytes = std::fs::read(&newest).unwrap();
    bytes[10] ^= 1;
    std::fs::write(&newest, bytes).unwrap();
    let refused = check(&old);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("entry 0 was changed"), "{refused:?}");
}

#[tokio::test]
async fn without_a_log_the_commands_say_how_to_have_one() {
    let stage = Stage::with_account();
    stage.serve(&[]).await.stop().await;
    for command in [&["list"][..], &["key"], &["export", "copy"], &["prove", "0"]] {
        let refused = stage.run(&[&["audit"], command].concat());
        assert_eq!(refused.code, Some(1), "{refused:?}");
    }
    assert!(stage.run(&["audit", "key"]).stderr.contains("transparency.enabled"));
}
