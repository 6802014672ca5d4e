//! A NATS server for a test: on a free port of this machine, in a temporary folder. It ends with the process that
//! started it, however that ends.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::ports::free_port;

/// The path in Debian, which is not on every PATH.
const USUALLY: &str = "/usr/sbin/nats-server";
/// Ends the server when its standard input is closed.
const WATCHDOG: &str = r#""$@" & read -r _; kill -9 $! 2> /dev/null; wait"#;

/// A running server, or one that can be started again.
pub struct NatsServer {
    folder: TempDir,
    port: u16,
    watchdog: Option<Child>,
}

impl NatsServer {
    /// Starts a server with this configuration, in which `FOLDER` stands for its folder.
    ///
    /// # Panics
    /// There is no `nats-server`, or it does not start.
    pub fn start(configuration: &str) -> Self {
        Self::start_in(tempfile::tempdir().expect("a folder"), configuration)
    }

    /// Starts a server in a folder that holds files of the configuration.
    ///
    /// # Panics
    /// As [`NatsServer::start`].
    pub fn start_in(folder: TempDir, configuration: &str) -> Self {
        let place = folder.path().display().to_string();
        let configuration = configuration.replace("FOLDER", &place);
        std::fs::write(folder.path().join("nats.conf"), configuration).expect("a file");
        let (watchdog, port) = run(folder.path(), &free_port().to_string());
        Self { folder, port, watchdog: Some(watchdog) }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The process of the watchdog, from which the server descends.
    pub fn pid(&self) -> Option<u32> {
        self.watchdog.as_ref().map(Child::id)
    }

    /// Ends the server as a power cut would.
    ///
    /// # Panics
    /// The watchdog cannot be waited for.
    pub fn kill(&mut self) {
        if let Some(mut watchdog) = self.watchdog.take() {
            drop(watchdog.stdin.take());
            watchdog.wait().expect("the watchdog ends when the server has");
        }
    }

    /// Starts the server again on the same port.
    ///
    /// # Panics
    /// It does not start.
    pub fn start_again(&mut self) {
        self.kill();
        let (watchdog, port) = run(self.folder.path(), &self.port.to_string());
        assert_eq!(port, self.port);
        self.watchdog = Some(watchdog);
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Starts a server and waits until it reports that it is ready, and its port.
fn run(folder: &Path, port: &str) -> (Child, u16) {
    let mut watchdog = Command::new("sh")
        .args(["-c", WATCHDOG, "watchdog"])
        .arg(binary())
        .args(["--addr", "127.0.0.1", "--port", port, "--config", "nats.conf"])
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a shell");
    let mut lines = BufReader::new(watchdog.stderr.take().expect("it was asked for")).lines();
    let mut said = Vec::new();
    let mut at = None;
    loop {
        let Some(Ok(line)) = lines.next() else {
            panic!("nats-server ended:\n{}", said.join("\n"))
        };
        if let Some((_, address)) = line.split_once("Listening for client connections on ") {
            at = address.rsplit(':').next().and_then(|port| port.trim().parse().ok());
        }
        assert!(!line.contains("[FTL]") && !line.starts_with("nats-server:"), "{line}");
        let is_ready = line.contains("Server is ready");
        said.push(line);
        if is_ready {
            break;
        }
    }
    // Its later output is read, so that it never blocks.
    std::thread::spawn(move || lines.for_each(drop));
    (watchdog, at.unwrap_or_else(|| panic!("no address in\n{}", said.join("\n"))))
}

fn binary() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("nats-server"));
    let found = found.chain([PathBuf::from(USUALLY)]).find(|binary| binary.is_file());
    found.expect("nats-server is missing: apt-get install nats-server, as root")
}
