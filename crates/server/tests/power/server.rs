//! The built binary with the recorder in it.

use std::io::{Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use countersign_testkit::free_port;

pub const ACCOUNT: &str = "AC00000000000000000000000000000001";
pub const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// Settings under which the load is not refused.
const SETTINGS: [&str; 5] = [
    "limits.notifications_per_challenge=0",
    "limits.challenges_per_factor_per_hour=0",
    "limits.push_challenges_in_a_row=0",
    "limits.entities_per_account_per_second=0",
    "log.filter=error",
];

/// A folder for data, log and fault.
pub struct Stage {
    folder: tempfile::TempDir,
    lazy_thread: Option<&'static str>,
}

/// The record of a server.
pub struct Recorded {
    pub root: PathBuf,
    pub log: Vec<u8>,
}

impl Stage {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), lazy_thread: None }
    }

    /// The syncs of the write-ahead log by a thread are left out: with the writer's, that is `synchronous=NORMAL`.
    pub fn without_syncs_of(self, thread: &'static str) -> Self {
        Self { lazy_thread: Some(thread), ..self }
    }

    pub fn data(&self) -> PathBuf {
        self.root().join("data")
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    pub async fn start(&self) -> Server {
        std::fs::create_dir_all(self.root()).expect("a folder");
        let mut environment = vec![
            ("LD_PRELOAD", recorder()),
            ("RECORDER_LOG", self.folder.path().join("log")),
            ("RECORDER_ROOT", self.root()),
            ("RECORDER_FAULT", self.folder.path().join("fault")),
        ];
        environment.extend(self.lazy_thread.map(|name| ("RECORDER_LAZY_THREAD", name.into())));
        Server::start(self.root().join("data"), environment).await
    }

    /// From now on syncs fail.
    pub fn fail_syncs(&self) {
        std::fs::write(self.folder.path().join("fault"), "").expect("a file");
    }

    pub fn mend_syncs(&self) {
        std::fs::remove_file(self.folder.path().join("fault")).expect("it is there");
    }

    pub fn recorded(&self) -> Recorded {
        let log = std::fs::read(self.folder.path().join("log")).expect("a log");
        Recorded { root: self.root(), log }
    }
}

/// The library that Cargo has built beside this test.
fn recorder() -> PathBuf {
    let test = std::env::current_exe().expect("a path");
    let library = test.with_file_name("libcountersign_recorder.so");
    assert!(library.exists(), "{} is built with this test", library.display());
    library
}

pub struct Server {
    process: Child,
    pub base: String,
    data: PathBuf,
    port: u16,
    environment: Vec<(&'static str, PathBuf)>,
}

impl Server {
    pub async fn start(data: PathBuf, environment: Vec<(&'static str, PathBuf)>) -> Self {
        let port = free_port();
        let process = spawn(&data, port, &environment);
        let base = format!("http://127.0.0.1:{port}");
        let server = Self { process, base, data, port, environment };
        server.is_ready().await;
        server
    }

    /// Starts on a folder that may be damaged; `None` if the server refuses it, in lines that name the file.
    pub async fn try_start(data: &Path) -> Option<Self> {
        let port = free_port();
        let mut command = command(data, port, &[]);
        let mut lines = tempfile::tempfile().expect("a file");
        let log = || Stdio::from(lines.try_clone().expect("a file"));
        let mut process = command.stdout(log()).stderr(log()).spawn().expect("the binary starts");
        let base = format!("http://127.0.0.1:{port}");
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        loop {
            if process.try_wait().expect("it is ours").is_some() {
                let mut said = String::new();
                lines.rewind().expect("a file");
                lines.read_to_string(&mut said).expect("it is text");
                assert!(said.contains("countersign.db"), "it names the file: {said}");
                return None;
            }
            if client.get(format!("{base}/healthz")).send().await.is_ok() {
                let (data, environment) = (data.to_owned(), Vec::new());
                return Some(Self { process, base, data, port, environment });
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.process.kill().expect("it can be killed");
        self.process.wait().expect("it ends");
    }

    pub async fn restart(&mut self) {
        self.process = spawn(&self.data, self.port, &self.environment);
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

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(data: &Path, port: u16, environment: &[(&'static str, PathBuf)]) -> Child {
    command(data, port, environment).spawn().expect("the binary starts")
}

fn command(data: &Path, port: u16, environment: &[(&'static str, PathBuf)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.arg("serve").arg("--listen").arg(format!("127.0.0.1:{port}"));
    command.arg("--data-dir").arg(data);
    for setting in SETTINGS {
        command.arg("--set").arg(setting);
    }
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("COUNTERSIGN_")) {
        command.env_remove(name);
    }
    command.env("COUNTERSIGN_ACCOUNT_SID", ACCOUNT).env("COUNTERSIGN_AUTH_TOKEN", TOKEN);
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    command.stdout(Stdio::null());
    command
}
