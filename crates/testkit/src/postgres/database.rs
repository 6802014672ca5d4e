//! A fresh database for a test.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::pgbouncer::PgBouncer;
use super::server::PostgresServer;
use super::shared::shared_server;
use crate::proxy::FaultyProxy;

/// A fresh database on the shared server, removed when dropped.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
    server: PostgresServer,
    /// Locked while this process uses the server.
    _in_use: File,
}

impl TestDatabase {
    /// Creates a database.
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
            // a killed process with the same number left one behind
            server.run("dropdb", &["--if-exists", "--force", &name]);
            server.run("createdb", &[&name]);
        }
        Self { name, server, _in_use: in_use }
    }

    /// The URL of the database.
    pub fn url(&self) -> String {
        self.server.url(&self.name)
    }

    /// Starts a pooler in front of the database.
    ///
    /// # Panics
    /// There is no PgBouncer on this machine, or it does not start.
    pub fn pooled(&self) -> PgBouncer {
        PgBouncer::start(&self.server, &self.name)
    }

    /// The URL through a proxy, which a test can disconnect.
    pub fn url_over(&self, wire: &FaultyProxy) -> String {
        format!("postgres://postgres@{}/{}?sslmode=disable", wire.address(), self.name)
    }

    /// A proxy in front of its server.
    pub fn wire(&self) -> FaultyProxy {
        self.server.wire()
    }

    /// Runs a statement in a transaction that stays open.
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

    /// Runs a statement; returns its output.
    pub fn psql(&self, sql: &str) -> String {
        self.server.psql(&self.name, sql)
    }

    /// A `psql` process that reads statements from its input.
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

/// An open transaction of `psql`, which holds its locks until dropped.
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
