//! The durable engine: what the database says is to be delivered is handed to providers, and what became of it is
//! written back.
//!
//! | duty | file | what it does |
//! | --- | --- | --- |
//! | dispatcher | `dispatcher.rs` | takes deliveries that were handed over in memory, right after their commit |
//! | poller | `poller.rs` | leases what is due |
//! | replay | `replay.rs` | leases what is parked for a device that connects |
//! | rounds | `rounds.rs` | looks again for what is parked for the devices that are here, where other processes park too |
//! | caller | `caller.rs` | calls webhooks |
//! | settler | `settler.rs` | writes down what became of deliveries, in batches |
//! | expirer, rescuer, cleaner | files of these names | sweep the database |
//! | backlog | `backlog.rs` | counts the calls of webhooks that wait, and gives up what is too much |
//!
//! Each delivery runs by itself, from the lease to the commit of its result (`attempt.rs`): judged ready (`ready.rs`), sent
//! (`send.rs`), settled. Those that begin together share a task and the read before it. What a crash may cost is a push sent twice, never one lost: a lease that
//! nobody settles runs out.

mod alarm;
mod attempt;
mod backlog;
mod beside;
mod caller;
mod cleaner;
mod dispatcher;
mod duty;
mod expirer;
mod gates;
mod metrics;
pub mod options;
mod poller;
mod ready;
mod replay;
mod rescuer;
mod rounds;
mod send;
mod settler;
mod shared;
pub mod signals;
mod visits;

use std::sync::Arc;

use countersign_bus::handover::Inbox;
use countersign_bus::{Bus, HandOver};
use countersign_domain::delivery::NodeId;
use countersign_domain::time::Instant;
use countersign_domain::world::{Clock, Entropy};
use countersign_providers::Providers;
use countersign_providers::webhook::WebhookCaller;
use countersign_store::seam::{Calls, Deliveries, Upkeep};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use options::Options;
pub use signals::{Counts, Signals};

use crate::alarm::Alarm;
use crate::backlog::Backlog;
use crate::cleaner::Cleaner;
use crate::dispatcher::Question;
use crate::expirer::Expirer;
use crate::gates::Gates;
use crate::replay::Replays;
use crate::rescuer::{Rescuer, Voider};
use crate::settler::Results;
use crate::shared::Shared;
use crate::visits::Visits;

/// What an engine is made of.
pub struct Parts {
    /// The database: what is to be delivered. An `Arc<dyn Store>` will do.
    pub deliveries: Arc<dyn Deliveries + Send + Sync>,
    /// The same database: the calls of webhooks.
    pub calls: Arc<dyn Calls + Send + Sync>,
    /// The same database: what keeps it in shape.
    pub upkeep: Arc<dyn Upkeep + Send + Sync>,
    /// Who holds a device's stream.
    pub bus: Arc<dyn Bus>,
    /// The ways to reach a device.
    pub providers: Arc<Providers>,
    /// Who calls webhooks.
    pub webhooks: Arc<dyn WebhookCaller>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Jitter.
    pub entropy: Arc<dyn Entropy>,
    /// The far end of the queue of handed-over deliveries.
    pub inbox: Inbox,
    /// Its near end.
    pub handover: HandOver,
    /// This run of this process.
    pub node: NodeId,
    /// How much at once, and how often.
    pub options: Options,
}

/// The running engine. Dropping it ends all at once, as a crash would; [`Engine::stop`] is the polite way.
pub struct Engine {
    shared: Arc<Shared>,
    duties: TaskTracker,
    dispatcher: mpsc::Sender<Question>,
    poller: mpsc::Sender<Question>,
    caller: mpsc::Sender<Question>,
}

impl Engine {
    /// Starts all duties. To be called within a tokio runtime; returns at once.
    pub fn start(parts: Parts) -> Self {
        let options = parts.options;
        let in_hand = options.in_hand.clamp(2, Semaphore::MAX_PERMITS);
        let (results, reports) = Results::new(in_hand);
        let shared = Arc::new(Shared {
            alarm: Alarm::new(&*parts.clock),
            gates: Gates::new(&options),
            deliveries: parts.deliveries,
            calls: parts.calls,
            webhooks: parts.webhooks,
            upkeep: parts.upkeep,
            bus: parts.bus,
            providers: parts.providers,
            clock: parts.clock,
            entropy: parts.entropy,
            handover: parts.handover,
            node: parts.node,
            options,
            signals: Signals::default(),
            visits: Visits::default(),
            replays: Replays::default(),
            results,
            room: Arc::new(Semaphore::new(in_hand)),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            kill: CancellationToken::new(),
        });
        // A closed tracker can be waited for, any number of times; it still takes tasks.
        shared.tasks.close();
        let duties = TaskTracker::new();
        duties.close();
        let (dispatcher, asked_dispatcher) = mpsc::channel(1);
        let (poller, asked_poller) = mpsc::channel(1);
        let (caller, asked_caller) = mpsc::channel(1);
        let engine = Self { shared: Arc::clone(&shared), duties, dispatcher, poller, caller };
        let Inbox { work, due, calls } = parts.inbox;
        let all = || Arc::clone(&shared);
        // The settler outlives the others, whose results it writes.
        tokio::spawn(all().kill.clone().run_until_cancelled_owned(settler::run(all(), reports)));
        engine.begin(dispatcher::run(all(), work, asked_dispatcher));
        engine.begin(poller::run(all(), due, asked_poller));
        engine.begin(rounds::run(all()));
        engine.begin(caller::run(all(), calls, asked_caller));
        engine.begin(duty::run(all(), Expirer(all())));
        engine.begin(duty::run(all(), Rescuer(all())));
        engine.begin(duty::run(all(), Cleaner(all())));
        engine.begin(duty::run(all(), Backlog(all())));
        if options.alone {
            engine.begin(duty::run(all(), Voider(all())));
        }
        engine
    }

    fn begin(&self, duty: impl Future<Output = ()> + Send + 'static) {
        let kill = self.shared.kill.clone();
        self.duties.spawn(kill.run_until_cancelled_owned(duty));
    }

    /// Takes nothing more, sees to it that what was handed over is attempted and what is in flight is settled, and
    /// ends all at `deadline`, however it stands: what is not settled then is delivered again after the next start.
    pub async fn stop(&self, deadline: Instant) {
        let shared = &self.shared;
        let within = deadline.since(shared.clock.now());
        shared.stop.cancel();
        let over = async {
            self.duties.wait().await;
            shared.tasks.wait().await;
        };
        tokio::select! {
            biased;
            () = over => {}
            () = shared.clock.sleep(within) => {
                let deliveries = shared.in_hand();
                tracing::warn!(deliveries, "the engine stops before all was settled; the rest follows after the next start");
            }
        }
        shared.kill.cancel();
    }

    /// What the engine has done, to be awaited by tests.
    pub fn signals(&self) -> &Signals {
        &self.shared.signals
    }

    /// Waits until all that is handed over, due now, parked for a connected device or in flight has been settled, and
    /// webhooks have been told of it: for end-to-end tests. A retry that is due later does not count; an attempt that a
    /// provider, a device or an application has not answered does.
    pub async fn idle(&self) {
        loop {
            let before = self.shared.signals.counts();
            for duty in [&self.dispatcher, &self.poller, &self.caller] {
                ask(duty).await;
                self.shared.tasks.wait().await;
            }
            let after = self.shared.signals.counts();
            let begun = |counts: &Counts| (counts.begun, counts.replayed, counts.called);
            if begun(&after) == begun(&before) {
                return;
            }
        }
    }
}

/// Waits until a duty has done what there is to do.
async fn ask(duty: &mpsc::Sender<Question>) {
    let (question, answer) = oneshot::channel();
    // Both fail only when the engine has stopped.
    if duty.send(question).await.is_ok() {
        let _ = answer.await;
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shared.stop.cancel();
        self.shared.kill.cancel();
    }
}
