//! Starts the duties, and stops them.

use std::sync::Arc;
use std::time::Duration;

use countersign_bus::handover::Inbox;
use countersign_bus::{Bus, HandOver};
use countersign_domain::node::NodeId;
use countersign_domain::time::Instant;
use countersign_domain::world::{Clock, Entropy};
use countersign_providers::Providers;
use countersign_providers::client_call::ClientCaller;
use countersign_providers::webhook::WebhookCaller;
use countersign_providers::witness::Witness;
use countersign_store::Store;
use countersign_store::seam::{Calls, Deliveries, Summaries, Transparency, Upkeep};
use countersign_tlog::LogKey;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::alarm::Alarm;
use crate::attempt::{AttemptContext, Attempts};
use crate::backlog::Backlog;
use crate::beside::StreamOffers;
use crate::caller::{CallContext, Caller};
use crate::capacity::Capacity;
use crate::cleaner::Cleaner;
use crate::cosigners::Cosigners;
use crate::dispatcher::Dispatcher;
use crate::duty::DutyRunner;
use crate::expirer::Expirer;
use crate::follow_up::FollowUp;
use crate::integrator::Integrator;
use crate::limits::AttemptLimits;
use crate::options::EngineOptions;
use crate::poller::Poller;
use crate::readiness::ReadinessCheck;
use crate::reconnects::Reconnects;
use crate::replay::{self, Replay};
use crate::replay_queue::ReplayQueue;
use crate::reports::Reports;
use crate::rescuer::{Rescuer, Voider};
use crate::rounds::Rounds;
use crate::send::Sender;
use crate::settler::Settler;
use crate::signals::Signals;
use crate::summarizer::Summarizer;
use crate::tasks::Tasks;
use crate::teller::{TellContext, Teller};
use crate::timing::Timing;

/// The dependencies of an engine.
pub struct EngineParts {
    /// The database: deliveries.
    pub deliveries: Arc<dyn Deliveries + Send + Sync>,
    /// The same database: webhook calls.
    pub calls: Arc<dyn Calls + Send + Sync>,
    /// The same database, as a whole.
    pub store: Arc<dyn Store>,
    /// The same database: its upkeep.
    pub upkeep: Arc<dyn Upkeep + Send + Sync>,
    /// The same database: its summaries.
    pub summaries: Arc<dyn Summaries + Send + Sync>,
    /// The transparency log, if there is one.
    pub log: Option<LogParts>,
    /// Tells which devices are present.
    pub bus: Arc<dyn Bus>,
    /// The ways to reach a device.
    pub providers: Arc<Providers>,
    /// Makes webhook calls.
    pub webhooks: Arc<dyn WebhookCaller>,
    /// Calls the clients whose questions have ended.
    pub clients: Arc<dyn ClientCaller>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness for jitter.
    pub entropy: Arc<dyn Entropy>,
    /// The sending end of the queue of handed-over work.
    pub handover: HandOver,
    /// This run of this process.
    pub node: NodeId,
    /// Limits and intervals.
    pub options: EngineOptions,
}

/// The parts that the duties of the transparency log use.
pub struct LogParts {
    /// The database.
    pub store: Arc<dyn Transparency + Send + Sync>,
    /// The key that signs checkpoints.
    pub key: Arc<LogKey>,
    /// Those who cosign them.
    pub witnesses: Vec<Arc<dyn Witness>>,
    /// How long entries are kept; `None`: for ever.
    pub kept: Option<Duration>,
}

/// The running engine. Dropping it ends all tasks at once, as a crash would; [`Engine::stop`] ends it in order.
pub struct Engine {
    pub(crate) handover: HandOver,
    capacity: Capacity,
    pub(crate) tasks: Tasks,
    timing: Timing,
    pub(crate) signals: Arc<Signals>,
    duties: TaskTracker,
}

/// The values that several duties are built with.
struct Common {
    attempts: Attempts,
    capacity: Capacity,
    alarm: Arc<Alarm>,
    reconnects: Arc<Reconnects>,
    replays: ReplayQueue,
    tasks: Tasks,
    timing: Timing,
    signals: Arc<Signals>,
}

impl Engine {
    /// Starts all duties and returns at once. Requires a tokio runtime. `inbox` is the receiving end of `parts.handover`.
    pub fn start(parts: &EngineParts, inbox: Inbox) -> Self {
        let in_hand_max = parts.options.in_hand_max.clamp(2, Semaphore::MAX_PERMITS);
        let (reports, reported) = Reports::new(in_hand_max);
        let tasks = Tasks::new();
        let (replays, requests) = ReplayQueue::new(tasks.clone());
        let common = Common::new(parts, in_hand_max, reports, replays, tasks);
        let duties = TaskTracker::new();
        // `wait` returns only on a closed tracker; a closed tracker still accepts tasks.
        duties.close();
        let engine = Self {
            handover: parts.handover.clone(),
            capacity: common.capacity.clone(),
            tasks: common.tasks.clone(),
            timing: common.timing.clone(),
            signals: Arc::clone(&common.signals),
            duties,
        };
        // The settler is no duty that `stop` waits for: it outlives the attempts whose results it commits.
        tokio::spawn(engine.tasks.killable(parts.settler(&common).run(reported)));
        engine.begin(common.dispatcher().run(inbox.work));
        engine.begin(parts.poller(&common).run(inbox.due));
        engine.begin(parts.caller(&common).run(inbox.calls));
        engine.begin(parts.teller(&common).run(inbox.clients));
        engine.begin(parts.rounds(&common).run());
        engine.begin(replay::run(parts.replay(&common), requests));
        engine.begin_sweeps(parts, &common);
        engine
    }

    fn begin_sweeps(&self, parts: &EngineParts, common: &Common) {
        let EngineParts { deliveries, calls, upkeep, handover, node, options, .. } = parts;
        let runner = DutyRunner {
            batch: options.batch_max,
            tasks: common.tasks.clone(),
            timing: common.timing.clone(),
            signals: Arc::clone(&common.signals),
        };
        self.begin(runner.clone().run(Expirer {
            deliveries: Arc::clone(deliveries),
            handover: handover.clone(),
            interval: options.sweep_interval,
        }));
        self.begin(runner.clone().run(Rescuer {
            deliveries: Arc::clone(deliveries),
            handover: handover.clone(),
            interval: options.sweep_interval,
        }));
        self.begin(runner.clone().run(Cleaner {
            upkeep: Arc::clone(upkeep),
            retention: options.retention,
            interval: options.clean_interval,
        }));
        self.begin(runner.clone().run(Summarizer {
            summaries: Arc::clone(&parts.summaries),
            interval: options.summary_interval,
        }));
        self.begin(runner.clone().run(Backlog {
            calls: Arc::clone(calls),
            limits: options.call_queue,
            handover: handover.clone(),
            interval: options.backlog_interval,
        }));
        if let Some(log) = &parts.log {
            self.begin(runner.clone().run(Integrator {
                store: Arc::clone(&log.store),
                key: Arc::clone(&log.key),
                cosigners: Cosigners::new(log.witnesses.clone()),
                kept: log.kept,
                timing: common.timing.clone(),
                interval: options.log_interval,
            }));
        }
        if options.is_only_process {
            self.begin(runner.run(Voider {
                deliveries: Arc::clone(deliveries),
                calls: Arc::clone(calls),
                node: *node,
                handover: handover.clone(),
                interval: options.sweep_interval,
            }));
        }
    }

    fn begin(&self, duty: impl Future<Output = ()> + Send + 'static) {
        self.duties.spawn(self.tasks.killable(duty));
    }

    /// Accepts no new work, attempts what was handed over, waits until everything in flight is settled, and ends all tasks
    /// at `deadline` at the latest. Deliveries that are not settled by then are delivered again after the next start.
    pub async fn stop(&self, deadline: Instant) {
        let within = deadline.since(self.timing.now());
        self.tasks.stop().cancel();
        let over = async {
            self.duties.wait().await;
            self.tasks.wait().await;
        };
        tokio::select! {
            biased;
            () = over => {}
            () = self.timing.sleep(within) => {
                let deliveries = self.capacity.in_use();
                tracing::warn!(deliveries, "the engine stops before everything was settled; the rest follows after the next start");
            }
        }
        self.tasks.kill();
    }

    /// The counts of what the engine has done, which tests await.
    pub fn signals(&self) -> &Signals {
        &self.signals
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.tasks.kill();
    }
}

impl Common {
    fn new(
        parts: &EngineParts,
        in_hand_max: usize,
        reports: Reports,
        replays: ReplayQueue,
        tasks: Tasks,
    ) -> Self {
        let timing = Timing::new(Arc::clone(&parts.clock), Arc::clone(&parts.entropy));
        let (alarm, signals) = (Arc::new(Alarm::new(timing.clock())), Arc::new(Signals::default()));
        let reconnects = Arc::new(Reconnects::default());
        let context = AttemptContext {
            readiness: parts.readiness(&timing),
            sender: Sender {
                providers: Arc::clone(&parts.providers),
                reports: reports.clone(),
                written_after: parts.options.written_after,
                timing: timing.clone(),
                signals: Arc::clone(&signals),
            },
            follow_up: FollowUp {
                bus: Arc::clone(&parts.bus),
                alarm: Arc::clone(&alarm),
                replays: replays.clone(),
                tasks: tasks.clone(),
                timing: timing.clone(),
            },
            reconnects: Arc::clone(&reconnects),
            reports,
            timing: timing.clone(),
            signals: Arc::clone(&signals),
        };
        let attempts = Attempts::new(context, tasks.clone());
        let capacity = Capacity::new(in_hand_max, tasks.stop().clone());
        Self { attempts, capacity, alarm, reconnects, replays, tasks, timing, signals }
    }

    fn dispatcher(&self) -> Dispatcher {
        Dispatcher {
            attempts: self.attempts.clone(),
            capacity: self.capacity.clone(),
            reconnects: Arc::clone(&self.reconnects),
            replays: self.replays.clone(),
            tasks: self.tasks.clone(),
            signals: Arc::clone(&self.signals),
        }
    }
}

impl EngineParts {
    fn readiness(&self, timing: &Timing) -> ReadinessCheck {
        ReadinessCheck {
            deliveries: Arc::clone(&self.deliveries),
            limits: AttemptLimits::new(
                self.options.stream_attempts_max,
                self.options.credential_attempts_max,
                self.options.waiting_max,
            ),
            stream: StreamOffers { providers: Arc::clone(&self.providers), timing: timing.clone() },
            timing: timing.clone(),
        }
    }

    fn settler(&self, common: &Common) -> Settler {
        Settler {
            deliveries: Arc::clone(&self.deliveries),
            handover: self.handover.clone(),
            timing: common.timing.clone(),
            signals: Arc::clone(&common.signals),
        }
    }

    fn poller(&self, common: &Common) -> Poller {
        Poller {
            deliveries: Arc::clone(&self.deliveries),
            node: self.node,
            lease: self.options.lease,
            interval: self.options.poll_interval,
            attempts: common.attempts.clone(),
            capacity: common.capacity.clone(),
            alarm: Arc::clone(&common.alarm),
            tasks: common.tasks.clone(),
            timing: common.timing.clone(),
            signals: Arc::clone(&common.signals),
        }
    }

    fn caller(&self, common: &Common) -> Caller {
        let context = CallContext {
            calls: Arc::clone(&self.calls),
            webhooks: Arc::clone(&self.webhooks),
            handover: self.handover.clone(),
            timing: common.timing.clone(),
            signals: Arc::clone(&common.signals),
        };
        let times = (self.options.lease, self.options.poll_interval);
        Caller::new(context, self.node, times, common.tasks.clone())
    }

    fn teller(&self, common: &Common) -> Teller {
        let context = TellContext {
            store: Arc::clone(&self.store),
            clients: Arc::clone(&self.clients),
            handover: self.handover.clone(),
            timing: common.timing.clone(),
            signals: Arc::clone(&common.signals),
        };
        let times = (self.options.lease, self.options.poll_interval);
        Teller::new(context, self.node, times, common.tasks.clone())
    }

    fn rounds(&self, common: &Common) -> Rounds {
        Rounds {
            bus: Arc::clone(&self.bus),
            replays: common.replays.clone(),
            tasks: common.tasks.clone(),
            timing: common.timing.clone(),
            signals: Arc::clone(&common.signals),
        }
    }

    fn replay(&self, common: &Common) -> Replay {
        Replay {
            deliveries: Arc::clone(&self.deliveries),
            bus: Arc::clone(&self.bus),
            node: self.node,
            lease: self.options.lease,
            attempts: common.attempts.clone(),
            capacity: common.capacity.clone(),
            queue: common.replays.clone(),
            tasks: common.tasks.clone(),
            timing: common.timing.clone(),
            signals: Arc::clone(&common.signals),
        }
    }
}
