//! Configuration: one TOML file, the environment (`COUNTERSIGN_LIMITS__X` for `limits.x`), `--set limits.x=…`; the
//! later wins. Unknown keys are errors. Each section turns into the plain options of the crate it configures; nothing
//! below this crate reads a file or a variable.

mod bus;
mod sections;

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use config::builder::{ConfigBuilder, DefaultState};
use config::{Environment, File, FileFormat, Value};
use serde::{Deserialize, Serialize};

pub use bus::Bus;
pub use sections::{
    Admin, ConsoleListener, ConsoleSection, DatabaseSection, Delivery, Devices, Http, Log,
    LogFormat, Outgoing, ProxyHeader, Retention, StoreSection, Stream, Traces,
};

/// Variables that are read elsewhere and are no configuration keys.
const NOT_KEYS: [&str; 7] = [
    "COUNTERSIGN_PHONE_AUTH_TOKEN",
    "COUNTERSIGN_ACCOUNT_SID",
    "COUNTERSIGN_AUTH_TOKEN",
    "COUNTERSIGN_AUTH_TOKEN_FILE",
    "COUNTERSIGN_MASTER_KEY",
    "COUNTERSIGN_MASTER_KEY_FILE",
    "COUNTERSIGN_CONFIG",
];

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
    pub limits: countersign_domain::limits::Limits,
    /// How long things are kept.
    pub retention: Retention,
    /// What is logged, and how.
    pub log: Log,
    /// Where traces go.
    pub traces: Traces,
    /// Where the settings that lead to a database come from.
    #[serde(skip)]
    pub origins: Origins,
}

/// Where the settings that lead to a database come from, for messages.
#[derive(Debug, Clone)]
pub struct Origins {
    data_dir: String,
    database_url: String,
}

impl Default for Origins {
    fn default() -> Self {
        Self::all("the default")
    }
}

impl Origins {
    /// All of them come from there.
    pub fn all(place: &str) -> Self {
        Self { data_dir: place.to_owned(), database_url: place.to_owned() }
    }

    fn of(sources: &Sources, built: &config::Config) -> Self {
        let origin = |key: &str, variable: &str| {
            let said =
                |setting: &String| setting.split_once('=').is_some_and(|(set, _)| set == key);
            match &sources.file {
                _ if sources.settings.iter().any(said) => "the command line".to_owned(),
                _ if sources.environment.contains_key(variable) => variable.to_owned(),
                Some(file) if built.get::<String>(key).is_ok() => file.display().to_string(),
                _ => "the default".to_owned(),
            }
        };
        Self {
            data_dir: origin("data_dir", "COUNTERSIGN_DATA_DIR"),
            database_url: origin("database.url", "COUNTERSIGN_DATABASE__URL"),
        }
    }
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
            limits: countersign_domain::limits::Limits::default(),
            retention: Retention::default(),
            log: Log::default(),
            traces: Traces::default(),
            origins: Origins::default(),
        }
    }
}

/// Where configuration comes from, beside the defaults.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// A TOML file, which must exist if it is named.
    pub file: Option<PathBuf>,
    /// The environment.
    pub environment: HashMap<String, String>,
    /// `section.key=value`, in order.
    pub settings: Vec<String>,
}

impl Config {
    /// Reads and checks it.
    ///
    /// # Errors
    /// A file that cannot be read, a key that does not exist, a value of the wrong type or out of bounds; each names
    /// the key.
    pub fn load(sources: &Sources) -> anyhow::Result<Self> {
        let mut builder = config::Config::builder();
        if let Some(path) = &sources.file {
            builder = builder.add_source(File::from(path.as_path()).format(FileFormat::Toml));
        }
        let environment = sources
            .environment
            .iter()
            .filter(|(name, _)| {
                name.starts_with("COUNTERSIGN_") && !NOT_KEYS.contains(&name.as_str())
            })
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        builder = builder.add_source(
            Environment::with_prefix("COUNTERSIGN")
                .prefix_separator("_")
                .separator("__")
                .try_parsing(true)
                .source(Some(environment)),
        );
        for setting in &sources.settings {
            builder = set(builder, setting)?;
        }
        let built = builder.build().context("the configuration is not right")?;
        let origins = Origins::of(sources, &built);
        let config: Self = built.try_deserialize().context("the configuration is not right")?;
        let config = Self { origins, ..config };
        config.check()?;
        Ok(config)
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
            return format!("database.url is from {}", self.origins.database_url);
        }
        format!(
            "data_dir is {}, from {}; database.url is not set",
            self.data_dir.display(),
            self.origins.data_dir
        )
    }

    fn check(&self) -> anyhow::Result<()> {
        self.http.check()?;
        self.console.check(&self.admin)?;
        self.database.check()?;
        self.store.check()?;
        self.bus.check()?;
        self.delivery.check()?;
        self.retention.check()?;
        self.traces.check()?;
        Ok(())
    }
}

/// One `section.key=value`, whose value is read as TOML would: a number, a truth value, or else text.
fn set(
    builder: ConfigBuilder<DefaultState>,
    setting: &str,
) -> anyhow::Result<ConfigBuilder<DefaultState>> {
    let Some((key, value)) = setting.split_once('=') else {
        bail!("--set {setting}: expected section.key=value");
    };
    let typed = if let Ok(number) = value.parse::<i64>() {
        Value::from(number)
    } else if let Ok(truth) = value.parse::<bool>() {
        Value::from(truth)
    } else {
        Value::from(value)
    };
    builder.set_override(key, typed).with_context(|| format!("--set {setting}"))
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
    fn an_unknown_key_is_named_wherever_it_stands() {
        let error = |file, variables: &[_], settings: &[_]| {
            format!("{:#}", load(file, variables, settings).unwrap_err())
        };
        assert!(error("[limits]\nnonsense = 1", &[], &[]).contains("nonsense"));
        assert!(error("", &[("COUNTERSIGN_HTTP__NONSENSE", "1")], &[]).contains("nonsense"));
        assert!(error("", &[], &["log.nonsense=1"]).contains("nonsense"));
        assert!(error("nonsense = 1", &[], &[]).contains("nonsense"));
        assert!(error("", &[], &["nonsense"]).contains("section.key=value"));
    }

    #[test]
    fn a_value_of_the_wrong_type_names_its_key() {
        let error = load("[limits]\nnotifications_per_challenge = \"many\"", &[], &[]).unwrap_err();
        assert!(format!("{error:#}").contains("limits.notifications_per_challenge"), "{error:#}");
        let error = load("", &[], &["http.listen=nowhere"]).unwrap_err();
        assert!(format!("{error:#}").contains("http.listen"), "{error:#}");
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
