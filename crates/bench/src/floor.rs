//! The two floors: the least that any server of this kind does.
//!
//! The bare floor parses the same request (credentials, path, form) and sends a constant response of the real one's
//! size and headers. The other one also stores a row before it responds. Each is a process of this program.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path as Segments, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use axum::routing::post;
use axum::serve::ListenerExt as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use url::form_urlencoded;

use crate::http::{self, Connection, basic};
use crate::load::{Requests, Target};
use crate::process::{Process, free_address};
use crate::rows::{Row, Rows};

const ACCOUNT: (&str, &str) =
    ("AC00000000000000000000000000000001", "not-a-secret-of-anybody-and-long-enough");
const PATHS: usize = 2_000;

/// The response of the real server, byte for byte in length.
const BODY: &str = r#"{"sid":"NT00000000000000000000000000000001","account_sid":"AC00000000000000000000000000000001","service_sid":"VA00000000000000000000000000000001","entity_sid":"YE00000000000000000000000000000001","identity":"ff483d1ff591898a9942916050d2ca3f","challenge_sid":"YC03f1e2d3c4b5a69788796a5b4c3d2e1f","priority":"high","ttl":150,"date_created":"2023-11-14T22:14:00Z"}"#;
const HEADERS: [(&str, &str); 11] = [
    ("content-type", "application/json"),
    ("cache-control", "no-store"),
    ("x-home-region", "us1"),
    ("access-control-allow-origin", "*"),
    ("access-control-allow-methods", "GET, POST, DELETE, OPTIONS"),
    (
        "access-control-allow-headers",
        "Accept, Authorization, Content-Type, If-Match, If-Modified-Since, If-None-Match, If-Unmodified-Since, \
         Idempotency-Key, User-Agent",
    ),
    ("access-control-allow-credentials", "true"),
    (
        "access-control-expose-headers",
        "ETag, Date, Twilio-Verify-Signature-Fields, Retry-After, Twilio-Request-Id",
    ),
    ("x-api-domain", "127.0.0.1"),
    ("twilio-concurrent-requests", "64"),
    ("twilio-request-duration", "0.001"),
];
const REQUEST_ID: (&str, &str) = ("twilio-request-id", "RQ00000000000000000000000000000001");

/// The kind of a floor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bare,
    Sqlite,
}

/// A running floor, and its requests.
pub(crate) struct Floor {
    pub(crate) target: Target,
    pub(crate) requests: Arc<Requests>,
    _process: Process,
}

impl Floor {
    /// Starts a floor; its database, if any, is in the folder.
    pub(crate) async fn start(kind: Kind, folder: &Path) -> Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["floor-server", "--listen", &address.to_string()]);
        if kind == Kind::Sqlite {
            command.arg("--sqlite").arg(folder.join("floor.db"));
        }
        let mut process = Process::start(&mut command, &folder.join("floor.log"))?;
        let wire: Vec<_> = (0..PATHS).map(|number| request(address, number)).collect();
        let mut tries = 0;
        loop {
            if let Ok(mut connection) = Connection::open(address).await {
                let answer = connection.call(&wire[0]).await?;
                if answer.status != 201 {
                    bail!("the floor answers {}", answer.text());
                }
                break;
            }
            tries += 1;
            process.still_runs().context("the floor")?;
            anyhow::ensure!(tries < 500, "the floor does not start");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let target = Target { address, pid: process.pid() };
        Ok(Self {
            target,
            requests: Arc::new(Requests { wire, expected: 201, may_shed: false }),
            _process: process,
        })
    }
}

fn request(address: std::net::SocketAddr, number: usize) -> Vec<u8> {
    let path = format!(
        "/v2/Services/VA00000000000000000000000000000001/Entities/bench-{number:026}/Challenges/YC03{number:030x}/Notifications"
    );
    http::post(address, &path, &basic(ACCOUNT.0, ACCOUNT.1), "Ttl=150")
}

/// `floor-server`: runs until its standard input ends.
pub(crate) async fn serve(listen: std::net::SocketAddr, sqlite: Option<PathBuf>) -> Result<()> {
    let rows = sqlite.map(|file| Rows::open(&file)).transpose()?;
    let state = Arc::new(FloorState { rows, credentials: format!("{}:{}", ACCOUNT.0, ACCOUNT.1) });
    let path = "/v2/Services/{service}/Entities/{identity}/Challenges/{challenge}/Notifications";
    let router = Router::new().route(path, post(create)).with_state(state);
    let listener = TcpListener::bind(listen).await?.tap_io(|socket| {
        let _ = socket.set_nodelay(true);
    });
    tokio::select! {
        served = axum::serve(listener, router) => Ok(served?),
        _ = async { tokio::io::stdin().read_to_end(&mut Vec::new()).await } => Ok(()),
    }
}

struct FloorState {
    rows: Option<Rows>,
    credentials: String,
}

async fn create(
    State(yardstick): State<Arc<FloorState>>,
    Segments((service, identity, challenge)): Segments<(String, String, String)>,
    headers: HeaderMap,
    form: Bytes,
) -> Response<Body> {
    let authorization = headers.get("authorization").and_then(|value| value.to_str().ok());
    if authorization.is_none_or(|given| !is_account(given, &yardstick.credentials)) {
        return empty(StatusCode::UNAUTHORIZED);
    }
    let ttl = form_urlencoded::parse(&form).find(|(name, _)| name == "Ttl");
    let Some(ttl) = ttl.and_then(|(_, value)| value.parse::<u32>().ok()).filter(|ttl| *ttl <= 300)
    else {
        return empty(StatusCode::BAD_REQUEST);
    };
    if let Some(rows) = &yardstick.rows {
        let account = ACCOUNT.0.to_owned();
        if !rows.insert(Row { account, service, identity, challenge, ttl }).await {
            return empty(StatusCode::SERVICE_UNAVAILABLE);
        }
    }
    let mut response = Response::new(Body::from(BODY));
    *response.status_mut() = StatusCode::CREATED;
    let headers = response.headers_mut();
    headers.reserve(HEADERS.len() + 3);
    for (name, value) in HEADERS.into_iter().chain([REQUEST_ID]) {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

/// Decodes the credentials, as a server must that does not know its callers.
fn is_account(given: &str, expected: &str) -> bool {
    let decoded = given.strip_prefix("Basic ").and_then(|text| STANDARD.decode(text).ok());
    decoded.is_some_and(|credentials| credentials == expected.as_bytes())
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
