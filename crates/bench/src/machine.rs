//! Readings of the machine and of processes from `/proc` of Linux.

use std::fs;
use std::path::Path;

use serde::Serialize;

/// Ticks of processor time per second in the kernel, whatever the processor.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor seconds spent in a window.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// Of the server.
    pub(crate) server: f64,
    /// Of other processes, as a share of one core: the noise of the window.
    pub(crate) others: f64,
    /// Time that the hypervisor withheld from busy processors, as a share of one core.
    pub(crate) held: f64,
}

impl Usage {
    /// The readings that tell how much a measurement was disturbed.
    pub(crate) fn disturbances(&self) -> [(&'static str, f64); 2] {
        [("others %", self.others * 100.0), ("held %", self.held * 100.0)]
    }
}

/// Measures processor time from start to stop.
pub(crate) struct Meter {
    pid: u32,
    begin: std::time::Instant,
    server: f64,
    own: f64,
    all: Processors,
}

impl Meter {
    pub(crate) fn start(pid: u32) -> Self {
        let begin = std::time::Instant::now();
        let (server, own, all) =
            (seconds_of(pid), seconds_of(std::process::id()), Processors::now());
        Self { pid, begin, server, own, all }
    }

    pub(crate) fn stop(self) -> Usage {
        let now = Self::start(self.pid);
        let wall = now.begin.duration_since(self.begin).as_secs_f64().max(1e-9);
        let server = (now.server - self.server).max(0.0);
        let others = now.all.busy - self.all.busy - server - (now.own - self.own);
        let held = now.all.held - self.all.held;
        Usage { server, others: (others / wall).max(0.0), held: (held / wall).max(0.0) }
    }
}

/// Named groups of processes, measured together.
pub(crate) struct ProcessGroups(Vec<(&'static str, Vec<u32>, f64)>);

impl ProcessGroups {
    /// Starts to measure groups, each with its descendants that are not named themselves.
    pub(crate) fn watch(groups: &[(&'static str, &[u32])]) -> Self {
        let groups = groups.iter().map(|(name, pids)| (*name, pids.to_vec(), 0.0));
        let mut crowd = Self(groups.collect());
        let begun: Vec<_> = crowd.0.iter().map(|(_, pids, _)| crowd.seconds(pids)).collect();
        for ((.., seconds), begun) in crowd.0.iter_mut().zip(begun) {
            *seconds = begun;
        }
        crowd
    }

    /// The processor time of each group since then, in percent of one core.
    pub(crate) fn shares(&self, elapsed: std::time::Duration) -> Vec<(&'static str, f64)> {
        let wall = elapsed.as_secs_f64().max(1e-9);
        let share =
            |before: f64, pids: &[u32]| (self.seconds(pids) - before).max(0.0) / wall * 100.0;
        // processes on other machines are not known
        let known = self.0.iter().filter(|(_, pids, _)| !pids.is_empty());
        known.map(|(name, pids, before)| (*name, share(*before, pids))).collect()
    }

    fn seconds(&self, pids: &[u32]) -> f64 {
        pids.iter().map(|pid| self.seconds_of_all(*pid)).sum()
    }

    /// User and system time of a process and of all its descendants, ended ones included.
    fn seconds_of_all(&self, pid: u32) -> f64 {
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = children.unwrap_or_default();
        let children = children.split_whitespace().filter_map(|child| child.parse().ok());
        let unnamed = children.filter(|child| !self.0.iter().any(|(_, of, _)| of.contains(child)));
        times_of(pid, 4) + unnamed.map(|child| self.seconds_of_all(child)).sum::<f64>()
    }
}

/// User and system time of a process.
fn seconds_of(pid: u32) -> f64 {
    times_of(pid, 2)
}

/// User and system time of a process, or of its ended children.
fn times_of(pid: u32, first: usize) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // the name in parentheses may contain anything
    let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields);
    fields
        .split_whitespace()
        .skip(11)
        .take(first)
        .filter_map(|ticks| ticks.parse::<f64>().ok())
        .sum::<f64>()
        / TICKS_PER_SECOND
}

/// The time of all cores so far, in seconds.
struct Processors {
    /// Not idle.
    busy: f64,
    /// Withheld by the hypervisor.
    held: f64,
}

impl Processors {
    fn now() -> Self {
        let text = fs::read_to_string("/proc/stat").unwrap_or_default();
        let line = text.lines().next().unwrap_or_default();
        let ticks = line.split_whitespace().skip(1).filter_map(|ticks| ticks.parse().ok());
        let ticks: Vec<f64> = ticks.collect();
        let seconds = |at: usize| ticks.get(at).copied().unwrap_or(0.0) / TICKS_PER_SECOND;
        // user, nice, system, (idle, waiting for the disk), interrupts of both kinds, held
        Self { busy: [0, 1, 2, 5, 6].map(seconds).iter().sum(), held: seconds(7) }
    }
}

/// Memory of a process, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Memory {
    /// All resident memory.
    pub(crate) resident: f64,
    /// The private part, without pages of files such as the database.
    pub(crate) private: f64,
    /// The peak of resident memory.
    pub(crate) peak: f64,
}

impl Memory {
    pub(crate) fn of(pid: u32) -> Self {
        let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let kib = |name| field(&text, name).and_then(|value| value.parse::<f64>().ok());
        let bytes = |name| kib(name).unwrap_or(0.0) * 1024.0;
        Self { resident: bytes("VmRSS"), private: bytes("RssAnon"), peak: bytes("VmHWM") }
    }
}

/// The most descriptors that a server keeps for its own calls, of a quarter of all.
const MOST_FOR_CALLS: usize = 1_024;
/// Descriptors for files, listeners and other connections.
const OTHER_DESCRIPTORS: usize = 200;

/// How many sockets this process and a server may hold beside other descriptors.
pub(crate) fn sockets_max() -> usize {
    let text = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next());
    let all = soft.and_then(|soft| soft.parse().ok()).unwrap_or(1_024_usize);
    all.saturating_sub((all / 4).min(MOST_FOR_CALLS) + OTHER_DESCRIPTORS)
}

/// The machine, for the report.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    processor: String,
    cores: usize,
    memory_gib: f64,
    kernel: String,
    /// The file system of the databases.
    file_system: String,
    load_before: String,
}

impl Machine {
    pub(crate) fn look(folder: &Path) -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let memory =
            field(&read("/proc/meminfo"), "MemTotal").and_then(|kib| kib.parse::<f64>().ok());
        let load = read("/proc/loadavg");
        Self {
            processor: processor_of(&read("/proc/cpuinfo")),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: (memory.unwrap_or(0.0) / 1024.0 / 1024.0 * 10.0).round() / 10.0,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            file_system: file_system_of(folder, &read("/proc/self/mounts")),
            load_before: load.split_whitespace().take(3).collect::<Vec<_>>().join(" "),
        }
    }

    /// The machine on one line.
    pub(crate) fn text(&self) -> String {
        format!(
            "{} cores ({}), {} GiB, Linux {}, databases on {}, load before: {}",
            self.cores,
            self.processor,
            self.memory_gib,
            self.kernel,
            self.file_system,
            self.load_before
        )
    }

    /// Whether the file system is in memory, where commits cost nothing.
    pub(crate) fn disk_is_memory(&self) -> bool {
        matches!(self.file_system.as_str(), "tmpfs" | "ramfs")
    }
}

fn processor_of(cpuinfo: &str) -> String {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| line.split_once(':')).map(|(_, name)| name.trim());
    name.unwrap_or(std::env::consts::ARCH).to_owned()
}

/// The first word after `name:`, with optional space before the colon.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_once(':')?.1.split_whitespace().next()
}

/// The type of the deepest mount that contains the folder.
fn file_system_of(folder: &Path, mounts: &str) -> String {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let below = mounts.lines().filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let (point, kind) = (words.next()?, words.next()?);
        folder.starts_with(point).then_some((point.len(), kind))
    });
    below.max_by_key(|(length, _)| *length).map_or("unknown", |(_, kind)| kind).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_mount_names_the_file_system() {
        let mounts = "/dev/a / ext4 rw 0 0\nnone /tmp tmpfs rw 0 0\n";
        assert_eq!(file_system_of(Path::new("/tmp/x/not-there"), mounts), "tmpfs");
        assert_eq!(file_system_of(Path::new("/tmpx"), mounts), "ext4");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_memory_and_uses_time() {
        let memory = Memory::of(std::process::id());
        assert!(memory.private > 0.0 && memory.private <= memory.resident);
        let meter = Meter::start(std::process::id());
        let begin = std::time::Instant::now();
        while begin.elapsed().as_millis() < 60 {
            std::hint::spin_loop();
        }
        assert!(meter.stop().server > 0.0);
        assert!(sockets_max() > 0);
    }
}
