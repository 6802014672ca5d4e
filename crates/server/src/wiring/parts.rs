//! Makes the parts of a server: the engine, the state of the API, the console and the listeners.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use countersign_api::socket::admission::{Admission, Bounds};
use countersign_api::socket::{OpenSockets, SocketContext, watch_revocations};
use countersign_api::{ApiOptions, ApiState, PublicUrl, Render, log_router};
use countersign_bus::handover::Inbox;
use countersign_bus::{Bus, HandOver};
use countersign_console::Console;
use countersign_delivery::{Engine, EngineOptions, EngineParts};
use countersign_domain::call_queue::QueueLimits;
use countersign_domain::world::Clock;
use countersign_doors::duo::{self, DuoDoor};
use countersign_doors::forward_auth::{self, ForwardAuthDoor};
use countersign_doors::keycloak::{self, KeycloakDoor};
use countersign_doors::openid::{self, OpenIdDoor};
use countersign_doors::radius::{self, RadiusDoor};
use countersign_doors::sign_in::{self, SignInDoor};
use countersign_doors::universal_prompt::{self, UniversalPromptDoor};
use countersign_providers::Providers;
use countersign_providers::client_call::ClientCaller;
use countersign_providers::webhook::WebhookCaller;
use countersign_store::Store;
use countersign_store::seam::Retention;
use countersign_tlog::LogKey;
use countersign_verify::Verify;
use countersign_verify::concurrency::RequestLimiter;
use countersign_verify::vitals::Vitals;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use url::Url;

use crate::config::{Config, ConsoleListener};
use crate::listener::{self, Certificate, Listener};
use crate::push::PushContext;
use crate::telemetry::spans;
use crate::test_mode::{self, StreamClock, Tested, TestedWebhooks};
use crate::transparency;
use crate::urls;
use crate::world::World;

/// The tasks that a shutdown ends or waits for.
#[derive(Clone, Default)]
pub(super) struct Tasks {
    /// Cancelled when the server stops.
    pub(super) shutdown: CancellationToken,
    /// Device streams.
    pub(super) streams: TaskTracker,
    /// Writing requests whose caller hung up.
    pub(super) abandoned: TaskTracker,
}

/// The sockets of a server. They are bound first: a server whose address is taken changes nothing.
pub(super) struct Sockets {
    main: TcpListener,
    admin: Option<TcpListener>,
    /// For RADIUS clients, if the door is open.
    pub(super) radius: Option<UdpSocket>,
    pub(super) address: SocketAddr,
    pub(super) admin_address: Option<SocketAddr>,
}

impl Sockets {
    pub(super) fn bind(config: &Config) -> anyhow::Result<Self> {
        let main = listener::bind(config.http.listen)?;
        let admin = config.admin.listen.map(listener::bind).transpose()?;
        let address = main.local_addr()?;
        let admin_address = admin.as_ref().map(TcpListener::local_addr).transpose()?;
        let radius = config.radius.address.map(listener::bind_datagrams).transpose()?;
        Ok(Self { main, admin, radius, address, admin_address })
    }
}

/// The values that several parts need.
pub(super) struct Parts<'a> {
    pub(super) config: &'a Config,
    pub(super) world: &'a World,
    pub(super) bus: Arc<dyn Bus>,
    pub(super) handover: HandOver,
    pub(super) verify: Arc<Verify>,
    pub(super) push: PushContext,
    pub(super) providers: Arc<Providers>,
    pub(super) vitals: Arc<Vitals>,
    pub(super) tasks: Tasks,
}

impl Parts<'_> {
    /// Starts the engine, which stores and delivers from then on.
    pub(super) async fn engine(
        &self,
        store: Arc<dyn Store>,
        inbox: Inbox,
        log: Option<Arc<LogKey>>,
    ) -> anyhow::Result<Engine> {
        self.make_room(&*store).await;
        let log = log.map(|key| {
            transparency::parts(self.config, Arc::clone(&store), key, &self.push.outgoing)
        });
        let parts = EngineParts {
            deliveries: Arc::clone(&store) as _,
            calls: Arc::clone(&store) as _,
            summaries: Arc::clone(&store) as _,
            store: Arc::clone(&store),
            upkeep: store,
            log: log.transpose()?,
            bus: Arc::clone(&self.bus),
            providers: Arc::clone(&self.providers),
            webhooks: self.webhooks()?,
            clients: self.clients()?,
            clock: Arc::clone(&self.world.clock),
            entropy: Arc::clone(&self.world.entropy),
            handover: self.handover.clone(),
            node: self.verify.node(),
            options: engine_options(self.config),
        };
        Ok(Engine::start(&parts, inbox))
    }

    /// Makes room in the database for the rows of the next days, before the first of them is stored. If that fails, the cleaner does
    /// it later.
    async fn make_room(&self, store: &dyn Store) {
        let retention = engine_options(self.config).retention;
        if let Err(error) = store.make_room(self.world.clock.now(), retention).await {
            tracing::warn!(%error, "no room could be made for the history of the next days; the cleaner tries again");
        }
    }

    fn webhooks(&self) -> anyhow::Result<Arc<dyn WebhookCaller>> {
        let inner = self.push.webhooks(self.world)?;
        Ok(match self.world.test_mode.clone() {
            Some(mode) => Arc::new(TestedWebhooks::new(inner, mode)),
            None => Arc::new(inner),
        })
    }

    fn clients(&self) -> anyhow::Result<Arc<dyn ClientCaller>> {
        let inner = self.push.clients(self.world)?;
        Ok(match self.world.test_mode.clone() {
            Some(mode) => Arc::new(Tested { inner, mode }),
            None => Arc::new(inner),
        })
    }

    /// The clock of device streams.
    fn stream_clock(&self) -> Arc<dyn Clock> {
        match &self.world.test_mode {
            Some(mode) => Arc::new(StreamClock(mode.clock.clone())),
            None => Arc::clone(&self.world.clock),
        }
    }

    fn device_streams(&self) -> Arc<SocketContext> {
        let stream = &self.config.stream;
        let parts = Arc::new(SocketContext {
            bus: Arc::clone(&self.bus),
            handover: self.handover.clone(),
            clock: self.stream_clock(),
            entropy: Arc::clone(&self.world.entropy),
            auth: Arc::clone(&self.verify) as _,
            shutdown: self.tasks.shutdown.clone(),
            tracker: self.tasks.streams.clone(),
            open_sockets: OpenSockets::default(),
            admission: Admission::new(Bounds {
                unauthenticated: stream.unauthenticated_max,
                unauthenticated_per_address: stream.unauthenticated_per_address,
                linked: stream.sockets_max,
            }),
        });
        watch_revocations(&parts);
        parts
    }

    pub(super) fn api_state(&self, public_url: &Url) -> anyhow::Result<Arc<ApiState>> {
        let Config { http, admin, .. } = self.config;
        Ok(Arc::new(ApiState {
            verify: Arc::clone(&self.verify),
            public_url: PublicUrl::parse(public_url.as_str()).context("http.public_url")?,
            options: ApiOptions {
                body: http.body(),
                header_limit: http.header_bytes_max,
                ops_on_main: admin.listen.is_none(),
            },
            limiter: RequestLimiter::new(http.concurrency()),
            sockets: self.device_streams(),
            shutdown: self.tasks.shutdown.clone(),
            abandoned: self.tasks.abandoned.clone(),
        }))
    }

    pub(super) fn console(
        &self,
        public_url: &Url,
        admin: Option<SocketAddr>,
    ) -> anyhow::Result<Arc<Console>> {
        let console = Console::new(countersign_console::Dependencies {
            verify: Arc::clone(&self.verify),
            vitals: Arc::clone(&self.vitals),
            public_url: public_url.to_string(),
            credential_tester: Arc::new(self.push.trial(self.world)),
            webhook_tester: Arc::new(self.push.webhook_trial(self.world)?),
            retention_days: self.config.retention.challenges_days.into(),
            explain: countersign_providers::codes::explain_attempt,
            shutdown: self.tasks.shutdown.clone(),
        });
        Ok(Arc::new(console.served_at(&urls::console_url(self.config, public_url, admin))))
    }

    fn duo_door(&self, public_url: &str) -> Arc<DuoDoor> {
        Arc::new(DuoDoor::new(duo::Dependencies {
            verify: Arc::clone(&self.verify),
            public_url: public_url.to_owned(),
            shutdown: self.tasks.shutdown.clone(),
        }))
    }

    fn openid_door(&self, public_url: &str) -> Arc<OpenIdDoor> {
        Arc::new(OpenIdDoor::new(openid::Dependencies {
            verify: Arc::clone(&self.verify),
            public_url: public_url.to_owned(),
            shutdown: self.tasks.shutdown.clone(),
        }))
    }

    /// The sign-in page, and the doors that only send browsers to it.
    fn sign_in(&self, public_url: &str) -> Router {
        let page = SignInDoor::new(sign_in::Dependencies {
            verify: Arc::clone(&self.verify),
            clock: Arc::clone(&self.world.clock),
            public_url: public_url.to_owned(),
            shutdown: self.tasks.shutdown.clone(),
            tasks: self.tasks.abandoned.clone(),
        });
        let door = ForwardAuthDoor::new(forward_auth::Dependencies {
            verify: Arc::clone(&self.verify),
            public_url: public_url.to_owned(),
        });
        let prompt = UniversalPromptDoor::new(universal_prompt::Dependencies {
            verify: Arc::clone(&self.verify),
            public_url: public_url.to_owned(),
        });
        sign_in::router(&Arc::new(page))
            .merge(forward_auth::router(&Arc::new(door)))
            .merge(universal_prompt::router(&Arc::new(prompt)))
    }

    /// Serves RADIUS clients until the server stops; the address that they send to.
    pub(super) fn serve_radius(
        &self,
        socket: UdpSocket,
    ) -> anyhow::Result<(SocketAddr, AbortOnDropHandle<()>)> {
        let door = Arc::new(RadiusDoor::new(radius::Dependencies {
            verify: Arc::clone(&self.verify),
            clock: Arc::clone(&self.world.clock),
            shutdown: self.tasks.shutdown.clone(),
        }));
        let address = socket.local_addr()?;
        let socket = tokio::net::UdpSocket::from_std(socket)?;
        Ok((address, AbortOnDropHandle::new(tokio::spawn(door.serve(socket)))))
    }

    /// Serves the API, the doors and the console on the main listener, and on the operator's listener if there is one.
    pub(super) async fn listen(
        &self,
        sockets: Sockets,
        state: &Arc<ApiState>,
        console: &Arc<Console>,
        (metrics, engine): (Render, &Arc<Engine>),
    ) -> anyhow::Result<(Listener, Option<Listener>)> {
        let Config { http, console: pages_of, .. } = self.config;
        let pages = |listener| {
            let is_there = pages_of.enabled && pages_of.listen == listener;
            if is_there { countersign_console::router(console) } else { Router::new() }
        };
        let certificate = http.tls_certificate.clone().zip(http.tls_key.clone());
        let certificate = certificate.map(|(chain, key)| Certificate::new(chain, key));
        let description =
            serde_json::from_str(&countersign_api::openapi::text(state.public_url.as_str()))
                .context("the description of the API")?;
        let has_console = pages_of.enabled && pages_of.listen == ConsoleListener::Main;
        let reference = countersign_reference::router(&description, has_console);
        let main_pages = countersign_authenticator::router()
            .merge(reference)
            .merge(log_router(&self.verify))
            .merge(duo::router(&self.duo_door(state.public_url.as_str())))
            .merge(openid::router(&self.openid_door(state.public_url.as_str())))
            .merge(keycloak::router(&Arc::new(KeycloakDoor::new(Arc::clone(&self.verify)))))
            .merge(self.sign_in(state.public_url.as_str()))
            .merge(pages(ConsoleListener::Main));
        let router = countersign_api::router(state, main_pages);
        let router = match self.world.test_mode.clone() {
            Some(mode) => test_mode::around(router, mode, engine, state),
            None => router,
        };
        let router = spans::joined(router, &self.config.traces);
        let bounds = listener::Bounds::of_config(self.config)?;
        let main = Box::pin(Listener::start(sockets.main, router, certificate, bounds)).await?;
        let Some(socket) = sockets.admin else { return Ok((main, None)) };
        let (vitals, pages) = (Arc::clone(&self.vitals), pages(ConsoleListener::Admin));
        let router = countersign_api::ops_router(state, metrics, vitals, pages);
        let bounds = listener::Bounds::of_admin(http)?;
        let admin = Box::pin(Listener::start(socket, router, None, bounds)).await?;
        Ok((main, Some(admin)))
    }
}

fn engine_options(config: &Config) -> EngineOptions {
    EngineOptions {
        queue_max: config.delivery.queue_max,
        stream_attempts_max: config.delivery.in_flight_max,
        lease: config.delivery.lease(),
        retention: Retention { challenges: config.retention.challenges() },
        call_queue: QueueLimits {
            per_webhook: config.limits.queued_calls_per_webhook,
            per_account: config.limits.queued_calls_per_account,
        },
        // the data folder of SQLite is locked to this process; PostgreSQL may hold leases of other nodes
        is_only_process: config.database.url.is_none(),
        ..Default::default()
    }
}
