//! All settings with their defaults, and the rules between them.

use std::path::PathBuf;

use anyhow::ensure;
use countersign_domain::limits::{Limits, MAX_COUNTED};
use serde::{Deserialize, Serialize};

use super::bus::Bus;
use super::console::{Admin, ConsoleSection};
use super::database::{DatabaseSection, StoreSection};
use super::delivery::{Delivery, Devices, Retention, Stream};
use super::http::Http;
use super::log::{Log, Traces};
use super::outgoing::Outgoing;
use super::place::Places;

/// All of it. Every key has a default.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The folder of the database, the master key and the first account's secret.
    pub data_dir: PathBuf,
    /// The main listener.
    pub http: Http,
    /// The operator's listener.
    pub admin: Admin,
    /// The operator's pages.
    pub console: ConsoleSection,
    /// Which database.
    pub database: DatabaseSection,
    /// How the database is worked on.
    pub store: StoreSection,
    /// The wire between processes.
    pub bus: Bus,
    /// The delivery engine.
    pub delivery: Delivery,
    /// Device streams.
    pub stream: Stream,
    /// Calls to push services.
    pub outgoing: Outgoing,
    /// What devices may register.
    pub devices: Devices,
    /// How much of everything a caller may have; 0 means no limit.
    pub limits: Limits,
    /// How long things are kept.
    pub retention: Retention,
    /// What is logged, and how.
    pub log: Log,
    /// Where traces go.
    pub traces: Traces,
    /// The places of the settings that were given, for messages.
    #[serde(skip)]
    pub places: Places,
    /// What is odd about the settings and no error, for the operator.
    #[serde(skip)]
    pub warnings: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("countersign-data"),
            http: Http::default(),
            admin: Admin::default(),
            console: ConsoleSection::default(),
            database: DatabaseSection::default(),
            store: StoreSection::default(),
            bus: Bus::default(),
            delivery: Delivery::default(),
            stream: Stream::default(),
            outgoing: Outgoing::default(),
            devices: Devices::default(),
            limits: Limits::default(),
            retention: Retention::default(),
            log: Log::default(),
            traces: Traces::default(),
            places: Places::default(),
            warnings: Vec::new(),
        }
    }
}

impl Config {
    /// The database's file, if it is SQLite.
    pub fn database_file(&self) -> PathBuf {
        self.data_dir.join("countersign.db")
    }

    /// Whether there is such a file with anything in it.
    pub fn has_database_file(&self) -> bool {
        std::fs::metadata(self.database_file()).is_ok_and(|found| found.len() > 0)
    }

    /// Which settings lead to the database, and where they come from, for messages.
    pub fn whence(&self) -> String {
        if self.database.url.is_some() {
            return format!("database.url is from {}", self.places.of("database.url"));
        }
        format!(
            "data_dir is {}, from {}; database.url is not set",
            self.data_dir.display(),
            self.places.of("data_dir")
        )
    }

    pub(super) fn check(&self) -> anyhow::Result<()> {
        self.http.check()?;
        self.console.check(&self.admin)?;
        self.database.check()?;
        self.store.check()?;
        self.bus.check()?;
        self.delivery.check()?;
        self.outgoing.check()?;
        self.retention.check()?;
        self.traces.check()?;
        check_quotas(&self.limits)
    }
}

/// Quotas that are judged by reading what an account has of them cannot be larger than such a read.
fn check_quotas(limits: &Limits) -> anyhow::Result<()> {
    for (name, most) in [
        ("services_per_account", limits.services_per_account),
        ("credentials_per_account", limits.credentials_per_account),
        ("api_keys_per_account", limits.api_keys_per_account),
    ] {
        ensure!(
            most <= MAX_COUNTED,
            "limits.{name} must be at most {MAX_COUNTED}, or 0 for no limit"
        );
    }
    Ok(())
}
