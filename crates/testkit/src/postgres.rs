//! PostgreSQL for tests: real servers, made of the binaries that the machine has, in temporary folders.
//!
//! Most tests need no more than a fresh database. They share one server, which the first of them starts and which a watchdog
//! stops a few seconds after the last process that used it has ended, however it ended. Tests that take a server down, or need
//! one with settings of its own, start a [`PostgresServer`].

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::wire::{Server, Wire};

/// The password of the user `postgres` over TCP; over the socket none is asked for.
pub const PASSWORD: &str = "a password for tests";

/// Durability is tried elsewhere; here it would only take time.
const SETTINGS: &str = "fsync=off\nfull_page_writes=off\nmax_connections=300\nshared_buffers=32MB\n\
                        unix_socket_permissions=0777\nlogging_collector=off\nautovacuum_naptime=10s\n";

/// A fresh database on the server that tests share. Dropped with it.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
    server: PostgresServer,
    /// Held as long as this process uses the server.
    _in_use: File,
}

impl TestDatabase {
    /// Makes one.
    ///
    /// # Panics
    /// There is no PostgreSQL on this machine, or it does not start.
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let (server, in_use) = shared_server();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("t{}_{number}", std::process::id());
        let made = server.tool("createdb").arg(&name).output();
        if !made.is_ok_and(|made| made.status.success()) {
            // one was left behind by a process that was killed and had this number
            server.run("dropdb", &["--if-exists", "--force", &name]);
            server.run("createdb", &[&name]);
        }
        Self { name, server, _in_use: in_use }
    }

    /// How it is reached.
    pub fn url(&self) -> String {
        self.server.url(&self.name)
    }

    /// A pooler in front of it.
    ///
    /// # Panics
    /// There is no PgBouncer on this machine, or it does not start.
    pub fn pooled(&self) -> PgBouncer {
        PgBouncer::start(&self.server, &self.name)
    }

    /// How it is reached over a wire, which a test can cut.
    pub fn url_over(&self, wire: &Wire) -> String {
        format!("postgres://postgres@{}/{}?sslmode=disable", wire.address(), self.name)
    }

    /// A wire to its server.
    pub fn wire(&self) -> Wire {
        self.server.wire()
    }

    /// Runs a statement there, in a transaction that stays open.
    ///
    /// # Panics
    /// The statement fails.
    pub fn hold(&self, sql: &str) -> OpenTransaction {
        let mut command = self.server.tool("psql");
        command.args(["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1"]);
        command.args(["--dbname", &self.name]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut psql = command.spawn().expect("psql starts");
        let script = format!("BEGIN;\n{sql};\n\\echo held\n");
        psql.stdin.as_mut().map(|stdin| stdin.write_all(script.as_bytes()));
        let mut said = String::new();
        psql.stdout.as_mut().map(|stdout| BufReader::new(stdout).read_line(&mut said));
        assert_eq!(said.trim(), "held", "{sql}");
        OpenTransaction(psql)
    }

    /// Runs a statement there, beside whoever uses it; what it prints.
    pub fn psql(&self, sql: &str) -> String {
        self.server.psql(&self.name, sql)
    }

    /// A psql of its own that reads statements from its input.
    pub fn psql_session(&self) -> Command {
        let mut psql = self.server.tool("psql");
        psql.args([
            "--no-psqlrc",
            "--tuples-only",
            "--no-align",
            "--quiet",
            "--dbname",
            &self.name,
        ]);
        psql
    }
}

/// A transaction of `psql` that is open, and holds what it locked, until this is dropped.
#[derive(Debug)]
pub struct OpenTransaction(Child);

impl Drop for OpenTransaction {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Default for TestDatabase {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        self.server.tool("dropdb").args(["--if-exists", "--force", &self.name]).output().ok();
    }
}

/// A server in a folder.
#[derive(Debug)]
pub struct PostgresServer {
    folder: PathBuf,
    /// Where it listens on 127.0.0.1.
    pub port: u16,
    /// Stopped and removed at the end.
    private: bool,
}

impl PostgresServer {
    /// Starts one of one's own, with more settings (`name=value`).
    ///
    /// # Panics
    /// There is no PostgreSQL on this machine, or it does not start.
    pub fn start(folder: &Path, settings: &[&str]) -> Self {
        give_away(folder);
        let mut server = Self::make(folder, settings);
        server.private = true;
        server
    }

    fn make(folder: &Path, settings: &[&str]) -> Self {
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

    /// Starts it over the same data after [`Self::kill`].
    ///
    /// # Panics
    /// It does not start.
    pub fn start_again(&self) {
        let mut command = as_owner("pg_ctl");
        command.arg("--pgdata").arg(self.data()).arg("--log").arg(self.folder.join("log"));
        succeed(command.args(["--wait", "--silent", "start"]));
    }

    /// Ends it at once, as a power failure would end it.
    pub fn kill(&self) {
        self.pg_ctl_stop().output().ok();
    }

    /// `kill -9` of all its processes.
    ///
    /// # Panics
    /// It does not run.
    pub fn crash(&self) {
        let first = self.pid().to_string();
        let children = fs::read_to_string(format!("/proc/{first}/task/{first}/children"));
        let children = children.expect("it has children");
        // the first would start new ones
        let all = std::iter::once(first.as_str()).chain(children.split_whitespace());
        // one that has ended meanwhile is not there to be killed
        Command::new("kill").arg("-9").args(all).output().expect("there is kill");
    }

    /// A copy that follows this one, streaming; every commit here waits for it from now on.
    ///
    /// # Panics
    /// It cannot be made, or does not start.
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

    /// Makes the primary of a standby.
    ///
    /// # Panics
    /// It is none, or does not become one.
    pub fn promote(&self) {
        let mut command = as_owner("pg_ctl");
        succeed(command.arg("--pgdata").arg(self.data()).args(["--wait", "--silent", "promote"]));
    }

    /// How a database of it is reached, over its socket.
    pub fn url(&self, database: &str) -> String {
        let socket = self.folder.display().to_string().replace('/', "%2F");
        format!("postgres://postgres@{socket}:{}/{database}", self.port)
    }

    /// How it is reached over TCP, by a password.
    pub fn tcp_url(&self, database: &str) -> String {
        let password = PASSWORD.replace(' ', "%20");
        format!("postgres://postgres:{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// A wire to it, over which no password is asked for.
    pub fn wire(&self) -> Wire {
        Wire::to(Server::Unix(self.folder.join(format!(".s.PGSQL.{}", self.port))))
    }

    /// Runs a statement; what it prints.
    ///
    /// # Panics
    /// The server refuses it.
    pub fn psql(&self, database: &str, sql: &str) -> String {
        let args = ["--no-psqlrc", "--tuples-only", "--no-align", "--dbname", database];
        self.run("psql", &[&args[..], &["--command", sql]].concat())
    }

    /// Its first process.
    ///
    /// # Panics
    /// It does not run.
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

    fn tool(&self, name: &str) -> Command {
        let mut command = Command::new(binary(name));
        let port = self.port.to_string();
        command.arg("--host").arg(&self.folder).args(["--username=postgres", "--port", &port]);
        command
    }

    fn run(&self, tool: &str, args: &[&str]) -> String {
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

/// A PgBouncer that hands out two connections by the transaction.
#[derive(Debug)]
pub struct PgBouncer {
    process: Child,
    url: String,
    _folder: tempfile::TempDir,
}

impl PgBouncer {
    fn start(server: &PostgresServer, database: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let port = free_port();
        let settings = folder.path().join("pgbouncer.ini");
        let (host, behind) = (server.folder.display(), server.port);
        let text = format!(
            "[databases]\n* = host={host} port={behind} user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\n\
             default_pool_size = 2\nmax_client_conn = 100\n"
        );
        fs::write(&settings, text).expect("its settings");
        give_away(folder.path());
        let mut command = unprivileged("/usr/sbin/pgbouncer");
        command.arg("--quiet").arg(&settings);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().unwrap_or_else(|error| {
            panic!("{error}. This test needs PgBouncer: apt-get install --yes pgbouncer")
        });
        // it is there as soon as it takes a connection
        let address = ("127.0.0.1", port);
        let started = (0..100_000).any(|_| {
            std::thread::yield_now();
            std::net::TcpStream::connect(address).is_ok()
        });
        assert!(started, "PgBouncer does not listen");
        let url = format!("postgres://postgres@127.0.0.1:{port}/{database}");
        Self { process, url, _folder: folder }
    }

    /// How the database is reached through it.
    pub fn url(&self) -> String {
        self.url.clone()
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// The server that tests share, and the lock that keeps the watchdog from stopping it.
fn shared_server() -> (PostgresServer, File) {
    let user = fs::metadata("/proc/self").expect("a process has an owner").uid();
    let folder = std::env::temp_dir().join(format!("countersign-postgres-{user}"));
    fs::create_dir_all(&folder).expect("a folder");
    let open = |name: &str| {
        let path = folder.join(name);
        OpenOptions::new().create(true).append(true).open(path).expect("a lock")
    };
    let (starting, in_use, _) = (open("starting"), open("in-use"), open("watched"));
    // one at a time from here, the watchdog included
    starting.lock().expect("the lock of whoever starts it");
    let port = fs::read_to_string(folder.join("port")).ok().and_then(|port| port.parse().ok());
    let running = port.map(|port| PostgresServer { folder: folder.clone(), port, private: false });
    let server = running.filter(is_ready).unwrap_or_else(|| {
        fs::remove_dir_all(folder.join("data")).ok();
        give_away(&folder);
        PostgresServer::make(&folder, &[])
    });
    in_use.lock_shared().expect("nobody keeps it for itself");
    watch(&folder);
    (server, in_use)
}

fn is_ready(server: &PostgresServer) -> bool {
    let port = server.port.to_string();
    let mut command = Command::new(binary("pg_isready"));
    command.arg("--quiet").arg("--host").arg(&server.folder).args(["--port", &port]);
    command.status().is_ok_and(|status| status.success())
}

/// Starts the watchdog, unless there is one: it stops the server when nobody uses it or is about to.
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

/// PostgreSQL refuses to run as root.
fn unprivileged(program: impl AsRef<std::ffi::OsStr>) -> Command {
    if fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0) {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

fn as_owner(tool: &str) -> Command {
    unprivileged(binary(tool))
}

/// The folder to whoever PostgreSQL runs as.
fn give_away(folder: &Path) {
    if fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0) {
        succeed(Command::new("chown").args(["--recursive", "postgres:postgres"]).arg(folder));
    }
}

/// A program of the newest PostgreSQL that is installed.
fn binary(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let found = versions.map(|version| version.path().join("bin")).filter(|bin| bin.is_dir());
    let number = |bin: &PathBuf| {
        let version = bin.parent().and_then(Path::file_name).and_then(|name| name.to_str());
        version.and_then(|version| version.parse::<u32>().ok())
    };
    match found.max_by_key(number) {
        Some(bin) => bin.join(name),
        // elsewhere they are in the path
        None => PathBuf::from(name),
    }
}

fn succeed(command: &mut Command) -> Output {
    command.stdin(Stdio::null());
    // the server inherits what it is started with, so a pipe would never end
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

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}
