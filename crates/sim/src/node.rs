//! One node: the use cases and the engine, wired as the server wires them, over a simulated world.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_bus::{Bus, HandOver, LocalBus};
use countersign_delivery::{Engine, EngineOptions, EngineParts};
use countersign_domain::address::Platform;
use countersign_domain::backchannel::{BackchannelRequest, Ended};
use countersign_domain::limits::Limits;
use countersign_domain::node::NodeId;
use countersign_domain::sid::{ChallengeSid, FactorSid};
use countersign_domain::webhook_call::{CallLease, CallOutcome};
use countersign_domain::world::{Clock, Entropy, random};
use countersign_providers::Providers;
use countersign_providers::client_call::ClientCaller;
use countersign_providers::stream::Stream;
use countersign_providers::webhook::WebhookCaller;
use countersign_store::Store;
use countersign_store_sqlite::{MemoryDatabase, SqliteStore};
use countersign_verify::{Dependencies, Keys, MasterKey, Settings, Verify};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::bugs::Bug;
use crate::bus::Network;
use crate::clock::{NodeClock, Time};
use crate::database::Way;
use crate::dice::Dice;
use crate::gate::Gate;
use crate::history::{Event, NodeRun, Recorder};
use crate::push_service::{Numbers, PushService, Recorded};
use crate::weather::Weather;

/// What all nodes share.
pub(crate) struct Surroundings {
    /// The seed of the run.
    pub(crate) seed: u64,
    /// The bug that is put back.
    pub(crate) bug: Option<Bug>,
    /// The database.
    pub(crate) database: MemoryDatabase,
    /// The bus.
    pub(crate) network: Arc<Network>,
    /// The weather.
    pub(crate) weather: Weather,
    /// The true time.
    pub(crate) time: Time,
    /// The history.
    pub(crate) recorder: Recorder,
    /// Numbers attempts.
    pub(crate) numbers: Numbers,
    /// Where the push service brings what it takes.
    pub(crate) taken: mpsc::UnboundedSender<(FactorSid, ChallengeSid)>,
}

/// A running node.
pub(crate) struct Node {
    /// Its start, counted over all nodes.
    pub(crate) run: NodeRun,
    /// Its gate.
    pub(crate) gate: Gate,
    /// Its clock.
    pub(crate) clock: NodeClock,
    /// Its use cases.
    pub(crate) verify: Arc<Verify>,
    /// Its bus.
    pub(crate) bus: Arc<dyn Bus>,
    /// The way to its engine.
    pub(crate) handover: HandOver,
    /// Cancelled when the node begins to stop: devices are told to connect elsewhere.
    pub(crate) stopping: CancellationToken,
    engine: Engine,
}

/// Nobody: no run has webhooks or clients of CIBA.
struct Nobody;

#[async_trait]
impl WebhookCaller for Nobody {
    async fn call(&self, _: &CallLease) -> CallOutcome {
        CallOutcome::Taken(200)
    }
}

#[async_trait]
impl ClientCaller for Nobody {
    async fn call(&self, _: &BackchannelRequest, _: Ended) -> CallOutcome {
        CallOutcome::Taken(200)
    }
}

/// The limits of a run: those that would end it for want of answers are off.
pub(crate) fn limits() -> Limits {
    Limits { push_challenges_in_a_row: 0, challenges_per_factor_per_hour: 0, ..Limits::default() }
}

impl Node {
    /// Starts a node. `is_alone`: no other process uses the database or the bus.
    pub(crate) fn start(around: &Surroundings, run: NodeRun, is_alone: bool) -> Self {
        let dice = Dice::of(around.seed, 1_000 + run as u64);
        let gate = Gate::default();
        let most = match around.bug {
            Some(Bug::MachineClocks) => 180_000_000,
            _ => around.weather.plan.clocks_apart,
        };
        let ahead = i64::try_from(dice.below(2 * most + 1)).unwrap_or(0);
        let ahead = ahead - i64::try_from(most).unwrap_or(0);
        let clock = NodeClock::new(around.time, ahead, gate.clone());
        let entropy: Arc<dyn Entropy> = Arc::new(Dice::entropy(around.seed, 2_000 + run as u64));
        let bus: Arc<dyn Bus> = if is_alone {
            Arc::new(LocalBus::default())
        } else {
            Arc::new(around.network.join(run, gate.clone()))
        };
        let bus = Bug::in_bus(around.bug, bus);
        let way = Way { gate: gate.clone(), weather: around.weather.clone() };
        let store: Arc<dyn Store> =
            Arc::new(SqliteStore::in_memory(&around.database, Some(Arc::new(way))));
        let options = EngineOptions { is_only_process: is_alone, ..EngineOptions::default() };
        let (handover, inbox) = HandOver::new(options.queue_max);
        let id = NodeId(random(&*entropy));
        let shared_clock: Arc<dyn Clock> = Arc::new(clock.clone());
        let verify = Arc::new(Verify::new(
            Dependencies {
                store: Arc::clone(&store),
                bus: Arc::clone(&bus),
                handover: handover.clone(),
                clock: Arc::clone(&shared_clock),
                entropy: Arc::clone(&entropy),
                keys: Keys::derive(&MasterKey::new([7; 32])),
                credential_check: |_, _| Ok(()),
                node: id,
            },
            Settings { limits: limits(), ..Settings::default() },
        ));
        let providers = providers(around, run, &bus, &clock, &gate);
        let parts = EngineParts {
            deliveries: Bug::in_deliveries(around.bug, Arc::clone(&store) as _),
            calls: Arc::clone(&store) as _,
            summaries: Arc::clone(&store) as _,
            upkeep: Arc::clone(&store) as _,
            store,
            log: None,
            bus: Arc::clone(&bus),
            providers: Arc::new(providers),
            webhooks: Arc::new(Nobody),
            clients: Arc::new(Nobody),
            clock: shared_clock,
            entropy,
            handover: handover.clone(),
            node: id,
            options,
        };
        let engine = Engine::start(&parts, inbox);
        around.recorder.note(Event::Started(run));
        Self { run, gate, clock, verify, bus, handover, stopping: CancellationToken::new(), engine }
    }

    /// Ends the node as `kill -9` does.
    pub(crate) fn kill(&self, around: &Surroundings) {
        if !self.gate.is_dead() {
            self.gate.kill();
            around.network.leave(self.run);
            around.recorder.note(Event::Ended(self.run));
        }
    }

    /// Stops the node in order.
    pub(crate) async fn stop(&self, around: &Surroundings) {
        around.recorder.note(Event::Stopping(self.run));
        let within = Duration::from_secs(10);
        tokio::select! {
            biased;
            () = self.gate.died() => {}
            () = self.engine.stop(self.clock.now() + within) => {}
        }
        self.kill(around);
    }
}

fn providers(
    around: &Surroundings,
    run: NodeRun,
    bus: &Arc<dyn Bus>,
    clock: &NodeClock,
    gate: &Gate,
) -> Providers {
    let service = PushService {
        weather: around.weather.clone(),
        dice: Dice::of(around.seed, 3_000 + run as u64),
        taken: around.taken.clone(),
    };
    let stream = Stream::new(Arc::clone(bus));
    Providers::new(Arc::clone(bus))
        .with(Platform::Stream, recorded(around, run, clock, gate, (stream, true)))
        .with(Platform::Fcm, recorded(around, run, clock, gate, (service, false)))
}

fn recorded<P>(
    around: &Surroundings,
    node: NodeRun,
    clock: &NodeClock,
    gate: &Gate,
    (inner, is_stream): (P, bool),
) -> Recorded<P> {
    Recorded {
        inner,
        node,
        is_stream,
        clock: clock.clone(),
        time: around.time,
        numbers: around.numbers.clone(),
        recorder: around.recorder.clone(),
        gate: gate.clone(),
    }
}
