//! The values that all sockets share.

use std::sync::Arc;

use countersign_bus::{Bus, HandOver};
use countersign_domain::world::{Clock, Entropy};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::admission::Admission;
use super::device_auth::DeviceAuth;
use super::open_sockets::OpenSockets;

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
