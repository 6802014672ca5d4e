//! A notification with `Ttl=0` is stored without waiting for other nodes, and always handed over.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use countersign_bus::handover::Inbox;
use countersign_bus::seam::Listener;
use countersign_bus::{
    Attachment, Bus, Changed, HandOver, Link, LocalBus, Offer, OfferOutcome, Watch, Work,
};
use countersign_domain::challenge::Challenge;
use countersign_domain::delivery::{Delivery, InitialState, NewNotification};
use countersign_domain::monotonic::Monotonic;
use countersign_domain::sid::{ChallengeSid, FactorSid};
use countersign_store::conformance::Fixture;
use countersign_store_sqlite::{Options, SqliteStore};
use countersign_verify::{Dependencies, Keys, MasterKey, Verify, VerifyError};
use tokio::sync::watch;

/// The name of the database file.
const DATABASE: &str = "store.db";

/// A bus whose other nodes do not answer: it counts the questions for a device, and never answers them.
#[derive(Default)]
struct SilentBus {
    inner: LocalBus,
    asked: AtomicUsize,
}

#[async_trait]
impl Bus for SilentBus {
    async fn offer(&self, offer: Offer) -> OfferOutcome {
        self.inner.offer(offer).await
    }
    async fn is_attached(&self, _: FactorSid) -> bool {
        self.asked.fetch_add(1, Ordering::SeqCst);
        std::future::pending().await
    }
    async fn attach(&self, factor: FactorSid, now: Monotonic) -> Option<Attachment> {
        self.inner.attach(factor, now).await
    }
    async fn dismiss(&self, factor: FactorSid) {
        self.inner.dismiss(factor).await;
    }
    async fn answered_elsewhere(&self, factor: FactorSid, challenge: ChallengeSid) {
        self.inner.answered_elsewhere(factor, challenge).await;
    }
    async fn watch(&self, challenge: ChallengeSid) -> Watch {
        self.inner.watch(challenge).await
    }
    async fn challenge_changed(&self, challenge: ChallengeSid) {
        self.inner.challenge_changed(challenge).await;
    }
    async fn announce(&self, changed: Changed) {
        self.inner.announce(changed).await;
    }
    fn listen(&self, listener: Listener) {
        self.inner.listen(listener);
    }
    fn held(&self) -> Vec<FactorSid> {
        self.inner.held()
    }
    fn link(&self) -> Option<watch::Receiver<Link>> {
        self.inner.link()
    }
    async fn flush(&self) {
        self.inner.flush().await;
    }
}

/// Use cases over a database in `folder`.
struct Stage {
    fixture: Fixture,
    bus: Arc<SilentBus>,
    inbox: Inbox,
    verify: Verify,
}

impl Stage {
    fn new(folder: &Path) -> Self {
        let store =
            SqliteStore::open(folder.join(DATABASE), Options::default()).expect("a database");
        let fixture = Fixture::new(Arc::new(store));
        let bus = Arc::new(SilentBus::default());
        let (handover, inbox) = HandOver::new(4);
        let verify = Verify::new(
            Dependencies {
                store: Arc::clone(&fixture.store),
                bus: bus.clone(),
                handover,
                clock: Arc::new(fixture.make.clock.clone()),
                entropy: Arc::new(fixture.make.entropy.clone()),
                keys: Keys::derive(&MasterKey::new([7; 32])),
                credential_check: |_, _| Ok(()),
                node: fixture.make.node,
            },
            countersign_verify::Settings::default(),
        );
        Self { fixture, bus, inbox, verify }
    }

    async fn challenge(&self) -> Challenge {
        self.fixture.challenge(&self.fixture.factor().await).await
    }

    async fn notify(
        &self,
        challenge: &Challenge,
        ttl: u16,
    ) -> Result<NewNotification, VerifyError> {
        let Challenge { sid, owner, .. } = challenge;
        let notified =
            self.verify.notify(owner.account, owner.service, &owner.identity, *sid, ttl).await;
        notified.map(|(_, new)| new)
    }

    /// The next delivery that was handed over.
    fn handed_over(&mut self) -> Option<Delivery> {
        match self.inbox.work.try_recv() {
            Ok(Work::Attempt(leased)) => Some(leased.lease.delivery),
            Ok(Work::Connected(_)) | Err(_) => None,
        }
    }
}

#[tokio::test]
async fn ttl_0_does_not_wait_for_the_presence_of_the_device() {
    let folder = tempfile::tempdir().unwrap();
    let mut stage = Stage::new(folder.path());
    let new = stage.notify(&stage.challenge().await, 0).await.unwrap();
    let asked = stage.bus.asked.load(Ordering::SeqCst);
    assert_eq!((new.initial_state, asked), (InitialState::Immediate, 0));
    assert_eq!(stage.handed_over(), Some(new.delivery));
}

/// A command that fails may have been committed. A notification with `Ttl=0` has no row that would bring it back.
#[tokio::test]
async fn ttl_0_is_handed_over_also_after_a_command_that_failed() {
    let folder = tempfile::tempdir().unwrap();
    let mut stage = Stage::new(folder.path());
    let challenge = stage.challenge().await;
    stage.notify(&challenge, 0).await.unwrap();
    assert!(stage.handed_over().is_some());
    let database = rusqlite::Connection::open(folder.path().join(DATABASE)).unwrap();
    database.execute("DROP TABLE notifications", ()).unwrap();
    assert!(matches!(stage.notify(&challenge, 0).await, Err(VerifyError::Store(_))));
    let delivery = stage.handed_over().expect("it is handed over");
    assert_eq!((delivery.challenge, delivery.once), (challenge.sid, true));
}
