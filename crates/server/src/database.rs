//! The database that the configuration names, and the clock that goes with it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use countersign_domain::time::Instant;
use countersign_domain::world::Clock;
use countersign_store::schema::SchemaPolicy;
use countersign_store::{Moving as _, Store, StoreError};
use countersign_store_postgres::{Durability, PostgresStore};
use countersign_store_sqlite::{Depth, SqliteStore};
use secrecy::ExposeSecret as _;

use crate::clock::{self, DatabaseClock, SteadyClock};
use crate::config::Config;
use crate::folder;
use crate::world::World;

/// An open database.
pub enum Database {
    /// A file of this server's own.
    Sqlite(Arc<SqliteStore>),
    /// One that other servers may be using as well.
    Postgres(Arc<PostgresStore>),
}

impl Database {
    /// Opens it, makes it if there is none, and brings its schema up to date: for servers.
    ///
    /// # Errors
    /// It cannot be reached, opened or migrated.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        Self::open_as(config, SchemaPolicy::Serve).await
    }

    /// Opens one that a server has used, and makes and migrates nothing: for commands beside servers.
    ///
    /// # Errors
    /// There is none, which settings led there; it cannot be reached or opened, or its schema is of another version.
    pub async fn open_beside(config: &Config) -> anyhow::Result<Self> {
        let database = Self::open_there(config).await?;
        database.must_be_used(config).await?;
        Ok(database)
    }

    /// The same, whether a server has used it or not.
    ///
    /// # Errors
    /// As those of [`Database::open_beside`].
    pub async fn open_there(config: &Config) -> anyhow::Result<Self> {
        if config.database.url.is_none() {
            let file = config.database_file();
            ensure!(
                config.has_database_file(),
                "there is no database {}, and only `countersign serve` makes one: {}",
                file.display(),
                config.whence()
            );
            folder::check(&config.data_dir)?;
        }
        Self::open_as(config, SchemaPolicy::Attach).await
    }

    /// Refuses one that no server has used.
    ///
    /// # Errors
    /// It is such a one, and which settings led there; or it cannot be read.
    pub async fn must_be_used(&self, config: &Config) -> anyhow::Result<()> {
        ensure!(
            self.is_used().await?,
            "no server has used this database yet, so there is nothing in it: {}",
            config.whence()
        );
        Ok(())
    }

    /// Whether a server has ever used it: it keeps the check value of a master key then.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn is_used(&self) -> anyhow::Result<bool> {
        let kept = match self {
            Self::Sqlite(store) => store.kept_key_check().await,
            Self::Postgres(store) => store.kept_key_check().await,
        };
        Ok(kept?.is_some())
    }

    /// Opens it, and does that about a schema of another version.
    ///
    /// # Errors
    /// It cannot be reached, opened or migrated.
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
            format!("cannot open the database of database.url ({})", config.whence())
        });
        Ok(Self::Postgres(Arc::new(store?)))
    }

    /// As everybody else knows it.
    pub fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Sqlite(store) => Arc::clone(store) as _,
            Self::Postgres(store) => Arc::clone(store) as _,
        }
    }

    /// The world with the clock that deadlines are judged by: PostgreSQL's, since it is one for all servers; with SQLite the
    /// machine's, without its steps.
    ///
    /// # Errors
    /// It cannot be asked.
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

    /// The present time by that clock, for a command that needs it once.
    ///
    /// # Errors
    /// It cannot be asked.
    pub async fn time(&self, world: &World) -> anyhow::Result<Instant> {
        Ok(match self {
            Self::Sqlite(_) => world.clock.now(),
            Self::Postgres(store) => clock::read(store, &*world.clock).await?.time,
        })
    }

    /// What it is, for a person.
    ///
    /// # Errors
    /// It cannot be asked.
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

/// What is to be said about a part of a database.
#[derive(Debug, PartialEq, Eq)]
pub enum Condition {
    /// It is as it should be.
    Right(String),
    /// Worth changing, though what this server promises holds.
    Doubtful(String),
    /// What this server promises does not hold.
    Wrong(String),
}

impl Database {
    /// Whether what is stored is whole, and stays so when the power fails; each with what to do. Reads only. Beside a running
    /// server (`is_serving`) less is read, since its log cannot be folded back meanwhile.
    pub async fn condition(
        &self,
        config: &Config,
        is_serving: bool,
    ) -> Vec<(&'static str, Condition)> {
        match self {
            Self::Sqlite(store) => {
                let thorough = if is_serving { Depth::Quick } else { Depth::Full };
                let faults = store.faults(thorough).await;
                vec![("database integrity", integrity(config, faults))]
            }
            Self::Postgres(store) => match store.durability().await {
                Ok(durability) => durable(&durability),
                Err(error) => {
                    let why = format!("its settings cannot be read: {error}");
                    vec![("PostgreSQL settings", Condition::Doubtful(why))]
                }
            },
        }
    }
}

fn integrity(config: &Config, faults: Result<Vec<String>, StoreError>) -> Condition {
    let file = config.database_file();
    let file = file.display();
    let faults = match faults {
        Ok(faults) if faults.is_empty() => {
            return Condition::Right(format!("{file} is whole"));
        }
        Ok(faults) => faults.join("; "),
        Err(error) => error.to_string(),
    };
    Condition::Wrong(format!(
        "{file} is damaged: {faults}. Stop the server, keep a copy of the data folder, and put a backup back (docs/run/backup.md); \
         without one, `sqlite3 {file} .recover` saves what can be read. Then test the disk"
    ))
}

fn durable(found: &Durability) -> Vec<(&'static str, Condition)> {
    let must_be_on = |name, value: &str, loss: &str| match value {
        "on" => Condition::Right("on".to_owned()),
        other => Condition::Wrong(format!(
            "it is {other}, and {loss}: ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf(); then take a new base backup"
        )),
    };
    let commit = match found.synchronous_commit.as_str() {
        "off" => Condition::Doubtful(
            "it is off by default there; this server sets it to on for its own transactions. To have it on for all: ALTER \
             SYSTEM SET synchronous_commit = on; SELECT pg_reload_conf()"
                .to_owned(),
        ),
        other => Condition::Right(other.to_owned()),
    };
    let checksums = match found.data_checksums.as_str() {
        "on" => Condition::Right("on".to_owned()),
        other => Condition::Doubtful(format!(
            "they are {other}, so that a page that the disk has damaged is not noticed: stop PostgreSQL and run pg_checksums \
             --enable"
        )),
    };
    vec![
        (
            "PostgreSQL fsync",
            must_be_on("fsync", &found.fsync, "what was acknowledged is lost when the power fails"),
        ),
        (
            "PostgreSQL full_page_writes",
            must_be_on(
                "full_page_writes",
                &found.full_page_writes,
                "a page that is half written when the power fails stays damaged",
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
    // An older release left their modes to the umask.
    let beside = ["", "-wal", "-shm"].map(|end| {
        let mut file = path.clone().into_os_string();
        file.push(end);
        file.into()
    });
    for file in if schema_policy.creates() { folder::tighten(beside)? } else { Vec::new() } {
        tracing::info!(file = %file.display(), "others could read this file; its mode is 0600 now");
    }
    SqliteStore::open(&path, options)
        .with_context(|| format!("cannot open the database {}", path.display()))
}
