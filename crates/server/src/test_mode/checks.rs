//! What test mode is for, and what it is not for.

use std::net::IpAddr;

use anyhow::ensure;
use countersign_store_sqlite::{Purpose, SqliteStore, purpose};
use url::{Host, Url};

use crate::config::Config;

/// Rejects settings that test mode is not for: anything that other machines reach, and a database that is not a file.
///
/// # Errors
/// The setting, and what to do.
pub(crate) fn check_settings(config: &Config) -> anyhow::Result<()> {
    ensure!(
        config.database.url.is_none(),
        "test mode is for SQLite: PostgreSQL has a clock of its own, which nobody can move; unset database.url"
    );
    let listeners = [
        ("http.listen", Some(config.http.listen)),
        ("admin.listen", config.admin.listen),
        ("radius.address", config.radius.address),
    ];
    for (setting, address) in listeners {
        let Some(address) = address else { continue };
        ensure!(
            address.ip().is_loopback(),
            "test mode listens on loopback only, since anybody who reaches it may move its clock: {setting} is {address}, and must be an \
             address such as 127.0.0.1"
        );
    }
    let Some(url) = &config.http.public_url else { return Ok(()) };
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        None => false,
    };
    ensure!(
        is_here,
        "test mode is for this machine only: http.public_url is {url}, and must name localhost"
    );
    Ok(())
}

/// Rejects a database that is no test database and that a server has used.
///
/// # Errors
/// As above; or its file cannot be read.
pub(crate) fn check_file(config: &Config) -> anyhow::Result<()> {
    let file = config.database_file();
    ensure!(
        purpose(&file)? != Purpose::Real,
        "{} is no test database, and test mode would expire what is in it: give test mode a folder of its own with --data-dir",
        file.display()
    );
    Ok(())
}

/// Rejects a test database: what it holds has lived by a clock that somebody moved.
///
/// # Errors
/// As above; or the database cannot be read.
pub(crate) fn reject_test_database(store: &SqliteStore, config: &Config) -> anyhow::Result<()> {
    ensure!(
        store.purpose()? != Purpose::Test,
        "{} is a test database, made with --test-mode, and only that opens it: give people a folder of their own with --data-dir",
        config.database_file().display()
    );
    Ok(())
}

/// Says loudly what this server is.
pub(crate) fn announce(url: &Url) {
    let base = url.as_str().trim_end_matches('/');
    tracing::warn!(
        clock = format!("{base}/_test/clock"),
        "TEST MODE: anybody on this machine can move this server's clock and have it misbehave. Never use it for people"
    );
}
