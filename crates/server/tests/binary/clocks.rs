//! Commands on a machine whose clock is wrong. With PostgreSQL the database's clock is used instead.

use countersign_standins::{Options, run};
use countersign_testkit::postgres::TestDatabase;

use crate::faketime;
use crate::support::{Application, Stage};

/// How far a time of the database is from its present, in whole seconds.
fn seconds_off(database: &TestDatabase, micros: &str, table: &str) -> i64 {
    let now = "extract(epoch FROM clock_timestamp()) * 1000000";
    let query = format!("SELECT (max({micros}) - {now})::bigint / 1000000 FROM {table}");
    database.psql(&query).parse().expect("a number")
}

// A command blocks its thread until it ends; the stand-ins need another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_judge_times_by_the_clock_of_postgresql() {
    let database = TestDatabase::new();
    let others = run(Options::default()).await.expect("stand-ins");
    let stage = || {
        let stage = Stage::with_account()
            .with("COUNTERSIGN_DATABASE__URL", &database.url())
            .with("COUNTERSIGN_MASTER_KEY", &"ab".repeat(32));
        let ca = stage.write("ca.pem", others.authority.pem());
        stage
            .with("COUNTERSIGN_OUTGOING__APNS_URL", others.apns.url().as_ref())
            .with("COUNTERSIGN_OUTGOING__ROOTS", &ca)
            .with("COUNTERSIGN_OUTGOING__ALLOW", "127.0.0.0/8")
    };
    let server_stage = stage();
    let running = server_stage.serve(&[]).await;
    let application = Application::of(&running);
    let service = application.create("/v2/Services", &[("FriendlyName", "owl")]).await;
    let service = service["sid"].as_str().expect("a SID");
    let key = others.apns.key();
    let form = [
        ("Type", "apn"),
        ("PrivateKey", &*key.pem),
        ("KeyId", &*key.key_id),
        ("TeamId", &*key.team_id),
    ];
    let credential = application.create("/v1/Credentials", &form).await;
    let credential = credential["sid"].as_str().expect("a SID");

    for offset in ["+7200", "-7200"] {
        let late = stage()
            .with("LD_PRELOAD", faketime::library().to_str().expect("a path in UTF-8"))
            .with("FAKETIME", offset)
            .with("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        let done = late.run(&["accounts", "create", "--name", "shop"]);
        assert_eq!(done.code, Some(0), "{offset}: {done:?}");
        assert!(seconds_off(&database, "created_at", "accounts").abs() < 60, "{offset}");

        let link = ["enrol-link", "--service", service, "--identity", "alice-0001"];
        let done = late.run(&link);
        assert_eq!(done.code, Some(0), "{offset}: {done:?}");
        assert!(seconds_off(&database, "created_at", "access_tokens").abs() < 60, "{offset}");

        others.apns.forget_provider_tokens();
        let done = late.run(&["push-test", credential, "--app-id", &key.topics[0]]);
        assert_eq!(done.code, Some(0), "{offset}: {done:?}");
    }
    running.stop().await;
}
