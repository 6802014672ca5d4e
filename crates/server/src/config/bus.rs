//! `[bus]`: the bus between processes.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use anyhow::{Context as _, bail, ensure};
use countersign_bus::nats::{Login, NatsError, NatsOptions, SealingKey};
use countersign_domain::secret::Secret;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::values::list;
use crate::secret_file;

/// `[bus]`: the bus between processes. Without servers there is one process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BusSection {
    /// NATS servers, such as `nats://10.0.0.7:4222`; `tls://…` requires TLS. A list, or one text with commas.
    #[serde(deserialize_with = "list")]
    pub nats: Vec<String>,
    /// The beginning of all subjects. Clusters that share a NATS server need different ones.
    pub prefix: String,
    /// The user of the login.
    pub user: Option<String>,
    /// A file with the password of `user`.
    pub password_file: Option<PathBuf>,
    /// A file with a token.
    pub token_file: Option<PathBuf>,
    /// A file with the seed of an NKey (`SU…`).
    pub nkey_file: Option<PathBuf>,
    /// A credentials file, as `nsc` makes it.
    pub credentials_file: Option<PathBuf>,
    /// Files of certificate authorities in PEM that are trusted instead of the system's. A list, or one text with
    /// commas.
    #[serde(deserialize_with = "list")]
    pub roots: Vec<PathBuf>,
    /// The client's certificate chain in PEM, for servers that ask for one.
    pub tls_certificate: Option<PathBuf>,
    /// The private key of the certificate in PEM.
    pub tls_key: Option<PathBuf>,
    /// Allows `nats://` to another machine with neither a login nor TLS, for a private network.
    pub insecure: bool,
}

impl Default for BusSection {
    fn default() -> Self {
        Self {
            nats: Vec::new(),
            prefix: "countersign".to_owned(),
            user: None,
            password_file: None,
            token_file: None,
            nkey_file: None,
            credentials_file: None,
            roots: Vec::new(),
            tls_certificate: None,
            tls_key: None,
            insecure: false,
        }
    }
}

impl BusSection {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if self.nats.is_empty() {
            return match self.first_set() {
                None => Ok(()),
                Some(name) => bail!("bus.{name} is set, and bus.nats is not"),
            };
        }
        for server in &self.nats {
            // Not shown: a misplaced password may be in it.
            let url = Url::parse(server).ok().filter(|url| url.host().is_some());
            let url = url.context("bus.nats must be URLs such as nats://10.0.0.7:4222")?;
            ensure!(
                matches!(url.scheme(), "nats" | "tls"),
                "bus.nats must be nats:// or tls:// URLs"
            );
            ensure!(
                url.username().is_empty() && url.password().is_none(),
                "bus.nats must have no user and no password: set bus.user and bus.password_file"
            );
        }
        let may_be = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        ensure!(
            (1..=64).contains(&self.prefix.len()) && self.prefix.bytes().all(may_be),
            "bus.prefix must be 1 to 64 letters, digits, - and _"
        );
        match (&self.user, &self.password_file) {
            (Some(_), None) => bail!("bus.user is set, and bus.password_file is not"),
            (None, Some(_)) => bail!("bus.password_file is set, and bus.user is not"),
            _ => {}
        }
        let logins = [
            ("bus.user", self.user.is_some()),
            ("bus.token_file", self.token_file.is_some()),
            ("bus.nkey_file", self.nkey_file.is_some()),
            ("bus.credentials_file", self.credentials_file.is_some()),
        ];
        let mut set = logins.iter().filter(|(_, is_set)| *is_set).map(|(key, _)| key);
        if let (Some(one), Some(other)) = (set.next(), set.next()) {
            bail!("{one} and {other} are both set: set one");
        }
        let is_open = |server: &&String| is_plain(server) && logins.iter().all(|(_, set)| !set);
        if let Some(server) = self.nats.iter().find(is_open)
            && !self.insecure
        {
            bail!(
                "bus.nats: {server} is another machine, and there is neither a login nor TLS: anybody who reaches it could \
                 disconnect this cluster. Set bus.user and bus.password_file (or bus.token_file, bus.nkey_file, \
                 bus.credentials_file), or use tls://; or set bus.insecure = true if the network is yours alone"
            );
        }
        match (&self.tls_certificate, &self.tls_key) {
            (Some(_), None) => bail!("bus.tls_certificate is set, and bus.tls_key is not"),
            (None, Some(_)) => bail!("bus.tls_key is set, and bus.tls_certificate is not"),
            _ => Ok(()),
        }
    }

    /// The name of a setting that differs from its default.
    fn first_set(&self) -> Option<String> {
        let value = |bus: &Self| serde_json::to_value(bus).unwrap_or_default();
        let (ours, defaults) = (value(self), value(&Self::default()));
        let names = ours.as_object()?.iter();
        let mut set = names.filter(|(name, value)| defaults.get(name) != Some(*value));
        set.next().map(|(name, _)| name.clone())
    }

    /// The options of the NATS connection; `None` without servers.
    ///
    /// # Errors
    /// A file cannot be read; its setting is named.
    pub fn options(&self, key: SealingKey) -> anyhow::Result<Option<NatsOptions>> {
        if self.nats.is_empty() {
            return Ok(None);
        }
        for (key, files) in [
            ("bus.roots", &self.roots[..]),
            ("bus.tls_certificate", self.tls_certificate.as_slice()),
            ("bus.tls_key", self.tls_key.as_slice()),
        ] {
            for file in files {
                let text = std::fs::read_to_string(file)
                    .with_context(|| format!("{key}: cannot read {}", file.display()))?;
                ensure!(text.contains("-----BEGIN "), "{key}: {} is not PEM", file.display());
            }
        }
        self.tls_key.iter().for_each(|key| secret_file::warn_if_open(key));
        Ok(Some(NatsOptions {
            servers: self.nats.clone(),
            prefix: self.prefix.clone(),
            login: self.login()?,
            roots: self.roots.clone(),
            certificate: self.tls_certificate.clone().zip(self.tls_key.clone()),
            key,
        }))
    }

    fn login(&self) -> anyhow::Result<Login> {
        let secret = |key: &'static str, file: &PathBuf| {
            secret_file::read_given(file).map(Secret::new).context(key)
        };
        Ok(if let Some((user, file)) = self.user.as_ref().zip(self.password_file.as_ref()) {
            let password = secret("bus.password_file", file)?;
            Login::Password { user: user.clone(), password }
        } else if let Some(file) = &self.token_file {
            Login::Token(secret("bus.token_file", file)?)
        } else if let Some(file) = &self.nkey_file {
            Login::Nkey(secret("bus.nkey_file", file)?)
        } else if let Some(file) = &self.credentials_file {
            Login::Credentials(secret("bus.credentials_file", file)?)
        } else {
            Login::Anonymous
        })
    }

    /// The settings to look at after an error.
    pub fn settings_behind(&self, error: &NatsError) -> &'static str {
        match error {
            NatsError::Login if self.user.is_some() => "bus.user, bus.password_file",
            NatsError::Login if self.token_file.is_some() => "bus.token_file",
            NatsError::Login if self.nkey_file.is_some() => "bus.nkey_file",
            NatsError::Login if self.credentials_file.is_some() => "bus.credentials_file",
            NatsError::Login => {
                "bus.user, bus.token_file, bus.nkey_file or bus.credentials_file is needed"
            }
            NatsError::Credentials(_) => "bus.credentials_file",
            NatsError::Tls(_) => "bus.nats, bus.roots, bus.tls_certificate",
            NatsError::Forbidden => "bus.prefix",
            NatsError::Address | NatsError::Unreachable(_) | NatsError::TooOld(_) => "bus.nats",
        }
    }
}

/// Whether a server runs on another machine and may be reached without TLS.
fn is_plain(server: &str) -> bool {
    let Ok(url) = Url::parse(server) else { return false };
    let is_here = match url.host() {
        // The parser takes an IPv4 address for a name if it does not know the scheme.
        Some(Host::Domain(name)) => {
            name == "localhost" || name.parse().is_ok_and(|ip: Ipv4Addr| ip.is_loopback())
        }
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    url.scheme() == "nats" && !is_here
}
