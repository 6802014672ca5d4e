//! `doctor` and `serve` agree: `doctor` finds what `serve` refuses, with the same message, and `serve` starts with what
//! `doctor` passes.

use std::os::unix::fs::PermissionsExt as _;

use countersign_testkit::NatsServer;
use countersign_testkit::postgres::{PostgresServer, TestDatabase};

use crate::support::{ACCOUNT, Done, Stage, TOKEN, free_port};

const SID: &str = "COUNTERSIGN_ACCOUNT_SID";
const AUTH: &str = "COUNTERSIGN_AUTH_TOKEN";
const AUTH_FILE: &str = "COUNTERSIGN_AUTH_TOKEN_FILE";
const KEY: &str = "COUNTERSIGN_MASTER_KEY";
const KEY_FILE: &str = "COUNTERSIGN_MASTER_KEY_FILE";

/// Settings as arguments, on a free port unless they say otherwise.
fn arguments<'a>(command: &'a str, settings: &[&'a str]) -> Vec<&'a str> {
    let mut all = vec![command, "--set", "http.listen=127.0.0.1:0"];
    all.extend(settings.iter().flat_map(|setting| ["--set", *setting]));
    all
}

/// Checks that `serve` refuses, and that `doctor` gives the same message.
async fn both_refuse(stage: &Stage, settings: &[&str]) -> String {
    let refused: Done = stage.spawn(&arguments("serve", settings)).end().await;
    assert_eq!(refused.code, Some(1), "{settings:?}: {refused:?}");
    let said = refused.stderr.lines().find_map(|line| line.strip_prefix("countersign: "));
    let said = said.unwrap_or_else(|| panic!("{settings:?}: {refused:?}"));
    let found = stage.run(&arguments("doctor", settings));
    assert_eq!(found.code, Some(1), "{settings:?}: {said}: {found:?}");
    let line = found.stdout.lines().find(|line| line.starts_with("WRONG") && line.contains(said));
    assert!(line.is_some(), "{settings:?}: {said}: {}", found.stdout);
    said.to_owned()
}

/// A stage whose server has run once, so that only the test's change is wrong.
async fn used() -> Stage {
    let stage = Stage::new();
    assert_eq!(stage.serve(&[]).await.stop().await.code, Some(0));
    stage
}

#[tokio::test]
async fn serve_starts_with_all_that_doctor_passes() {
    let stage = used().await;
    let found = stage.run(&arguments("doctor", &[]));
    assert_eq!(found.code, Some(0), "{found:?}");
    assert!(found.stdout.contains("countersign.db is intact"), "{found:?}");
    assert_eq!(stage.serve(&[]).await.stop().await.code, Some(0));
}

#[tokio::test]
async fn every_setting_that_serve_refuses_doctor_finds() {
    let stage = used().await;
    let no_pem = stage.write("no.pem", "no certificate");
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let chain = stage.write("chain.pem", &certificate.cert.pem());
    let key = stage.write("other.pem", &other.signing_key.serialize_pem());
    let set = |key: &str, value: &str| format!("{key}={value}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (settings, words) in [
        (vec!["http.nonsense=1".to_owned()], "there is no such setting"),
        (vec!["delivery.lease_seconds=5".into()], "must be 12 to 300"),
        (vec!["limits.notifications_per_challenge=many".into()], "expected a whole number"),
        (vec!["log.format=loud".into()], "expected human or json"),
        (vec!["log.filter=[[".into()], "log.filter is invalid"),
        (vec!["traces.endpoint=grpc://127.0.0.1:4317".into()], "traces.endpoint must be a URL"),
        (vec!["http.listen=0.0.0.0:0".into()], "--insecure-http"),
        (vec!["http.listen=nowhere".into()], "expected an address and a port"),
        (vec![set("http.listen", &taken)], "cannot listen on"),
        (vec![set("admin.listen", &taken)], "cannot listen on"),
        (vec!["http.public_url=ftp://a".into()], "must be an http or https URL"),
        (vec!["http.tls_key=key.pem".into()], "http.tls_certificate is not"),
        (vec![set("http.tls_certificate", &no_pem), set("http.tls_key", &key)], "no.pem"),
        (vec![set("http.tls_certificate", &chain), set("http.tls_key", &no_pem)], "no.pem"),
        (vec![set("http.tls_certificate", &chain), set("http.tls_key", &key)], "http.tls_key"),
        (vec![set("http.tls_certificate", &chain), set("http.tls_key", "/none")], "/none"),
        (vec!["outgoing.allow=nonsense".into()], "outgoing.allow: nonsense"),
        (
            vec!["outgoing.name_servers=nonsense".into()],
            "outgoing.name_servers: expected an address",
        ),
        (vec!["outgoing.roots=/none.pem".into()], "outgoing.roots: cannot read /none.pem"),
        (vec![set("outgoing.roots", &no_pem)], "is not PEM"),
        (vec!["outgoing.vapid_subject=operator".into()], "outgoing.vapid_subject"),
        (vec!["outgoing.proxy=data:,x".into()], "proxy"),
        (vec!["outgoing.fcm_url=ftp://fcm".into()], "URL"),
        (vec!["geo.database=/none.mmdb".into()], "geo.database: /none.mmdb"),
        (vec![set("geo.database", &no_pem)], "geo.database: "),
        (vec!["bus.user=countersign".into()], "bus.user is set, and bus.nats is not"),
        (vec!["bus.nats=nats://127.0.0.1:1".into()], "the database is SQLite"),
        (vec!["database.url=mysql://h/d".into()], "must begin with postgres://"),
    ] {
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        let said = both_refuse(&stage, &settings).await;
        assert!(said.contains(words), "{settings:?}: {words}: {said}");
    }
    for file in ["/none.toml".to_owned(), stage.write("broken.toml", "[http\n")] {
        let stage = Stage::new().with("COUNTERSIGN_CONFIG", &file);
        let said = both_refuse(&stage, &[]).await;
        assert!(said.contains(&file), "{said}");
    }
}

#[tokio::test]
async fn every_variable_that_serve_refuses_doctor_finds() {
    let used = used().await;
    let data = used.data().display().to_string();
    let short = &TOKEN[..31];
    for (variables, words) in [
        (&[("COUNTERSIGN_HTTP__IDLE_SECONDS", "1m")][..], "COUNTERSIGN_HTTP__IDLE_SECONDS"),
        (&[(SID, ACCOUNT)], "neither COUNTERSIGN_AUTH_TOKEN nor"),
        (&[(AUTH, TOKEN)], "COUNTERSIGN_ACCOUNT_SID is not"),
        (&[(SID, ACCOUNT), (AUTH, short)], "under 32 characters"),
        (&[(SID, "AC1"), (AUTH, TOKEN)], "COUNTERSIGN_ACCOUNT_SID is invalid"),
        (&[(SID, ACCOUNT), (AUTH, TOKEN), (AUTH_FILE, "x")], "are both set"),
        (&[(SID, ACCOUNT), (AUTH_FILE, "/none")], "COUNTERSIGN_AUTH_TOKEN_FILE"),
        (&[(KEY, "zz")], "COUNTERSIGN_MASTER_KEY"),
        (&[(KEY_FILE, "/none")], "COUNTERSIGN_MASTER_KEY_FILE"),
        (&[(KEY_FILE, "/dev/null")], "64 hexadecimal digits"),
        (
            &[(KEY, "abababababababababababababababababababababababababababababababab")],
            "the master key does not belong",
        ),
    ] {
        let data = format!("data_dir={data}");
        let mut stage = Stage::new();
        for (name, value) in variables {
            stage = stage.with(name, value);
        }
        let said = both_refuse(&stage, &[&data]).await;
        assert!(said.contains(words) && !said.contains(short), "{variables:?}: {said}");
    }
    let weak = "a".repeat(32);
    let stage = Stage::new().with(SID, ACCOUNT).with(AUTH, &weak);
    assert!(both_refuse(&stage, &[]).await.contains("could be guessed"));
    let accounts = used.with(SID, ACCOUNT).with(AUTH, &weak);
    let found = accounts.run(&arguments("doctor", &[]));
    assert_eq!(found.code, Some(0), "its account exists already: {found:?}");
    assert!(found.stderr.contains("could be guessed"), "{found:?}");
}

/// A change to the data folder of a server that has run, and words of the refusal.
type Spoilt = (fn(&Stage), &'static str);

#[tokio::test]
async fn every_file_that_serve_refuses_doctor_finds() {
    fn write(stage: &Stage, name: &str, text: &str) {
        std::fs::write(stage.data().join(name), text).unwrap();
    }
    fn chmod(stage: &Stage, name: &str, mode: u32) {
        let path = stage.data().join(name);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    fn remove(stage: &Stage, name: &str) {
        std::fs::remove_file(stage.data().join(name)).unwrap();
    }
    let spoilt: [Spoilt; 9] = [
        (|stage| write(stage, "master.key", &"ab".repeat(32)), "the master key does not belong"),
        (|stage| write(stage, "master.key", "ab"), "64 hexadecimal digits"),
        (|stage| write(stage, "master.key", ""), "put the key back"),
        (|stage| remove(stage, "master.key"), "put the key back"),
        (|stage| chmod(stage, "master.key", 0o644), "chmod 600"),
        (|stage| chmod(stage, ".", 0o755), "chmod 700"),
        (|stage| remove(stage, "countersign.db"), "lost, or is elsewhere"),
        (|stage| write(stage, "countersign.db", &"no database ".repeat(500)), "countersign.db"),
        (
            |stage| {
                assert!(countersign_store_sqlite::install(), "what is written gets checksums");
                let database = rusqlite::Connection::open(stage.data().join("countersign.db"));
                let later = "INSERT INTO refinery_schema_history VALUES (99, 'later', 'some day', '1'); \
                             UPDATE installation SET serves_from = 99";
                database.unwrap().execute_batch(later).unwrap();
            },
            "newer version",
        ),
    ];
    for (spoil, words) in spoilt {
        let stage = used().await;
        spoil(&stage);
        let said = both_refuse(&stage, &[]).await;
        assert!(said.contains(words), "{words}: {said}");
    }
    let stage = Stage::new();
    let file = stage.write("a-file", "");
    let folder = format!("data_dir={file}/data");
    assert!(both_refuse(&stage, &[&folder]).await.contains("cannot create the data folder"));
}

#[tokio::test]
async fn doctor_finds_every_setting_of_a_cluster_that_serve_refuses() {
    let database = TestDatabase::new();
    let nats = NatsServer::start("authorization { user: countersign, password: correct-horse }");
    let stage = Stage::new()
        .with("COUNTERSIGN_DATABASE__URL", &database.url())
        .with(KEY, &"ab".repeat(32))
        .with(SID, ACCOUNT)
        .with(AUTH, TOKEN);
    assert_eq!(stage.serve(&[]).await.stop().await.code, Some(0));
    let server = format!("bus.nats={}", nats.url());
    let password = format!("bus.password_file={}", stage.write("password", "wrong\n"));
    for (settings, words) in [
        (&[&*server, "bus.token_file=/none"][..], "bus.token_file"),
        (&[&server, "bus.nkey_file=/none"], "bus.nkey_file"),
        (&[&server, "bus.credentials_file=/none"], "bus.credentials_file"),
        (&[&server, "bus.roots=/none"], "bus.roots"),
        (&[&server, "bus.tls_certificate=/none", "bus.tls_key=/none"], "bus.tls_certificate"),
        (&[&server, "bus.user=countersign", "bus.password_file=/none"], "bus.password_file"),
        (&[&server, "bus.user=countersign", &password], "bus.user, bus.password_file"),
        (&["bus.nats=127.0.0.1"], "bus.nats"),
        (&["database.tls_ca=/none"], "/none"),
    ] {
        let said = both_refuse(&stage, settings).await;
        assert!(said.contains(words), "{settings:?}: {said}");
    }
    let pooler = database.pooled();
    let pooled =
        Stage::new().with("COUNTERSIGN_DATABASE__URL", &pooler.url()).with(KEY, &"ab".repeat(32));
    let said = both_refuse(&pooled, &[]).await;
    assert!(said.contains("set database.transaction_pooling = true"), "{said}");
    let told = ["--set", "database.transaction_pooling=true"];
    assert_eq!(pooled.serve(&told).await.stop().await.code, Some(0));
    for (name, value, words) in [
        (KEY, "cd".repeat(32), "the master key does not belong"),
        ("COUNTERSIGN_DATABASE__URL", nowhere(), "cannot open the database of database.url"),
    ] {
        let stage = Stage::new()
            .with("COUNTERSIGN_DATABASE__URL", &database.url())
            .with(KEY, &"ab".repeat(32))
            .with(name, &value);
        let said = both_refuse(&stage, &[]).await;
        assert!(said.contains(words) && !said.contains("hunter22"), "{name}: {said}");
    }
}

fn nowhere() -> String {
    format!("postgres://shop:hunter22@127.0.0.1:{}/x?sslmode=disable", free_port())
}

#[tokio::test]
async fn a_torn_database_is_called_damaged_and_named() {
    const PAGE: usize = 4096;
    let stage = used().await;
    let file = stage.data().join("countersign.db");
    // A page that is still in the write-ahead log is read from there.
    let database = rusqlite::Connection::open(&file).unwrap();
    let is_busy = database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |row| row.get(0));
    assert_eq!(is_busy, Ok(0), "the log is copied");
    drop(database);
    let whole = std::fs::read(&file).unwrap();
    let pages = whole.len() / PAGE;
    assert!(pages > 20, "{pages} pages");
    // Those of every tenth page, and the page that is cut off at the end.
    for page in (0..pages).step_by(10).chain([pages - 1]) {
        let mut torn = whole.clone();
        torn[page * PAGE..(page + 1) * PAGE].fill(0xa5);
        std::fs::write(&file, &torn).unwrap();
        let found = stage.run(&arguments("doctor", &[]));
        assert_eq!(found.code, Some(1), "page {page}: {found:?}");
        let shown = file.display().to_string();
        let named = found.stdout.lines().find(|line| line.starts_with("WRONG  database"));
        assert!(named.is_some_and(|line| line.contains(&shown)), "page {page}: {found:?}");
        assert!(std::fs::read(&file).unwrap() == torn, "page {page}: nothing was changed");
    }
    std::fs::write(&file, &whole).unwrap();
    let found = stage.run(&arguments("doctor", &[]));
    assert_eq!(found.code, Some(0), "{found:?}");
}

#[tokio::test]
async fn a_postgresql_that_may_lose_what_it_acknowledged_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let server = PostgresServer::start(folder.path(), &["fsync=on", "full_page_writes=on"]);
    let stage = Stage::new()
        .with("COUNTERSIGN_DATABASE__URL", &server.url("postgres"))
        .with(KEY, &"ab".repeat(32))
        .with(SID, ACCOUNT)
        .with(AUTH, TOKEN);
    assert_eq!(stage.serve(&[]).await.stop().await.code, Some(0));
    let doctor = || stage.run(&arguments("doctor", &[]));
    let found = doctor();
    assert_eq!(found.code, Some(0), "{found:?}");
    for words in [
        "ok     PostgreSQL fsync: on",
        "ok     PostgreSQL full_page_writes: on",
        "ok     PostgreSQL synchronous_commit: on",
        "PostgreSQL data checksums: ",
    ] {
        assert!(found.stdout.contains(words), "{words}: {found:?}");
    }
    for (setting, line) in [
        ("fsync", "WRONG  PostgreSQL fsync: it is off"),
        ("full_page_writes", "WRONG  PostgreSQL full_page_writes: it is off"),
        ("synchronous_commit", "note   PostgreSQL synchronous_commit: it is off"),
    ] {
        set(&server, setting, "off");
        let found = doctor();
        assert!(found.stdout.contains(line), "{line}: {found:?}");
        let advice = format!("ALTER SYSTEM SET {setting} = on");
        assert!(found.stdout.contains(&advice), "{advice}: {found:?}");
        let is_fault = line.starts_with("WRONG");
        assert_eq!(found.code, Some(i32::from(is_fault)), "{found:?}");
        set(&server, setting, "on");
    }
}

/// Changes a setting of the server, and waits until new sessions have it.
fn set(server: &PostgresServer, name: &str, value: &str) {
    server.psql("postgres", &format!("ALTER SYSTEM SET {name} = {value}"));
    server.psql("postgres", "SELECT pg_reload_conf()");
    let is_so = format!("SELECT reset_val = '{value}' FROM pg_settings WHERE name = '{name}'");
    let seen = (0..1_000).any(|_| server.psql("postgres", &is_so).trim() == "t");
    assert!(seen, "{name} is not {value}");
}
