//! All settings with their defaults, and the rules between them.

use std::path::PathBuf;

use anyhow::ensure;
use countersign_domain::limits::{Limits, MAX_COUNTED};
use countersign_domain::service_protection::ServiceLimit;
use serde::{Deserialize, Serialize};

use super::bus::BusSection;
use super::console::{AdminSection, ConsoleSection};
use super::database::{DatabaseSection, StoreSection};
use super::delivery::{DeliverySection, DevicesSection, RetentionSection, StreamSection};
use super::geo::GeoSection;
use super::http::HttpSection;
use super::log::{LogSection, TracesSection};
use super::origin::Origins;
use super::outgoing::OutgoingSection;
use super::radius::RadiusSection;
use super::transparency::TransparencySection;

/// All settings. Every key has a default.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The folder of the database, the master key and the first account's secret.
    pub data_dir: PathBuf,
    /// The main listener.
    pub http: HttpSection,
    /// The operator's listener.
    pub admin: AdminSection,
    /// The operator's pages.
    pub console: ConsoleSection,
    /// The database.
    pub database: DatabaseSection,
    /// How the database is used.
    pub store: StoreSection,
    /// The bus between processes.
    pub bus: BusSection,
    /// The delivery engine.
    pub delivery: DeliverySection,
    /// Device streams.
    pub stream: StreamSection,
    /// Calls to push services.
    pub outgoing: OutgoingSection,
    /// Rules for registrations of devices.
    pub devices: DevicesSection,
    /// The limits of callers; 0 means no limit.
    pub limits: Limits,
    /// Places of addresses.
    pub geo: GeoSection,
    /// The door for RADIUS clients.
    pub radius: RadiusSection,
    /// How long rows are kept.
    pub retention: RetentionSection,
    /// The transparency log.
    pub transparency: TransparencySection,
    /// The log.
    pub log: LogSection,
    /// The traces.
    pub traces: TracesSection,
    /// The origins of the given settings, for messages.
    #[serde(skip)]
    pub origins: Origins,
    /// Warnings for the operator about settings that are valid but odd.
    #[serde(skip)]
    pub warnings: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("countersign-data"),
            http: HttpSection::default(),
            admin: AdminSection::default(),
            console: ConsoleSection::default(),
            database: DatabaseSection::default(),
            store: StoreSection::default(),
            bus: BusSection::default(),
            delivery: DeliverySection::default(),
            stream: StreamSection::default(),
            outgoing: OutgoingSection::default(),
            devices: DevicesSection::default(),
            limits: Limits::default(),
            geo: GeoSection::default(),
            radius: RadiusSection::default(),
            retention: RetentionSection::default(),
            transparency: TransparencySection::default(),
            log: LogSection::default(),
            traces: TracesSection::default(),
            origins: Origins::default(),
            warnings: Vec::new(),
        }
    }
}

impl Config {
    /// The database file of SQLite.
    pub fn database_file(&self) -> PathBuf {
        self.data_dir.join("countersign.db")
    }

    /// Whether the database file exists and is not empty.
    pub fn has_database_file(&self) -> bool {
        std::fs::metadata(self.database_file()).is_ok_and(|found| found.len() > 0)
    }

    /// The settings that name the database, and their origins, for messages.
    pub fn database_origin(&self) -> String {
        if self.database.url.is_some() {
            return format!("database.url is from {}", self.origins.of("database.url"));
        }
        format!(
            "data_dir is {}, from {}; database.url is not set",
            self.data_dir.display(),
            self.origins.of("data_dir")
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
        self.transparency.check()?;
        self.traces.check()?;
        check_quotas(&self.limits)?;
        check_prompts(&self.limits)
    }
}

/// Checks the quotas that are enforced by reading everything an account has: they must not exceed such a read.
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

/// Checks the limits that a service may set for itself, too: the same bounds hold.
fn check_prompts(limits: &Limits) -> anyhow::Result<()> {
    for limit in ServiceLimit::ALL {
        let name = match limit {
            ServiceLimit::PendingMax => "pending_push_challenges_per_factor",
            ServiceLimit::InARowMax => "push_challenges_in_a_row",
            ServiceLimit::QuietAfter => "quiet_after_push_challenges",
            ServiceLimit::InARowMinutes => "push_challenges_in_a_row_minutes",
            ServiceLimit::PauseMinutes => "pause_minutes",
            ServiceLimit::LongestPauseHours => "longest_pause_hours",
            ServiceLimit::ReportedPauseHours => "reported_pause_hours",
        };
        let bounds = limit.bounds();
        ensure!(
            bounds.contains(&limit.configured(limits)),
            "limits.{name} must be {} to {}",
            bounds.start(),
            bounds.end()
        );
    }
    Ok(())
}
