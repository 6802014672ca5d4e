//! The server that tests share, and the watchdog that stops it.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::programs::{binary, give_away, unprivileged};
use super::server::PostgresServer;

/// The shared server, and the lock that keeps the watchdog from stopping it.
pub(super) fn shared_server() -> (PostgresServer, File) {
    let user = fs::metadata("/proc/self").expect("a process has an owner").uid();
    let folder = std::env::temp_dir().join(format!("countersign-postgres-{user}"));
    fs::create_dir_all(&folder).expect("a folder");
    let open = |name: &str| {
        let path = folder.join(name);
        OpenOptions::new().create(true).append(true).open(path).expect("a lock")
    };
    let (starting, in_use, _) = (open("starting"), open("in-use"), open("watched"));
    // one process at a time from here, the watchdog included
    starting.lock().expect("the lock for starting");
    let port = fs::read_to_string(folder.join("port")).ok().and_then(|port| port.parse().ok());
    let running = port.map(|port| PostgresServer { folder: folder.clone(), port, private: false });
    let server = running.filter(is_ready).unwrap_or_else(|| {
        fs::remove_dir_all(folder.join("data")).ok();
        give_away(&folder);
        PostgresServer::make(&folder, &[])
    });
    in_use.lock_shared().expect("a shared lock");
    watch(&folder);
    (server, in_use)
}

/// Whether a server responds. Where none listens, this is known at once; one that is slow is in use, and must not be replaced.
fn is_ready(server: &PostgresServer) -> bool {
    let port = server.port.to_string();
    let mut command = Command::new(binary("pg_isready"));
    command.arg("--quiet").arg("--host").arg(&server.folder).args(["--port", &port]);
    command.args(["--timeout", "60"]);
    command.status().is_ok_and(|status| status.success())
}

/// Starts the watchdog unless it runs. It stops the server when no process uses it or is about to.
fn watch(folder: &Path) {
    const SCRIPT: &str = r#"
        exec 7< watched; flock --nonblock 7 || exit
        while sleep 5; do
            exec 8< starting 9< in-use
            if flock --nonblock 8 && flock --nonblock 9; then
                "$0" --pgdata data --mode=immediate --silent stop
                rm -rf data port
                exit
            fi
            exec 8<&- 9<&-
        done"#;
    let mut command = unprivileged("setsid");
    command.args(["--fork", "sh", "-c", SCRIPT]).arg(binary("pg_ctl")).current_dir(folder);
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().expect("setsid and flock of util-linux");
}
