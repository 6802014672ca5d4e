//! The database that the configuration names, and its clock.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use countersign_domain::time::Instant;
use countersign_domain::world::Clock;
use countersign_store::moving::Resealing;
use countersign_store::schema::SchemaPolicy;
use countersign_store::{Moving as _, Store, StoreError};
use countersign_store_postgres::{Durability, PostgresStore};
use countersign_store_sqlite::{Depth, SqliteStore};
use secrecy::ExposeSecret as _;

use crate::clock::{self, DatabaseClock, SteadyClock};
use crate::config::Config;
use crate::folder;
use crate::test_mode::{self, TestMode};
use crate::world::World;

/// An open database.
pub enum Database {
    /// A file that only this server uses.
    Sqlite(Arc<SqliteStore>),
    /// A database that other servers may use too.
    Postgres(Arc<PostgresStore>),
}

impl Database {
    /// Opens the database for a server: creates it if it is missing, and migrates its schema.
    ///
    /// # Errors
    /// The database cannot be reached, opened or migrated.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        Self::open_as(config, SchemaPolicy::Serve).await
    }

    /// Opens a test database for a server in test mode: creates and marks it if it is missing or no server has used it.
    ///
    /// # Errors
    /// As [`Database::open`]; or a server has used it, and it is no test database.
    pub async fn open_for_tests(config: &Config) -> anyhow::Result<Self> {
        test_mode::check_file(config)?;
        let database = Self::open(config).await?;
        if let Self::Sqlite(store) = &database {
            store.mark_as_test().await?;
        }
        Ok(database)
    }

    /// Opens the database for a server that people rely on.
    ///
    /// # Errors
    /// As [`Database::open`]; or it is a test database.
    pub async fn open_for_people(config: &Config) -> anyhow::Result<Self> {
        let database = Self::open(config).await?;
        if let Self::Sqlite(store) = &database {
            test_mode::reject_test_database(store, config)?;
        }
        Ok(database)
    }

    /// Opens the database for a command beside servers: a server must have used it, and nothing is created or
    /// migrated.
    ///
    /// # Errors
    /// There is no database, and which settings name it; it cannot be reached or opened; or its schema has another
    /// version.
    pub async fn open_beside(config: &Config) -> anyhow::Result<Self> {
        let database = Self::open_existing(config).await?;
        database.require_used(config).await?;
        Ok(database)
    }

    /// Opens an existing database, whether a server has used it or not.
    ///
    /// # Errors
    /// As [`Database::open_beside`].
    pub async fn open_existing(config: &Config) -> anyhow::Result<Self> {
        if config.database.url.is_none() {
            Self::require_file(config)?;
        }
        Self::open_as(config, SchemaPolicy::Attach).await
    }

    /// Rejects a missing file of SQLite, and a data folder that others may access.
    ///
    /// # Errors
    /// The problem, and which settings name the file.
    pub fn require_file(config: &Config) -> anyhow::Result<()> {
        ensure!(
            config.has_database_file(),
            "there is no database {}, and only `countersign serve` creates one: {}",
            config.database_file().display(),
            config.database_origin()
        );
        folder::check(&config.data_dir)
    }

    /// Rejects a database that no server has used.
    ///
    /// # Errors
    /// No server has used it, and which settings name it; or it cannot be read.
    pub async fn require_used(&self, config: &Config) -> anyhow::Result<()> {
        ensure!(
            self.is_used().await?,
            "no server has used this database yet, so it is empty: {}",
            config.database_origin()
        );
        Ok(())
    }

    /// Whether a server has ever used the database, and so stored the check value of a master key.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn is_used(&self) -> anyhow::Result<bool> {
        let kept = match self {
            Self::Sqlite(store) => store.kept_key_check().await,
            Self::Postgres(store) => store.kept_key_check().await,
        };
        Ok(kept?.is_some())
    }

    /// Opens the database; `schema_policy` says what to do about a schema of another version.
    ///
    /// # Errors
    /// The database cannot be reached, opened or migrated.
    pub async fn open_as(config: &Config, schema_policy: SchemaPolicy) -> anyhow::Result<Self> {
        let Some(url) = &config.database.url else {
            return open_sqlite(config, schema_policy).map(|store| Self::Sqlite(Arc::new(store)));
        };
        let options = countersign_store_postgres::Options {
            url: url.expose_secret().to_owned(),
            tls_ca: config.database.tls_ca.clone(),
            connections: config.database.connections_max,
            queue: config.store.queue_max,
            batch: config.store.batch_max,
            transaction_pooling: config.database.transaction_pooling,
            timeout: Duration::from_secs(config.database.timeout_seconds),
            schema_policy,
        };
        let store = PostgresStore::connect(options).await;
        let store = store.with_context(|| {
            format!("cannot open the database of database.url ({})", config.database_origin())
        });
        Ok(Self::Postgres(Arc::new(store?)))
    }

    /// The store.
    pub fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Sqlite(store) => Arc::clone(store) as _,
            Self::Postgres(store) => Arc::clone(store) as _,
        }
    }

    /// The world of a server: with the clock of [`set_clock`](Self::set_clock), which a tester moves in test mode.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn world(&self, world: &World, test_mode: bool) -> anyhow::Result<World> {
        let world = self.set_clock(world).await?;
        Ok(match self {
            Self::Sqlite(store) if test_mode => {
                let mode = TestMode::new(Arc::clone(store), Arc::clone(&world.clock));
                world.in_test_mode(mode)
            }
            Self::Sqlite(_) | Self::Postgres(_) => world,
        })
    }

    /// The store, as what its stored secrets are sealed anew by.
    pub fn resealing(&self) -> Arc<dyn Resealing> {
        match self {
            Self::Sqlite(store) => Arc::clone(store) as _,
            Self::Postgres(store) => Arc::clone(store) as _,
        }
    }

    /// The world with the clock that deadlines are judged by: PostgreSQL's, which all servers share, or with SQLite
    /// the machine's without its steps.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn set_clock(&self, world: &World) -> anyhow::Result<World> {
        let clock: Arc<dyn Clock> = match self {
            Self::Sqlite(_) => Arc::new(SteadyClock::new(Arc::clone(&world.clock))),
            Self::Postgres(store) => {
                let clock = DatabaseClock::start(store, &world.clock).await;
                Arc::new(clock.context("cannot ask the database for the time")?)
            }
        };
        Ok(World { clock, ..world.clone() })
    }

    /// The present time by that clock, for a command that reads it once.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn time(&self, world: &World) -> anyhow::Result<Instant> {
        Ok(match self {
            Self::Sqlite(_) => world.clock.now(),
            Self::Postgres(store) => clock::read(store, &*world.clock).await?.time,
        })
    }

    /// Describes the database for a person.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn describe(&self, config: &Config, world: &World) -> anyhow::Result<String> {
        let Self::Postgres(store) = self else {
            return Ok(config.database_file().display().to_string());
        };
        let reading = clock::read(store, &*world.clock).await?;
        let since = world.clock.monotonic().since(reading.answered_at);
        let machine = world.clock.now() - since - reading.round_trip / 2;
        let ahead = (reading.time.as_micros() - machine.as_micros()) / 1_000;
        Ok(format!(
            "PostgreSQL ({ahead} ms ahead of this machine, {} ms away)",
            reading.round_trip.as_millis()
        ))
    }
}

/// The result of checking one part of a database.
#[derive(Debug, PartialEq, Eq)]
pub enum CheckResult {
    /// Nothing is wrong.
    Passed(String),
    /// Worth changing, though the server keeps its promises.
    Warning(String),
    /// The server cannot keep its promises.
    Failed(String),
}

impl Database {
    /// Checks that the stored data is intact and survives a power failure; each result names its remedy. Only reads.
    /// Beside a running server (`is_serving`) fewer checks run, since the write-ahead log cannot be checkpointed.
    pub async fn check(
        &self,
        config: &Config,
        is_serving: bool,
    ) -> Vec<(&'static str, CheckResult)> {
        match self {
            Self::Sqlite(store) => {
                let thorough = if is_serving { Depth::Quick } else { Depth::Full };
                let faults = store.faults(thorough).await;
                vec![("database integrity", check_integrity(config, faults))]
            }
            Self::Postgres(store) => match store.durability().await {
                Ok(durability) => check_durability(&durability),
                Err(error) => {
                    let why = format!("its settings cannot be read: {error}");
                    vec![("PostgreSQL settings", CheckResult::Warning(why))]
                }
            },
        }
    }
}

fn check_integrity(config: &Config, faults: Result<Vec<String>, StoreError>) -> CheckResult {
    let file = config.database_file();
    let file = file.display();
    let faults = match faults {
        Ok(faults) if faults.is_empty() => {
            return CheckResult::Passed(format!("{file} is intact"));
        }
        Ok(faults) => faults.join("; "),
        Err(error) => error.to_string(),
    };
    CheckResult::Failed(format!(
        "{file} is damaged: {faults}. Stop the server, keep a copy of the data folder, and put a backup back (docs/run/backup.md); \
         without one, `sqlite3 {file} .recover` saves what can be read. Then test the disk"
    ))
}

fn check_durability(found: &Durability) -> Vec<(&'static str, CheckResult)> {
    let require_on = |name, value: &str, loss: &str| match value {
        "on" => CheckResult::Passed("on".to_owned()),
        other => CheckResult::Failed(format!(
            "it is {other}, and {loss}: ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf(); then take a new base backup"
        )),
    };
    let commit = match found.synchronous_commit.as_str() {
        "off" => CheckResult::Warning(
            "it is off by default there; this server sets it to on for its own transactions. To have it on for all: ALTER \
             SYSTEM SET synchronous_commit = on; SELECT pg_reload_conf()"
                .to_owned(),
        ),
        other => CheckResult::Passed(other.to_owned()),
    };
    let checksums = match found.data_checksums.as_str() {
        "on" => CheckResult::Passed("on".to_owned()),
        other => CheckResult::Warning(format!(
            "they are {other}, so a page that the disk has damaged is not detected: stop PostgreSQL and run pg_checksums \
             --enable"
        )),
    };
    vec![
        (
            "PostgreSQL fsync",
            require_on("fsync", &found.fsync, "acknowledged writes are lost when the power fails"),
        ),
        (
            "PostgreSQL full_page_writes",
            require_on(
                "full_page_writes",
                &found.full_page_writes,
                "a page that is half written at a power failure stays damaged",
            ),
        ),
        ("PostgreSQL synchronous_commit", commit),
        ("PostgreSQL data checksums", checksums),
    ]
}

fn open_sqlite(config: &Config, schema_policy: SchemaPolicy) -> anyhow::Result<SqliteStore> {
    let options = countersign_store_sqlite::Options {
        readers: config.store.readers,
        queue: config.store.queue_max,
        batch: config.store.batch_max,
        max_pages: (config.store.pages_max != 0).then_some(config.store.pages_max),
        schema_policy,
        ..Default::default()
    };
    let path = config.database_file();
    // Other modes come from an earlier umask.
    let beside = ["", "-wal", "-shm"].map(|end| {
        let mut file = path.clone().into_os_string();
        file.push(end);
        file.into()
    });
    for file in if schema_policy.creates() { folder::tighten(beside)? } else { Vec::new() } {
        tracing::info!(file = %file.display(), "other users could read this file; its mode is now 0600");
    }
    SqliteStore::open(&path, options)
        .with_context(|| format!("cannot open the database {}", path.display()))
}
