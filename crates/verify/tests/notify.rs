//! A notification with `Ttl=0` is stored without waiting for other nodes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use countersign_bus::seam::Listener;
use countersign_bus::{
    Attachment, Bus, Changed, HandOver, Link, LocalBus, Offer, OfferOutcome, Watch, Work,
};
use countersign_domain::challenge::Challenge;
use countersign_domain::delivery::InitialState;
use countersign_domain::monotonic::Monotonic;
use countersign_domain::sid::{ChallengeSid, FactorSid};
use countersign_store::conformance::Fixture;
use countersign_store_sqlite::{Options, SqliteStore};
use countersign_verify::{Dependencies, Keys, MasterKey, Verify};
use tokio::sync::watch;

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

#[tokio::test]
async fn ttl_0_does_not_wait_for_the_presence_of_the_device() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("store.db"), Options::default()).unwrap();
    let stage = Fixture::new(Arc::new(store));
    let bus = Arc::new(SilentBus::default());
    let (handover, mut inbox) = HandOver::new(4);
    let verify = Verify::new(
        Dependencies {
            store: Arc::clone(&stage.store),
            bus: bus.clone(),
            handover,
            clock: Arc::new(stage.make.clock.clone()),
            entropy: Arc::new(stage.make.entropy.clone()),
            keys: Keys::derive(&MasterKey::new([7; 32])),
            credential_check: |_, _| Ok(()),
            node: stage.make.node,
        },
        countersign_verify::Settings::default(),
    );
    let Challenge { sid, owner, .. } = stage.challenge(&stage.factor().await).await;
    let asked = verify.notify(owner.account, owner.service, &owner.identity, sid, 0);
    let (_, new) = asked.await.unwrap();
    assert_eq!((new.initial_state, bus.asked.load(Ordering::SeqCst)), (InitialState::Immediate, 0));
    let Some(Work::Attempt(leased)) = inbox.work.recv().await else {
        panic!("no delivery was handed over")
    };
    assert_eq!(leased.lease.delivery.notification, new.delivery.notification);
}
