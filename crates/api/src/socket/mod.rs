//! The device stream: the WebSocket of a device (`docs/integrate/device.md`).
//!
//! `greeting` and `protocol` implement the conversation without a socket; the `pump` runs it on one; [`admission`] limits the
//! number of sockets.

pub mod admission;
mod close;
mod context;
mod device_auth;
pub(crate) mod frames;
mod greeting;
mod now;
mod open_sockets;
mod protocol;
mod pump;
mod revocations;
mod socket_entry;
#[cfg(test)]
mod tests;
mod transport;

use std::any::Any;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::ExtensionRejection;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{ConnectInfo, State};
use axum::response::{IntoResponse, Response};
use countersign_domain::sid::{FactorSid, ServiceSid};
use countersign_domain::text::Identity;
use http::HeaderValue;
use http::header::UPGRADE;

pub use self::context::SocketContext;
pub use self::device_auth::DeviceAuth;
use self::greeting::Claim;
pub use self::open_sockets::OpenSockets;
pub use self::revocations::watch_revocations;
use crate::error::ApiError;
use crate::paths::PathParams;
use crate::rows;

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
