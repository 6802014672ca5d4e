//! Commands beside servers make nothing: where there is no database they say so, and which settings led there.

use countersign_testkit::postgres::TestDatabase;

use crate::support::{ACCOUNT, Stage, TOKEN, free_port};

const NOBODY: &str = "AC00000000000000000000000000000001";

/// Each that needs a database, and makes none.
fn commands() -> Vec<Vec<&'static str>> {
    let service = "VA00000000000000000000000000000001";
    let credential = "CR00000000000000000000000000000001";
    vec![
        vec!["accounts", "list"],
        vec!["accounts", "create"],
        vec!["accounts", "rotate", NOBODY],
        vec!["accounts", "list-keys", NOBODY],
        vec!["webhooks"],
        vec!["enrol-link", "--service", service, "--identity", "alice-0001"],
        vec!["push-test", credential, "--app-id", "com.example.owl"],
    ]
}

fn doctor(stage: &Stage) -> String {
    let free = format!("http.listen=127.0.0.1:{}", free_port());
    let done = stage.run(&["doctor", "--set", &free]);
    assert_eq!(done.code, Some(1), "{done:?}");
    done.stdout
}

#[test]
fn a_mistyped_folder_is_named_with_the_setting_and_stays_away() {
    let stage = Stage::new();
    let file = stage.data().join("countersign.db").display().to_string();
    for command in commands() {
        let done = stage.run(&command);
        assert_eq!((done.code, &*done.stdout), (Some(1), ""), "{command:?}: {done:?}");
        for words in ["there is no database", &file, "from COUNTERSIGN_DATA_DIR", "serve"] {
            assert!(done.stderr.contains(words), "{words}: {done:?}");
        }
        let elsewhere = stage.path("mistyped").display().to_string();
        let done = stage.run(&[&command[..], &["--data-dir", &elsewhere]].concat());
        assert_eq!(done.code, Some(1), "{done:?}");
        assert!(done.stderr.contains("mistyped, from the command line"), "{done:?}");
        assert!(!stage.data().exists() && !stage.path("mistyped").exists(), "{command:?}");
    }
    let said = doctor(&stage);
    for words in ["WRONG  data folder", "WRONG  database and master key: there is no database"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!stage.data().exists(), "nothing was made");
}

#[test]
fn an_empty_folder_stays_empty() {
    let stage = Stage::new();
    let made = std::process::Command::new("mkdir").args(["-m", "700"]).arg(stage.data()).status();
    assert!(made.expect("mkdir is there").success());
    let file = stage.data().join("countersign.db");
    for is_there in [false, true] {
        if is_there {
            std::fs::write(&file, "").expect("written");
        }
        for command in commands() {
            let done = stage.run(&command);
            assert_eq!(done.code, Some(1), "{command:?}: {done:?}");
            assert!(done.stderr.contains("there is no database"), "{done:?}");
        }
        assert!(doctor(&stage).contains("WRONG  database and master key: there is no database"));
        let names = std::fs::read_dir(stage.data()).expect("a folder").count();
        assert_eq!(names, usize::from(is_there), "nothing was made");
        assert!(std::fs::read(&file).unwrap_or_default().is_empty());
    }
    let source = format!("sqlite:{}", stage.data().display());
    let target = format!("sqlite:{}", stage.path("target").display());
    let done = stage.run(&["migrate-data", "--from", &source, "--to", &target]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stderr.contains("there is no database"), "{done:?}");
    assert!(!stage.path("target").exists(), "nothing was made");
}

#[tokio::test]
async fn an_empty_postgresql_database_stays_empty() {
    const TABLES: &str = "SELECT count(*) FROM pg_tables WHERE schemaname NOT IN \
                          ('pg_catalog', 'information_schema')";
    let database = TestDatabase::new();
    let stage = Stage::new()
        .with("COUNTERSIGN_DATABASE__URL", &database.url())
        .with("COUNTERSIGN_MASTER_KEY", &"ab".repeat(32))
        .with("COUNTERSIGN_ACCOUNT_SID", ACCOUNT)
        .with("COUNTERSIGN_AUTH_TOKEN", TOKEN);
    let says = |done: &str| {
        for words in ["it is empty", "only `countersign serve`", "COUNTERSIGN_DATABASE__URL"] {
            assert!(done.contains(words), "{words}: {done}");
        }
    };
    for command in commands() {
        let done = stage.run(&command);
        assert_eq!((done.code, &*done.stdout), (Some(1), ""), "{command:?}: {done:?}");
        says(&done.stderr);
    }
    says(&doctor(&stage));
    let target = format!("sqlite:{}", stage.path("target").display());
    let done = stage.run(&["migrate-data", "--from", "postgres:", "--to", &target]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stderr.contains("it is empty"), "{done:?}");
    assert!(!stage.path("target").exists(), "nothing was made");
    assert_eq!(database.psql(TABLES), "0");

    // A schema of an older release is left as it is, too.
    stage.serve(&[]).await.stop().await;
    let count = "SELECT count(*) FROM refinery_schema_history";
    database.psql("DELETE FROM refinery_schema_history WHERE version = (SELECT max(version) FROM refinery_schema_history)");
    let before = database.psql(count);
    let done = stage.run(&["accounts", "list"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stderr.contains(&format!("has {before} of ")), "{done:?}");
    assert!(doctor(&stage).contains("start this version of the server on it first"));
    assert_eq!(database.psql(count), before);
}
