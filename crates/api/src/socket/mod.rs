//! The device stream: a WebSocket that a device holds to us (`docs/integrate/device.md`).
//!
//! The conversation (`greeting`, `protocol`) knows no socket; the `pump` carries it over one; [`admission`]
//! bounds how many there are.

pub mod admission;
mod close;
mod frames;
mod greeting;
mod protocol;
mod pump;
mod residents;
#[cfg(test)]
mod tests;
mod transport;

use std::any::Any;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use axum::Extension;
use axum::extract::rejection::ExtensionRejection;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{ConnectInfo, State};
use axum::response::{IntoResponse, Response};
use countersign_bus::{Bus, HandOver};
use countersign_domain::factor::Factor;
use countersign_domain::monotonic::Monotonic;
use countersign_domain::sid::{AccountSid, EntitySid, FactorSid, ServiceSid};
use countersign_domain::text::Identity;
use countersign_domain::time::Instant;
use countersign_domain::world::{Clock, Entropy};
use countersign_store::StoreError;
use countersign_verify::services::ServiceStatus;
use countersign_verify::{AuthError, Verify};
use http::HeaderValue;
use http::header::UPGRADE;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::admission::Admission;
use self::greeting::Claim;
pub use self::residents::{Residents, keep_watch};
use crate::error::ApiError;
use crate::paths::In;
use crate::rows;

/// Tells who signed a device's token.
#[async_trait]
pub trait DeviceAuth: Send + Sync {
    /// Judges a token that came from an address: everything but the path.
    ///
    /// # Errors
    /// The first check that fails, which is counted against the address.
    async fn authenticate(
        &self,
        from: Option<IpAddr>,
        token: &str,
        nonce: &str,
    ) -> Result<Factor, AuthError>;

    /// Counts a first message that is no token against the address it came from.
    fn failed(&self, from: Option<IpAddr>);

    /// Whether a service and its account may still have streams.
    ///
    /// # Errors
    /// The database failed.
    async fn standing(
        &self,
        account: AccountSid,
        service: ServiceSid,
    ) -> Result<ServiceStatus, StoreError>;

    /// Of these factors, those that may have no stream any more.
    ///
    /// # Errors
    /// The database failed.
    async fn not_streamed(
        &self,
        factors: &[(EntitySid, FactorSid)],
    ) -> Result<Vec<FactorSid>, StoreError>;
}

#[async_trait]
impl DeviceAuth for Verify {
    async fn authenticate(
        &self,
        from: Option<IpAddr>,
        token: &str,
        nonce: &str,
    ) -> Result<Factor, AuthError> {
        self.authenticate_stream(from, token, nonce).await
    }

    fn failed(&self, from: Option<IpAddr>) {
        self.stream_failed(from);
    }

    async fn standing(
        &self,
        account: AccountSid,
        service: ServiceSid,
    ) -> Result<ServiceStatus, StoreError> {
        self.service_status(account, service).await
    }

    async fn not_streamed(
        &self,
        factors: &[(EntitySid, FactorSid)],
    ) -> Result<Vec<FactorSid>, StoreError> {
        self.not_streamed(factors).await
    }
}

/// Both hands of the clock, read at once: the conversation measures by the one, and says the other.
#[derive(Debug, Clone, Copy)]
struct Now {
    /// By which waits and lives are measured.
    at: Monotonic,
    /// The time of day, which devices are told, and after which a prompt must not be shown.
    day: Instant,
}

impl Now {
    fn of(clock: &dyn Clock) -> Self {
        Self { at: clock.monotonic(), day: clock.now() }
    }
}

/// All that the sockets of a process share.
pub struct SocketParts {
    /// The wire over which offers come.
    pub bus: Arc<dyn Bus>,
    /// The way to the engine, which is told of devices that connect.
    pub handover: HandOver,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where nonces come from.
    pub entropy: Arc<dyn Entropy>,
    /// Who judges tokens.
    pub auth: Arc<dyn DeviceAuth>,
    /// Cancelled when the process stops: every socket then says 1001.
    pub shutdown: CancellationToken,
    /// Counts sockets, so that whoever stops the process can wait for their goodbyes.
    pub tracker: TaskTracker,
    /// How many sockets there may be.
    pub admission: Admission,
    /// Whose sockets there are; nobody's at first.
    pub residents: Residents,
}

/// Inserted by a listener into requests that share a connection: while a clone lives, the connection is in use.
#[derive(Clone)]
pub struct KeepsOpen(pub Arc<dyn Any + Send + Sync>);

/// `GET /v2/Services/{ServiceSid}/Entities/{Identity}/Factors/{Sid}/Stream`; over HTTP/2, `CONNECT`.
pub(crate) async fn stream(
    State(parts): State<Arc<SocketParts>>,
    path: Result<In<(ServiceSid, Identity, FactorSid)>, ApiError>,
    from: Result<Extension<ConnectInfo<SocketAddr>>, ExtensionRejection>,
    shared: Option<Extension<KeepsOpen>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let Ok(upgrade) = upgrade else {
        let mut response = ApiError::from(&rows::UPGRADE_REQUIRED).into_response();
        response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
        return response;
    };
    let claim = match path {
        Ok(In((service, identity, factor))) => Claim { service, identity, factor },
        Err(error) => return error.into_response(),
    };
    let from = from.ok().map(|Extension(ConnectInfo(address))| address.ip());
    let stranger = match parts.admission.admit(from) {
        Ok(stranger) => stranger,
        Err(turned) => return ApiError::from(turned).into_response(),
    };
    let token = parts.tracker.token();
    transport::bounded(upgrade).on_upgrade(move |socket| {
        // A task of its own: the one that waited for the upgrade is larger than an idle socket should be.
        let tracker = parts.tracker.clone();
        let stream = pump::hold(socket, claim, stranger, parts);
        match shared {
            None => tracker.spawn(stream),
            Some(shared) => tracker.spawn(async move {
                stream.await;
                drop(shared);
            }),
        };
        drop(token);
        std::future::ready(())
    })
}
