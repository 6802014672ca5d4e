//! A PostgreSQL server in a folder.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::programs::{as_owner, binary, give_away, succeed};
use crate::ports::free_port;
use crate::proxy::{FaultyProxy, Server};

/// The password of the user `postgres` over TCP. The Unix socket needs none.
pub const PASSWORD: &str = "a password for tests";

/// Settings for speed; durability is tested elsewhere.
const SETTINGS: &str = "fsync=off\nfull_page_writes=off\nmax_connections=300\nshared_buffers=32MB\n\
                        unix_socket_permissions=0777\nlogging_collector=off\nautovacuum_naptime=10s\n";

/// A server in a folder.
#[derive(Debug)]
pub struct PostgresServer {
    pub(super) folder: PathBuf,
    /// The port on 127.0.0.1.
    pub port: u16,
    /// Whether the server is stopped when dropped.
    pub(super) private: bool,
}

impl PostgresServer {
    /// Starts a private server with more settings (`name=value`).
    ///
    /// # Panics
    /// There is no PostgreSQL on this machine, or it does not start.
    pub fn start(folder: &Path, settings: &[&str]) -> Self {
        give_away(folder);
        let mut server = Self::make(folder, settings);
        server.private = true;
        server
    }

    pub(super) fn make(folder: &Path, settings: &[&str]) -> Self {
        let port = free_port();
        let server = Self { folder: folder.to_owned(), port, private: false };
        fs::write(folder.join("password"), PASSWORD).expect("a file for the password");
        let initdb = ["--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync"];
        let authentication = ["--auth-local=trust", "--auth-host=scram-sha-256"];
        let mut command = as_owner("initdb");
        command.args(initdb).args(authentication);
        command.arg("--pwfile").arg(folder.join("password")).arg(server.data());
        succeed(&mut command);
        let own = format!(
            "listen_addresses='127.0.0.1'\nport={port}\nunix_socket_directories='{}'\n",
            folder.display()
        );
        let mut file = OpenOptions::new().append(true).open(server.data().join("postgresql.conf"));
        let file = file.as_mut().expect("a configuration");
        writeln!(file, "{SETTINGS}{own}{}", settings.join("\n")).expect("settings");
        fs::write(folder.join("port"), port.to_string()).expect("a file for the port");
        server.start_again();
        server
    }

    /// Starts the server again after [`Self::kill`], on the same data.
    ///
    /// # Panics
    /// It does not start.
    pub fn start_again(&self) {
        let mut command = as_owner("pg_ctl");
        command.arg("--pgdata").arg(self.data()).arg("--log").arg(self.folder.join("log"));
        succeed(command.args(["--wait", "--silent", "start"]));
    }

    /// Ends the server at once, as a power failure would.
    pub fn kill(&self) {
        self.pg_ctl_stop().output().ok();
    }

    /// `kill -9` of all its processes.
    ///
    /// # Panics
    /// The server does not run.
    pub fn crash(&self) {
        let first = self.pid().to_string();
        let children = fs::read_to_string(format!("/proc/{first}/task/{first}/children"));
        let children = children.expect("it has children");
        // the first process would start new ones
        let all = std::iter::once(first.as_str()).chain(children.split_whitespace());
        // a process may have ended meanwhile
        Command::new("kill").arg("-9").args(all).output().expect("there is kill");
    }

    /// Creates a streaming standby; every commit waits for it from now on.
    ///
    /// # Panics
    /// It cannot be created, or does not start.
    pub fn synchronous_standby(&self, folder: &Path) -> Self {
        give_away(folder);
        let standby = Self { folder: folder.to_owned(), port: free_port(), private: true };
        let source = self.folder.display();
        let whom =
            format!("host={source} port={} user=postgres application_name=standby", self.port);
        let mut copy = as_owner("pg_basebackup");
        copy.args([
            "--wal-method=stream",
            "--checkpoint=fast",
            "--no-sync",
            "--write-recovery-conf",
        ]);
        succeed(copy.arg("--dbname").arg(whom).arg("--pgdata").arg(standby.data()));
        let (place, port) = (folder.display(), standby.port);
        let own = format!("port={port}\nunix_socket_directories='{place}'\n");
        let file = OpenOptions::new().append(true).open(standby.data().join("postgresql.conf"));
        file.and_then(|mut file| file.write_all(own.as_bytes())).expect("settings");
        standby.start_again();
        self.psql("postgres", "ALTER SYSTEM SET synchronous_standby_names = 'standby'");
        self.psql("postgres", "SELECT pg_reload_conf()");
        let state = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        let follows = (0..10_000).any(|_| self.psql("postgres", state) == "1");
        assert!(follows, "the standby does not follow");
        standby
    }

    /// Promotes a standby to primary.
    ///
    /// # Panics
    /// The promotion fails.
    pub fn promote(&self) {
        let mut command = as_owner("pg_ctl");
        succeed(command.arg("--pgdata").arg(self.data()).args(["--wait", "--silent", "promote"]));
    }

    /// The URL of a database over the Unix socket.
    pub fn url(&self, database: &str) -> String {
        let socket = self.folder.display().to_string().replace('/', "%2F");
        format!("postgres://postgres@{socket}:{}/{database}", self.port)
    }

    /// The URL of a database over TCP with a password.
    pub fn tcp_url(&self, database: &str) -> String {
        let password = PASSWORD.replace(' ', "%20");
        format!("postgres://postgres:{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// A proxy to the Unix socket, which needs no password.
    pub fn wire(&self) -> FaultyProxy {
        FaultyProxy::to(Server::Unix(self.folder.join(format!(".s.PGSQL.{}", self.port))))
    }

    /// Runs a statement; returns its output.
    ///
    /// # Panics
    /// The server refuses it.
    pub fn psql(&self, database: &str, sql: &str) -> String {
        let args = ["--no-psqlrc", "--tuples-only", "--no-align", "--dbname", database];
        self.run("psql", &[&args[..], &["--command", sql]].concat())
    }

    /// The first process of the server.
    ///
    /// # Panics
    /// The server does not run.
    pub fn pid(&self) -> u32 {
        let noted = fs::read_to_string(self.data().join("postmaster.pid")).expect("it runs");
        noted.lines().next().and_then(|line| line.parse().ok()).expect("its process")
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn pg_ctl_stop(&self) -> Command {
        let mut command = as_owner("pg_ctl");
        command.arg("--pgdata").arg(self.data());
        command.args(["--wait", "--silent", "--mode=immediate", "stop"]);
        command
    }

    pub(super) fn tool(&self, name: &str) -> Command {
        let mut command = Command::new(binary(name));
        let port = self.port.to_string();
        command.arg("--host").arg(&self.folder).args(["--username=postgres", "--port", &port]);
        command
    }

    pub(super) fn run(&self, tool: &str, args: &[&str]) -> String {
        let output = succeed(self.tool(tool).args(args));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        if self.private {
            self.kill();
        }
    }
}
