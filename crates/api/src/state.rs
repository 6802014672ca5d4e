//! What handlers may use, which is little.

use std::sync::Arc;
use std::time::Duration;

use countersign_verify::Verify;
use countersign_verify::concurrency::RequestLimiter;
use countersign_web::body::Allowance;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::socket::SocketParts;
use crate::urls::PublicUrl;

/// What an operator can choose about HTTP.
#[derive(Debug, Clone)]
pub struct ApiOptions {
    /// What a request's body may take. Must leave room for an `AuthPayload` of 16 KiB (wire reference §3.9).
    pub body: Allowance,
    /// The most bytes of a request's path and headers together.
    pub header_limit: usize,
    /// Whether `/healthz` and `/readyz` answer beside the API; they do not if there is an admin listener.
    pub ops_on_main: bool,
}

impl Default for ApiOptions {
    fn default() -> Self {
        Self {
            body: Allowance { bytes: 64 * 1024, within: Duration::from_secs(30) },
            header_limit: 16 * 1024,
            ops_on_main: true,
        }
    }
}

/// Everything a handler is handed. Shared by all.
pub struct ApiState {
    /// The use cases.
    pub verify: Arc<Verify>,
    /// Where the world sees us; all URLs in answers begin with it.
    pub public_url: PublicUrl,
    /// What the operator chose.
    pub options: ApiOptions,
    /// How many requests may be in work. One more is refused at once, health and readiness excepted.
    pub limiter: RequestLimiter,
    /// What device streams share.
    pub sockets: Arc<SocketParts>,
    /// Cancelled when the server stops: long polls answer, readiness says no.
    pub shutdown: CancellationToken,
    /// Writing requests that run to their end after their caller has gone; a shutdown waits for them.
    pub abandoned: TaskTracker,
}

/// How handlers hold the state.
pub(crate) type Shared = Arc<ApiState>;
