//! `countersign doctor`: checks the configuration and everything that the server needs, and prints each problem on
//! one line. It calls the functions that `serve` starts with, so that both report the same, but creates and changes
//! nothing. [`check`] checks this machine's part, and writes nothing at all.

use std::net::SocketAddr;
use std::process::ExitCode;

use super::check;
use super::findings::Findings;
use crate::cli::{Common, Doctor};
use crate::config::Config;
use crate::geo::GeoDatabase;
use crate::listener::Certificate;
use crate::world::World;
use crate::{bus, folder, listener, push, secret_file, urls};

pub(super) async fn run(common: &Common, flags: &Doctor) -> anyhow::Result<ExitCode> {
    let mut findings = Findings::new(flags.results);
    if let Some(config) = findings.load(common) {
        if let Some(verify) = check::installation(&config, &mut findings).await {
            let written = verify.try_to_write().await.map_err(anyhow::Error::from);
            findings.record("database writes", written.map(|()| "succeed".to_owned()));
        }
        try_the_rest(&config, &mut findings).await;
    }
    Ok(findings.end())
}

async fn try_the_rest(config: &Config, findings: &mut Findings) {
    // A server that has locked the folder also uses the address, which is no problem.
    let is_serving = folder::is_held(&config.data_dir);
    if !config.bus.nats.is_empty() {
        let found = bus::probe(config, &World::real()).await;
        findings.record("bus.nats", found.map(Option::unwrap_or_default));
        let together = bus::suits_database(config);
        findings.record("bus and database", together.map(|()| "go together".to_owned()));
    }
    let outgoing = push::outgoing(config);
    findings.record("outgoing calls", outgoing.map(|_| "can be made".to_owned()));
    match push::web_push_fault(config) {
        // Reported with the outgoing calls already.
        Err(_) => {}
        Ok(Some(fault)) => findings.hint("outgoing.vapid_subject", &fault),
        Ok(None) => findings.record("outgoing.vapid_subject", Ok("names a contact".to_owned())),
    }
    match GeoDatabase::of(&config.geo) {
        Ok(None) => {}
        Ok(Some(geo)) => findings.record("geo.database", Ok(geo.description())),
        Err(error) => findings.record("geo.database", Err(error)),
    }
    let url = urls::public_url(config, config.http.listen);
    findings.record("http.public_url", url.map(|url| format!("callers use {url}")));
    for (what, address) in
        [("http.listen", Some(config.http.listen)), ("admin.listen", config.admin.listen)]
    {
        if let Some(address) = address {
            findings.record(what, address_is_free(address, is_serving));
        }
    }
    if let Some((chain, key)) =
        config.http.tls_certificate.as_ref().zip(config.http.tls_key.as_ref())
    {
        secret_file::warn_if_open(key);
        let certificate = Certificate::new(chain.clone(), key.clone());
        let checked = certificate.check().await;
        findings.record("http.tls_certificate", checked.map(|()| "can be used".to_owned()));
    }
}

fn address_is_free(address: SocketAddr, is_serving: bool) -> anyhow::Result<String> {
    match listener::bind(address) {
        Ok(_) => Ok(format!("{address} is free")),
        Err(_) if is_serving => Ok(format!("{address} is in use, and a server is running")),
        Err(error) => Err(error),
    }
}
