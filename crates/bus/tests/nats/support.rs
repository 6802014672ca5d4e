//! The nodes of a test.

use std::sync::Arc;
use std::time::Duration;

use countersign_bus::nats::{Login, NatsError, NatsOptions, SealingKey};
use countersign_bus::{Bus, Link, NatsBus};
use countersign_testkit::{ManualClock, NatsServer, SeededEntropy};

/// The bus of one node.
pub struct Node {
    pub bus: Arc<dyn Bus>,
}

pub fn options(server: &NatsServer) -> NatsOptions {
    NatsOptions {
        servers: vec![server.url()],
        prefix: "test".to_owned(),
        login: Login::Anonymous,
        roots: Vec::new(),
        certificate: None,
        key: SealingKey::new(&[7; 32]),
    }
}

pub async fn connect(
    options: &NatsOptions,
    clock: &ManualClock,
    seed: u64,
) -> Result<NatsBus, NatsError> {
    NatsBus::connect(options, Arc::new(clock.clone()), Arc::new(SeededEntropy::new(seed))).await
}

impl Node {
    pub async fn connect(server: &NatsServer, clock: &ManualClock, seed: u64) -> Self {
        Self::with(&options(server), clock, seed).await
    }

    pub async fn with(options: &NatsOptions, clock: &ManualClock, seed: u64) -> Self {
        let bus = connect(options, clock, seed).await.expect("a connection");
        Self { bus: Arc::new(bus) }
    }

    /// Waits until the link has this state.
    pub async fn link_is(&self, wanted: Link) {
        let mut link = self.bus.link().expect("there are other nodes");
        link.wait_for(|link| *link == wanted).await.expect("the bus is running");
    }
}

/// Runs a future while the clock advances: not much faster than a real one, so that what NATS is still to bring comes in time
/// on a busy machine too.
pub async fn clock_runs<T>(clock: &ManualClock, what: impl Future<Output = T>) -> T {
    let mut what = std::pin::pin!(what);
    loop {
        tokio::select! {
            biased;
            done = &mut what => return done,
            () = tokio::time::sleep(Duration::from_millis(1)) => clock.advance(Duration::from_millis(4)),
        }
    }
}
