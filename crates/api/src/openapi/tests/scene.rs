//! An API over an empty store.

use std::sync::Arc;

use countersign_bus::{HandOver, LocalBus};
use countersign_store::conformance::Fixture;
use countersign_store_sqlite::SqliteStore;
use countersign_verify::concurrency::RequestLimiter;
use countersign_verify::{Keys, MasterKey, Verify};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::socket::admission::{Admission, Bounds};
use crate::socket::{OpenSockets, SocketContext};
use crate::state::{ApiOptions, ApiState};

/// The state of an API over an empty store.
pub(super) fn state(folder: &TempDir) -> Arc<ApiState> {
    let store = SqliteStore::open(folder.path().join("store.db"), Default::default());
    let stage = Fixture::new(Arc::new(store.expect("a store")));
    let (handover, _) = HandOver::new(1);
    let (clock, entropy) =
        (Arc::new(stage.make.clock.clone()), Arc::new(stage.make.entropy.clone()));
    let parts = countersign_verify::Dependencies {
        store: Arc::clone(&stage.store),
        bus: Arc::new(LocalBus::default()),
        handover: handover.clone(),
        clock: Arc::clone(&clock) as _,
        entropy: Arc::clone(&entropy) as _,
        keys: Keys::derive(&MasterKey::new([7; 32])),
        credential_check: |_, _| Ok(()),
        node: stage.make.node,
    };
    let verify = Arc::new(Verify::new(parts, Default::default()));
    let bounds = Bounds { unauthenticated: 1, unauthenticated_per_address: 1, linked: 1 };
    let sockets = Arc::new(SocketContext {
        bus: Arc::new(LocalBus::default()),
        handover,
        clock,
        entropy,
        auth: Arc::clone(&verify) as _,
        shutdown: CancellationToken::new(),
        tracker: TaskTracker::new(),
        admission: Admission::new(bounds),
        open_sockets: OpenSockets::default(),
    });
    Arc::new(ApiState {
        verify,
        public_url: crate::tests::base(),
        options: ApiOptions::default(),
        limiter: RequestLimiter::new(Default::default()),
        sockets,
        shutdown: CancellationToken::new(),
        abandoned: TaskTracker::new(),
    })
}
