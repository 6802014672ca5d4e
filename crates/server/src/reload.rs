//! What a running server takes up on SIGHUP, and what it says of the rest.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use countersign_verify::security::{self, Event};
use secrecy::ExposeSecret as _;
use serde_json::Value;

use crate::config::{self, Config};
use crate::secret_file;
use crate::telemetry::Telemetry;
use crate::wiring::Server;

/// What is taken up while the server runs; for everything else it must be started again.
const TAKEN_UP: &str = "log.filter";

/// The settings and files that a running server works with.
pub struct InForce {
    config: Config,
    settings: BTreeMap<String, Value>,
    files: BTreeMap<String, u64>,
}

impl InForce {
    /// Those that a server starts with.
    pub fn new(config: Config) -> Self {
        Self { settings: settings(&config), files: files(&config), config }
    }

    /// Takes up what can be, and logs what was, what needs a start, and what is not right and stays as it was.
    pub async fn reload(
        &mut self,
        server: &Server,
        telemetry: &Telemetry,
        read: &impl Fn() -> anyhow::Result<Config>,
    ) {
        tracing::info!("SIGHUP: settings, certificates and secret files are read again");
        match read() {
            Ok(config) => {
                if self.take_up(&config, telemetry) {
                    security::done(Event::SettingsReloaded, None, "SIGHUP");
                } else {
                    not_taken_up();
                }
            }
            Err(error) => {
                let error = format!("{error:#}");
                not_taken_up();
                tracing::error!(error, "SIGHUP: the new settings are not right; the old ones stay");
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
                    "SIGHUP: the new certificate is not right; the old one stays"
                );
            }
        }
    }

    /// Whether all that can be taken up is in force.
    fn take_up(&mut self, config: &Config, telemetry: &Telemetry) -> bool {
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
                    let error = format!("{:#}", config.places.explain(error));
                    tracing::error!(
                        error,
                        "SIGHUP: the new log.filter is not right; the old one stays"
                    );
                }
            }
        }
        let mut waiting = differing(&self.settings, &settings(config));
        waiting.retain(|key| key != TAKEN_UP);
        let of_files = differing(&self.files, &files(&self.config));
        waiting.extend(of_files.into_iter().map(|key| format!("the file of {key}")));
        if !waiting.is_empty() {
            let changed = waiting.join(", ");
            tracing::warn!(changed, "SIGHUP: these have changed, and need a restart: {changed}");
        }
        is_right
    }
}

fn not_taken_up() {
    let why = "some of it cannot be used and stays as it was";
    security::refused(Event::SettingsReloaded, None, Some(&"SIGHUP"), &why);
}

/// The names that have another value in one than in the other.
fn differing<T: PartialEq>(old: &BTreeMap<String, T>, new: &BTreeMap<String, T>) -> Vec<String> {
    let changed = new.iter().filter(|(name, value)| old.get(*name) != Some(*value));
    changed.map(|(name, _)| name.clone()).collect()
}

/// The value of every setting. That of `database.url` may hold a password: its hash is as good.
fn settings(config: &Config) -> BTreeMap<String, Value> {
    let all = serde_json::to_value(config).unwrap_or_default();
    let value = |key: &String| {
        let pointer = format!("/{}", key.replace('.', "/"));
        all.pointer(&pointer).cloned().unwrap_or_default()
    };
    let mut settings: BTreeMap<_, _> =
        config::keys().iter().map(|key| (key.clone(), value(key))).collect();
    let url = config.database.url.as_ref().map(|url| hash(url.expose_secret().as_bytes()));
    settings.insert("database.url".to_owned(), url.into());
    settings
}

/// A hash of every file that is read at the start alone, by the setting or variable that names it.
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
