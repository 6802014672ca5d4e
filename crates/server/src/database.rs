//! The database that the configuration names, and the clock that goes with it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use anyhow::Context as _;
use countersign_domain::monotonic::Monotonic;
use countersign_domain::time::Instant;
use countersign_domain::world::{Clock, Sleep};
use countersign_store::Store;
use countersign_store::schema::Fitting;
use countersign_store_postgres::{ClockReading, PostgresStore};
use countersign_store_sqlite::SqliteStore;
use secrecy::ExposeSecret as _;

use crate::config::Config;
use crate::wiring::World;

/// An open database.
pub enum Database {
    /// A file of this server's own.
    Sqlite(Arc<SqliteStore>),
    /// One that other servers may be using as well.
    Postgres(Arc<PostgresStore>),
}

impl Database {
    /// Opens it and brings its schema up to date.
    ///
    /// # Errors
    /// It cannot be reached, opened or migrated.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        Self::open_as(config, Fitting::Serve).await
    }

    /// Opens it, and does that about a schema of another version.
    ///
    /// # Errors
    /// It cannot be reached, opened or migrated.
    pub async fn open_as(config: &Config, fitting: Fitting) -> anyhow::Result<Self> {
        let Some(url) = &config.database.url else {
            return open_sqlite(config, fitting).map(|store| Self::Sqlite(Arc::new(store)));
        };
        let options = countersign_store_postgres::Options {
            url: url.expose_secret().to_owned(),
            tls_ca: config.database.tls_ca.clone(),
            connections: config.database.connections_max,
            queue: config.store.queue_max,
            batch: config.store.batch_max,
            transaction_pooling: config.database.transaction_pooling,
            fitting,
            ..Default::default()
        };
        let store = PostgresStore::connect(options).await;
        Ok(Self::Postgres(Arc::new(store.context("cannot open the database of database.url")?)))
    }

    /// As everybody else knows it.
    pub fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Sqlite(store) => Arc::clone(store) as _,
            Self::Postgres(store) => Arc::clone(store) as _,
        }
    }

    /// The world with the clock that deadlines are judged by: PostgreSQL's, since it is one for all servers.
    ///
    /// # Errors
    /// It cannot be asked.
    pub async fn set_clock(&self, world: &World) -> anyhow::Result<World> {
        let Self::Postgres(store) = self else {
            return Ok(world.clone());
        };
        let clock = DatabaseClock::start(store, &world.clock).await;
        Ok(World { clock: clock.context("cannot ask the database for the time")?, ..world.clone() })
    }

    /// What it is, for a person.
    ///
    /// # Errors
    /// It cannot be asked.
    pub async fn describe(&self, config: &Config, world: &World) -> anyhow::Result<String> {
        let Self::Postgres(store) = self else {
            return Ok(config.database_file().display().to_string());
        };
        let reading = read_clock(store, &*world.clock).await?;
        let ahead = i128::from(reading.ahead_micros) / 1_000;
        Ok(format!(
            "PostgreSQL ({ahead} ms ahead of this machine, {} ms away)",
            reading.round_trip.as_millis()
        ))
    }
}

fn open_sqlite(config: &Config, fitting: Fitting) -> anyhow::Result<SqliteStore> {
    let options = countersign_store_sqlite::Options {
        readers: config.store.readers,
        queue: config.store.queue_max,
        batch: config.store.batch_max,
        max_pages: (config.store.pages_max != 0).then_some(config.store.pages_max),
        fitting,
        ..Default::default()
    };
    let path = config.database_file();
    SqliteStore::open(&path, options)
        .with_context(|| format!("cannot open the database {}", path.display()))
}

/// The first question on a connection takes longer, and so does one that met other work: the quickest counts.
const QUESTIONS: usize = 4;

/// The clocks of two machines drift apart by some microseconds a second.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(30);

async fn read_clock(store: &PostgresStore, clock: &dyn Clock) -> anyhow::Result<ClockReading> {
    let mut best = store.read_clock(clock).await?;
    for _ in 1..QUESTIONS {
        let next = store.read_clock(clock).await?;
        if next.round_trip < best.round_trip {
            best = next;
        }
    }
    Ok(best)
}

/// A clock that shows the database's time, wrong by half a round trip at most.
struct DatabaseClock {
    machine: Arc<dyn Clock>,
    /// How many microseconds the database is ahead of the machine.
    ahead: AtomicI64,
}

impl DatabaseClock {
    /// Compares the clocks, and again from time to time as long as somebody looks at this one.
    async fn start(
        store: &Arc<PostgresStore>,
        machine: &Arc<dyn Clock>,
    ) -> anyhow::Result<Arc<Self>> {
        let reading = read_clock(store, &**machine).await?;
        let ahead = AtomicI64::new(reading.ahead_micros);
        let clock = Arc::new(Self { machine: Arc::clone(machine), ahead });
        tokio::spawn(Self::keep(Arc::downgrade(&clock), Arc::downgrade(store)));
        Ok(clock)
    }

    async fn keep(clock: Weak<Self>, store: Weak<PostgresStore>) {
        while let Some(machine) = clock.upgrade().map(|clock| Arc::clone(&clock.machine)) {
            machine.sleep_until(machine.now() + ASK_AGAIN_AFTER).await;
            let (Some(clock), Some(store)) = (clock.upgrade(), store.upgrade()) else {
                return;
            };
            // a database that does not answer has what it said before
            if let Ok(reading) = read_clock(&store, &*machine).await {
                clock.ahead.store(reading.ahead_micros, Ordering::Relaxed);
            }
        }
    }

    fn ahead(&self) -> i64 {
        self.ahead.load(Ordering::Relaxed)
    }
}

impl Clock for DatabaseClock {
    fn now(&self) -> Instant {
        Instant::from_micros(self.machine.now().as_micros().saturating_add(self.ahead()))
    }

    fn monotonic(&self) -> Monotonic {
        self.machine.monotonic()
    }

    fn sleep(&self, span: Duration) -> Sleep {
        self.machine.sleep(span)
    }

    fn sleep_until(&self, at: Instant) -> Sleep {
        let at = Instant::from_micros(at.as_micros().saturating_sub(self.ahead()));
        self.machine.sleep_until(at)
    }
}
