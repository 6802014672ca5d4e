//! `countersign ready`: asks the server of these settings whether it is ready, as the health check of a container does.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::config::Config;

/// The time for the response.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn run(config: &Config) -> anyhow::Result<ExitCode> {
    let url = url(config);
    let response = client()?.get(&url).send().await;
    let response = response.with_context(|| format!("no server answers at {url}"))?;
    let (status, body) = (response.status(), response.text().await.unwrap_or_default());
    println!("{}", body.trim_end());
    ensure!(status.is_success(), "the server at {url} is not ready");
    Ok(ExitCode::SUCCESS)
}

/// A client of a server of this machine, whose certificate has the public name.
pub(super) fn client() -> anyhow::Result<reqwest::Client> {
    let client = reqwest::Client::builder().no_proxy().tls_danger_accept_invalid_certs(true);
    Ok(client.timeout(PATIENCE).build()?)
}

/// Where `/readyz` is: on the operator's listener if there is one.
fn url(config: &Config) -> String {
    let (scheme, listen) = match config.admin.listen {
        Some(listen) => ("http", listen),
        None if config.http.tls_certificate.is_some() => ("https", config.http.listen),
        None => ("http", config.http.listen),
    };
    format!("{scheme}://{}/readyz", reached(listen))
}

/// An address at which this machine reaches a listener.
pub(super) fn reached(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}
