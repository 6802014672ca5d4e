//! Rules that hold only for an SQLite file and its writer.

#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use countersign_domain::account::Account;
use countersign_domain::factor::Factor;
use countersign_store::conformance::{Fixture, audit_trail, newer};
use countersign_store::schema::SchemaPolicy;
use countersign_store::seam::{
    Accounts, Enrolled, Enrolment, Inserted, LogoChange, Updated, Upkeep,
};
use countersign_store::{PageQuery, Store, StoreError};
use countersign_store_sqlite::{Options, SqliteStore};
use countersign_testkit::Fixtures;
use rusqlite::Connection;
use tempfile::TempDir;

/// A folder with a database in it.
struct File {
    folder: TempDir,
    options: Options,
}

impl File {
    fn new(options: Options) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), options }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("store.db")
    }

    fn open(&self) -> Arc<SqliteStore> {
        Arc::new(SqliteStore::open(self.path(), self.options.clone()).unwrap())
    }

    fn fixture(&self) -> Fixture {
        Fixture::new(self.open() as Arc<dyn Store>)
    }

    /// Another process that has the file open.
    fn other_process(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }
}

/// Polls a command once.
fn start<F: Future + ?Sized>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn acknowledged_writes_survive_a_restart() {
    let file = File::new(Options::default());
    let fixture = file.fixture();
    let factor = fixture.factor().await;
    let challenge = fixture.challenge(&factor).await;
    let lease = fixture.leased(&challenge).await;
    let notification = fixture.notification(&lease).await;
    drop(fixture.store);
    assert!(!file.folder.path().join("store.db-wal").exists());

    let fixture = file.fixture();
    assert_eq!(fixture.stored(&factor).await, Some(factor));
    assert_eq!(fixture.challenge_now(&challenge).await, Some(challenge));
    assert_eq!(fixture.notification(&lease).await, notification);
}

#[tokio::test]
async fn dropping_the_store_finishes_what_is_queued() {
    let file = File::new(Options::default());
    let store = file.open();
    let account = Fixtures::new(1).account();
    assert!(start(pin!(store.create_account(&account))).is_pending());
    drop(store);
    assert_eq!(file.open().account(account.sid).await, Ok(Some(account)));
}

#[tokio::test]
async fn a_command_that_breaks_fails_alone_and_leaves_nothing_behind() {
    let file = File::new(Options::default());
    let fixture = file.fixture();
    let first = fixture.factor().await;
    let service = fixture.store.service(first.owner.service).await.unwrap().unwrap();
    let identity = fixture.make.identity();
    let token = fixture.make.access_token(&service, &identity);
    assert_eq!(fixture.store.create_access_token(&token).await, Ok(Inserted::Done));
    // The same key id in another entity: no condition checks it, the index rejects it.
    let owner = fixture.make.entity(&service, &identity).owner;
    let twin = Factor { key_sid: first.key_sid, ..fixture.make.factor(&owner) };
    let enrolment =
        Enrolment { factor: twin, token: Some(token.sid), most_per_entity: 0, most_per_day: 0 };

    // While another process writes, the batch gathers.
    let mut other = file.other_process();
    let lock = other.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
    let (store, accounts) =
        (fixture.store.clone(), [fixture.make.account(), fixture.make.account()]);
    let mut first = pin!(store.create_account(&accounts[0]));
    let mut broken = pin!(store.enrol_factor(&enrolment));
    let mut second = pin!(store.create_account(&accounts[1]));
    assert!(start(first.as_mut()).is_pending());
    assert!(start(broken.as_mut()).is_pending());
    assert!(start(second.as_mut()).is_pending());
    lock.rollback().unwrap();
    assert_eq!(first.await, Ok(Inserted::Done));
    assert_eq!(second.await, Ok(Inserted::Done));
    assert!(matches!(broken.await, Err(StoreError::Unavailable(_))));

    assert_eq!(store.entity(service.sid, &identity).await, Ok(None));
    let factor = fixture.make.factor(&owner);
    let enrolled = fixture.enrol(&factor, Some(token.sid)).await;
    assert_eq!(enrolled, Enrolled::Done(owner.entity));
}

#[tokio::test]
async fn a_full_queue_sheds_load_at_once() {
    let file = File::new(Options { queue: 2, batch: 1, ..Options::default() });
    let store = file.open();
    let mut other = file.other_process();
    let lock = other.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
    let make = Fixtures::new(1);
    let accounts: Vec<Account> = (0..8).map(|_| make.account()).collect();
    let mut commands: Vec<_> =
        accounts.iter().map(|account| store.create_account(account)).collect();
    let (mut waiting, mut shed) = (Vec::new(), 0);
    for mut command in commands.drain(..) {
        match start(command.as_mut()) {
            Poll::Pending => waiting.push(command),
            Poll::Ready(Err(StoreError::Unavailable(_))) => shed += 1,
            Poll::Ready(answer) => panic!("{answer:?}"),
        }
    }
    // Two in the queue, and perhaps one that the writer has taken.
    assert!(waiting.len() == 2 || waiting.len() == 3, "{}", waiting.len());
    assert_eq!(shed + waiting.len(), 8);
    lock.rollback().unwrap();
    for command in waiting {
        assert_eq!(command.await, Ok(Inserted::Done));
    }
    assert_eq!(store.check().await, Ok(()));
}

#[tokio::test]
async fn a_full_disk_is_unavailable_until_there_is_room() {
    let file = File::new(Options { max_pages: Some(140), ..Options::default() });
    let fixture = file.fixture();
    let factor = fixture.factor().await;
    let account = fixture.store.account(factor.owner.account).await.unwrap().unwrap();
    let mut stored = Vec::new();
    let refused = loop {
        let service = fixture.make.service(&account);
        match fixture.store.create_service(&service).await {
            Ok(inserted) => assert_eq!(inserted, Inserted::Done),
            Err(error) => break error,
        }
        stored.push(service.sid);
        assert!(stored.len() < 10_000);
    };
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");
    // Stored rows can be read and deleted, which makes room.
    assert_eq!(fixture.stored(&factor).await, Some(factor));
    for sid in &stored {
        assert_eq!(fixture.store.delete_service(*sid, fixture.now()).await, Ok(true));
    }
    assert_eq!(
        fixture.store.create_service(&fixture.make.service(&account)).await,
        Ok(Inserted::Done)
    );
}

#[tokio::test]
async fn another_process_that_writes_too_long_makes_it_unavailable() {
    let file = File::new(Options { busy_timeout: Duration::from_millis(20), ..Options::default() });
    let store = file.open();
    let mut other = file.other_process();
    let lock = other.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
    assert!(matches!(store.check().await, Err(StoreError::Unavailable(_))));
    lock.rollback().unwrap();
    assert_eq!(store.check().await, Ok(()));
}

/// The number of test writes.
fn pulse(db: &Connection) -> i64 {
    db.query_row("SELECT pulse FROM installation", (), |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn readiness_is_checked_without_writing_and_recovers_by_itself() {
    let file = File::new(Options { busy_timeout: Duration::from_millis(20), ..Options::default() });
    let store = file.open();
    let mut other = file.other_process();
    let before = pulse(&other);
    for _ in 0..10 {
        assert_eq!(store.is_writable().await, Ok(()));
    }
    assert_eq!(pulse(&other), before, "a check writes nothing");

    let lock = other.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
    let account = Fixtures::new(1).account();
    assert!(matches!(store.create_account(&account).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.is_writable().await, Err(StoreError::Unavailable(_))));
    lock.rollback().unwrap();
    let recovered = async {
        while store.is_writable().await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), recovered).await.expect("it tries by itself");
    assert!(pulse(&other) > before, "the check wrote");
}

#[tokio::test]
async fn two_processes_see_each_others_writes() {
    let file = File::new(Options::default());
    let (server, command_line) = (file.open(), file.open());
    let make = Fixtures::new(1);
    for (writes, reads) in [(&server, &command_line), (&command_line, &server)] {
        let account = make.account();
        assert_eq!(writes.create_account(&account).await, Ok(Inserted::Done));
        assert_eq!(reads.account(account.sid).await, Ok(Some(account)));
    }
    let all = server.accounts(PageQuery::first(10)).await.unwrap();
    assert_eq!(all.items.len(), 2);
}

#[tokio::test]
async fn a_corrupt_row_names_its_column() {
    let file = File::new(Options::default());
    let fixture = file.fixture();
    let (factor, other) = (fixture.factor().await, fixture.factor().await);
    let db = file.other_process();
    // The first corrupt cell, from left to right.
    for (sql, column) in [
        ("UPDATE factors SET metadata = '[]'", "factors.metadata"),
        ("UPDATE factors SET app_id = ''", "factors.app_id"),
        ("UPDATE factors SET public_key = x'0102'", "factors.public_key"),
    ] {
        let sql = format!("{sql} WHERE sid = ?1");
        assert_eq!(db.execute(&sql, [factor.sid.as_bytes()]).unwrap(), 1);
        let owner = &factor.owner;
        let read = fixture.store.factor(owner.service, &owner.identity, factor.sid).await;
        assert_eq!(read, Err(StoreError::Corrupt(column.to_owned())));
    }
    let deleted = fixture.store.delete_factor(factor.owner.entity, factor.sid, fixture.now()).await;
    assert!(matches!(deleted, Err(StoreError::Corrupt(_))));
    assert_eq!(fixture.stored(&other).await, Some(other));

    let service = factor.owner.service;
    db.execute("UPDATE services SET settings = '{}' WHERE sid = ?1", [service.as_bytes()]).unwrap();
    let read = fixture.store.service(service).await;
    assert_eq!(read, Err(StoreError::Corrupt("services.settings".to_owned())));
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_used_as_long_as_it_serves_this_one() {
    let file = File::new(Options::default());
    let challenge = {
        let fixture = file.fixture();
        fixture.challenge(&fixture.factor().await).await
    };
    let newer = "ALTER TABLE deliveries ADD COLUMN colour TEXT; \
                 INSERT INTO refinery_schema_history VALUES (1000, 'next', '2030-01-01T00:00:00Z', '7')";
    file.other_process().execute_batch(newer).unwrap();
    let fixture = file.fixture();
    let due = fixture.due(&challenge).await;
    assert_eq!(fixture.lease_due(10).await[0].delivery.notification, due.delivery.notification);
    drop(fixture);

    let refused = |schema_policy, why: &str| {
        let opened =
            SqliteStore::open(file.path(), Options { schema_policy, ..Options::default() });
        let Some(StoreError::Unavailable(said)) = opened.err() else {
            panic!("it was opened");
        };
        assert!(said.contains(why), "{said}");
    };
    refused(SchemaPolicy::Import, "made by a newer version, with V1000__next: use that one");
    refused(SchemaPolicy::Export, "made by a newer version, with V1000__next: use that one");
    file.other_process().execute("UPDATE installation SET serves_from = 1000", ()).unwrap();
    refused(SchemaPolicy::Serve, "with V1000__next, and does not serve this version");
}

#[tokio::test]
async fn a_missing_folder_is_unavailable() {
    let file = File::new(Options::default());
    let opened = SqliteStore::open(file.folder.path().join("no/store.db"), Options::default());
    assert!(matches!(opened.err(), Some(StoreError::Unavailable(_))));
}

#[tokio::test]
async fn an_action_without_its_entry_is_not_done() {
    let file = File::new(Options::default());
    let fixture = file.fixture();
    let service = fixture.make.service(&fixture.account().await);
    let store = fixture.store.audited(audit_trail::entry(&fixture, service.account));
    file.other_process().execute_batch("DROP TABLE audit_entries").unwrap();
    assert!(store.create_service(&service).await.is_err());
    assert_eq!(fixture.store.service(service.sid).await, Ok(None));
}

#[tokio::test]
async fn the_log_restarts_while_writing_continues() {
    let file =
        File::new(Options { log_pages: 16, log_pages_most: 32, batch: 4, ..Options::default() });
    let fixture = file.fixture();
    let length = || file.path().with_extension("db-wal").metadata().unwrap().len();
    // The file of the log is never truncated: the migrations have made it this long.
    let of_migrations = length();
    let mut longest = 0;
    for _ in 0..400 {
        fixture.account().await;
        longest = longest.max(length());
    }
    // The length is checked after a commit. The log restarts beyond thirty-two pages, each with a header.
    let page = 4_096 + 24;
    let most = of_migrations.max(64 * page) + 36 * page;
    assert!((16 * page..most).contains(&longest), "{longest}, and {of_migrations} before");
    let accounts = fixture.store.accounts(PageQuery::first(1_000)).await.unwrap();
    assert_eq!(accounts.items.len(), 400);
}

#[tokio::test]
async fn members_of_a_newer_release_survive_an_update_by_this_one() {
    let file = File::new(Options::default());
    let fixture = Fixture::new(file.open() as Arc<dyn Store>);
    let was = fixture.service().await;
    let db = Connection::open(file.path()).unwrap();
    let newer = "UPDATE services SET settings = json_set(settings, '$.push.sound', 'owl', '$.colour', json('[1]'))";
    assert_eq!(db.execute(newer, ()).unwrap(), 1);
    let mut now = fixture.store.service(was.sid).await.unwrap().unwrap();
    now.settings.push.include_date = true;
    now.updated_at = fixture.later(1);
    assert_eq!(
        fixture.store.update_service(&now, LogoChange::Keep, was.updated_at).await,
        Ok(Updated::Done)
    );
    assert_eq!(fixture.store.service(was.sid).await, Ok(Some(now)));
    let kept =
        "SELECT settings ->> '$.push.sound' || ' ' || (settings -> '$.colour') FROM services";
    let kept: String = db.query_row(kept, (), |row| row.get(0)).unwrap();
    assert_eq!(kept, "owl [1]");
}

#[tokio::test]
async fn a_created_file_is_readable_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let file = File::new(Options::default());
    let fixture = Fixture::new(file.open() as Arc<dyn Store>);
    fixture.account().await;
    for entry in std::fs::read_dir(file.folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.file_name());
    }
}

#[test]
fn a_command_beside_servers_creates_no_file() {
    let file = File::new(Options { schema_policy: SchemaPolicy::Attach, ..Options::default() });
    assert!(SqliteStore::open(file.path(), file.options.clone()).is_err());
    assert!(!file.path().exists());
}

#[tokio::test]
async fn an_event_of_a_newer_release_survives_an_update_by_this_one() {
    let file = File::new(Options::default());
    let fixture = Fixture::new(file.open() as Arc<dyn Store>);
    let service = fixture.service().await;
    let was = fixture.make.webhook(&service);
    assert_eq!(fixture.store.create_webhook(&was, 0).await, Ok(Inserted::Done));
    let db = Connection::open(file.path()).unwrap();
    let newer = "UPDATE webhooks SET event_types = event_types || ' challenge.sung'";
    assert_eq!(db.execute(newer, ()).unwrap(), 1);
    let mut now = fixture.store.webhook(service.sid, was.sid).await.unwrap().unwrap();
    assert_eq!(now.event_types, was.event_types);
    (now.enabled, now.updated_at) = (!was.enabled, fixture.later(1));
    assert_eq!(fixture.store.update_webhook(&now, was.updated_at).await, Ok(Updated::Done));
    let kept = "SELECT event_types FROM webhooks";
    let kept: String = db.query_row(kept, (), |row| row.get(0)).unwrap();
    assert!(kept.ends_with(" challenge.sung"), "{kept}");
}

#[tokio::test]
async fn words_of_a_newer_release_do_not_fail_reads() {
    let file = File::new(Options::default());
    let (fixture, db) = (file.fixture(), file.other_process());
    let run = |sql: &str| {
        db.execute(sql, ()).unwrap();
    };
    newer::words_of_a_newer_release_do_not_fail_reads(&fixture, "char(10)", run).await;
}
