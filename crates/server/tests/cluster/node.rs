//! The built binary as a node that can be killed, frozen and started again.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use countersign_testkit::free_port;
use tempfile::TempDir;

use crate::load::{ACCOUNT, TOKEN, client};
use crate::until;

/// Settings under which the load is not refused, and the shortest lease.
const SETTINGS: [&str; 6] = [
    "limits.challenges_per_factor_per_hour=0",
    "limits.push_challenges_in_a_row=0",
    "limits.entities_per_account_per_second=0",
    "delivery.lease_seconds=12",
    "database.connections_max=8",
    "log.filter=warn,async_nats=off",
];

/// One of several servers.
pub struct Node {
    pub address: SocketAddr,
    /// The program.
    pub binary: PathBuf,
    folder: TempDir,
    pub settings: Vec<String>,
    variables: Vec<(&'static str, String)>,
    process: Option<Child>,
}

impl Node {
    /// A node that is not started yet.
    pub fn new(database: &str, nats: &str, master_key: &str) -> Self {
        let mut settings: Vec<_> = SETTINGS.map(str::to_owned).into();
        settings.push(format!("bus.nats={nats}"));
        Self {
            address: (Ipv4Addr::LOCALHOST, free_port()).into(),
            binary: env!("CARGO_BIN_EXE_countersign").into(),
            folder: tempfile::tempdir().expect("a folder"),
            settings,
            variables: vec![
                ("COUNTERSIGN_DATABASE__URL", database.to_owned()),
                ("COUNTERSIGN_MASTER_KEY", master_key.to_owned()),
            ],
            process: None,
        }
    }

    /// The environment names the first account.
    pub fn with_account(mut self) -> Self {
        self.variables.push(("COUNTERSIGN_ACCOUNT_SID", ACCOUNT.to_owned()));
        self.variables.push(("COUNTERSIGN_AUTH_TOKEN", TOKEN.to_owned()));
        self
    }

    /// Adds a setting, as `--set` does.
    pub fn with_setting(&mut self, setting: &str) {
        self.settings.push(setting.to_owned());
    }

    /// Sets a variable of its environment.
    pub fn set(&mut self, name: &'static str, value: &str) {
        self.variables.push((name, value.to_owned()));
    }

    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Starts it, and does not wait.
    pub fn begin(&mut self) {
        let mut command = Command::new(&self.binary);
        command.arg("serve").arg("--listen").arg(self.address.to_string());
        command.arg("--data-dir").arg(self.folder.path().join("data"));
        for setting in &self.settings {
            command.arg("--set").arg(setting);
        }
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("COUNTERSIGN_")) {
            command.env_remove(name);
        }
        let log = File::options().create(true).append(true).open(self.folder.path().join("log"));
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log.expect("a log"));
        self.process = Some(command.spawn().expect("the binary starts"));
    }

    /// Waits until it says that it is ready.
    pub async fn is_ready(&mut self) {
        let client = client();
        let url = format!("{}/readyz", self.base());
        until("the node is ready", async || {
            let process = self.process.as_mut().expect("it was started");
            if let Some(status) = process.try_wait().expect("it can be asked") {
                panic!("the node ended, {status}: {}", self.log());
            }
            let answer = client.get(&url).send().await.ok()?;
            (answer.status() == 200).then_some(())
        })
        .await;
    }

    /// Waits until it exits; whether with success.
    pub async fn ends(&mut self) -> bool {
        let process = self.process.as_mut().expect("it was started");
        until("the node ends", async || process.try_wait().expect("it can be asked"))
            .await
            .success()
    }

    /// Stops it as a service manager does, and waits for it.
    pub async fn stop(&mut self) {
        self.signal("TERM");
        assert!(self.ends().await, "{}", self.log());
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("it can be killed");
            process.wait().expect("it ends");
        }
    }

    /// Freezes it (`STOP`), or lets it go on (`CONT`).
    pub fn signal(&self, name: &str) {
        let id = self.process.as_ref().expect("it runs").id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().expect("there is kill");
        assert!(sent.success(), "kill -s {name}");
    }

    /// Its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Its `first-account` file, if there is one.
    pub fn first_account(&self) -> Option<String> {
        std::fs::read_to_string(self.folder.path().join("data/first-account")).ok()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.address, self.log());
        }
    }
}
