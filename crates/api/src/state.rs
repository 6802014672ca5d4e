//! The state that handlers share.

use std::sync::Arc;
use std::time::Duration;

use countersign_verify::Verify;
use countersign_verify::concurrency::RequestLimiter;
use countersign_web::body::BodyLimits;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::socket::SocketContext;
use crate::urls::PublicUrl;

/// The operator's settings for HTTP.
#[derive(Debug, Clone)]
pub struct ApiOptions {
    /// Limits of a request body. Must allow an `AuthPayload` of 16 KiB (Twilio documentation).
    pub body: BodyLimits,
    /// Largest size of path and headers together, in bytes.
    pub header_limit: usize,
    /// Whether `/healthz` and `/readyz` are served beside the API. False if there is an admin listener.
    pub ops_on_main: bool,
}

impl Default for ApiOptions {
    fn default() -> Self {
        Self {
            body: BodyLimits { bytes: 64 * 1024, within: Duration::from_secs(30) },
            header_limit: 16 * 1024,
            ops_on_main: true,
        }
    }
}

/// The state of the API.
pub struct ApiState {
    /// The use cases.
    pub verify: Arc<Verify>,
    /// The public URL. All URLs in responses begin with it.
    pub public_url: PublicUrl,
    /// The operator's settings.
    pub options: ApiOptions,
    /// Limits the requests in progress. Further ones are rejected at once, except health and readiness.
    pub limiter: RequestLimiter,
    /// Shared by all device streams.
    pub sockets: Arc<SocketContext>,
    /// Cancelled when the server stops: long polls end and readiness fails.
    pub shutdown: CancellationToken,
    /// Writing requests that continue after their caller is gone. A shutdown waits for them.
    pub abandoned: TaskTracker,
}

/// The state, as handlers receive it.
pub(crate) type SharedState = Arc<ApiState>;
