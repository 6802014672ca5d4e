//! The reload on SIGHUP: applies what can change while the server runs, and reports the rest.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use countersign_verify::security::{self, Event};
use secrecy::ExposeSecret as _;
use serde_json::Value;

use crate::config::Config;
use crate::secret_file;
use crate::telemetry::Telemetry;
use crate::wiring::Server;

/// The setting that changes while the server runs; all others need a restart.
const RELOADABLE: &str = "log.filter";

/// The settings and files in use.
pub struct ActiveSettings {
    config: Config,
    settings: BTreeMap<String, Value>,
    files: BTreeMap<String, u64>,
}

impl ActiveSettings {
    /// The settings and files that the server started with.
    pub fn new(config: Config) -> Self {
        Self { settings: settings(&config), files: files(&config), config }
    }

    /// Applies what can be applied. Logs what was applied, what needs a restart, and what is invalid and was not
    /// applied.
    pub async fn reload(
        &mut self,
        server: &Server,
        telemetry: &Telemetry,
        read: &impl Fn() -> anyhow::Result<Config>,
    ) {
        tracing::info!("SIGHUP: reading settings, certificates and secret files again");
        match read() {
            Ok(config) => {
                if self.apply(&config, telemetry) {
                    security::done(Event::SettingsReloaded, None, "SIGHUP");
                } else {
                    log_rejected();
                }
            }
            Err(error) => {
                let error = format!("{error:#}");
                log_rejected();
                tracing::error!(
                    error,
                    "SIGHUP: the new settings are invalid; the old ones stay in use"
                );
            }
        }
        self.config.http.tls_key.iter().for_each(|key| secret_file::warn_if_open(key));
        match server.reload_certificate().await {
            None => {}
            Some(Ok(())) => tracing::info!("SIGHUP: the certificate was reloaded"),
            Some(Err(error)) => {
                let error = format!("{error:#}");
                tracing::error!(
                    error,
                    "SIGHUP: the new certificate is invalid; the old one stays in use"
                );
            }
        }
        match server.reload_places() {
            None => {}
            Some(Ok(())) => tracing::info!("SIGHUP: the database of places was reloaded"),
            Some(Err(error)) => {
                let error = format!("{error:#}");
                tracing::error!(
                    error,
                    "SIGHUP: the new database of places is invalid; the old one stays in use"
                );
            }
        }
    }

    /// Returns whether everything that can be applied was applied.
    fn apply(&mut self, config: &Config, telemetry: &Telemetry) -> bool {
        let mut is_right = true;
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        if config.log.filter != self.config.log.filter {
            match telemetry.set_filter(&config.log.filter) {
                Ok(()) => {
                    tracing::info!(filter = config.log.filter, "SIGHUP: log.filter was reloaded");
                    self.config.log.filter.clone_from(&config.log.filter);
                }
                Err(error) => {
                    is_right = false;
                    let error = format!("{:#}", config.origins.explain(error));
                    tracing::error!(
                        error,
                        "SIGHUP: the new log.filter is invalid; the old one stays in use"
                    );
                }
            }
        }
        let mut waiting = differing(&self.settings, &settings(config));
        waiting.retain(|key| key != RELOADABLE);
        let of_files = differing(&self.files, &files(&self.config));
        waiting.extend(of_files.into_iter().map(|key| format!("the file of {key}")));
        if !waiting.is_empty() {
            let changed = waiting.join(", ");
            tracing::warn!(changed, "SIGHUP: these have changed, and need a restart: {changed}");
        }
        is_right
    }
}

fn log_rejected() {
    let why = "some settings are invalid and were not applied";
    security::refused(Event::SettingsReloaded, None, Some(&"SIGHUP"), &why);
}

/// The names whose values differ.
fn differing<T: PartialEq>(old: &BTreeMap<String, T>, new: &BTreeMap<String, T>) -> Vec<String> {
    let changed = new.iter().filter(|(name, value)| old.get(*name) != Some(*value));
    changed.map(|(name, _)| name.clone()).collect()
}

/// The value of every setting. `database.url` may hold a password, so its hash stands in for it.
fn settings(config: &Config) -> BTreeMap<String, Value> {
    let mut settings = config.values();
    let url = config.database.url.as_ref().map(|url| hash(url.expose_secret().as_bytes()));
    settings.insert("database.url".to_owned(), url.into());
    settings
}

/// The hash of every file that is read only at the start, by the setting or variable that names it.
fn files(config: &Config) -> BTreeMap<String, u64> {
    let bus = &config.bus;
    let of_settings = [
        ("database.tls_ca", config.database.tls_ca.as_slice()),
        ("outgoing.roots", &config.outgoing.roots),
        ("bus.roots", &bus.roots),
        ("bus.tls_certificate", bus.tls_certificate.as_slice()),
        ("bus.tls_key", bus.tls_key.as_slice()),
        ("bus.password_file", bus.password_file.as_slice()),
        ("bus.token_file", bus.token_file.as_slice()),
        ("bus.nkey_file", bus.nkey_file.as_slice()),
        ("bus.credentials_file", bus.credentials_file.as_slice()),
    ];
    let master_key = "COUNTERSIGN_MASTER_KEY_FILE";
    let of_variable = std::env::var_os(master_key).map(PathBuf::from);
    let mut files: BTreeMap<_, _> =
        of_settings.iter().map(|(key, paths)| ((*key).to_owned(), hash_of_files(paths))).collect();
    files.insert(master_key.to_owned(), hash_of_files(of_variable.as_slice()));
    files
}

fn hash_of_files(paths: &[impl AsRef<Path>]) -> u64 {
    let read = |path| std::fs::read(path).unwrap_or_default();
    let all: Vec<u8> = paths.iter().flat_map(read).collect();
    hash(&all)
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}
