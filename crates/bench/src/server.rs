//! The server under test: the real binary with its default durable settings, in a temporary folder.

use std::collections::hash_map::RandomState;
use std::ffi::OsStr;
use std::hash::{BuildHasher as _, Hasher as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::time::sleep;

use crate::http::{Connection, basic, get, post};
use crate::load::Target;
use crate::process::{Process, free_address};

/// The deadline for a server's readiness.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// The polling interval, and so the precision of the time to readiness.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// Limits that would stop a benchmark. Everything else has its default.
pub(crate) const LIFTED: [&str; 5] = [
    "limits.requests_per_account_per_second=0",
    "limits.entities_per_account_per_second=0",
    "limits.challenges_per_factor_per_hour=0",
    "limits.push_challenges_in_a_row=0",
    "limits.notifications_per_challenge=0",
];

/// The binary and the account of servers.
#[derive(Debug, Clone)]
pub(crate) struct Installation {
    pub(crate) binary: PathBuf,
    account_sid: String,
    auth_token: String,
    /// More environment variables: the database, and the bus.
    variables: Vec<(&'static str, String)>,
    /// A program that runs the binary in its own process, with its arguments; none by default.
    wrapper: Vec<String>,
}

/// A server that is ready.
pub(crate) struct Server {
    process: Process,
    authorization: String,
    pub(crate) target: Target,
    /// The address of its health and metrics.
    admin: SocketAddr,
    /// From the start of the process to its readiness.
    pub(crate) ready_after: Duration,
}

impl Installation {
    /// With a random account.
    pub(crate) fn new(binary: PathBuf) -> Self {
        let random = || format!("{:016x}", RandomState::new().build_hasher().finish());
        Self {
            binary,
            account_sid: format!("AC{}{}", random(), random()),
            auth_token: [random(), random(), random()].concat(),
            variables: Vec::new(),
            wrapper: Vec::new(),
        }
    }

    /// With a fixed account, for a database that outlives a run.
    pub(crate) fn lasting(binary: PathBuf) -> Self {
        let (account_sid, auth_token) =
            (format!("AC{}", "be".repeat(16)), "bench-on-another-database-0123456789".to_owned());
        Self { account_sid, auth_token, ..Self::new(binary) }
    }

    /// With more variables.
    pub(crate) fn with(&self, variables: Vec<(&'static str, String)>) -> Self {
        Self { variables: [self.variables.clone(), variables].concat(), ..self.clone() }
    }

    /// Under a program that runs the binary in its own process.
    pub(crate) fn under(&self, wrapper: Vec<String>) -> Self {
        Self { wrapper, ..self.clone() }
    }

    pub(crate) fn account_sid(&self) -> &str {
        &self.account_sid
    }

    pub(crate) fn auth_token(&self) -> &str {
        &self.auth_token
    }

    /// Starts a server on a folder, which may be empty, and waits until it is ready.
    pub(crate) async fn start(&self, folder: &Path) -> Result<Server> {
        self.start_with(folder, &[]).await
    }

    /// Starts a server with more arguments.
    pub(crate) async fn start_with(&self, folder: &Path, more: &[&OsStr]) -> Result<Server> {
        let (address, admin) = (free_address()?, free_address()?);
        let binary = self.binary.as_os_str();
        let mut words = self.wrapper.iter().map(OsStr::new).chain([binary]);
        let mut command = Command::new(words.next().unwrap_or(binary));
        command.args(words).arg("serve");
        command.args([
            "--listen",
            &address.to_string(),
            "--public-url",
            &format!("http://{address}"),
        ]);
        command.arg("--data-dir").arg(folder.join("data"));
        for limit in LIFTED {
            command.args(["--set", limit]);
        }
        command.args(["--set", &format!("admin.listen={admin}")]);
        command.args(more);
        command.env("COUNTERSIGN_ACCOUNT_SID", &self.account_sid);
        command.env("COUNTERSIGN_AUTH_TOKEN", &self.auth_token);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));

        let begin = Instant::now();
        let process = Process::start(&mut command, &folder.join("server.log"))?;
        let mut server = Server {
            target: Target { address, pid: process.pid() },
            admin,
            authorization: basic(&self.account_sid, &self.auth_token),
            process,
            ready_after: Duration::ZERO,
        };
        while !server.answers(server.admin, "/readyz").await {
            server.process.still_runs().context("the server did not get ready")?;
            if begin.elapsed() > READY_WITHIN {
                bail!("the server was not ready in time:\n{}", server.process.log_tail());
            }
            sleep(POLL_INTERVAL).await;
        }
        server.ready_after = begin.elapsed();
        while !server.answers(address, "/v2/Services?PageSize=1").await {
            ensure!(begin.elapsed() < READY_WITHIN, "the server does not know the account");
            sleep(POLL_INTERVAL).await;
        }
        Ok(server)
    }
}

/// The metrics of a server in Prometheus' format.
pub(crate) struct Metrics(String);

impl Metrics {
    /// The value of a series, or 0 if it is missing.
    pub(crate) fn of(&self, series: &str) -> f64 {
        let line = self.0.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.and_then(|value| value.trim().parse().ok()).unwrap_or(0.0)
    }
}

impl Server {
    /// Whether a path responds 200.
    async fn answers(&self, at: SocketAddr, path: &str) -> bool {
        let Ok(mut connection) = Connection::open(at).await else {
            return false;
        };
        let answer = connection.call(&self.get(path)).await;
        answer.is_ok_and(|answer| answer.status == 200)
    }

    /// A GET request of the account.
    pub(crate) fn get(&self, path: &str) -> Vec<u8> {
        get(self.target.address, path, &self.authorization)
    }

    /// A GET request of the account.
    pub(crate) fn post(&self, path: &str, form: &str) -> Vec<u8> {
        post(self.target.address, path, &self.authorization, form)
    }

    /// Reads the server's metrics.
    pub(crate) async fn metrics(&self) -> Result<Metrics> {
        let mut connection = Connection::open(self.admin).await?;
        let answer = connection.call(&get(self.admin, "/metrics", &self.authorization)).await?;
        ensure!(answer.status == 200, "no metrics: {}", answer.status);
        Ok(Metrics(String::from_utf8_lossy(answer.body).into_owned()))
    }

    /// Ends the server as a power cut does.
    pub(crate) fn kill(mut self) {
        self.process.kill();
    }

    /// Returns an error with the end of the log if the server has ended.
    pub(crate) fn still_runs(&mut self) -> Result<()> {
        self.process.still_runs().context("the server")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_found_by_its_whole_name() {
        let text = "# TYPE x counter\nx_sum 0.5\nx_count{a=\"b\"} 7\nx 42\n";
        let metrics = Metrics(text.to_owned());
        assert_eq!((metrics.of("x"), metrics.of("x_sum"), metrics.of("y")), (42.0, 0.5, 0.0));
        assert_eq!(metrics.of("x_count{a=\"b\"}"), 7.0);
    }
}
