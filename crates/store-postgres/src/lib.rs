//! The store of several nodes: PostgreSQL, array statements, group commit.
//!
//! A command is a value that runs in one transaction (`database.rs`), and again in another one when the database gave it up
//! for the sake of a neighbour. Commands that come by the thousand are gathered with their neighbours of the same kind and
//! run as a few statements over arrays (`gather.rs`). Reads go to the same server as writes, so they see every acknowledged
//! one. Rows are locked in the order of their keys, challenges before deliveries.

mod access_tokens;
mod accounts;
mod answers;
mod backlog;
mod births;
mod bounds;
mod call_leases;
mod call_results;
mod calls;
mod cells;
mod challenges;
mod clock;
mod command;
mod connect;
mod credentials;
mod database;
mod deliveries;
mod doubt;
mod durability;
mod enrolment;
mod entities;
mod events;
mod factors;
mod gather;
mod history;
mod leases;
mod migrations;
mod moving;
mod notifications;
mod notify;
mod opening;
mod paging;
mod params;
mod pooler;
mod prospect;
mod provider_tokens;
mod recent;
mod rows;
mod servers;
mod services;
mod sessions;
mod settle;
mod standing;
mod statement;
mod totp_factors;
mod trouble;
mod upkeep;
mod usage;
mod webhooks;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use countersign_store::StoreError;
use countersign_store::bounds::{BATCH_COMMANDS, QUEUE_COMMANDS};
use countersign_store::error::StoreResult;
use countersign_store::health::Health;
use countersign_store::schema::SchemaPolicy;
use countersign_store::seam::Store;
use countersign_store::wait_budget::Wait;
use tokio::sync::Semaphore;

pub use clock::{ClockReading, Tolerance};
pub use durability::Durability;

use bounds::Bounds;
use command::Command;
use database::{Database, Session};
use gather::Gatherer;
use trouble::Trouble;

/// How the database is reached and worked on.
#[derive(Clone)]
pub struct Options {
    /// `postgres://user:password@host:port/database?sslmode=require`, as libpq reads it.
    pub url: String,
    /// The certificates (PEM) that the server's may be signed by, instead of those that the system trusts.
    pub tls_ca: Option<PathBuf>,
    /// Connections at most.
    pub connections: usize,
    /// How many commands may wait or run; one more is refused at once, as unavailable.
    pub queue: usize,
    /// How many commands share a transaction at most.
    pub batch: usize,
    /// A pooler between here and the database may hand every transaction to another connection: no statement is kept
    /// prepared.
    pub transaction_pooling: bool,
    /// How long a command or a read may take, from the moment that it is asked for: to get a connection, to get locks, to run,
    /// and to be answered. What takes longer fails as unavailable. Duties in the background may take a minute, migrations and
    /// moves hours.
    pub timeout: Duration,
    /// What is done about a schema of another version.
    pub schema_policy: SchemaPolicy,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            url: String::new(),
            tls_ca: None,
            connections: 16,
            queue: QUEUE_COMMANDS,
            batch: BATCH_COMMANDS,
            transaction_pooling: false,
            timeout: Duration::from_secs(4),
            schema_policy: SchemaPolicy::Serve,
        }
    }
}

/// The URL may hold a password.
impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").finish_non_exhaustive()
    }
}

/// A store in a PostgreSQL database, which other nodes use as well.
pub struct PostgresStore {
    db: Database,
    queue: Arc<Semaphore>,
    health: Arc<Health>,
    opening: Gatherer<opening::Open>,
    notifying: Gatherer<notify::Notify>,
    answering: Gatherer<answers::RecordAnswer>,
    settling_calls: Gatherer<call_results::CallResult>,
}

impl PostgresStore {
    /// Connects, and brings the schema up to date. To be called within a runtime.
    ///
    /// # Errors
    /// The database cannot be reached, or its schema is of another version and cannot or may not be migrated.
    pub async fn connect(options: Options) -> StoreResult<Self> {
        let bounds = Bounds::new(options.timeout);
        let pool = connect::pool(&options, bounds).await?;
        let db = Database::new(pool, options.transaction_pooling, bounds);
        migrations::run(&db, options.schema_policy).await?;
        let queue = Arc::new(Semaphore::new(options.queue));
        let gather = (options.queue, options.batch);
        Ok(Self {
            opening: Gatherer::start(&db, gather),
            notifying: Gatherer::start(&db, gather),
            answering: Gatherer::start(&db, gather),
            settling_calls: Gatherer::start(&db, gather),
            queue,
            health: Arc::default(),
            db,
        })
    }

    /// Runs a command in a transaction of its own. It goes on when the caller goes away, so that no connection is given
    /// back in the middle of one.
    async fn write<C: Command>(&self, command: C) -> StoreResult<C::Answer> {
        let place = Arc::clone(&self.queue).try_acquire_owned().map_err(|_| gather::too_many())?;
        let (db, deadline, _wait) =
            (self.db.clone(), self.db.bounds.deadline(C::HURRY), Wait::begin());
        let running = tokio::spawn(async move {
            let answer = db.transact_until(&command, deadline).await;
            drop(place);
            answer
        });
        let answer = running.await.map_err(|_| gather::broken())?.map_err(StoreError::from);
        if self.health.record(answer.as_ref().err()) {
            upkeep::probe(&self.db, &self.health);
        }
        answer
    }

    /// A connection to read by.
    async fn session(&self) -> Result<Session, Trouble> {
        self.db.session().await
    }
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresStore").finish_non_exhaustive()
    }
}

impl Store for PostgresStore {}

/// A number of rows for `LIMIT`.
fn limit(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}

/// A value as the JSON text that a column keeps.
fn json<T: serde::Serialize>(value: &T) -> StoreResult<String> {
    serde_json::to_string(value).map_err(|error| StoreError::Corrupt(error.to_string()))
}
