//! The binary on PostgreSQL: two servers of one database, and the key that both need.

use countersign_testkit::postgres::TestDatabase;

use crate::support::{ACCOUNT, Application, Stage, TOKEN, free_port};

const KEY: &str = "COUNTERSIGN_MASTER_KEY";

fn stage(database: &TestDatabase) -> Stage {
    Stage::new()
        .with("COUNTERSIGN_DATABASE__URL", &database.url())
        .with("COUNTERSIGN_ACCOUNT_SID", ACCOUNT)
        .with("COUNTERSIGN_AUTH_TOKEN", TOKEN)
}

#[tokio::test]
async fn two_servers_of_one_database_know_the_same() {
    let database = TestDatabase::new();
    let key = "ab".repeat(32);
    let (one, other) = (stage(&database).with(KEY, &key), stage(&database).with(KEY, &key));
    let (first, second) = (one.serve(&[]).await, other.serve(&[]).await);
    for (here, there) in [(&first, &second), (&second, &first)] {
        let form = [("FriendlyName", "owlbank")];
        let (status, made) = Application::of(here).post("/v2/Services", &form).await;
        assert_eq!(status, 201, "{made}");
        let path = format!("/v2/Services/{}", made["sid"].as_str().unwrap());
        let (status, found) = Application::of(there).get(&path).await;
        assert_eq!((status, &found["sid"]), (200, &made["sid"]));
    }
    let free = format!("http.listen=127.0.0.1:{}", free_port());
    let done = one.run(&["doctor", "--set", &free]);
    // It is the same machine. A slow round trip makes it a little ahead or behind.
    let said = done.stdout.split("PostgreSQL (").nth(1).and_then(|rest| rest.split_once(" ms "));
    let (apart, rest) = said.unwrap_or_else(|| panic!("{done:?}"));
    assert!(apart.parse::<i64>().is_ok_and(|apart| apart.abs() < 1_000), "{done:?}");
    assert!(rest.starts_with("ahead of this machine"), "{done:?}");
    let wrong: Vec<&str> = done.stdout.lines().filter(|line| line.starts_with("WRONG")).collect();
    let is_of_tests = |line: &&str| line.contains("fsync") || line.contains("full_page_writes");
    assert!(wrong.iter().all(is_of_tests), "the server of tests does not sync: {done:?}");
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn no_key_is_made_and_a_wrong_one_is_refused() {
    let database = TestDatabase::new();
    let keyless = stage(&database);
    let done = keyless.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stderr.contains("with PostgreSQL none is created"), "{done:?}");
    assert!(!keyless.data().join("master.key").exists());

    let right = keyless.with(KEY, &"ab".repeat(32));
    right.serve(&[]).await.stop().await;
    let wrong = right.with(KEY, &"cd".repeat(32));
    let done = wrong.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stderr.contains("the master key does not belong"), "{done:?}");
}

#[test]
fn a_database_that_cannot_be_reached_is_named_without_its_password() {
    let url = format!("postgres://shop:hunter22@127.0.0.1:{}/x?sslmode=disable", free_port());
    let stage = Stage::new().with("COUNTERSIGN_DATABASE__URL", &url).with(KEY, &"ab".repeat(32));
    let done = stage.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stderr.contains("cannot open the database of database.url"), "{done:?}");
    assert!(!done.stderr.contains("hunter22"), "{done:?}");
}
