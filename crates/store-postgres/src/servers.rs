//! Several servers, of which one takes writes. They are tried in turn, and a silent one is skipped.
//!
//! The driver would try them too, but a server that accepts a connection and then sends nothing, such as a stopped process, would use up
//! the time of the others.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use deadpool_postgres::Connect;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::config::Host;
use tokio_postgres::{Client, Config, Error};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::message_of;

type Connecting<'a> = Pin<Box<dyn Future<Output = Result<Connected, Error>> + Send + 'a>>;
type Connected = (Client, JoinHandle<()>);

/// Connects to one of several servers.
#[derive(Clone)]
pub(crate) struct Servers {
    /// The configuration of each server, if there are several.
    each: Vec<Config>,
    /// The time limit for one server, from the first packet until it reports that it takes writes.
    limit: Duration,
    /// The server of the last connection; the next attempt begins with it.
    found: Arc<AtomicUsize>,
    tls: MakeRustlsConnect,
}

impl Servers {
    /// The servers of a configuration. Each has an equal share of `timeout`, unless a connect timeout is configured.
    pub(crate) fn of(config: &Config, timeout: Duration, tls: MakeRustlsConnect) -> Self {
        let count = config.get_hosts().len().max(config.get_hostaddrs().len());
        let each = if count > 1 { (0..count).map(|at| only(config, at)).collect() } else { vec![] };
        let share = timeout / u32::try_from(count.max(1)).unwrap_or(u32::MAX);
        let limit = config.get_connect_timeout().copied().unwrap_or(share);
        Self { each, limit, found: Arc::default(), tls }
    }

    async fn connect_to(&self, server: &Config) -> Result<Connected, Error> {
        let (client, connection) = server.connect(self.tls.clone()).await?;
        let running = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(
                    error = message_of(&error),
                    "a connection to the database has broken"
                );
            }
        });
        Ok((client, running))
    }
}

impl Connect for Servers {
    fn connect(&self, whole: &Config) -> Connecting<'_> {
        let whole = whole.clone();
        Box::pin(async move {
            let first = self.found.load(Ordering::Relaxed);
            let each = self.each.iter().enumerate();
            for (at, server) in each.cycle().skip(first).take(self.each.len()) {
                let host = server.get_hosts();
                match timeout(self.limit, self.connect_to(server)).await {
                    Ok(Ok(connected)) => {
                        self.found.store(at, Ordering::Relaxed);
                        return Ok(connected);
                    }
                    Ok(Err(error)) => tracing::debug!(?host, error = message_of(&error), "skipped"),
                    Err(_) => tracing::debug!(?host, "skipped: it is silent"),
                }
            }
            // The only server; or, if all of several failed, the driver returns the error.
            self.connect_to(&whole).await
        })
    }
}

/// The configuration of one of its servers.
fn only(whole: &Config, at: usize) -> Config {
    let mut one = Config::new();
    match whole.get_hosts().get(at) {
        Some(Host::Tcp(name)) => _ = one.host(name),
        Some(Host::Unix(path)) => _ = one.host_path(path),
        None => {}
    }
    whole.get_hostaddrs().get(at).map(|address| one.hostaddr(*address));
    let ports = whole.get_ports();
    ports.get(at).or(ports.first()).map(|port| one.port(*port));
    whole.get_user().map(|user| one.user(user));
    whole.get_password().map(|password| one.password(password));
    whole.get_dbname().map(|name| one.dbname(name));
    whole.get_options().map(|options| one.options(options));
    whole.get_application_name().map(|name| one.application_name(name));
    whole.get_connect_timeout().map(|timeout| one.connect_timeout(*timeout));
    whole.get_tcp_user_timeout().map(|timeout| one.tcp_user_timeout(*timeout));
    whole.get_keepalives_interval().map(|interval| one.keepalives_interval(interval));
    whole.get_keepalives_retries().map(|retries| one.keepalives_retries(retries));
    one.keepalives(whole.get_keepalives())
        .keepalives_idle(whole.get_keepalives_idle())
        .ssl_mode(whole.get_ssl_mode())
        .ssl_negotiation(whole.get_ssl_negotiation())
        .target_session_attrs(whole.get_target_session_attrs())
        .channel_binding(whole.get_channel_binding());
    one
}
