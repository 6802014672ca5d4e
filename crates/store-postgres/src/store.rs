//! The store: a pool of connections, and the queues of the commands that share transactions.

use std::sync::Arc;

use countersign_domain::audit::AuditEntry;
use countersign_store::error::{StoreError, StoreResult};
use countersign_store::health::Health;
use countersign_store::seam::{Answer, Outcome, Store};
use countersign_store::wait_budget::Wait;
use tokio::sync::Semaphore;

use crate::audited::Audited;
use crate::call_results::CallResult;
use crate::command::Command;
use crate::database::Database;
use crate::error::DatabaseError;
use crate::gather::{self, Gatherer};
use crate::notify::Notify;
use crate::opening::Open;
use crate::options::Options;
use crate::probe::probe;
use crate::session::Session;
use crate::time_limits::TimeLimits;
use crate::{connect, migrations};

/// A store in a PostgreSQL database, which other nodes use as well.
pub struct PostgresStore {
    pub(crate) db: Database,
    queue: Arc<Semaphore>,
    pub(crate) health: Arc<Health>,
    pub(crate) opening: Gatherer<Open>,
    pub(crate) notifying: Gatherer<Notify>,
    pub(crate) answering: Gatherer<Answer>,
    pub(crate) settling_calls: Gatherer<CallResult>,
    /// The entry of the audit trail that commands of this handle store.
    pub(crate) entry: Option<Arc<AuditEntry>>,
}

impl PostgresStore {
    /// Connects and migrates the schema. Must be called within a runtime.
    ///
    /// # Errors
    /// The database cannot be reached, or its schema has another version and cannot or may not be migrated.
    pub async fn connect(options: Options) -> StoreResult<Self> {
        let time_limits = TimeLimits::new(options.timeout);
        let pool = connect::pool(&options, time_limits).await?;
        let db = Database::new(pool, options.transaction_pooling, time_limits);
        migrations::run(&db, options.schema_policy).await?;
        let queue = Arc::new(Semaphore::new(options.queue));
        let sizes = (options.queue, options.batch);
        Ok(Self {
            opening: Gatherer::start(&db, sizes),
            notifying: Gatherer::start(&db, sizes),
            answering: Gatherer::start(&db, sizes),
            settling_calls: Gatherer::start(&db, sizes),
            queue,
            health: Arc::default(),
            entry: None,
            db,
        })
    }

    /// Runs a command in a transaction of its own. The command continues when the caller goes away, so that no connection is
    /// returned in the middle of a transaction.
    pub(crate) async fn write<C: Command>(&self, command: C) -> StoreResult<C::Output>
    where
        C::Output: Outcome,
    {
        match &self.entry {
            None => self.run(command).await,
            Some(entry) => self.run(Audited(command, Arc::clone(entry))).await,
        }
    }

    async fn run<C: Command>(&self, command: C) -> StoreResult<C::Output> {
        let permit = Arc::clone(&self.queue).try_acquire_owned().map_err(|_| gather::too_many())?;
        let (db, deadline, _wait) =
            (self.db.clone(), self.db.time_limits.deadline(C::TIME_LIMIT), Wait::begin());
        let running = tokio::spawn(async move {
            let result = db.transact_until(&command, deadline).await;
            drop(permit);
            result
        });
        let result = running.await.map_err(|_| gather::broken())?.map_err(StoreError::from);
        if self.health.record(result.as_ref().err()) {
            probe(&self.db, &self.health);
        }
        result
    }

    /// Takes a connection for reads.
    pub(crate) async fn session(&self) -> Result<Session, DatabaseError> {
        self.db.session().await
    }
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresStore").finish_non_exhaustive()
    }
}

impl Store for PostgresStore {
    fn audited(&self, entry: AuditEntry) -> Arc<dyn Store> {
        Arc::new(Self {
            db: self.db.clone(),
            queue: Arc::clone(&self.queue),
            health: Arc::clone(&self.health),
            opening: self.opening.clone(),
            notifying: self.notifying.clone(),
            answering: self.answering.clone(),
            settling_calls: self.settling_calls.clone(),
            entry: Some(Arc::new(entry)),
        })
    }
}
