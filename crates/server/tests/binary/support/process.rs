//! The binary as a process, in a folder of its own and an environment without settings.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use super::{ACCOUNT, TOKEN, client};
use countersign_testkit::free_port;

/// The interval between looks at another process, and the most looks.
const LOOK_EVERY: Duration = Duration::from_millis(10);
const LOOKS: usize = 3_000;

/// A folder to run the binary in, without settings from the environment.
pub struct Stage {
    folder: tempfile::TempDir,
    variables: Vec<(String, String)>,
    /// Shell commands that set bounds before the binary runs.
    bounds: Vec<String>,
}

/// A run that has ended.
#[derive(Debug)]
pub struct Done {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// A server that runs.
pub struct Running {
    process: Child,
    pub base: String,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Stage {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            variables: Vec::new(),
            bounds: Vec::new(),
        }
    }

    /// A stage whose environment names the first account.
    pub fn with_account() -> Self {
        Self::new().with("COUNTERSIGN_ACCOUNT_SID", ACCOUNT).with("COUNTERSIGN_AUTH_TOKEN", TOKEN)
    }

    /// With a variable in the environment.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.retain(|(has, _)| has != name);
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With this limit of open files.
    pub fn with_files(self, most: usize) -> Self {
        self.bounded(format!("ulimit -n {most}"))
    }

    /// With this limit of bytes for a file, until it is raised. A write beyond it fails.
    pub fn with_file_bytes(self, most: usize) -> Self {
        self.bounded(format!("trap '' XFSZ && ulimit -S -f {}", most / 512))
    }

    fn bounded(mut self, bound: String) -> Self {
        self.bounds.push(bound);
        self
    }

    /// Removes a variable.
    pub fn without(mut self, name: &str) -> Self {
        self.variables.retain(|(has, _)| has != name);
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// A file that is there for the run.
    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let binary = env!("CARGO_BIN_EXE_countersign");
        let mut command = if self.bounds.is_empty() {
            Command::new(binary)
        } else {
            let mut shell = Command::new("sh");
            let bounds = self.bounds.join(" && ");
            shell.args(["-c", &format!("{bounds} && exec \"$0\" \"$@\""), binary]);
            shell
        };
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("COUNTERSIGN_")) {
            command.env_remove(name);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.current_dir(self.folder.path()).env("COUNTERSIGN_DATA_DIR", self.data());
        command.args(arguments);
        command
    }

    /// Runs a command to its end on a terminal, where both outputs are one.
    pub fn run_on_terminal(&self, arguments: &[&str]) -> Done {
        let command = self.command(&[]);
        let line = format!("'{}' {}", env!("CARGO_BIN_EXE_countersign"), arguments.join(" "));
        let mut terminal = Command::new("script");
        terminal.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        terminal.stdin(Stdio::null()).current_dir(self.folder.path());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => terminal.env(name, value),
                None => terminal.env_remove(name),
            };
        }
        let output = terminal.output().expect("script is there");
        let stdout = String::from_utf8(output.stdout).expect("UTF-8");
        Done { code: output.status.code(), stdout, stderr: String::new() }
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Done {
        let output = self.command(arguments).output().expect("the binary starts");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        Done { code: output.status.code(), stdout, stderr }
    }

    /// Starts a server on a free port, and waits until it is ready.
    pub async fn serve(&self, arguments: &[&str]) -> Running {
        let port = free_port();
        let running = self.begin(&format!("127.0.0.1:{port}"), "http", arguments);
        running.answers(&client(), &format!("{}/healthz", running.base), arguments).await;
        running
    }

    /// The same, with the operator's listener at an address of its own.
    pub async fn serve_with_admin(&self, admin: &str, arguments: &[&str]) -> Running {
        let listen = format!("admin.listen={admin}");
        self.serve(&[&["--set", &listen], arguments].concat()).await
    }

    /// Starts a server at an address, and does not wait.
    pub fn begin(&self, address: &str, scheme: &str, arguments: &[&str]) -> Running {
        let arguments = [&["serve", "--listen", address], arguments].concat();
        let mut running = self.spawn(&arguments);
        running.base = format!("{scheme}://{address}");
        running
    }

    /// Starts a server at an address as it is written, plain http allowed, and does not wait.
    pub fn spawn_serve(&self, address: &str) -> Running {
        self.spawn(&["serve", "--insecure-http", "--listen", address])
    }

    /// Starts any command, and does not wait.
    pub fn spawn(&self, arguments: &[&str]) -> Running {
        let (stdout, stderr) = (self.path("stdout"), self.path("stderr"));
        let mut command = self.command(arguments);
        command.stdout(File::create(&stdout).expect("a file"));
        command.stderr(File::create(&stderr).expect("a file"));
        let process = command.spawn().expect("the binary starts");
        Running { process, base: String::new(), stdout, stderr }
    }
}

impl Running {
    /// Waits until the URL responds and the server has logged that it is ready.
    pub async fn answers(&self, client: &reqwest::Client, url: &str, what: &[&str]) {
        for _ in 0..LOOKS {
            // The first account is there only when it is ready.
            if self.stderr().contains("is ready") && client.get(url).send().await.is_ok() {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        panic!("{what:?} is not ready: {}", self.stderr());
    }

    pub fn stdout(&self) -> String {
        std::fs::read_to_string(&self.stdout).expect("it can be read")
    }

    pub fn stderr(&self) -> String {
        std::fs::read_to_string(&self.stderr).expect("it can be read")
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits until it has written this to standard error.
    pub async fn says(&self, words: &str) {
        for _ in 0..LOOKS {
            if self.stderr().contains(words) {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        panic!("it does not say {words:?}: {}", self.stderr());
    }

    /// Waits until it says that it is ready to serve.
    pub async fn becomes_ready(&self) {
        for _ in 0..LOOKS {
            let answer = client().get(format!("{}/readyz", self.base)).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        panic!("it does not become ready: {}", self.stderr());
    }

    /// Waits until it has printed something on standard output.
    pub async fn prints(&self, words: &str) {
        for _ in 0..LOOKS {
            if self.stdout().contains(words) {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        panic!("it does not print {words:?}: {}", self.stdout());
    }

    /// Waits until it has exited.
    pub async fn end(mut self) -> Done {
        for _ in 0..LOOKS {
            if let Some(status) = self.process.try_wait().expect("it can be asked") {
                return self.done(status);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        panic!("it does not end: {}", self.stderr());
    }

    /// Stops it as an operator does.
    pub async fn stop(self) -> Done {
        signal(self.id(), "TERM");
        self.end().await
    }

    fn done(&self, status: ExitStatus) -> Done {
        Done { code: status.code(), stdout: self.stdout(), stderr: self.stderr() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Sends a signal to a process by its id.
pub fn signal(id: u32, name: &str) {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(id.to_string()).status();
    assert!(sent.expect("kill is there").success());
}

/// The permission bits of a file.
pub fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).expect("a file").permissions().mode() & 0o777
}
