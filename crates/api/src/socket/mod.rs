//! The device stream: the WebSocket of a device (`docs/integrate/device.md`).
//!
//! `greeting` and `protocol` implement the conversation without a socket; the `pump` runs it on one; [`admission`] limits the
//! number of sockets.

pub mod admission;
mod close;
pub(crate) mod frames;
mod greeting;
mod open_sockets;
mod protocol;
mod pump;
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
pub use self::open_sockets::{OpenSockets, watch_revocations};
use crate::error::ApiError;
use crate::paths::PathParams;
use crate::rows;

/// Authenticates devices.
#[async_trait]
pub trait DeviceAuth: Send + Sync {
    /// Checks everything about a token but the path. `from` is the address of the device.
    ///
    /// # Errors
    /// The first check that fails. It counts against the address.
    async fn authenticate(
        &self,
        from: Option<IpAddr>,
        token: &str,
        nonce: &str,
    ) -> Result<Factor, AuthError>;

    /// Counts a first message that is no token against its address.
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

    /// The subset of these factors that may not have a stream.
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

/// Both clocks, read at the same time: the monotonic one measures, the time of day is told to devices.
#[derive(Debug, Clone, Copy)]
struct Now {
    /// For waits and lifetimes.
    at: Monotonic,
    /// The time of day, for messages to devices and the expiry of prompts.
    day: Instant,
}

impl Now {
    fn of(clock: &dyn Clock) -> Self {
        Self { at: clock.monotonic(), day: clock.now() }
    }
}

/// Shared by all sockets of a process.
pub struct SocketContext {
    /// Carries offers to devices.
    pub bus: Arc<dyn Bus>,
    /// Tells the delivery engine which devices connect.
    pub handover: HandOver,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Source of nonces.
    pub entropy: Arc<dyn Entropy>,
    /// Authenticates devices.
    pub auth: Arc<dyn DeviceAuth>,
    /// Cancelled when the process stops: all sockets are then closed with 1001.
    pub shutdown: CancellationToken,
    /// Tracks sockets, so that a shutdown can wait until they are closed.
    pub tracker: TaskTracker,
    /// Limits on the number of sockets.
    pub admission: Admission,
    /// The open sockets; empty at first.
    pub open_sockets: OpenSockets,
}

/// Inserted by a listener into requests that share a connection. The connection is in use while a clone exists.
#[derive(Clone)]
pub struct KeepsOpen(pub Arc<dyn Any + Send + Sync>);

/// `GET /v2/Services/{ServiceSid}/Entities/{Identity}/Factors/{Sid}/Stream`; over HTTP/2, `CONNECT`.
pub(crate) async fn stream(
    State(context): State<Arc<SocketContext>>,
    path: Result<PathParams<(ServiceSid, Identity, FactorSid)>, ApiError>,
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
        Ok(PathParams((service, identity, factor))) => Claim { service, identity, factor },
        Err(error) => return error.into_response(),
    };
    let from = from.ok().map(|Extension(ConnectInfo(address))| address.ip());
    let permit = match context.admission.admit(from) {
        Ok(permit) => permit,
        Err(error) => return ApiError::from(error).into_response(),
    };
    let token = context.tracker.token();
    transport::bounded(upgrade).on_upgrade(move |socket| {
        // A separate task, because the one that waited for the upgrade is larger than an idle socket should be.
        let tracker = context.tracker.clone();
        let stream = pump::hold(socket, claim, permit, context);
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
