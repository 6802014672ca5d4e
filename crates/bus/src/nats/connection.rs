//! Connects to the NATS servers, and reconnects.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event};
use countersign_domain::secret::Secret;
use countersign_domain::world::{Entropy, random};
use tokio::sync::mpsc;

use super::seal::SealingKey;

/// How long a server may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How often the client pings a server; two unanswered pings end a connection.
const PING_INTERVAL: Duration = Duration::from_secs(5);
/// Messages that may be queued for writing.
const WRITE_QUEUE: usize = 2_048;
/// Messages that may be queued for each subscription; above it they are dropped and counted.
const READ_QUEUE: usize = 8_192;
/// The longest delay between two attempts to connect.
const LONGEST_DELAY: Duration = Duration::from_secs(5);
/// The oldest server version that replies "no responders".
const OLDEST_VERSION: &str = "2.2";

/// How to connect to NATS.
#[derive(Debug, Clone)]
pub struct NatsOptions {
    /// URLs of servers of one NATS: `nats://host:4222`, or `tls://…` to insist on TLS.
    pub servers: Vec<String>,
    /// The first part of every subject; clusters that share a NATS differ in it. Letters, digits, `-` and `_`.
    pub prefix: String,
    /// The client's credentials.
    pub login: Login,
    /// PEM files of certificate authorities to trust. If there are any, the system's are not trusted.
    pub roots: Vec<PathBuf>,
    /// PEM files of the client's certificate chain and private key, for servers that require one.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// The key that all messages are sealed with; the same on all nodes.
    pub key: SealingKey,
}

/// The client's credentials.
#[derive(Debug, Clone, Default)]
pub enum Login {
    /// None.
    #[default]
    Anonymous,
    /// A user with a password.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A token.
    Token(Secret),
    /// The seed of an NKey (`SU…`).
    Nkey(Secret),
    /// The text of a credentials file: a JWT and the seed of its NKey.
    Credentials(Secret),
}

/// Why NATS cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    /// A server's URL is malformed.
    #[error("expected the URL of a NATS server, for example nats://nats.example.com:4222")]
    Address,
    /// The text of the credentials file cannot be parsed.
    #[error("the NATS credentials file cannot be used: {0}")]
    Credentials(std::io::Error),
    /// The server rejects the credentials.
    #[error("the NATS server rejects the credentials")]
    Login,
    /// The TLS handshake fails: a certificate is not trusted or cannot be read.
    #[error("the TLS connection to the NATS server fails: {0}")]
    Tls(String),
    /// No server can be reached. A retry may succeed.
    #[error("no NATS server can be reached: {0}")]
    Unreachable(String),
    /// The server does not reply, or forbids the subjects below the prefix.
    #[error("the NATS server does not reply, or forbids the subjects below bus.prefix")]
    Forbidden,
    /// The server is older than 2.2.
    #[error("the NATS server has version {0}; {OLDEST_VERSION} or later is required")]
    TooOld(String),
}

impl NatsError {
    /// Whether a retry may succeed.
    pub(super) const fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }
}

/// Tries once to connect.
pub(super) async fn connect(
    options: &NatsOptions,
    name: &str,
    entropy: &Arc<dyn Entropy>,
    events: &mpsc::Sender<Event>,
) -> Result<Client, NatsError> {
    let connect = client_options(options, name, entropy, events)?;
    let client = connect.connect(&options.servers).await.map_err(|error| match error.kind() {
        ConnectErrorKind::ServerParse => NatsError::Address,
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
            NatsError::Login
        }
        ConnectErrorKind::Tls => NatsError::Tls(with_causes(&error)),
        _ if is_tls(&error) => NatsError::Tls(with_causes(&error)),
        _ => NatsError::Unreachable(with_causes(&error)),
    })?;
    let server = client.server_info();
    if server.headers { Ok(client) } else { Err(NatsError::TooOld(server.version)) }
}

/// Returns a client that connects in the background, as often as it takes.
pub(super) async fn connect_later(
    options: &NatsOptions,
    name: &str,
    entropy: &Arc<dyn Entropy>,
    events: &mpsc::Sender<Event>,
) -> Result<Client, NatsError> {
    let connect = client_options(options, name, entropy, events)?.retry_on_initial_connect();
    connect
        .connect(&options.servers)
        .await
        .map_err(|error| NatsError::Unreachable(with_causes(&error)))
}

/// The version and the address of a connection's server.
pub(super) fn server(client: &Client) -> String {
    let server = client.server_info();
    format!("nats-server {} at {}:{}", server.version, server.host, server.port)
}

fn client_options(
    options: &NatsOptions,
    name: &str,
    entropy: &Arc<dyn Entropy>,
    events: &mpsc::Sender<Event>,
) -> Result<ConnectOptions, NatsError> {
    let (entropy, events) = (Arc::clone(entropy), events.clone());
    let mut client = ConnectOptions::new()
        .name(format!("countersign {}", name.get(..8).unwrap_or(name)))
        .no_echo()
        .custom_inbox_prefix(format!("{}.inbox", options.prefix))
        .connection_timeout(CONNECT_TIMEOUT)
        .ping_interval(PING_INTERVAL)
        .client_capacity(WRITE_QUEUE)
        .subscription_capacity(READ_QUEUE)
        .max_reconnects(None)
        .reconnect_delay_callback(move |attempts| {
            reconnect_delay(attempts, u32::from_le_bytes(random(&*entropy)))
        })
        .event_callback(move |event| {
            let events = events.clone();
            async move {
                // Fails only after the bus was dropped.
                let _ = events.send(event).await;
            }
        });
    client = match &options.login {
        Login::Anonymous => client,
        Login::Password { user, password } => {
            client.user_and_password(user.clone(), password.expose().to_owned())
        }
        Login::Token(token) => client.token(token.expose().to_owned()),
        Login::Nkey(seed) => client.nkey(seed.expose().to_owned()),
        Login::Credentials(text) => {
            client.credentials(text.expose()).map_err(NatsError::Credentials)?
        }
    };
    for roots in &options.roots {
        client = client.add_root_certificates(roots.clone());
    }
    if let Some((chain, key)) = &options.certificate {
        client = client.add_client_certificate(chain.clone(), key.clone());
    }
    Ok(client)
}

/// Reconnect delay: none before the first attempt, then 200 ms, doubling to 5 s, minus up to half as jitter.
fn reconnect_delay(attempts: usize, jitter: u32) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX).min(10);
    if doublings == 0 {
        return Duration::ZERO;
    }
    let whole = (Duration::from_millis(100) * (1 << doublings)).min(LONGEST_DELAY);
    whole - whole.mul_f64(f64::from(jitter) / f64::from(u32::MAX) / 2.0)
}

/// The text of an error, with its causes.
fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| {
        let cause = cause.to_string();
        if text.contains(&cause) { text } else { format!("{text}: {cause}") }
    })
}

/// Whether a TLS handshake failed: the client reports that as an error of reading or writing.
fn is_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    let text = with_causes(error).to_lowercase();
    ["certificate", "tls", "handshake", "corrupt message"].iter().any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reconnect_delays_double_up_to_five_seconds() {
        let millis = |attempts| reconnect_delay(attempts, 0).as_millis();
        assert_eq!([1, 2, 3, 6, 7, 40].map(millis), [0, 200, 400, 3_200, 5_000, 5_000]);
        assert_eq!(reconnect_delay(2, u32::MAX), Duration::from_millis(100));
    }
}
