//! The one place where concrete types are named: everything is made here, handed what it needs, and stopped in order.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use axum::Router;
use countersign_api::socket::admission::{Admission, Bounds};
use countersign_api::socket::{Residents, SocketParts, keep_watch};
use countersign_api::{ApiOptions, ApiState, PublicUrl, Render};
use countersign_bus::{Bus, HandOver};
use countersign_console::Console;
use countersign_delivery::Engine;
use countersign_domain::delivery::NodeId;
use countersign_domain::webhook_call::QueueLimits;
use countersign_domain::world::{Clock, Entropy, random};
use countersign_providers::{Guard, ProviderTokens};
use countersign_store::Store;
use countersign_store::seam::Retention;
use countersign_verify::concurrency::RequestLimiter;
use countersign_verify::{Keys, MasterKey, Verify};
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use url::Url;

use crate::config::{Config, ConsoleListener};
use crate::listener::{self, Certificate, Listener};
use crate::{bus, push};

/// What a server asks of the world.
#[derive(Clone)]
pub struct World {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

impl World {
    /// The real one.
    pub fn real() -> Self {
        Self {
            clock: Arc::new(crate::world::SystemClock),
            entropy: Arc::new(crate::world::OsEntropy),
        }
    }
}

/// A running server.
pub struct Server {
    /// The use cases, for whoever starts it.
    pub verify: Arc<Verify>,
    /// What callers reach it by.
    pub public_url: Url,
    /// The operator's pages, for whoever starts it.
    pub console: Arc<Console>,
    /// Where it listens.
    pub address: SocketAddr,
    /// Where the operator's listener is, if there is one.
    pub admin_address: Option<SocketAddr>,
    /// The engine, whose signals tests await.
    pub engine: Engine,
    /// The wire between parts, for tests to look at.
    pub bus: Arc<dyn Bus>,
    clock: Arc<dyn Clock>,
    main: Listener,
    admin: Option<Listener>,
    shutdown: CancellationToken,
    sockets: TaskTracker,
    abandoned: TaskTracker,
    within: Duration,
    /// Ends with the server, also if that is dropped without a stop.
    _counting: AbortOnDropHandle<()>,
}

/// The use cases over a database, without a server: what the commands that manage accounts need.
///
/// # Errors
/// The database was made under another master key, or cannot be read.
pub async fn use_cases(
    config: &Config,
    world: &World,
    store: Arc<dyn Store>,
    key: &MasterKey,
    bus: Arc<dyn Bus>,
    handover: HandOver,
) -> anyhow::Result<Verify> {
    let parts = countersign_verify::Dependencies {
        store,
        bus,
        handover,
        clock: Arc::clone(&world.clock),
        entropy: Arc::clone(&world.entropy),
        keys: Keys::derive(key),
        credential_check: push::check_credential,
        node: NodeId(random(&*world.entropy)),
    };
    let options = countersign_verify::Settings {
        limits: config.limits,
        strict_tokens: config.devices.strict_push_tokens,
        lease: config.delivery.lease(),
        sessions: config.console.sessions(),
    };
    let verify = Verify::new(parts, options);
    ensure!(
        verify.has_right_key().await?,
        "this is not the master key that the database was made under, or a countersign migrate-data into it has not finished"
    );
    Ok(verify)
}

impl Server {
    /// Starts a server over a database. `prepare` is done once its address is taken and before anybody is answered.
    ///
    /// # Errors
    /// An address that cannot be listened on, a certificate that cannot be used, a wrong master key; what `prepare` says.
    pub async fn start(
        config: &Config,
        world: &World,
        store: Arc<dyn Store>,
        key: &MasterKey,
        metrics: Render,
        prepare: impl AsyncFnOnce(&Verify) -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        let socket = listener::bind(config.http.listen)?;
        let address = socket.local_addr()?;
        let public_url = public_url(config, address)?;
        let admin_socket = config.admin.listen.map(listener::bind).transpose()?;
        let bus = Box::pin(bus::connect(config, world, Keys::derive(key).bus())).await?;
        let (handover, inbox) = HandOver::new(config.delivery.queue_max);
        let verify = Box::pin(use_cases(
            config,
            world,
            Arc::clone(&store),
            key,
            Arc::clone(&bus),
            handover.clone(),
        ))
        .await?;
        prepare(&verify).await?;
        let verify = Arc::new(verify);

        let apple = push::provider_tokens(&verify);
        let guard = push::guard(config)?;
        let providers = push::providers(
            config,
            world,
            Arc::clone(&bus),
            &verify,
            Arc::clone(&apple),
            guard.clone(),
        )?;
        let engine = Engine::start(
            &countersign_delivery::EngineParts {
                deliveries: Arc::clone(&store) as _,
                calls: Arc::clone(&store) as _,
                upkeep: store,
                bus: Arc::clone(&bus),
                providers: Arc::new(providers),
                webhooks: Arc::new(push::webhooks(config, world, &verify)?),
                clock: Arc::clone(&world.clock),
                entropy: Arc::clone(&world.entropy),
                handover: handover.clone(),
                node: verify.node(),
                options: engine_options(config),
            },
            inbox,
        );

        let (shutdown, sockets) = (CancellationToken::new(), TaskTracker::new());
        let abandoned = TaskTracker::new();
        let device_streams = Arc::new(SocketParts {
            bus: Arc::clone(&bus),
            handover,
            clock: Arc::clone(&world.clock),
            entropy: Arc::clone(&world.entropy),
            auth: Arc::clone(&verify) as _,
            shutdown: shutdown.clone(),
            tracker: sockets.clone(),
            residents: Residents::default(),
            admission: Admission::new(Bounds {
                unauthenticated: config.stream.unauthenticated_max,
                unauthenticated_per_address: config.stream.unauthenticated_per_address,
                linked: config.stream.sockets_max,
            }),
        });
        keep_watch(&device_streams);
        let state = Arc::new(ApiState {
            verify: Arc::clone(&verify),
            public_url: PublicUrl::parse(public_url.as_str()).context("http.public_url")?,
            options: ApiOptions {
                body: config.http.body(),
                header_limit: config.http.header_bytes_max,
                ops_on_main: config.admin.listen.is_none(),
            },
            limiter: RequestLimiter::new(config.http.concurrency()),
            sockets: device_streams,
            shutdown: shutdown.clone(),
            abandoned: abandoned.clone(),
        });
        let counting = tokio::spawn(Arc::clone(&verify).keep_counting(shutdown.clone()));
        let certificate = config.http.tls_certificate.clone().zip(config.http.tls_key.clone());
        let certificate = certificate.map(|(chain, key)| Certificate::new(chain, key));
        let console_url = console_url(config, &public_url, admin_socket.as_ref())?;
        let console = console(config, world, &verify, apple, guard, &public_url)?;
        let console = Arc::new(console.served_at(&console_url));
        let pages = |listener| {
            let is_there = config.console.enabled && config.console.listen == listener;
            if is_there { countersign_console::router(&console) } else { Router::new() }
        };
        let main_pages = countersign_authenticator::router().merge(pages(ConsoleListener::Main));
        let router = countersign_api::router(&state, main_pages);
        let bounds = listener::Bounds::of_config(config)?;
        let main = Box::pin(Listener::start(socket, router, certificate, bounds)).await?;
        let admin = match admin_socket {
            None => None,
            Some(socket) => {
                let pages = pages(ConsoleListener::Admin);
                let router = countersign_api::ops_router(&state, metrics, pages);
                let bounds = listener::Bounds::of_admin(&config.http)?;
                Some(Box::pin(Listener::start(socket, router, None, bounds)).await?)
            }
        };
        Ok(Self {
            _counting: AbortOnDropHandle::new(counting),
            verify,
            public_url,
            console,
            address,
            admin_address: admin.as_ref().map(|listener| listener.address),
            engine,
            bus,
            clock: Arc::clone(&world.clock),
            main,
            admin,
            shutdown,
            sockets,
            abandoned,
            within: config.http.shutdown(),
        })
    }

    /// Reads the certificate of the main listener again; `None` without one.
    ///
    /// # Errors
    /// It cannot be used, and the old one stays.
    pub async fn reload_certificate(&self) -> Option<anyhow::Result<()>> {
        self.main.reload_certificate().await
    }

    /// Stops: no new requests, long polls answer, sockets are told to come back, what is in flight ends and is written
    /// down; all within the configured time.
    pub async fn stop(self) {
        let deadline = self.clock.now() + self.within;
        self.shutdown.cancel();
        self.sockets.close();
        let listeners = async {
            self.main.stop(self.within).await;
            if let Some(admin) = self.admin {
                admin.stop(self.within).await;
            }
        };
        let sockets = async {
            tokio::select! {
                () = self.sockets.wait() => {}
                () = self.clock.sleep_until(deadline) => {
                    tracing::warn!(sockets = self.sockets.len(), "some device streams did not end in time");
                }
            }
        };
        tokio::join!(listeners, sockets);
        // Once nobody listens, no request can be abandoned any more.
        self.abandoned.close();
        tokio::select! {
            biased;
            () = self.abandoned.wait() => {}
            () = self.clock.sleep_until(deadline) => {
                tracing::warn!(requests = self.abandoned.len(), "some requests without a caller did not end in time");
            }
        }
        self.engine.stop(deadline.max(self.clock.now() + Duration::from_secs(1))).await;
        // What became of the last offers: others wait for that.
        self.bus.flush().await;
    }
}

fn console(
    config: &Config,
    world: &World,
    verify: &Arc<Verify>,
    apple: Arc<ProviderTokens>,
    guard: Guard,
    public_url: &Url,
) -> anyhow::Result<Console> {
    let tester = push::DryPush {
        verify: Arc::clone(verify),
        outgoing: push::outgoing(config)?,
        guard,
        apple,
        world: world.clone(),
    };
    Ok(Console::new(countersign_console::Parts {
        verify: Arc::clone(verify),
        public_url: public_url.to_string(),
        tester: Arc::new(tester),
        explain: countersign_providers::codes::explain_attempt,
    }))
}

/// The URL by which browsers reach the console, without `/console`.
fn console_url(
    config: &Config,
    public_url: &Url,
    admin: Option<&TcpListener>,
) -> anyhow::Result<String> {
    let on_admin = config.console.listen == ConsoleListener::Admin;
    Ok(match (&config.console.public_url, admin) {
        (Some(url), _) => url.to_string(),
        (None, Some(admin)) if on_admin => format!("http://{}", admin.local_addr()?),
        (None, _) => public_url.to_string(),
    })
}

/// What callers reach a server by that listens on `address`.
pub(crate) fn public_url(config: &Config, address: SocketAddr) -> anyhow::Result<Url> {
    if let Some(url) = &config.http.public_url {
        return Ok(url.clone());
    }
    let scheme = if config.http.tls_certificate.is_some() { "https" } else { "http" };
    Ok(Url::parse(&format!("{scheme}://{address}"))?)
}

fn engine_options(config: &Config) -> countersign_delivery::EngineOptions {
    let day = Duration::from_secs(24 * 60 * 60);
    countersign_delivery::EngineOptions {
        queue_max: config.delivery.queue_max,
        stream_attempts_max: config.delivery.in_flight_max,
        lease: config.delivery.lease(),
        retention: Retention { challenges: day * config.retention.challenges_days },
        call_queue: QueueLimits {
            per_webhook: config.limits.queued_calls_per_webhook,
            per_account: config.limits.queued_calls_per_account,
        },
        // the data folder of SQLite is locked to this process; PostgreSQL has leases of other nodes in it
        is_only_process: config.database.url.is_none(),
        ..Default::default()
    }
}
