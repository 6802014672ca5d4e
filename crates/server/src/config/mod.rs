//! Configuration: one TOML file, the environment (`COUNTERSIGN_LIMITS__X` for `limits.x`), `--set limits.x=…`; the
//! later wins. Unknown names are errors, except in the environment, where they are warnings. Each section turns into the
//! plain options of the crate it configures; nothing below this crate reads a file or a variable.
//!
//! `sources` gathers what is given, by the names in `names`; `reader` reads it into the sections, and checks no bounds:
//! the sections do.

mod bus;
mod names;
mod place;
mod reader;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod said;
mod sections;
mod sources;
mod values;

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use countersign_domain::limits::{Limits, MOST_COUNTED};
use serde::{Deserialize, Serialize};

use sources::Gathered;

pub use bus::Bus;
pub use names::{keys, variable};
pub use place::{Place, Places};
pub use sections::{
    Admin, ConsoleListener, ConsoleSection, DatabaseSection, Delivery, Devices, Http, Log,
    LogFormat, Outgoing, ProxyHeader, Retention, StoreSection, Stream, Traces,
};
pub use sources::{Flag, Sources};

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
    /// Reads and checks it.
    ///
    /// # Errors
    /// A file that cannot be read, a setting that does not exist, a value of the wrong type or out of bounds; each names
    /// the setting and its place.
    pub fn load(sources: &Sources) -> anyhow::Result<Self> {
        Self::load_with(sources, &[])
    }

    /// The same, with a command's own flags, which win over the environment.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load_with(sources: &Sources, flags: &[Flag]) -> anyhow::Result<Self> {
        Self::read(sources, flags).context("the configuration is not right")
    }

    fn read(sources: &Sources, flags: &[Flag]) -> anyhow::Result<Self> {
        let Gathered { root, places, warnings } = sources.gather(flags)?;
        let mut config = Self { warnings, ..Self::deserialize(&root)? };
        config.check().map_err(|error| places.explain(error))?;
        config.warnings.extend(config.database.warning(&places));
        Ok(Self { places, ..config })
    }

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

    fn check(&self) -> anyhow::Result<()> {
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
            most <= MOST_COUNTED,
            "limits.{name} must be at most {MOST_COUNTED}, or 0 for no limit"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use countersign_bus::nats::SealingKey;

    use super::*;

    fn load(file: &str, variables: &[(&str, &str)], settings: &[&str]) -> anyhow::Result<Config> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("countersign.toml");
        std::fs::write(&path, file).unwrap();
        Config::load(&Sources {
            file: Some(path),
            environment: variables.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
            settings: settings.iter().map(|setting| (*setting).into()).collect(),
        })
    }

    #[test]
    fn nothing_has_to_be_said() {
        let config = Config::load(&Sources::default()).unwrap();
        assert_eq!(config.http.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(config.limits.notifications_per_challenge, 3);
    }

    #[test]
    fn a_flag_wins_over_the_environment_and_that_over_the_file() {
        let file = "[limits]\nnotifications_per_challenge = 4\nchallenges_per_factor_per_hour = 5\npush_factors_per_entity = 6";
        let variables = [
            ("COUNTERSIGN_LIMITS__CHALLENGES_PER_FACTOR_PER_HOUR", "50"),
            ("COUNTERSIGN_LIMITS__PUSH_FACTORS_PER_ENTITY", "60"),
            ("COUNTERSIGN_ACCOUNT_SID", "AC-is-no-key"),
        ];
        let limits =
            load(file, &variables, &["limits.push_factors_per_entity=600"]).unwrap().limits;
        assert_eq!(limits.notifications_per_challenge, 4);
        assert_eq!(limits.challenges_per_factor_per_hour, 50);
        assert_eq!(limits.push_factors_per_entity, 600);
    }

    #[test]
    fn the_settings_that_lead_to_the_database_say_where_they_come_from() {
        let file = "data_dir = \"/srv/one\"";
        let variable = ("COUNTERSIGN_DATA_DIR", "/srv/two");
        let url = ("COUNTERSIGN_DATABASE__URL", "postgres://me:hunter2@a/b");
        let whence = |config: anyhow::Result<Config>| config.unwrap().whence();
        assert!(
            whence(Config::load(&Sources::default()))
                .contains("countersign-data, from the default")
        );
        let of_file = whence(load(file, &[], &[]));
        assert!(
            of_file.contains("/srv/one, from ") && of_file.contains("countersign.toml"),
            "{of_file}"
        );
        assert!(
            whence(load(file, &[variable], &[])).contains("/srv/two, from COUNTERSIGN_DATA_DIR")
        );
        let flag = ["data_dir=/srv/three"];
        assert!(
            whence(load(file, &[variable], &flag)).contains("/srv/three, from the command line")
        );
        assert_eq!(whence(load("", &[url], &[])), "database.url is from COUNTERSIGN_DATABASE__URL");
    }

    #[test]
    fn a_list_is_written_as_one_or_with_commas() {
        let file = "[outgoing]\nallow = [\"10.0.0.0/8\", \"::1/128\"]";
        assert_eq!(load(file, &[], &[]).unwrap().outgoing.allow, ["10.0.0.0/8", "::1/128"]);
        let config = load(file, &[], &["outgoing.allow=127.0.0.0/8, 10.0.0.0/8"]).unwrap();
        assert_eq!(config.outgoing.allow, ["127.0.0.0/8", "10.0.0.0/8"]);
    }

    #[test]
    fn a_bus_is_set_whole_or_not_at_all() {
        let right = [
            "bus.nats=nats://10.0.0.7:4222,tls://nats.example.com",
            "bus.user=countersign",
            "bus.password_file=p",
        ];
        let bus = load("", &[], &right).unwrap().bus;
        assert_eq!(bus.nats, ["nats://10.0.0.7:4222", "tls://nats.example.com"]);
        assert_eq!(bus.prefix, "countersign");

        let nats = "bus.nats=nats://127.0.0.1:4222";
        for (settings, named) in [
            (&["bus.user=countersign"][..], "bus.nats"),
            (&["bus.nats=127.0.0.1:4222"], "bus.nats"),
            (&["bus.nats=http://127.0.0.1:4222"], "bus.nats"),
            (&["bus.nats=nats://user:hunter2@127.0.0.1"], "bus.password_file"),
            (&[nats, "bus.prefix=a.b"], "bus.prefix"),
            (&[nats, "bus.user=countersign"], "bus.password_file"),
            (&[nats, "bus.password_file=p"], "bus.user"),
            (&[nats, "bus.token_file=t", "bus.nkey_file=n"], "bus.nkey_file"),
            (&[nats, "bus.tls_key=k"], "bus.tls_certificate"),
        ] {
            let error = format!("{:#}", load("", &[], settings).unwrap_err());
            assert!(error.contains(named) && !error.contains("hunter2"), "{settings:?}: {error}");
        }
    }

    #[test]
    fn a_file_of_the_bus_that_cannot_be_read_is_named_with_its_setting() {
        let nats = "bus.nats=nats://127.0.0.1:4222";
        for key in ["bus.token_file", "bus.nkey_file", "bus.credentials_file", "bus.roots"] {
            let file = format!("{key}=/nonexistent/file");
            let bus = load("", &[], &[nats, &file]).unwrap().bus;
            let error = bus.options(SealingKey::new(&[0; 32])).unwrap_err();
            let error = format!("{error:#}");
            assert!(error.contains(key) && error.contains("/nonexistent/file"), "{error}");
        }
    }

    #[test]
    fn nats_on_another_machine_needs_a_login_or_tls_unless_that_is_allowed() {
        for open in ["nats://10.0.0.7:4222", "nats://nats.example.com", "nats://[fd00::7]:4222"] {
            let nats = format!("bus.nats=nats://127.0.0.1:4222,{open}");
            let error = format!("{:#}", load("", &[], &[&nats]).unwrap_err());
            assert!(error.contains("bus.insecure") && error.contains(open), "{error}");
            load("", &[], &[&nats, "bus.insecure=true"]).unwrap();
            load("", &[], &[&nats, "bus.token_file=t"]).unwrap();
        }
        for closed in
            ["tls://10.0.0.7", "nats://127.1.2.3", "nats://[::1]:4222", "nats://localhost"]
        {
            load("", &[], &[&format!("bus.nats={closed}")]).unwrap();
        }
        let error = load("", &[], &["bus.insecure=true"]).unwrap_err();
        assert!(format!("{error:#}").contains("bus.nats"), "{error:#}");
    }

    #[test]
    fn a_quota_that_could_not_be_judged_is_refused() {
        for name in ["services", "credentials", "api_keys"] {
            let set = |most: u32| format!("limits.{name}_per_account={most}");
            for most in [0, 50_000] {
                assert!(load("", &[], &[&set(most)]).is_ok(), "{name} {most}");
            }
            let error = format!("{:#}", load("", &[], &[&set(50_001)]).unwrap_err());
            assert!(error.contains(&format!("limits.{name}_per_account")), "{error}");
        }
    }

    #[test]
    fn the_console_moves_to_the_operators_listener_only_if_there_is_one() {
        let moved = ["console.listen=admin", "admin.listen=127.0.0.1:9090"];
        assert_eq!(load("", &[], &moved).unwrap().console.listen, ConsoleListener::Admin);
        for (settings, named) in [
            (&moved[..1], "admin.listen"),
            (&["console.listen=elsewhere"], "console.listen"),
            (&["console.public_url=ftp://a"], "console.public_url"),
            (&["console.public_url=https://a/?b"], "console.public_url"),
        ] {
            let error = format!("{:#}", load("", &[], settings).unwrap_err());
            assert!(error.contains(named), "{settings:?}: {error}");
        }
    }

    #[test]
    fn a_trusted_proxy_is_an_address_or_a_network_and_never_everybody() {
        let settings = ["http.trusted_proxies=10.0.0.7, 10.1.2.3/16,fd00::/8,::ffff:192.0.2.0/120"];
        let http = load("", &[], &settings).unwrap().http;
        let networks = http.trusted_networks().unwrap().into_iter().map(|net| net.to_string());
        let expected = ["10.0.0.7/32", "10.1.2.3/16", "fd00::/8", "192.0.2.0/24"];
        assert_eq!(networks.collect::<Vec<_>>(), expected);
        for (settings, named) in [
            (&["http.trusted_proxies=proxy.example.com"][..], "proxy.example.com"),
            (&["http.trusted_proxies=10.0.0.0/33"], "10.0.0.0/33"),
            (&["http.trusted_proxies=10.0.0.7:80"], "10.0.0.7:80"),
            (&["http.trusted_proxies=0.0.0.0/0"], "everybody"),
            (&["http.trusted_proxies=::/0"], "everybody"),
            (&["http.proxy_protocol=true"], "http.trusted_proxies"),
            (&["http.proxy_header=via"], "http.proxy_header"),
        ] {
            let error = format!("{:#}", load("", &[], settings).unwrap_err());
            assert!(error.contains(named), "{settings:?}: {error}");
        }
    }

    #[test]
    fn a_certificate_needs_its_key() {
        let error = load("[http]\ntls_certificate = \"a.pem\"", &[], &[]).unwrap_err();
        assert!(format!("{error:#}").contains("http.tls_key"), "{error:#}");
    }
}
