//! One connection: its statements, its transaction and its end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use countersign_store::wait_budget::Wait;
use deadpool_postgres::{Object, Pool};
use futures_util::future::join_all;
use tokio::time::{Instant as Deadline, timeout_at};
use tokio_postgres::Row;

use crate::clock::Tolerance;
use crate::error::{DatabaseError, message_of};
use crate::params::{Param, typed, types, values};
use crate::retries::Retries;
use crate::transaction_id::TransactionId;

/// The pool of connections.
#[derive(Clone)]
pub(crate) struct Connections {
    pool: Pool,
    /// The longest wait for one.
    wait: Duration,
}

impl Connections {
    /// The connections of a pool.
    pub(crate) const fn new(pool: Pool, wait: Duration) -> Self {
        Self { pool, wait }
    }

    /// Takes a connection.
    pub(crate) async fn take(&self, deadline: Deadline) -> Result<Object, DatabaseError> {
        let deadline = deadline.min(Deadline::now() + self.wait);
        let silent = |_| DatabaseError::NoConnection("it does not respond".to_owned());
        let mut tries = Retries::default();
        loop {
            let connected = timeout_at(deadline, self.pool.get()).await.map_err(silent)?;
            match connected.map_err(DatabaseError::from) {
                // The database closed the connection while it was being made.
                Err(error) if tries.once_more(&error) => {}
                done => return done,
            }
        }
    }
}

/// A connection for one command or for one series of reads.
pub(crate) struct Session {
    /// `Some` until the session is dropped.
    client: Mutex<Option<Arc<Object>>>,
    /// Where a new connection comes from if this one breaks: for reads, which may run again.
    connections: Option<Connections>,
    /// When the last response must have come.
    deadline: Deadline,
    _wait: Wait,
    /// With a pooler that assigns connections by the transaction: begins the transaction of a read. No statement is prepared then.
    begin_read: Option<String>,
    /// How far a command's time may be from the database's clock.
    pub(crate) tolerance: Option<Tolerance>,
    /// Whether a transaction was begun, and no commit was sent.
    is_begun: AtomicBool,
    /// The id of the transaction, once the database has returned it.
    transaction: OnceLock<TransactionId>,
    /// Whether a response did not come in time. It may come next on this connection.
    is_out_of_step: AtomicBool,
}

impl Session {
    /// A session on a connection. With `begin_read`, the connection is assigned by the transaction.
    pub(crate) fn new(
        client: Object,
        deadline: Deadline,
        wait: Wait,
        begin_read: Option<String>,
        tolerance: Option<Tolerance>,
    ) -> Self {
        Self {
            client: Mutex::new(Some(Arc::new(client))),
            connections: None,
            deadline,
            _wait: wait,
            begin_read,
            tolerance,
            is_begun: AtomicBool::new(false),
            transaction: OnceLock::new(),
            is_out_of_step: AtomicBool::new(false),
        }
    }

    /// Makes the session replace its connection if that breaks during a read.
    pub(crate) fn reconnect_from(&mut self, connections: Connections) {
        self.connections = Some(connections);
    }

    const fn is_pooled(&self) -> bool {
        self.begin_read.is_some()
    }

    fn client(&self) -> Arc<Object> {
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        client
            .clone()
            .unwrap_or_else(|| unreachable!("a session has a connection until it is dropped"))
    }

    /// Waits for a response until the deadline.
    async fn until_deadline<T>(
        &self,
        answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, DatabaseError> {
        if let Ok(answer) = timeout_at(self.deadline, answer).await {
            return Ok(answer?);
        }
        self.is_out_of_step.store(true, Ordering::Relaxed);
        Err(DatabaseError::Timeout)
    }

    /// Runs a statement. A read runs again over another connection if this one breaks.
    pub(crate) async fn query(
        &self,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>, DatabaseError> {
        let mut tries = Retries::default();
        loop {
            match (self.try_query(sql, params).await, &self.connections) {
                (Err(error), Some(connections))
                    if Deadline::now() < self.deadline && tries.once_more(&error) =>
                {
                    let fresh = Arc::new(connections.take(self.deadline).await?);
                    *self.client.lock().unwrap_or_else(PoisonError::into_inner) = Some(fresh);
                }
                (done, _) => return done,
            }
        }
    }

    async fn try_query(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, DatabaseError> {
        let client = self.client();
        if !self.is_pooled() {
            let statement =
                self.until_deadline(client.prepare_typed_cached(sql, &types(params))).await?;
            return self.until_deadline(client.query(&statement, &values(params))).await;
        }
        let typed = typed(params);
        let asked = client.query_typed(sql, &typed);
        match &self.begin_read {
            Some(begin) if !self.is_begun.load(Ordering::Relaxed) => {
                // All three are sent before the first response.
                let all = async {
                    let (begun, read, _) = tokio::join!(biased;
                        client.batch_execute(begin), asked, client.batch_execute("COMMIT"));
                    begun.and(read)
                };
                self.until_deadline(all).await
            }
            _ => self.until_deadline(asked).await,
        }
    }

    /// Runs statements one after another. All of them are sent before the first response.
    pub(crate) async fn query_all<const N: usize>(
        &self,
        statements: [(&str, &[Param<'_>]); N],
    ) -> Result<[Vec<Row>; N], DatabaseError> {
        self.prepare_all(statements).await?;
        self.pipeline(statements).await
    }

    /// Runs the last statements of a transaction and commits. The commit is sent right behind them, and becomes a rollback if one of
    /// them fails. Without a transaction there is one statement, which commits by itself.
    pub(crate) async fn commit_with<const N: usize>(
        &self,
        statements: [(&str, &[Param<'_>]); N],
    ) -> Result<[Vec<Row>; N], DatabaseError> {
        self.prepare_all(statements).await?;
        let (ran, committed) = tokio::join!(biased; self.pipeline(statements), self.commit());
        let rows = ran.map_err(during_commit)?;
        committed.map(|()| rows)
    }

    /// Prepares statements first: otherwise a prepared one would overtake one that is not.
    async fn prepare_all<const N: usize>(
        &self,
        statements: [(&str, &[Param<'_>]); N],
    ) -> Result<(), DatabaseError> {
        if !self.is_pooled() {
            let client = self.client();
            for (sql, params) in statements {
                self.until_deadline(client.prepare_typed_cached(sql, &types(params))).await?;
            }
        }
        Ok(())
    }

    async fn pipeline<const N: usize>(
        &self,
        statements: [(&str, &[Param<'_>]); N],
    ) -> Result<[Vec<Row>; N], DatabaseError> {
        let answers = statements.map(|(sql, params)| self.query(sql, params));
        let mut rows = [const { Vec::new() }; N];
        // The first failure is the cause of the others.
        for (rows, answer) in rows.iter_mut().zip(join_all(answers).await) {
            *rows = answer?;
        }
        Ok(rows)
    }

    /// Runs a statement that writes. Returns how many rows it changed.
    pub(crate) async fn execute(
        &self,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<usize, DatabaseError> {
        let client = self.client();
        let rows = if self.is_pooled() {
            self.until_deadline(client.execute_typed(sql, &typed(params))).await?
        } else {
            let statement =
                self.until_deadline(client.prepare_typed_cached(sql, &types(params))).await?;
            self.until_deadline(client.execute(&statement, &values(params))).await?
        };
        Ok(usize::try_from(rows).unwrap_or(usize::MAX))
    }

    /// Runs statements without parameters, one after another.
    pub(crate) async fn run_script(&self, sql: &str) -> Result<(), DatabaseError> {
        self.until_deadline(self.client().batch_execute(sql)).await
    }

    /// Begins a transaction by a script, if one is given.
    pub(crate) async fn begin(&self, how: Option<&str>) -> Result<(), DatabaseError> {
        self.is_begun.store(how.is_some(), Ordering::Relaxed);
        let Some(begin) = how else { return Ok(()) };
        let client = self.client();
        let messages = self.until_deadline(client.simple_query(begin)).await?;
        if let Some(transaction) = TransactionId::of(&messages) {
            self.transaction.get_or_init(|| transaction);
        }
        Ok(())
    }

    /// Commits the transaction, if one was begun.
    pub(crate) async fn commit(&self) -> Result<(), DatabaseError> {
        if !self.is_begun.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        self.run_script("COMMIT").await.map_err(during_commit)
    }

    /// The id of the transaction, if the database has returned it.
    pub(crate) fn transaction_id(&self) -> Option<TransactionId> {
        self.transaction.get().cloned()
    }

    /// Rolls back. If that fails, the connection is closed, which rolls back too.
    pub(crate) async fn roll_back(self) {
        if self.is_begun.load(Ordering::Relaxed) && self.run_script("ROLLBACK").await.is_ok() {
            self.is_begun.store(false, Ordering::Relaxed);
        }
    }
}

/// Closes a connection that cannot be reused: one in a transaction whose command was dropped or panicked, or one whose response did
/// not come in time.
impl Drop for Session {
    fn drop(&mut self) {
        if *self.is_begun.get_mut() || *self.is_out_of_step.get_mut() {
            let client = self.client.get_mut().unwrap_or_else(PoisonError::into_inner).take();
            drop(client.and_then(Arc::into_inner).map(Object::take));
        }
    }
}

/// Converts a failure during a commit.
fn during_commit(error: DatabaseError) -> DatabaseError {
    match error {
        // Unless the database responded with an error.
        DatabaseError::Sql(error) if error.as_db_error().is_none() => {
            DatabaseError::CommitUnknown(format!("the commit failed: {}", message_of(&error)))
        }
        DatabaseError::Timeout => {
            DatabaseError::CommitUnknown("the commit was not acknowledged in time".to_owned())
        }
        other => other,
    }
}
