//! A full disk: writes are refused and can be repeated, the log stays short, and the server recovers by itself.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use countersign_phone::{Phone, ServerOptions};
use jiff::Timestamp;
use serde_json::Value;

use crate::support::{ACCOUNT, Application, Running, Stage, TOKEN};

/// Refusals in a row that prove that the disk is full.
const REFUSED: usize = 300;
/// The most kinds of warnings and errors logged meanwhile, with the counts of those left out.
const KINDS: usize = 24;
/// The most lines of one kind in `WITHIN`.
const MOST_LINES: u64 = 5;
const WITHIN: Duration = Duration::from_secs(10);
/// The most challenges until the disk is full.
const MOST: usize = 3_000;

/// A disk that is small until the test makes room.
enum Disk {
    /// A bound on the size of the process's files. It needs no privileges.
    Bound,
    /// A separate file system that a large file nearly fills. It needs root.
    Mounted(PathBuf),
}

impl Disk {
    /// Mounts a file system in memory at the data folder; `None` without the right to.
    fn mount(stage: &Stage) -> Option<Self> {
        let folder = stage.data();
        std::fs::create_dir(&folder).expect("a folder");
        let made = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=6m,mode=0700", "tmpfs"])
            .arg(&folder)
            .output();
        if !made.is_ok_and(|done| done.status.success()) {
            std::fs::remove_dir(&folder).expect("it is empty");
            return None;
        }
        std::fs::write(folder.join("ballast"), vec![0; 4 * 1024 * 1024]).expect("there is room");
        Some(Self::Mounted(folder))
    }

    fn make_room(&self, running: &Running) {
        match self {
            Self::Bound => {
                let id = running.id().to_string();
                let mut prlimit = Command::new("prlimit");
                let raised = prlimit.args(["--pid", &id, "--fsize=unlimited"]).status();
                assert!(raised.expect("prlimit is there").success());
            }
            Self::Mounted(folder) => {
                std::fs::remove_file(folder.join("ballast")).expect("it was there");
            }
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Self::Mounted(folder) = self {
            let _ = Command::new("umount").arg("--lazy").arg(folder).status();
        }
    }
}

#[tokio::test]
async fn files_that_cannot_grow_refuse_writes_and_fill_no_log() {
    let stage = Stage::new().with_file_bytes(3 * 1024 * 1024);
    play(stage, Disk::Bound).await;
}

/// Without the right to mount, only the test with bounded files runs.
#[tokio::test]
async fn a_full_file_system_refuses_writes_and_fills_no_log() {
    let stage = Stage::new();
    if let Some(disk) = Disk::mount(&stage) {
        play(stage, disk).await;
    }
}

async fn play(stage: Stage, disk: Disk) {
    let stage =
        stage.with("COUNTERSIGN_ACCOUNT_SID", ACCOUNT).with("COUNTERSIGN_AUTH_TOKEN", TOKEN);
    let settings = [
        "log.format=json",
        "limits.challenges_per_factor_per_hour=0",
        "limits.push_challenges_in_a_row=0",
    ];
    let running = stage.serve(&settings.map(|setting| ["--set", setting]).concat()).await;
    let application = Application::of(&running);
    let phone = application.phone(&ServerOptions::default()).await;
    let (taken, path) = fill(&application, &phone).await;
    assert!(taken.len() > 10, "{}", taken.len());

    // It says so. What it says is at most a second old.
    while application.get("/readyz").await.0 != 503 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_short(&running.stderr());
    for sid in [&taken[0], &taken[taken.len() - 1]] {
        assert_eq!(application.get(&format!("{path}/{sid}")).await.0, 200, "it reads");
    }

    disk.make_room(&running);
    running.becomes_ready().await;
    let (status, _, body) = ask(&application, &phone, &path).await;
    assert_eq!(status, 201, "{body}");
    for sid in &taken {
        let (status, challenge) = application.get(&format!("{path}/{sid}")).await;
        assert_eq!(
            (status, &challenge["status"]),
            (200, &"pending".into()),
            "{sid} was answered 201"
        );
    }
    let done = running.stop().await;
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stderr.contains("countersign::left_out"), "omitted lines are counted");
}

/// Asserts that there are few kinds of warnings and errors, and few lines of each for the time.
fn assert_short(log: &str) {
    let mut kinds = HashMap::<_, Vec<Timestamp>>::new();
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        if line["level"] == "ERROR" || line["level"] == "WARN" {
            let at = line["timestamp"].as_str().expect("a text").parse().expect("a date");
            let message = line["message"].as_str().unwrap_or_default();
            let message = message.split_once("were suppressed: ").map_or(message, |split| split.1);
            let kind = (line["target"].to_string(), message.to_owned());
            kinds.entry(kind).or_default().push(at);
        }
    }
    assert!(kinds.len() <= KINDS, "{:#?}", kinds.keys());
    for (kind, times) in kinds {
        // The times begin with the first line of each; a line is dated a moment after it was counted.
        let span = times[times.len() - 1].duration_since(times[0]).unsigned_abs();
        let started = 1 + (span + Duration::from_secs(1)).as_secs() / WITHIN.as_secs();
        assert!(times.len() as u64 <= started * MOST_LINES, "{kind:?}: {times:?}");
    }
}

/// Opens a challenge as large as one can be: status, `Retry-After`, body.
async fn ask(application: &Application, phone: &Phone, path: &str) -> (u16, Option<String>, Value) {
    let field = format!(r#"{{"label":"{}","value":"{}"}}"#, "l".repeat(36), "v".repeat(128));
    let mut form = vec![("FactorSid", phone.factor_sid()), ("Details.Message", "Log in?")];
    form.extend(vec![("Details.Fields", field.as_str()); 20]);
    let request = application.client.post(format!("{}{path}", application.base)).form(&form);
    let answer = request.basic_auth(&application.account, Some(&application.token)).send().await;
    let answer = answer.expect("it answers");
    let retry_after = answer.headers().get("retry-after").and_then(|value| value.to_str().ok());
    let (status, retry_after) = (answer.status().as_u16(), retry_after.map(str::to_owned));
    (status, retry_after, answer.json().await.unwrap_or_default())
}

/// Opens challenges until none is taken any more: those that were taken, and the path of the list.
///
/// A refusal may be followed by one that is taken, because a checkpoint makes room in the log
/// while the database file can still grow.
async fn fill(application: &Application, phone: &Phone) -> (Vec<String>, String) {
    let path =
        format!("/v2/Services/{}/Entities/{}/Challenges", phone.service_sid(), phone.identity());
    let mut taken = Vec::new();
    let mut refused_in_a_row = 0;
    while refused_in_a_row < REFUSED {
        assert!(taken.len() < MOST, "it never filled up");
        let (status, retry_after, body) = ask(application, phone, &path).await;
        if status == 201 {
            taken.push(body["sid"].as_str().expect("a SID").to_owned());
            refused_in_a_row = 0;
            continue;
        }
        assert_eq!((status, retry_after.as_deref()), (503, Some("1")), "{body}");
        assert_eq!(body["code"], 20503);
        assert!(body["details"]["reason"].as_str().is_some_and(|why| why.contains("database")));
        refused_in_a_row += 1;
    }
    (taken, path)
}
