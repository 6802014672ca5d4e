//! The rules that every backend keeps, in memory; and the faults that may be put between a process and its database.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use async_trait::async_trait;
use countersign_store::Store;
use countersign_store::error::{StoreError, StoreResult};
use countersign_store::seam::{Accounts as _, Inserted};
use countersign_store_sqlite::{Faults, MemoryDatabase, SqliteStore};
use countersign_testkit::Fixtures;

async fn fresh() -> (Arc<dyn Store>, ()) {
    (Arc::new(SqliteStore::in_memory(&MemoryDatabase::new().unwrap(), None)), ())
}

countersign_store::conformance!(fresh);

const BEFORE: u8 = 1;
const AFTER: u8 = 2;
const READ: u8 = 3;

/// Fails at one place.
#[derive(Default)]
struct FailsAt(AtomicU8);

impl FailsAt {
    fn judge(&self, place: u8) -> StoreResult<()> {
        let fails = self.0.load(Ordering::SeqCst) == place;
        if fails { Err(StoreError::Unavailable("as the test wants".to_owned())) } else { Ok(()) }
    }
}

#[async_trait]
impl Faults for FailsAt {
    async fn before(&self, command: &'static str) -> StoreResult<()> {
        assert!(command.contains("accounts::"), "{command}");
        self.judge(BEFORE)
    }

    async fn after(&self, _: &'static str) -> StoreResult<()> {
        self.judge(AFTER)
    }

    fn before_read(&self) -> StoreResult<()> {
        self.judge(READ)
    }
}

#[tokio::test]
async fn a_fault_before_a_command_writes_nothing_and_one_after_it_hides_the_commit() {
    let (database, make) = (MemoryDatabase::new().unwrap(), Fixtures::new(1));
    let faults = Arc::new(FailsAt::default());
    let store = SqliteStore::in_memory(&database, Some(Arc::clone(&faults) as _));
    let neighbour = SqliteStore::in_memory(&database, None);
    for (place, is_stored) in [(BEFORE, false), (AFTER, true)] {
        let account = make.account();
        faults.0.store(place, Ordering::SeqCst);
        let stored = store.create_account(&account).await;
        assert!(matches!(stored, Err(StoreError::Unavailable(_))), "{stored:?}");
        let found = neighbour.account(account.sid).await.unwrap();
        assert_eq!(found.is_some(), is_stored);
    }
    faults.0.store(READ, Ordering::SeqCst);
    assert!(store.account(make.account().sid).await.is_err());
    faults.0.store(0, Ordering::SeqCst);
    assert_eq!(store.create_account(&make.account()).await, Ok(Inserted::Done));
}
