//! The connection to the NATS servers: how it is made, and how it is made again.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event};
use countersign_domain::secret::Secret;
use countersign_domain::world::{Entropy, random};
use tokio::sync::mpsc;

use super::seal::SealingKey;

/// A server must say who it is within this.
const WITHIN: Duration = Duration::from_secs(5);
/// Servers are asked so often whether they are there; two silent answers end a connection.
const PING: Duration = Duration::from_secs(5);
/// Messages that may wait to be written.
const TO_WRITE: usize = 2_048;
/// Messages that may wait for each of our subscriptions; more are dropped, and counted.
const TO_READ: usize = 8_192;
/// The longest pause between two tries to connect.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// From then on servers answer at once when nobody listens: 2.2.
const OLDEST: &str = "2.2";

/// How NATS is reached.
#[derive(Debug, Clone)]
pub struct Options {
    /// URLs of servers of one NATS: `nats://host:4222`, or `tls://…` to insist on TLS.
    pub servers: Vec<String>,
    /// What every subject begins with, so that several clusters can share a NATS. Letters, digits, `-` and `_`.
    pub prefix: String,
    /// Who we say we are.
    pub login: Login,
    /// Files of certificate authorities to trust, in PEM; if there are any, the system's are not.
    pub roots: Vec<PathBuf>,
    /// Our own certificate chain and private key, in PEM, for servers that ask for one.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// What all messages are sealed under; the same at all nodes.
    pub key: SealingKey,
}

/// Who we say we are.
#[derive(Debug, Clone, Default)]
pub enum Login {
    /// Nobody.
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

/// Why NATS cannot be used: things that do not mend themselves.
#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    /// One of the addresses is none.
    #[error("not the address of a NATS server")]
    Address,
    /// The text of the credentials file is none.
    #[error("no credentials: {0}")]
    Credentials(std::io::Error),
    /// The server does not let us in.
    #[error("the NATS server refuses the login")]
    Refused,
    /// No TLS connection: certificates that are not trusted, or cannot be read.
    #[error("no TLS connection: {0}")]
    Tls(String),
    /// It is not there. It may be later.
    #[error("no NATS server can be reached: {0}")]
    Unreachable(String),
    /// The subjects below our prefix are not for us.
    #[error("the NATS server does not answer, or does not let us use our subjects")]
    Forbidden,
    /// A server of a version below 2.2.
    #[error("the NATS server is of version {0}, and {OLDEST} is the oldest that will do")]
    TooOld(String),
}

impl NatsError {
    /// Whether trying again may help.
    pub(super) const fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }
}

/// Connects, once.
pub(super) async fn connect(
    options: &Options,
    name: &str,
    entropy: &Arc<dyn Entropy>,
    events: &mpsc::Sender<Event>,
) -> Result<Client, NatsError> {
    let made = client_options(options, name, entropy, events)?;
    let client = made.connect(&options.servers).await.map_err(|error| match error.kind() {
        ConnectErrorKind::ServerParse => NatsError::Address,
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
            NatsError::Refused
        }
        ConnectErrorKind::Tls => NatsError::Tls(said_by(&error)),
        _ if is_tls(&error) => NatsError::Tls(said_by(&error)),
        _ => NatsError::Unreachable(said_by(&error)),
    })?;
    let server = client.server_info();
    if server.headers { Ok(client) } else { Err(NatsError::TooOld(server.version)) }
}

/// Connects some time.
pub(super) async fn connect_some_time(
    options: &Options,
    name: &str,
    entropy: &Arc<dyn Entropy>,
    events: &mpsc::Sender<Event>,
) -> Result<Client, NatsError> {
    let made = client_options(options, name, entropy, events)?.retry_on_initial_connect();
    made.connect(&options.servers).await.map_err(|error| NatsError::Unreachable(said_by(&error)))
}

/// What the server of a connection says of itself.
pub(super) fn server(client: &Client) -> String {
    let server = client.server_info();
    format!("nats-server {} at {}:{}", server.version, server.host, server.port)
}

fn client_options(
    options: &Options,
    name: &str,
    entropy: &Arc<dyn Entropy>,
    events: &mpsc::Sender<Event>,
) -> Result<ConnectOptions, NatsError> {
    let (entropy, events) = (Arc::clone(entropy), events.clone());
    let mut made = ConnectOptions::new()
        .name(format!("countersign {}", name.get(..8).unwrap_or(name)))
        .no_echo()
        .custom_inbox_prefix(format!("{}.inbox", options.prefix))
        .connection_timeout(WITHIN)
        .ping_interval(PING)
        .client_capacity(TO_WRITE)
        .subscription_capacity(TO_READ)
        .max_reconnects(None)
        .reconnect_delay_callback(move |tries| pause(tries, u32::from_le_bytes(random(&*entropy))))
        .event_callback(move |event| {
            let events = events.clone();
            async move {
                // Fails only when nobody uses the bus any more.
                let _ = events.send(event).await;
            }
        });
    made = match &options.login {
        Login::Anonymous => made,
        Login::Password { user, password } => {
            made.user_and_password(user.clone(), password.expose().to_owned())
        }
        Login::Token(token) => made.token(token.expose().to_owned()),
        Login::Nkey(seed) => made.nkey(seed.expose().to_owned()),
        Login::Credentials(text) => {
            made.credentials(text.expose()).map_err(NatsError::Credentials)?
        }
    };
    for roots in &options.roots {
        made = made.add_root_certificates(roots.clone());
    }
    if let Some((chain, key)) = &options.certificate {
        made = made.add_client_certificate(chain.clone(), key.clone());
    }
    Ok(made)
}

/// The pause before the so-manieth try in a row: none before the first of all, then doubling from a fifth of a second to
/// five seconds, of which a random half is taken off.
fn pause(tries: usize, jitter: u32) -> Duration {
    let doublings = u32::try_from(tries.saturating_sub(1)).unwrap_or(u32::MAX).min(10);
    if doublings == 0 {
        return Duration::ZERO;
    }
    let whole = (Duration::from_millis(100) * (1 << doublings)).min(LONGEST_PAUSE);
    whole - whole.mul_f64(f64::from(jitter) / f64::from(u32::MAX) / 2.0)
}

/// An error and what it is because of.
fn said_by(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |said, cause| {
        let cause = cause.to_string();
        if said.contains(&cause) { said } else { format!("{said}: {cause}") }
    })
}

/// A handshake that fails is an error of reading or writing to the client.
fn is_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    let said = said_by(error).to_lowercase();
    ["certificate", "tls", "handshake", "corrupt message"].iter().any(|word| said.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stop_growing() {
        let millis = |tries| pause(tries, 0).as_millis();
        assert_eq!([1, 2, 3, 6, 7, 40].map(millis), [0, 200, 400, 3_200, 5_000, 5_000]);
        assert_eq!(pause(2, u32::MAX), Duration::from_millis(100));
    }
}
