//! A database in its own folder, a bus, a clock, and an engine that can be killed and restarted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use countersign_bus::handover::Inbox;
use countersign_bus::{Bus, HandOver, Leased, LocalBus, Slot};
use countersign_delivery::{Counts, Engine, EngineOptions, EngineParts};
use countersign_domain::account::Account;
use countersign_domain::address::{Address, Platform};
use countersign_domain::backchannel::{BackchannelRequest, Ended};
use countersign_domain::challenge::{Challenge, Verdict};
use countersign_domain::delivery::{InitialState, NewNotification};
use countersign_domain::ending::{NotificationStatus, StatusReason};
use countersign_domain::factor::Factor;
use countersign_domain::notification::Notification;
use countersign_domain::prospect::{Prospect, TimedProspect};
use countersign_domain::protection::PromptLimits;
use countersign_domain::service::Service;
use countersign_domain::sid::{NotificationSid, ServiceSid};
use countersign_domain::time::Instant;
use countersign_domain::webhook_call::CallOutcome;
use countersign_domain::world::Clock as _;
use countersign_providers::Providers;
use countersign_providers::client_call::ClientCaller;
use countersign_store::seam::{
    Accounts, Answer, Challenges, Enrolled, Enrolment, Factors, Inserted, Notifications, Notified,
    Opened, Opening, Recorded, Services,
};
use countersign_store_sqlite::SqliteStore;
use countersign_testkit::Fixtures;

use super::device::Device;
use super::faulty::Faulty;
use super::hooks::Hooks;
use super::script::Script;

pub(crate) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// The clients of no question.
struct NoClients;

#[async_trait::async_trait]
impl ClientCaller for NoClients {
    async fn call(&self, _: &BackchannelRequest, _: Ended) -> CallOutcome {
        CallOutcome::Unanswered("there is none".to_owned())
    }
}

/// One node, its database, and the applications and devices that use it.
pub(crate) struct World {
    pub(crate) make: Fixtures,
    pub(crate) bus: LocalBus,
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) script: Script,
    pub(crate) hooks: Hooks,
    pub(crate) down: Arc<AtomicBool>,
    pub(crate) asked: Arc<AtomicU64>,
    pub(crate) handover: HandOver,
    pub(crate) options: EngineOptions,
    pub(crate) service: Service,
    inbox: Option<Inbox>,
    engine: Option<Engine>,
    _folder: tempfile::TempDir,
}

impl World {
    /// A world with a running engine.
    pub(crate) async fn start() -> Self {
        Self::with(EngineOptions::default()).await
    }

    /// A world with a running engine of these options.
    pub(crate) async fn with(options: EngineOptions) -> Self {
        let mut world = Self::still(options).await;
        world.begin();
        world
    }

    /// A world before its engine starts.
    pub(crate) async fn still(options: EngineOptions) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the database");
        let path = folder.path().join("countersign.db");
        let store = SqliteStore::open(path, Default::default()).expect("a new database");
        let make = Fixtures::new(7);
        let account = make.account();
        let service = make.service(&account);
        furnish(&store, &account, &service).await;
        let (handover, inbox) = HandOver::new(options.queue_max);
        Self {
            script: Script::new(Arc::new(make.clock.clone())),
            make,
            bus: LocalBus::default(),
            store: Arc::new(store),
            hooks: Hooks::default(),
            down: Arc::default(),
            asked: Arc::default(),
            handover,
            options,
            service,
            inbox: Some(inbox),
            engine: None,
            _folder: folder,
        }
    }

    /// Enrols for another service of the same account from now on.
    pub(crate) async fn other_service(&mut self) {
        let sid = ServiceSid::mint(self.now(), &self.make.entropy);
        let other = Service { sid, ..self.service.clone() };
        assert_eq!(self.store.create_service(&other).await, Ok(Inserted::Done));
        self.service = other;
    }

    /// Starts the engine.
    pub(crate) fn begin(&mut self) {
        let bus: Arc<dyn Bus> = Arc::new(self.bus.clone());
        let providers = Providers::new(Arc::clone(&bus))
            .with(Platform::Fcm, self.script.clone())
            .with(Platform::WebPush, self.script.clone());
        let store = Arc::new(Faulty {
            inner: self.store.clone(),
            down: self.down.clone(),
            asked: self.asked.clone(),
        });
        let parts = EngineParts {
            deliveries: store.clone(),
            calls: self.store.clone(),
            log: None,
            store: self.store.clone(),
            clients: Arc::new(NoClients),
            upkeep: store,
            summaries: self.store.clone(),
            bus,
            providers: Arc::new(providers),
            webhooks: Arc::new(self.hooks.clone()),
            clock: Arc::new(self.make.clock.clone()),
            entropy: Arc::new(self.make.entropy.clone()),
            handover: self.handover.clone(),
            node: self.make.node,
            options: self.options,
        };
        let inbox = self.inbox.take().expect("one engine at a time");
        self.engine = Some(Engine::start(&parts, inbox));
    }

    /// Ends the engine as a crash would: everything in memory is lost.
    pub(crate) fn crash(&mut self) {
        self.engine = None;
        let (handover, inbox) = HandOver::new(self.options.queue_max);
        (self.handover, self.inbox) = (handover, Some(inbox));
        self.make.node = self.make.other_node();
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.engine.as_ref().expect("the engine runs")
    }

    pub(crate) async fn wait_for(&self, enough: impl FnMut(&Counts) -> bool) -> Counts {
        self.engine().signals().wait_for(enough).await
    }

    /// Waits until the engine is idle.
    pub(crate) async fn deliver_everything(&self) {
        self.engine().idle().await;
    }

    /// Advances the clock.
    pub(crate) fn pass(&self, span: Duration) {
        self.make.clock.advance(span);
    }

    /// Makes the database unavailable to the engine, or available again.
    pub(crate) fn unplug(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    pub(crate) fn now(&self) -> Instant {
        self.make.now()
    }

    /// Enrols a new person with a verified device: on the stream, at FCM, or a browser.
    pub(crate) async fn enrol(&self, platform: Platform) -> Factor {
        self.enrol_at(&self.service, platform).await
    }

    /// A new service of another account.
    pub(crate) async fn neighbour(&self) -> Service {
        let account = self.make.account();
        let service = self.make.service(&account);
        furnish(&self.store, &account, &service).await;
        service
    }

    /// Enrols a new person of a service with a verified device.
    pub(crate) async fn enrol_at(&self, service: &Service, platform: Platform) -> Factor {
        let owner = self.make.entity(service, &self.make.identity()).owner;
        let mut factor = self.make.factor(&owner);
        match platform {
            Platform::Fcm => factor.address = self.make.fcm_address(),
            Platform::WebPush => {
                factor.address = Address::from_stored(platform, Some("{}".to_owned()));
            }
            _ => {}
        }
        let enrolment =
            Enrolment { factor: factor.clone(), token: None, most_per_entity: 0, most_per_day: 0 };
        let enrolled = self.store.enrol_factor(&enrolment).await;
        assert_eq!(enrolled, Ok(Enrolled::Done(factor.owner.entity)));
        factor
    }

    /// Opens a challenge for five minutes, without the automatic push.
    pub(crate) async fn ask(&self, factor: &Factor) -> Challenge {
        self.ask_for(factor, secs(300)).await
    }

    pub(crate) async fn ask_for(&self, factor: &Factor, lifetime: Duration) -> Challenge {
        let mut challenge = self.make.challenge(factor);
        challenge.expires_at = self.now() + lifetime;
        let opening = Opening {
            challenge: challenge.clone(),
            notification: None,
            code: None,
            most_per_factor_hour: 0,
            most_per_factor_day: 0,
            most_per_entity_hour: 0,
            prompts: PromptLimits::OFF,
        };
        assert_eq!(self.store.open_challenge(&opening).await, Ok(Opened::Done));
        challenge
    }

    /// Pushes a challenge as the API does: born parked if its device is on the stream and absent, else handed over.
    pub(crate) async fn push(&self, challenge: &Challenge, ttl: u16) -> NotificationSid {
        let is_stream = self.platform(challenge).await == Platform::Stream;
        let away = is_stream && !self.bus.is_attached(challenge.factor).await;
        if away && ttl > 0 {
            self.store_notification(challenge, ttl, InitialState::Parked)
                .await
                .delivery
                .notification
        } else {
            self.push_leased(challenge, ttl).await
        }
    }

    /// Pushes a challenge by handing it over, whether or not its device is present.
    pub(crate) async fn push_leased(&self, challenge: &Challenge, ttl: u16) -> NotificationSid {
        let (slot, leased) = self.store_leased(challenge, ttl).await;
        let push = leased.lease.delivery.notification;
        slot.hand_over(leased);
        push
    }

    /// Stores a notification, and returns it with its slot.
    pub(crate) async fn store_leased(&self, challenge: &Challenge, ttl: u16) -> (Slot, Leased) {
        let slot = self.handover.reserve().expect("a free slot");
        let until = self.now() + self.options.lease;
        let birth = if ttl == 0 { InitialState::Immediate } else { InitialState::Leased { until } };
        let at = self.make.clock.monotonic();
        let (new, prospect) = self.store(challenge, ttl, birth).await;
        let lease = new.lease().expect("born with a lease");
        let known = prospect.map(|prospect| TimedProspect { prospect, at });
        (slot, Leased { lease, known })
    }

    /// Stores a notification without announcing it.
    pub(crate) async fn store_notification(
        &self,
        challenge: &Challenge,
        ttl: u16,
        birth: InitialState,
    ) -> NewNotification {
        self.store(challenge, ttl, birth).await.0
    }

    async fn store(
        &self,
        challenge: &Challenge,
        ttl: u16,
        birth: InitialState,
    ) -> (NewNotification, Option<Prospect>) {
        let platform = self.platform(challenge).await;
        let new = NewNotification { platform, ..self.make.notification(challenge, ttl, birth) };
        let Notified::Done(prospect) = self.store.notify(&new, 0).await.unwrap() else {
            panic!("the notification is not stored");
        };
        (new, prospect)
    }

    async fn platform(&self, challenge: &Challenge) -> Platform {
        let owner = &challenge.owner;
        let found = self.store.challenge(owner.service, &owner.identity, challenge.sid).await;
        let (_, factor) = found.unwrap().expect("the challenge");
        factor.expect("its factor").address.platform()
    }

    pub(crate) async fn answer(&self, challenge: &Challenge) {
        let answered = self
            .store
            .answer_challenge(Answer::new(challenge.sid, Verdict::Approved, self.now()))
            .await;
        assert_eq!(answered, Ok(Recorded::Done));
    }

    pub(crate) async fn connect(&self, factor: &Factor) -> Device {
        Device::connect(&self.bus, &self.handover, factor.sid, self.make.clock.monotonic()).await
    }

    pub(crate) async fn notification(
        &self,
        challenge: &Challenge,
        sid: NotificationSid,
    ) -> Notification {
        self.store.notification(challenge.sid, sid).await.unwrap().expect("the notification")
    }

    /// The status of a notification and its reason.
    pub(crate) async fn status(
        &self,
        challenge: &Challenge,
        sid: NotificationSid,
    ) -> (NotificationStatus, Option<StatusReason>) {
        let standing = self.notification(challenge, sid).await.current(self.make.node);
        (standing.status, standing.reason)
    }

    /// The outcomes of a notification's attempts.
    pub(crate) async fn outcomes(
        &self,
        challenge: &Challenge,
        sid: NotificationSid,
    ) -> Vec<String> {
        let notification = self.notification(challenge, sid).await;
        notification.attempts.into_iter().map(|attempt| attempt.outcome).collect()
    }

    /// Advances the clock by more than a second at a time, and lets the sweeps run, until the counts are enough.
    pub(crate) async fn sweep_until(&self, mut enough: impl FnMut(&Counts) -> bool) {
        for _ in 0..60 {
            let before = self.engine().signals().counts();
            if enough(&before) {
                return;
            }
            self.pass(Duration::from_millis(1_200));
            self.wait_for(|now| {
                enough(now)
                    || (now.expirer_sweeps > before.expirer_sweeps
                        && now.rescuer_sweeps > before.rescuer_sweeps)
            })
            .await;
        }
        panic!("a minute of sweeps was not enough");
    }
}

async fn furnish(store: &SqliteStore, account: &Account, service: &Service) {
    assert_eq!(store.create_account(account).await, Ok(Inserted::Done));
    assert_eq!(store.create_service(service).await, Ok(Inserted::Done));
}
