//! The URLs by which callers and browsers reach a server.

use std::net::SocketAddr;

use url::Url;

use crate::config::{Config, ConsoleListener};

/// The URL by which callers reach a server that listens on `address`.
pub(crate) fn public_url(config: &Config, address: SocketAddr) -> anyhow::Result<Url> {
    if let Some(url) = &config.http.public_url {
        return Ok(url.clone());
    }
    let scheme = if config.http.tls_certificate.is_some() { "https" } else { "http" };
    Ok(Url::parse(&format!("{scheme}://{address}"))?)
}

/// The URL by which browsers reach the console, without `/console`.
pub(crate) fn console_url(config: &Config, public_url: &Url, admin: Option<SocketAddr>) -> String {
    let on_admin = config.console.listen == ConsoleListener::Admin;
    match (&config.console.public_url, admin) {
        (Some(url), _) => url.to_string(),
        (None, Some(admin)) if on_admin => format!("http://{admin}"),
        (None, _) => public_url.to_string(),
    }
}
