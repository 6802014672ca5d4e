//! A PgBouncer in front of a server.

use std::fs;
use std::process::{Child, Stdio};
use std::time::Duration;

use super::programs::{give_away, unprivileged};
use super::server::PostgresServer;
use crate::ports::free_port;

/// A PgBouncer with two connections, assigned per transaction.
#[derive(Debug)]
pub struct PgBouncer {
    process: Child,
    url: String,
    _folder: tempfile::TempDir,
}

impl PgBouncer {
    pub(super) fn start(server: &PostgresServer, database: &str) -> Self {
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
        let mut process = command.spawn().unwrap_or_else(|error| {
            panic!("{error}. This test needs PgBouncer: apt-get install --yes pgbouncer")
        });
        // it is ready when it accepts a connection
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = process.try_wait().expect("it can be asked");
            assert!(ended.is_none(), "PgBouncer does not start: {ended:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
        let url = format!("postgres://postgres@127.0.0.1:{port}/{database}");
        Self { process, url, _folder: folder }
    }

    /// The URL of the database through the pooler.
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
