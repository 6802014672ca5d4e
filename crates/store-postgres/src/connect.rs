//! How a connection is made.

use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use countersign_store::StoreError;
use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Pool, QueueMode, RecyclingMethod, Runtime,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::Options;
use crate::bounds::Bounds;
use crate::database::GREETING;
use crate::pooler;
use crate::servers::Servers;
use crate::trouble::words;

/// A server that does not answer to packets for that long is gone.
const SILENT_FOR: Duration = Duration::from_secs(10);
/// So is one that a connection which nobody uses has asked so often, at this interval, whether it is still there.
const ASKED_AGAIN: u32 = 3;
const ASKED_AGAIN_AFTER: Duration = Duration::from_secs(3);

/// A pool of connections, none of which is kept yet.
///
/// # Errors
/// The settings are no use, or do not say that there is a pooler in between.
pub(crate) async fn pool(options: &Options, bounds: Bounds) -> Result<Pool, StoreError> {
    let mut config = tokio_postgres::Config::from_str(&options.url).map_err(|error| {
        StoreError::Unavailable(format!("the database's URL is not right: {}", words(&error)))
    })?;
    if config.get_application_name().is_none() {
        config.application_name("countersign");
    }
    config.keepalives_idle(SILENT_FOR);
    if config.get_keepalives_interval().is_none() {
        config.keepalives_interval(ASKED_AGAIN_AFTER);
    }
    if config.get_keepalives_retries().is_none() {
        config.keepalives_retries(ASKED_AGAIN);
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
        let greeting = GREETING.to_owned() + &bounds.greeting();
        pool = pool.post_create(Hook::async_fn(move |client, _| {
            let greeting = greeting.clone();
            Box::pin(
                async move { client.batch_execute(&greeting).await.map_err(HookError::Backend) },
            )
        }));
    }
    pool.max_size(options.connections)
        // few work and the others rest: each is a process, and plans and looks up tables for itself
        .queue_mode(QueueMode::Lifo)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(bounds.free_connection()))
        .build()
        .map_err(|error| StoreError::Unavailable(error.to_string()))
}

/// TLS as the URL's `sslmode` asks for it. A server that speaks it must show a certificate that is trusted.
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
        // those that cannot be read are not trusted
        trusted.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| StoreError::Unavailable(error.to_string()))?;
    Ok(builder.with_root_certificates(trusted).with_no_client_auth())
}
