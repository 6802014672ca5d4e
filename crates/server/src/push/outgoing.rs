//! The settings of `[outgoing]` as the providers take them.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context as _, anyhow, ensure};
use countersign_providers::{Allowed, CallTimeouts, Guard, Outgoing, VapidSubject};

use crate::config::Config;

/// The context of an error of these settings.
pub(super) const NOT_RIGHT: &str = "the settings of [outgoing] are invalid";

/// Reads the settings of `[outgoing]`.
///
/// # Errors
/// A file cannot be read, or a network or an address is invalid; the setting is named.
pub(crate) fn outgoing(config: &Config) -> anyhow::Result<Outgoing> {
    let section = &config.outgoing;
    let default = Outgoing::default();
    let roots = section.roots.iter().map(|path| {
        let shown = path.display();
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("outgoing.roots: cannot read {shown}"))?;
        ensure!(text.contains("-----BEGIN "), "outgoing.roots: {shown} is not PEM");
        Ok(text)
    });
    let allow = section.allow.iter().map(|network| {
        network.parse::<Allowed>().map_err(|why| anyhow!("outgoing.allow: {network} {why}"))
    });
    let name_servers = section.name_servers.iter().map(|server| {
        let alone = || server.parse::<IpAddr>().map(|address| SocketAddr::new(address, 53));
        server.parse().or_else(|_| alone()).with_context(|| {
            format!(
                "outgoing.name_servers: expected an address, for example 10.0.0.2 or 10.0.0.2:5353, found {server}"
            )
        })
    });
    let outgoing = Outgoing {
        apns: section.apns_url.clone().unwrap_or(default.apns),
        // a stand-in replaces both environments: no push goes to Apple by mistake
        apns_sandbox: section
            .apns_sandbox_url
            .clone()
            .or_else(|| section.apns_url.clone())
            .unwrap_or(default.apns_sandbox),
        fcm: section.fcm_url.clone().unwrap_or(default.fcm),
        roots: roots.collect::<anyhow::Result<_>>()?,
        proxy: section.proxy.clone(),
        allow: allow.collect::<anyhow::Result<_>>()?,
        name_servers: name_servers.collect::<anyhow::Result<_>>()?,
        vapid_subject: vapid_subject(config)?,
        resolver: default.resolver,
    };
    let usable = outgoing.check().and_then(|()| Guard::new(&outgoing, CallTimeouts::default()));
    usable.context(NOT_RIGHT)?;
    Ok(outgoing)
}

/// The contact in VAPID tokens: the configured one, or the server's public URL if browsers elsewhere can reach it.
fn vapid_subject(config: &Config) -> anyhow::Result<VapidSubject> {
    match (&config.outgoing.vapid_subject, &config.http.public_url) {
        (Some(text), _) => VapidSubject::parse(text)
            .map_err(|why| anyhow!("outgoing.vapid_subject {why}, found \"{text}\"")),
        (None, Some(url)) => {
            let own = VapidSubject::parse(url.as_str()).ok();
            Ok(own.filter(|own| own.problem().is_none()).unwrap_or_default())
        }
        (None, None) => Ok(VapidSubject::Missing),
    }
}

/// Explains why pushes do not reach Apple's browsers, and the remedy; `None` if they do.
///
/// # Errors
/// A setting is invalid.
pub(crate) fn web_push_fault(config: &Config) -> anyhow::Result<Option<String>> {
    let fault = vapid_subject(config)?.problem();
    Ok(fault.map(|fault| {
        format!(
            "Web Push does not reach Safari, on iPhones and Macs: outgoing.vapid_subject {fault}, and Apple refuses every push \
             without a contact of yours. Set it to mailto:you@your-domain or to an https URL of yours"
        )
    }))
}
