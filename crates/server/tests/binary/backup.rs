//! `countersign backup`, `restore` and `check FILE`: what is in a backup, and what is refused.

use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_phone::{Phone, ServerOptions};
use tokio::task::JoinHandle;

use crate::support::{Application, Done, Running, Stage, mode, signal};

/// Settings under which the load is not refused.
const NO_LIMITS: [&str; 4] = [
    "--set",
    "limits.push_challenges_in_a_row=0",
    "--set",
    "limits.challenges_per_factor_per_hour=0",
];

/// Challenges that were answered 201, in order.
#[derive(Clone, Default)]
struct Acknowledged(Arc<Mutex<Vec<String>>>);

impl Acknowledged {
    fn paths(&self) -> Vec<String> {
        self.0.lock().expect("nobody panics").clone()
    }

    async fn reaches(&self, count: usize) {
        for _ in 0..3_000 {
            if self.paths().len() >= count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("only {} of {count} challenges", self.paths().len());
    }

    /// Creates challenges until the server is gone.
    fn post(&self, app: &Application, phone: &Phone) -> JoinHandle<()> {
        let (all, app) = (self.clone(), app.clone());
        let entity = format!("/v2/Services/{}/Entities/{}", phone.service_sid(), phone.identity());
        let (path, factor) = (format!("{entity}/Challenges"), phone.factor_sid().to_owned());
        tokio::spawn(async move {
            let form = [("FactorSid", factor.as_str()), ("Details.Message", "Log in?")];
            loop {
                let request = app.client.post(format!("{}{path}", app.base)).form(&form);
                let sent = request.basic_auth(&app.account, Some(&app.token)).send().await;
                let Ok(answer) = sent else { return };
                assert_eq!(answer.status(), 201);
                let Ok(body) = answer.json::<serde_json::Value>().await else { return };
                let sid = body["sid"].as_str().expect("a SID");
                all.0.lock().expect("nobody panics").push(format!("{path}/{sid}"));
            }
        })
    }
}

fn succeeded(done: &Done) {
    assert_eq!(done.code, Some(0), "{done:?}");
}

fn refused(done: &Done, words: &str) {
    assert_eq!(done.code, Some(1), "{words}: {done:?}");
    assert!(done.stderr.contains(words), "{words}: {done:?}");
}

async fn kill(running: Running) {
    signal(running.id(), "KILL");
    running.end().await;
}

/// A stage whose server has run and is stopped, and a backup of it.
async fn backed_up() -> (Stage, String) {
    let stage = Stage::with_account();
    assert_eq!(stage.serve(&[]).await.stop().await.code, Some(0));
    let file = stage.path("backup.db").display().to_string();
    succeeded(&stage.run(&["backup", &file]));
    (stage, file)
}

/// The names in a folder that begin with this.
fn names(folder: &Path, begin: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let names =
        entries.map(|entry| entry.expect("a name").file_name().into_string().expect("UTF-8"));
    let mut names: Vec<_> = names.filter(|name| name.starts_with(begin)).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn every_201_before_a_backup_under_load_is_there_after_kill_9_and_restore() {
    let stage = Arc::new(Stage::with_account());
    let running = stage.serve(&NO_LIMITS).await;
    let app = Application::of(&running);
    let all = Acknowledged::default();
    let mut posters = Vec::new();
    for _ in 0..3 {
        let phone = app.phone(&ServerOptions::default()).await;
        posters.push(all.post(&app, &phone));
    }
    all.reaches(60).await;
    let before = all.paths();
    let file = stage.path("backup.db").display().to_string();
    let (beside, name) = (Arc::clone(&stage), file.clone());
    let done = tokio::task::spawn_blocking(move || beside.run(&["backup", &name])).await;
    let done = done.expect("it runs");
    succeeded(&done);
    assert!(done.stderr.contains("master.key") && done.stdout.contains("is intact"), "{done:?}");
    assert_eq!(mode(&stage.path("backup.db")), 0o600);
    let meanwhile = all.paths().len();
    all.reaches(meanwhile + 20).await;

    refused(&stage.run(&["restore", &file, "--replace"]), "stop the server first");
    kill(running).await;
    for poster in posters {
        poster.await.expect("it ends with the server");
    }
    refused(&stage.run(&["restore", &file]), "--replace");
    let restored = stage.run(&["restore", &file, "--replace"]);
    succeeded(&restored);
    assert!(restored.stderr.contains("countersign.db.replaced"), "{restored:?}");

    let again = stage.serve(&NO_LIMITS).await;
    let app = Application::of(&again);
    for path in &before {
        assert_eq!(app.get(path).await.0, 200, "{path} was answered 201 before the backup");
    }
    let after = all.paths();
    let last = after.last().expect("a challenge");
    assert_eq!(app.get(last).await.0, 404, "{last} came after the backup");
}

#[tokio::test]
async fn a_backup_that_is_killed_leaves_no_file_and_the_next_one_succeeds() {
    let stage = Stage::new();
    assert_eq!(stage.serve(&[]).await.stop().await.code, Some(0));
    assert!(countersign_store_sqlite::install(), "what is written gets checksums");
    let db = rusqlite::Connection::open(stage.data().join("countersign.db")).expect("it opens");
    db.execute_batch(
        "CREATE TABLE pile (filler BLOB);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 64)
         INSERT INTO pile SELECT zeroblob(1000000) FROM n;",
    )
    .expect("filled");
    drop(db);
    let (file, partial) = (stage.path("backup.db"), stage.path("backup.db.partial"));
    let mut interrupted = 0;
    for _ in 0..3 {
        let backup = stage.spawn(&["backup", "backup.db"]);
        while std::fs::metadata(&partial).map_or(0, |found| found.len()) == 0 && !file.exists() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        signal(backup.id(), "KILL");
        if backup.end().await.code.is_none() && partial.exists() {
            assert!(!file.exists(), "a backup gets its name only when it is complete");
            interrupted += 1;
        }
        if file.exists() {
            succeeded(&stage.run(&["check", "backup.db"]));
            std::fs::remove_file(&file).expect("removed");
        }
    }
    assert!(interrupted > 0, "a backup of 64 MB takes a moment");
    succeeded(&stage.run(&["backup", "backup.db"]));
    assert_eq!(
        names(&stage.path(""), "backup"),
        ["backup.db"],
        "and the remaining rows are deleted"
    );
}

#[tokio::test]
async fn a_backup_never_replaces_a_file_or_the_database_by_mistake() {
    let (stage, file) = backed_up().await;
    let first = std::fs::read(&file).expect("a file");
    refused(&stage.run(&["backup", &file]), "replace it with --replace");
    assert_eq!(std::fs::read(&file).expect("a file"), first);
    succeeded(&stage.run(&["backup", &file, "--replace"]));
    for place in ["data/countersign.db", "data/master.key", "data/new.db"] {
        refused(&stage.run(&["backup", place, "--replace"]), "is in the data folder");
    }
    refused(&stage.run(&["backup", "data", "--replace"]), "is a folder");
    refused(&stage.run(&["backup", "none/backup.db"]), "there is no folder");
    refused(&Stage::new().run(&["backup", "backup.db"]), "only `countersign serve` creates one");
    let lock = std::fs::File::create(stage.path("other.db.partial")).expect("a file");
    lock.lock().expect("locked");
    refused(&stage.run(&["backup", "other.db"]), "another command is writing");
    assert_eq!(names(&stage.path(""), "other"), ["other.db.partial"]);
    assert_eq!(stage.run(&["backup"]).code, Some(2));
}

#[tokio::test]
async fn a_restore_needs_a_whole_backup_with_its_master_key() {
    let (stage, file) = backed_up().await;
    let backup = std::fs::read(&file).expect("a file");
    let untouched = std::fs::read(stage.data().join("countersign.db")).expect("a file");
    refused(&stage.run(&["restore", "none.db"]), "there is no file none.db");
    refused(&stage.run(&["restore", &file]), "add --replace");
    for (name, bytes, words) in [
        ("text.db", b"no database, only a text that is long enough".repeat(99), "not a database"),
        ("half.db", backup[..backup.len() / 2].to_vec(), "half.db"),
    ] {
        std::fs::write(stage.path(name), bytes).expect("written");
        let done = stage.run(&["restore", name, "--replace"]);
        assert_eq!(done.code, Some(1), "{words}: {done:?}");
        assert_eq!(stage.run(&["check", name]).code, Some(1));
    }
    let other = Stage::new().with("COUNTERSIGN_MASTER_KEY", &"ab".repeat(32));
    refused(&other.run(&["restore", &file]), "does not belong to this backup");
    assert_eq!(names(&other.data(), "countersign"), Vec::<String>::new());
    let now = std::fs::read(stage.data().join("countersign.db")).expect("a file");
    assert_eq!(now, untouched, "a restore that fails changes nothing");
    assert_eq!(names(&stage.data(), "countersign.db.r"), Vec::<String>::new());
}

#[tokio::test]
async fn a_backup_starts_a_server_elsewhere_once_the_key_is_there() {
    let (stage, file) = backed_up().await;
    let elsewhere = Stage::new();
    let restored = elsewhere.run(&["restore", &file]);
    succeeded(&restored);
    let place = elsewhere.data().join("master.key");
    assert!(restored.stderr.contains(&place.display().to_string()), "{restored:?}");
    assert_eq!(mode(&elsewhere.data().join("countersign.db")), 0o600);
    refused(&elsewhere.run(&["serve", "--listen", "127.0.0.1:0"]), "put the key back");
    let checked = elsewhere.run(&["check", &file]);
    succeeded(&checked);
    assert!(checked.stdout.contains("note   master key"), "{checked:?}");
    std::fs::copy(stage.data().join("master.key"), &place).expect("copied");
    succeeded(&elsewhere.run(&["check"]));
    let running = elsewhere.serve(&[]).await;
    let app = Application::of(&running);
    assert_eq!(app.get("/v2/Services").await.0, 200, "with the account of the backup");
}

#[tokio::test]
async fn an_interrupted_restore_is_continued_by_the_next() {
    let (stage, file) = backed_up().await;
    let data = |name: &str| stage.data().join(name);
    // As after a crash between the renames: the database is aside, its log is not, and a part of the copy is there.
    std::fs::rename(data("countersign.db"), data("countersign.db.replaced")).expect("renamed");
    std::fs::write(data("countersign.db-wal"), "a log").expect("written");
    std::fs::write(data("countersign.db.restoring"), "a part").expect("written");
    refused(&stage.run(&["serve", "--listen", "127.0.0.1:0"]), "no database beside it");
    succeeded(&stage.run(&["restore", &file]));
    let left = ["countersign.db", "countersign.db.replaced", "countersign.db.replaced-wal"];
    assert_eq!(names(&stage.data(), "countersign"), left);
    succeeded(&stage.run(&["check"]));
    refused(&stage.run(&["restore", &file, "--replace"]), "move it elsewhere or delete it first");
}

#[test]
fn with_postgresql_they_name_its_tools_and_exit_with_3() {
    let stage = Stage::new();
    for command in ["backup", "restore"] {
        let url = "database.url=postgres://me:hunter2@127.0.0.1:1/d";
        let done = stage.run(&[command, "file", "--set", url]);
        assert_eq!(done.code, Some(3), "{done:?}");
        assert!(done.stderr.contains("pg_dump") && !done.stderr.contains("hunter2"), "{done:?}");
    }
    assert!(!stage.data().exists(), "nothing is created");
}

#[tokio::test]
async fn check_reads_only_and_prints_json_that_doctor_prints_too() {
    let stage = Stage::with_account();
    let found = stage.run(&["check", "--json"]);
    assert_eq!((found.code, stage.data().exists()), (Some(1), false), "{found:?}");
    let running = stage.serve(&[]).await;
    let taken = running.base.replace("http://", "http.listen=");
    let lines = |done: &Done| -> Vec<serde_json::Value> {
        done.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    let written =
        || std::fs::metadata(stage.data().join("countersign.db-wal")).map(|file| file.len());
    // Nor by the server meanwhile.
    signal(running.id(), "STOP");
    let before = written().expect("a log");
    let checked = stage.run(&["check", "--json", "--set", &taken]);
    assert_eq!(written().expect("a log"), before, "nothing is written");
    signal(running.id(), "CONT");
    succeeded(&checked);
    let doctor = stage.run(&["doctor", "--json", "--set", &taken]);
    succeeded(&doctor);
    let (checked, doctor) = (lines(&checked), lines(&doctor));
    assert!(checked.iter().all(|line| line["result"] == "ok" || line["result"] == "note"));
    assert_eq!(doctor[..checked.len()], checked, "doctor begins with the same");
    let what: Vec<_> = checked.iter().filter_map(|line| line["what"].as_str()).collect();
    for part in
        ["configuration", "data folder", "schema", "database integrity", "database and master key"]
    {
        assert!(what.contains(&part), "{part}: {what:?}");
    }
    let permissions = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(stage.data().join("master.key"), permissions).expect("it is ours");
    let open = stage.run(&["check"]);
    assert_eq!(open.code, Some(1), "{open:?}");
    assert!(open.stdout.contains("chmod 600"), "{open:?}");
    let private = std::fs::DirBuilder::new().mode(0o700).create(stage.path("empty"));
    private.expect("a folder");
    let none = stage.run(&["check", "--data-dir", "empty"]);
    assert!(none.stdout.contains("WRONG  database and master key"), "{none:?}");
}
