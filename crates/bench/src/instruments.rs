//! Instruments that count what a server does between two instants.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::callgrind;

/// An instrument. Each needs a server of its own, since it slows the server.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Instrument {
    /// The kernel's counters in `/proc`: nothing is slowed.
    Kernel,
    /// `strace` writes every sync of a file.
    Strace,
    /// `valgrind --tool=callgrind` counts instructions and calls.
    Callgrind,
}

/// A count that has begun.
pub(crate) enum Counting {
    Kernel { pid: u32, before: KernelCounts },
    Strace { log: PathBuf, before: usize },
    Callgrind { pid: u32, folder: PathBuf },
}

/// The kernel's counters of a process.
pub(crate) struct KernelCounts {
    bytes: f64,
    writes: f64,
    switches: f64,
}

impl Instrument {
    pub(crate) const ALL: [Self; 3] = [Self::Kernel, Self::Strace, Self::Callgrind];

    /// The counts, in words.
    pub(crate) const fn counts(self) -> &'static str {
        match self {
            Self::Kernel => "bytes and writes to files, context switches",
            Self::Strace => "syncs",
            Self::Callgrind => "instructions and allocations",
        }
    }

    /// The program that is not installed, if one is missing.
    pub(crate) fn missing(self) -> Option<&'static str> {
        let program = match self {
            Self::Kernel => return None,
            Self::Strace => "strace",
            Self::Callgrind => "valgrind",
        };
        Command::new(program).arg("--version").output().is_err().then_some(program)
    }

    /// The program that the server runs under, with its arguments.
    pub(crate) fn wrapper(self, folder: &Path) -> Vec<String> {
        match self {
            Self::Kernel => Vec::new(),
            // The tracer is a child, so that the server has the process that was started.
            Self::Strace => vec![
                "strace".into(),
                "-D".into(),
                "-f".into(),
                "-qq".into(),
                "--trace=fsync,fdatasync,sync_file_range".into(),
                format!("--output={}", log(folder).display()),
            ],
            Self::Callgrind => vec![
                "valgrind".into(),
                "--quiet".into(),
                "--tool=callgrind".into(),
                format!("--callgrind-out-file={}", folder.join("callgrind").display()),
            ],
        }
    }

    /// Begins to count.
    pub(crate) fn begin(self, pid: u32, folder: &Path) -> Result<Counting> {
        Ok(match self {
            Self::Kernel => Counting::Kernel { pid, before: KernelCounts::of(pid)? },
            Self::Strace => Counting::Strace { log: log(folder), before: syncs(&log(folder))? },
            Self::Callgrind => {
                callgrind::control(&["--zero"], pid)?;
                Counting::Callgrind { pid, folder: folder.to_owned() }
            }
        })
    }
}

impl Counting {
    /// The counts since the begin.
    pub(crate) fn end(self) -> Result<Vec<(&'static str, f64)>> {
        match self {
            Self::Kernel { pid, before } => {
                let now = KernelCounts::of(pid)?;
                Ok(vec![
                    ("bytes written", now.bytes - before.bytes),
                    ("writes", now.writes - before.writes),
                    ("context switches", now.switches - before.switches),
                ])
            }
            Self::Strace { log, before } => Ok(vec![("syncs", (syncs(&log)? - before) as f64)]),
            Self::Callgrind { pid, folder } => {
                callgrind::control(&["--dump"], pid)?;
                let profile = callgrind::take_dump(&folder)?;
                Ok(vec![
                    ("instructions", profile.instructions),
                    ("allocations", profile.allocations),
                ])
            }
        }
    }
}

impl KernelCounts {
    fn of(pid: u32) -> Result<Self> {
        let io = std::fs::read_to_string(format!("/proc/{pid}/io")).context("no /proc/PID/io")?;
        let of = |name: &str| {
            let line = io.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|value| value.trim().parse::<f64>().ok()).unwrap_or(0.0)
        };
        let mut switches = 0.0;
        for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
            // A thread may have ended meanwhile.
            let status = std::fs::read_to_string(task?.path().join("status")).unwrap_or_default();
            let lines = status.lines().filter_map(|line| line.split_once("ctxt_switches:"));
            switches +=
                lines.filter_map(|(_, count)| count.trim().parse::<f64>().ok()).sum::<f64>();
        }
        Ok(Self { bytes: of("wchar:"), writes: of("syscw:"), switches })
    }
}

fn log(folder: &Path) -> PathBuf {
    folder.join("syncs")
}

/// The syncs that a log of `strace` shows.
fn syncs(log: &Path) -> Result<usize> {
    let text = std::fs::read_to_string(log).context("no log of strace")?;
    ensure!(!text.is_empty(), "strace has seen no sync");
    // A call that another thread interrupts has two lines, of which the second has no argument.
    Ok(text.lines().filter(|line| line.contains("sync") && !line.contains("resumed>")).count())
}
