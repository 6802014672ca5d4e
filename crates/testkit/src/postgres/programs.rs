//! The programs of PostgreSQL that this machine has, and how they are run.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A command as an unprivileged user: PostgreSQL refuses to run as root.
pub(super) fn unprivileged(program: impl AsRef<std::ffi::OsStr>) -> Command {
    if fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0) {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

pub(super) fn as_owner(tool: &str) -> Command {
    unprivileged(binary(tool))
}

/// Gives a folder to the user that PostgreSQL runs as.
pub(super) fn give_away(folder: &Path) {
    if fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0) {
        succeed(Command::new("chown").args(["--recursive", "postgres:postgres"]).arg(folder));
    }
}

/// The path of a program of the newest installed PostgreSQL.
pub(super) fn binary(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let found = versions.map(|version| version.path().join("bin")).filter(|bin| bin.is_dir());
    let number = |bin: &PathBuf| {
        let version = bin.parent().and_then(Path::file_name).and_then(|name| name.to_str());
        version.and_then(|version| version.parse::<u32>().ok())
    };
    match found.max_by_key(number) {
        Some(bin) => bin.join(name),
        // other systems have them on PATH
        None => PathBuf::from(name),
    }
}

pub(super) fn succeed(command: &mut Command) -> Output {
    command.stdin(Stdio::null());
    // the server inherits its output, so a pipe would never end
    let silent = command.get_args().any(|arg| arg == "start");
    let output = if silent {
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.map(|status| Output { status, stdout: Vec::new(), stderr: Vec::new() })
    } else {
        command.output()
    };
    let output = output.unwrap_or_else(|error| {
        panic!(
            "{command:?}: {error}. These tests need PostgreSQL: apt-get install --yes postgresql"
        )
    });
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}
