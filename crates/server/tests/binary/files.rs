//! The data folder and its files: their modes, and starts that find the remains of an earlier start.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::support::{Application, Done, Stage, mode};

fn serve(stage: &Stage, more: &[&str]) -> Done {
    stage.run(&[&["serve", "--listen", "127.0.0.1:0"], more].concat())
}

fn refused(done: &Done, words: &[&str]) {
    assert_eq!(done.code, Some(1), "{done:?}");
    for words in words {
        assert!(done.stderr.contains(words), "{words}: {done:?}");
    }
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("it is ours");
}

/// SID and token in a file such as `first-account`.
fn account(path: &Path) -> (String, String) {
    let text = std::fs::read_to_string(path).expect("a file");
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
        line.expect("a line").to_owned()
    };
    (value("account_sid"), value("auth_token"))
}

#[tokio::test]
async fn a_folder_that_is_open_to_others_is_refused_with_the_command_that_helps() {
    let stage = Stage::new();
    std::fs::create_dir(stage.data()).expect("a folder");
    let command = format!("chmod 700 {}", stage.data().display());
    for open in [0o755, 0o750, 0o711] {
        chmod(&stage.data(), open);
        refused(&serve(&stage, &[]), &[&command, "open to others"]);
        assert_eq!(mode(&stage.data()), open, "it is left as it is");
        assert_eq!(std::fs::read_dir(stage.data()).expect("a folder").count(), 0);
    }
    chmod(&stage.data(), 0o700);
    stage.serve(&[]).await.stop().await;
    chmod(&stage.data(), 0o750);
    refused(&stage.run(&["accounts", "list"]), &[&command]);
    let done = stage.run(&["doctor"]);
    assert!(
        done.stdout.contains("WRONG  data folder") && done.stdout.contains(&command),
        "{done:?}"
    );
}

#[test]
fn a_folder_of_somebody_else_is_refused_with_the_command_that_helps() {
    let stage = Stage::new();
    std::fs::create_dir(stage.data()).expect("a folder");
    chmod(&stage.data(), 0o700);
    let given = Command::new("chown").arg("4711").arg(stage.data()).status();
    if !given.expect("chown is there").success() {
        // Only root may give a folder away.
        return;
    }
    let done = serve(&stage, &[]);
    refused(&done, &["belongs to user 4711", "chown -R 0", "docker run --user 4711"]);
}

#[tokio::test]
async fn new_files_are_private_under_every_umask() {
    let stage = Stage::new();
    let port = crate::support::free_port();
    for umask in ["000", "077"] {
        let data = stage.path(&format!("data-{umask}"));
        let script = format!(
            "umask {umask}; exec '{}' serve --listen 127.0.0.1:{port} --data-dir '{}'",
            env!("CARGO_BIN_EXE_countersign"),
            data.display(),
        );
        let mut server = Command::new("sh").args(["-c", &script]).spawn().expect("a shell");
        let health = format!("http://127.0.0.1:{port}/healthz");
        let client = crate::support::client();
        let mut looks = 0;
        while client.get(&health).send().await.is_err() || !data.join("first-account").exists() {
            looks += 1;
            assert!(looks < 3_000 && server.try_wait().expect("ours").is_none(), "it starts");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_eq!(mode(&data), 0o700);
        let names = std::fs::read_dir(&data).expect("a folder").map(|entry| entry.unwrap().path());
        let names: Vec<_> = names.collect();
        assert!(names.iter().any(|path| path.ends_with("countersign.db-wal")), "{names:?}");
        for path in names {
            assert_eq!(mode(&path), 0o600, "{umask}: {}", path.display());
        }
        server.kill().expect("ours");
        server.wait().expect("ours");
    }
}

#[tokio::test]
async fn a_database_that_an_older_release_left_open_is_tightened() {
    let stage = Stage::new();
    stage.serve(&[]).await.stop().await;
    let file = stage.data().join("countersign.db");
    chmod(&file, 0o644);
    let running = stage.serve(&[]).await;
    for name in ["countersign.db", "countersign.db-wal", "countersign.db-shm"] {
        assert_eq!(mode(&stage.data().join(name)), 0o600, "{name}");
    }
    let done = running.stop().await;
    assert!(done.stderr.contains("its mode is now 0600"), "{done:?}");
}

#[tokio::test]
async fn an_empty_key_of_a_failed_first_start_is_replaced() {
    let stage = Stage::new();
    std::fs::create_dir(stage.data()).expect("a folder");
    chmod(&stage.data(), 0o700);
    let key = stage.data().join("master.key");
    std::fs::write(&key, "").expect("written");
    let done = stage.serve(&[]).await.stop().await;
    assert!(done.stderr.contains("the master key is empty"), "{done:?}");
    assert_eq!((std::fs::read_to_string(&key).unwrap().trim().len(), mode(&key)), (64, 0o600));

    std::fs::write(&key, "").expect("written");
    let words = ["is empty", "put the key back", "countersign.db"];
    refused(&serve(&stage, &[]), &words);
    refused(&stage.run(&["accounts", "list"]), &words);
    assert_eq!(std::fs::read_to_string(&key).unwrap(), "", "no other one was made");
}

/// Every write fails, as on a full disk.
#[tokio::test]
async fn a_first_start_on_a_full_disk_leaves_nothing_that_a_later_one_does_not_survive() {
    let stage = Stage::new();
    let script = format!(
        "trap '' XFSZ; ulimit -f 0; exec '{}' serve --listen 127.0.0.1:0 --data-dir '{}'",
        env!("CARGO_BIN_EXE_countersign"),
        stage.data().display(),
    );
    let ended = Command::new("sh").args(["-c", &script]).output().expect("a shell");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot write"), "{said}");
    let names = std::fs::read_dir(stage.data()).expect("a folder");
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["lock"], "no key, whole or half");
    stage.serve(&[]).await.stop().await;
    assert_eq!(std::fs::read_to_string(stage.data().join("master.key")).unwrap().trim().len(), 64);
}

#[tokio::test]
async fn an_old_key_without_its_database_is_refused_unless_a_new_one_is_meant() {
    let stage = Stage::new();
    stage.serve(&[]).await.stop().await;
    std::fs::remove_file(stage.data().join("first-account")).expect("it was made");
    let (key, database) = (stage.data().join("master.key"), stage.data().join("countersign.db"));
    let digits = std::fs::read_to_string(&key).unwrap();
    let words = ["lost, or is elsewhere", "--new-database", "from COUNTERSIGN_DATA_DIR"];
    std::fs::remove_file(&database).expect("it was made");
    refused(&serve(&stage, &[]), &words);
    assert!(!database.exists(), "nothing was made");
    // A database that no server has used does not belong to the key either.
    drop(countersign_store_sqlite::SqliteStore::open(&database, Default::default()).expect("one"));
    refused(&serve(&stage, &[]), &words);
    std::fs::write(&database, "").expect("written");
    refused(&serve(&stage, &[]), &words);

    let done = stage.serve(&["--new-database"]).await.stop().await;
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(std::fs::read_to_string(&key).unwrap(), digits, "the key stays");
    assert!(stage.data().join("first-account").exists(), "with a first account of its own");
    assert_eq!(stage.serve(&[]).await.stop().await.code, Some(0), "and afterwards as before");
}

#[tokio::test]
async fn a_first_start_that_broke_off_is_gone_on_with() {
    let stage = Stage::new();
    // The address is taken only after the key and the database were made: such a start breaks off in between.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound").to_string();
    refused(&stage.run(&["serve", "--listen", &address]), &["cannot listen on"]);
    assert!(!stage.data().join("master.key").exists());
    drop(taken);
    let running = stage.serve(&[]).await;
    let (sid, token) = account(&stage.data().join("first-account"));
    let application = Application::of(&running).with(&sid, &token);
    assert_eq!(application.get("/v2/Services").await.0, 200);
    running.stop().await;
    assert!(stage.data().join("master.key").exists());
    assert!(!stage.data().join("master.key.new").exists());
}

#[tokio::test]
async fn a_left_over_first_account_is_kept_and_the_new_one_is_beside_it() {
    let stage = Stage::new();
    std::fs::create_dir(stage.data()).expect("a folder");
    chmod(&stage.data(), 0o700);
    let old = stage.data().join("first-account");
    std::fs::write(&old, "account_sid=ACold\nauth_token=old\n").expect("written");
    let running = stage.serve(&[]).await;
    let names =
        std::fs::read_dir(stage.data()).expect("a folder").map(|entry| entry.unwrap().path());
    let is_new =
        |path: &std::path::PathBuf| path.display().to_string().contains("first-account-AC");
    let new: Vec<_> = names.filter(is_new).collect();
    let [new] = &new[..] else { panic!("one file: {new:?}") };
    let (sid, token) = account(new);
    let application = Application::of(&running).with(&sid, &token);
    assert_eq!(application.get("/v2/Services").await.0, 200, "its token works");
    assert_eq!(mode(new), 0o600);
    let done = running.stop().await;
    assert!(done.stdout.contains(&new.display().to_string()), "{done:?}");
    assert!(done.stderr.contains("belongs to another account"), "{done:?}");
    assert!(std::fs::read_to_string(&old).unwrap().contains("ACold"), "it is left as it is");
}
