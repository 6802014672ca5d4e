//! The built binary as a process that can be killed.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use countersign_testkit::free_port;

use crate::load::{ACCOUNT, TOKEN};

/// Settings under which the load is not refused.
const SETTINGS: [&str; 4] = [
    "limits.challenges_per_factor_per_hour=0",
    "limits.push_challenges_in_a_row=0",
    "limits.entities_per_account_per_second=0",
    "log.filter=warn",
];

pub struct Binary {
    process: Child,
    pub base: String,
    folder: tempfile::TempDir,
    port: u16,
}

impl Binary {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let port = free_port();
        let process = spawn(folder.path(), port);
        let base = format!("http://127.0.0.1:{port}");
        let server = Self { process, base, folder, port };
        server.is_ready().await;
        server
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.process.kill().expect("it can be killed");
        self.process.wait().expect("it ends");
    }

    pub async fn restart(&mut self) {
        self.process = spawn(self.folder.path(), self.port);
        self.is_ready().await;
    }

    async fn is_ready(&self) {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        for _ in 0..3_000 {
            if let Ok(answer) = client.get(format!("{}/readyz", self.base)).send().await
                && answer.status() == 200
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the server is not ready");
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(folder: &std::path::Path, port: u16) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.arg("serve").arg("--listen").arg(format!("127.0.0.1:{port}"));
    command.arg("--data-dir").arg(folder.join("data"));
    for setting in SETTINGS {
        command.arg("--set").arg(setting);
    }
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("COUNTERSIGN_")) {
        command.env_remove(name);
    }
    command.env("COUNTERSIGN_ACCOUNT_SID", ACCOUNT).env("COUNTERSIGN_AUTH_TOKEN", TOKEN);
    command.stdout(Stdio::null()).spawn().expect("the binary starts")
}
