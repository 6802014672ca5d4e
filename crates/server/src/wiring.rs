//! Makes all parts of a server, hands each what it needs, and stops them in order. Only `wiring` names concrete
//! types.

mod parts;
mod use_cases;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use countersign_api::Render;
use countersign_bus::{Bus, HandOver};
use countersign_console::Console;
use countersign_delivery::Engine;
use countersign_domain::world::Clock;
use countersign_store::Store;
use countersign_verify::concurrency::RequestLimiter;
use countersign_verify::places::Places;
use countersign_verify::vitals::Vitals;
use countersign_verify::{MasterKey, Verify};
use tokio_util::task::AbortOnDropHandle;
use url::Url;

use crate::bus;
use crate::config::Config;
use crate::geo::GeoDatabase;
use crate::listener::Listener;
use crate::push::PushContext;
use crate::surroundings::ServerSurroundings;
use crate::test_mode::{DeviceBus, TestMode};
use crate::transparency;
use crate::urls::public_url;
use crate::world::World;

pub use use_cases::{unlock, use_cases};

use parts::{Parts, Sockets, Tasks};

/// A running server.
pub struct Server {
    /// The use cases.
    pub verify: Arc<Verify>,
    /// The URL by which callers reach the server.
    pub public_url: Url,
    /// The operator's pages.
    pub console: Arc<Console>,
    /// The requests in progress, for tests.
    pub requests: RequestLimiter,
    /// The address of the main listener.
    pub address: SocketAddr,
    /// The address of the operator's listener, if there is one.
    pub admin_address: Option<SocketAddr>,
    /// The UDP address for RADIUS clients, if the door is open.
    pub radius_address: Option<SocketAddr>,
    /// The delivery engine. Tests await its signals.
    pub engine: Arc<Engine>,
    /// The bus, for tests.
    pub bus: Arc<dyn Bus>,
    clock: Arc<dyn Clock>,
    test_mode: Option<Arc<TestMode>>,
    main: Listener,
    admin: Option<Listener>,
    tasks: Tasks,
    within: Duration,
    geo: Option<Arc<GeoDatabase>>,
    /// Aborted with the server. It ends soon after the shutdown begins.
    radius: Option<AbortOnDropHandle<()>>,
    /// Aborted with the server, even if that is dropped without a stop.
    _counting: AbortOnDropHandle<()>,
    /// Aborted with the server, even if that is dropped without a stop.
    _looking: AbortOnDropHandle<()>,
    /// Likewise.
    _learning: AbortOnDropHandle<()>,
}

impl Server {
    /// Starts a server over a database. `prepare` runs when the addresses are bound and before any request is served.
    ///
    /// # Errors
    /// An address cannot be bound, a certificate cannot be used, the master key is wrong, or `prepare` fails.
    pub async fn start(
        config: &Config,
        world: &World,
        store: Arc<dyn Store>,
        key: &MasterKey,
        metrics: Render,
        prepare: impl AsyncFnOnce(&Verify) -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        let mut sockets = Sockets::bind(config)?;
        let (address, admin_address) = (sockets.address, sockets.admin_address);
        let public_url = public_url(config, address)?;
        let geo = GeoDatabase::of(&config.geo)?.map(Arc::new);
        let sealing = unlock(&*store, key, world).await?.bus();
        let bus = Box::pin(bus::connect(config, world, sealing)).await?;
        let bus: Arc<dyn Bus> = match world.test_mode.clone() {
            Some(mode) => Arc::new(DeviceBus::new(bus, mode)),
            None => bus,
        };
        let (handover, inbox) = HandOver::new(config.delivery.queue_max);
        let (to_store, to_bus) = (Arc::clone(&store), Arc::clone(&bus));
        let verify =
            Box::pin(use_cases(config, world, to_store, key, to_bus, handover.clone())).await?;
        let log = Box::pin(transparency::begin(config, &verify, &public_url)).await?;
        prepare(&verify).await?;
        let verify = Arc::new(match &geo {
            Some(geo) => verify.with_places(Arc::clone(geo) as Arc<dyn Places>),
            None => verify,
        });

        let push = PushContext::new(config, &verify)?;
        let tasks = Tasks::default();
        let providers = Arc::new(push.providers(world, Arc::clone(&bus))?);
        let surroundings = Arc::new(ServerSurroundings::new(config, Arc::clone(&providers)));
        let operators = config.console.installation_account;
        let vitals = Arc::new(Vitals::new(Arc::clone(&verify), surroundings, operators));
        let looking = tokio::spawn(Arc::clone(&vitals).keep_looking(tasks.shutdown.clone()));
        let parts = Parts { config, world, bus, handover, verify, push, providers, vitals, tasks };
        let engine = Arc::new(parts.engine(store, inbox, log).await?);
        let state = parts.api_state(&public_url)?;
        let console = parts.console(&public_url, admin_address)?;
        let radius = sockets.radius.take();
        let (main, admin) =
            Box::pin(parts.listen(sockets, &state, &console, (metrics, &engine))).await?;
        let radius = radius.map(|socket| parts.serve_radius(socket)).transpose()?.unzip();
        let Parts { bus, verify, tasks, .. } = parts;
        let counting = tokio::spawn(Arc::clone(&verify).keep_counting(tasks.shutdown.clone()));
        let learning = tokio::spawn(Arc::clone(&verify).keep_learning_keys(tasks.shutdown.clone()));
        Ok(Self {
            _learning: AbortOnDropHandle::new(learning),
            _counting: AbortOnDropHandle::new(counting),
            _looking: AbortOnDropHandle::new(looking),
            verify,
            public_url,
            console,
            requests: state.limiter.clone(),
            address,
            admin_address,
            radius_address: radius.0,
            radius: radius.1,
            engine,
            bus,
            clock: Arc::clone(&world.clock),
            test_mode: world.test_mode.clone(),
            main,
            admin,
            tasks,
            within: config.http.shutdown(),
            geo,
        })
    }

    /// Whether a tester can move its clock.
    pub const fn is_in_test_mode(&self) -> bool {
        self.test_mode.is_some()
    }

    /// Reads the certificate of the main listener again; `None` without a certificate.
    ///
    /// # Errors
    /// The new certificate cannot be used; the old one stays in use.
    pub async fn reload_certificate(&self) -> Option<anyhow::Result<()>> {
        self.main.reload_certificate().await
    }

    /// Reads the database of places again; `None` without one.
    ///
    /// # Errors
    /// The new file cannot be used; the old content stays in use.
    pub fn reload_places(&self) -> Option<anyhow::Result<()>> {
        self.geo.as_ref().map(|geo| geo.reload())
    }

    /// Stops the server: takes no new requests, answers long polls, tells sockets to reconnect, and finishes and
    /// commits what is in flight, all within the configured time.
    pub async fn stop(self) {
        // Waits that the clock bounds would never end on a frozen one.
        self.test_mode.iter().for_each(|mode| mode.clock.run());
        let deadline = self.clock.now() + self.within;
        self.tasks.shutdown.cancel();
        self.tasks.streams.close();
        let listeners = async {
            self.main.stop(self.within).await;
            if let Some(admin) = self.admin {
                admin.stop(self.within).await;
            }
        };
        let radius = async {
            if let Some(radius) = self.radius {
                tokio::select! {
                    _ = radius => {}
                    () = self.clock.sleep_until(deadline) => {}
                }
            }
        };
        let sockets = async {
            tokio::select! {
                () = self.tasks.streams.wait() => {}
                () = self.clock.sleep_until(deadline) => {
                    tracing::warn!(sockets = self.tasks.streams.len(), "some device streams did not end in time");
                }
            }
        };
        tokio::join!(listeners, radius, sockets);
        // Requests are abandoned only while a listener runs.
        self.tasks.abandoned.close();
        tokio::select! {
            biased;
            () = self.tasks.abandoned.wait() => {}
            () = self.clock.sleep_until(deadline) => {
                tracing::warn!(requests = self.tasks.abandoned.len(), "some requests without a caller did not end in time");
            }
        }
        self.engine.stop(deadline.max(self.clock.now() + Duration::from_secs(1))).await;
        // The other nodes wait for the results of the last offers.
        self.bus.flush().await;
    }
}
