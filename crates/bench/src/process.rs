//! Processes that are measured: started with a clean environment, ended at the latest when they are dropped.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};

/// How much of a log a person is shown.
const LAST_LINES: usize = 15;

/// A running process. Dropping it kills it.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it; what it prints goes to the end of a file.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let open = || File::options().create(true).append(true).open(log);
        let shown = command.get_program().display().to_string();
        // the settings of somebody's own server are not those of the one under test
        for (name, _) in std::env::vars_os() {
            let ours = command.get_envs().any(|(set, _)| set == name);
            if name.to_string_lossy().starts_with("COUNTERSIGN_") && !ours {
                command.env_remove(name);
            }
        }
        let child = command
            // closed when this process ends, however it ends
            .stdin(Stdio::piped())
            .stdout(open()?)
            .stderr(open()?)
            .spawn()
            .with_context(|| format!("cannot start {shown}"))?;
        Ok(Self { child, log: log.to_owned() })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// An error with its last words, if it has ended.
    pub(crate) fn still_runs(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => anyhow::bail!("it ended with {status}:\n{}", self.last_words()),
        }
    }

    /// The last lines of its log.
    pub(crate) fn last_words(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
    }

    /// Ends it as a power cut does.
    pub(crate) fn kill(&mut self) {
        // one that has ended already is dead enough
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port of this machine that nobody listens on.
pub(crate) fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(listener.local_addr()?)
}
