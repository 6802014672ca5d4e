//! Makes the pool of connections.

use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use countersign_store::error::StoreError;
use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Pool, QueueMode, RecyclingMethod, Runtime,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::database::SESSION_SETTINGS;
use crate::error::message_of;
use crate::options::Options;
use crate::pooler;
use crate::servers::Servers;
use crate::time_limits::TimeLimits;

/// A server that does not acknowledge packets for this long is gone.
const SILENT_FOR: Duration = Duration::from_secs(10);
/// The number of keep-alive probes without a response after which an idle connection is closed, and their interval.
const PROBES: u32 = 3;
const PROBE_INTERVAL: Duration = Duration::from_secs(3);

/// Makes a pool, which opens no connection yet.
///
/// # Errors
/// The settings are wrong, or a pooler is in between that they do not mention.
pub(crate) async fn pool(options: &Options, time_limits: TimeLimits) -> Result<Pool, StoreError> {
    let mut config = tokio_postgres::Config::from_str(&options.url).map_err(|error| {
        StoreError::Unavailable(format!("the database's URL is wrong: {}", message_of(&error)))
    })?;
    if config.get_application_name().is_none() {
        config.application_name("countersign");
    }
    config.keepalives_idle(SILENT_FOR);
    if config.get_keepalives_interval().is_none() {
        config.keepalives_interval(PROBE_INTERVAL);
    }
    if config.get_keepalives_retries().is_none() {
        config.keepalives_retries(PROBES);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(SILENT_FOR);
    }
    let servers = Servers::of(&config, options.timeout, MakeRustlsConnect::new(tls(options)?));
    if !options.transaction_pooling {
        pooler::refuse(&config, &servers).await?;
    }
    let how = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_connect(config, servers, how);
    let mut pool = Pool::builder(manager);
    if !options.transaction_pooling {
        let settings = SESSION_SETTINGS.to_owned() + &time_limits.of_connection();
        pool = pool.post_create(Hook::async_fn(move |client, _| {
            let settings = settings.clone();
            Box::pin(
                async move { client.batch_execute(&settings).await.map_err(HookError::Backend) },
            )
        }));
    }
    pool.max_size(options.connections)
        // Few connections work and the others are idle: each is a process that makes its own plans and caches.
        .queue_mode(QueueMode::Lifo)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(time_limits.free_connection()))
        .build()
        .map_err(|error| StoreError::Unavailable(error.to_string()))
}

/// The TLS settings. A server must show a trusted certificate if TLS is used, as the URL's `sslmode` says.
fn tls(options: &Options) -> Result<ClientConfig, StoreError> {
    let mut trusted = RootCertStore::empty();
    if let Some(path) = &options.tls_ca {
        let unusable = |why: &dyn std::fmt::Display| {
            StoreError::Unavailable(format!("{}: {why}", path.display()))
        };
        let found = CertificateDer::pem_file_iter(path).map_err(|error| unusable(&error))?;
        for certificate in found {
            let certificate = certificate.map_err(|error| unusable(&error))?;
            trusted.add(certificate).map_err(|error| unusable(&error))?;
        }
        if trusted.is_empty() {
            return Err(unusable(&"there is no certificate in it"));
        }
    } else if !options.url.contains("sslmode=disable") {
        // Certificates that cannot be read are not trusted.
        trusted.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| StoreError::Unavailable(error.to_string()))?;
    Ok(builder.with_root_certificates(trusted).with_no_client_auth())
}
