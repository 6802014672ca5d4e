//! Connections to the database, and the statements, the transaction and the end of each.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use countersign_store::wait_budget::Wait;
use deadpool_postgres::{Object, Pool};
use futures_util::future::join_all;
use tokio::time::{Instant as Deadline, timeout_at};
use tokio_postgres::{Row, SimpleQueryMessage};

use crate::bounds::{Bounds, Hurry};
use crate::clock::{Comparison, Tolerance};
use crate::params::{Param, typed, types, values};
use crate::trouble::{Tries, Trouble, words};

/// How a connection begins. What is committed is on the disk, whatever the server's settings say.
///
/// Reads and hot commands ask for few rows by their keys, and to plan such a statement takes several times as long as to run
/// it. Left to itself, the server plans statements about a table in parts each time, since a plan for all parts looks dear,
/// though it passes over most of them when it is run. It would also read a table whole that was small or not counted yet when
/// the plan was made. And it expects arrays of ten values: only if to compare looks dear does it hash them, rather than go
/// through all for each row.
pub(crate) const GREETING: &str = "SET synchronous_commit TO on; SET default_transaction_isolation TO 'read committed'; \
                                   SET plan_cache_mode TO force_generic_plan; SET enable_seqscan TO off; \
                                   SET cpu_operator_cost TO 0.1";
/// On a connection that others have between two transactions, and that has been told nothing.
pub(crate) const BEGIN_POOLED: &str =
    "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL synchronous_commit TO on";

/// The database, by a bounded number of connections. One that broke is replaced when the next is asked for.
#[derive(Clone)]
pub(crate) struct Database {
    pool: Pool,
    pub(crate) transaction_pooling: bool,
    pub(crate) bounds: Bounds,
    pub(crate) comparison: Arc<Comparison>,
}

impl Database {
    pub(crate) fn new(pool: Pool, transaction_pooling: bool, bounds: Bounds) -> Self {
        Self { pool, transaction_pooling, bounds, comparison: Arc::default() }
    }

    /// A connection to read by.
    pub(crate) async fn session(&self) -> Result<Session, Trouble> {
        let deadline = self.bounds.deadline(Hurry::Request);
        let mut session = self.session_until(deadline).await?;
        session.fresh = Some(self.clone());
        Ok(session)
    }

    /// A connection for reads that may take long. They end with [`Session::commit`].
    pub(crate) async fn unhurried_session(&self) -> Result<Session, Trouble> {
        let session = self.session_until(self.bounds.deadline(Hurry::None)).await?;
        let begin = BEGIN_POOLED.to_owned() + &self.bounds.of_transaction(Hurry::None);
        session.begin(Some(&begin)).await?;
        Ok(session)
    }

    /// A connection for a command that ends at `deadline`.
    pub(crate) async fn session_until(&self, deadline: Deadline) -> Result<Session, Trouble> {
        let wait = Wait::begin();
        let client = Mutex::new(Some(Arc::new(self.connection(deadline).await?)));
        Ok(Session {
            client,
            fresh: None,
            deadline,
            _wait: wait,
            transaction_pooling: self.transaction_pooling,
            begin_read: self.transaction_pooling.then(|| {
                "BEGIN READ ONLY".to_owned() + &self.bounds.of_transaction(Hurry::Request)
            }),
            tolerance: self.comparison.tolerance(),
            is_begun: AtomicBool::new(false),
            witness: OnceLock::new(),
            is_lost: AtomicBool::new(false),
        })
    }

    async fn connection(&self, deadline: Deadline) -> Result<Object, Trouble> {
        let deadline = deadline.min(Deadline::now() + self.bounds.connection());
        let silent = |_| Trouble::NoConnection("it does not answer".to_owned());
        let mut tries = Tries::default();
        loop {
            let connected = timeout_at(deadline, self.pool.get()).await.map_err(silent)?;
            match connected.map_err(Trouble::from) {
                // ended by the database while it was being made
                Err(trouble) if tries.once_more(&trouble) => {}
                done => return done,
            }
        }
    }
}

/// Names the run of the database server. Ids of transactions that a crash lost are given out again, so an id means nothing in
/// another run: the postmaster has another start time then or, where only its children were restarted, the statistics begin anew.
macro_rules! run_of_the_server {
    () => {
        "concat_ws(' ', extract(epoch FROM pg_postmaster_start_time()), \
         extract(epoch FROM pg_stat_get_bgwriter_stat_reset_time()))"
    };
}
pub(crate) use run_of_the_server;

/// By what a transaction is found again when its commit was not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Witness {
    /// The id of the transaction.
    pub(crate) transaction: String,
    /// The run of the server that gave the id.
    pub(crate) run: String,
}

impl Witness {
    /// The last statement of a script that begins a transaction: its answer is a witness.
    pub(crate) const ASK: &str = concat!("; SELECT pg_current_xact_id(), ", run_of_the_server!());

    /// The answer to [`Self::ASK`], if the script that was answered ends with it.
    fn of(said: &[SimpleQueryMessage]) -> Option<Self> {
        let row = said.iter().rev().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        })?;
        let cell = |at| row.try_get(at).ok().flatten().map(str::to_owned);
        Some(Self { transaction: cell(0)?, run: cell(1)? })
    }
}

/// A connection, to itself as long as it lasts.
pub(crate) struct Session {
    /// There until the end.
    client: Mutex<Option<Arc<Object>>>,
    /// Where another connection comes from if this one breaks: for reads, which may be run again.
    fresh: Option<Database>,
    /// When the last answer must have come.
    deadline: Deadline,
    _wait: Wait,
    transaction_pooling: bool,
    /// Before a statement outside of a transaction, on a connection that has been told nothing.
    begin_read: Option<String>,
    /// How far a command's time may be from the database's.
    pub(crate) tolerance: Option<Tolerance>,
    /// Whether a transaction is, which no commit was sent for yet.
    is_begun: AtomicBool,
    /// By what the transaction is found again, once the database has told.
    witness: OnceLock<Witness>,
    /// An answer has not come in time: what comes next on this connection may be that.
    is_lost: AtomicBool,
}

impl Session {
    fn client(&self) -> Arc<Object> {
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        client.clone().unwrap_or_else(|| unreachable!("it is there until the session is dropped"))
    }

    /// Waits for an answer until the deadline.
    async fn in_time<T>(
        &self,
        answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Trouble> {
        if let Ok(answer) = timeout_at(self.deadline, answer).await {
            return Ok(answer?);
        }
        self.is_lost.store(true, Ordering::Relaxed);
        Err(Trouble::Late)
    }

    /// Runs a statement; a read is run again over another connection if this one breaks.
    pub(crate) async fn query(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, Trouble> {
        let mut tries = Tries::default();
        loop {
            match (self.try_query(sql, params).await, &self.fresh) {
                (Err(trouble), Some(database))
                    if Deadline::now() < self.deadline && tries.once_more(&trouble) =>
                {
                    let fresh = Arc::new(database.connection(self.deadline).await?);
                    *self.client.lock().unwrap_or_else(PoisonError::into_inner) = Some(fresh);
                }
                (done, _) => return done,
            }
        }
    }

    async fn try_query(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, Trouble> {
        let client = self.client();
        if !self.transaction_pooling {
            let statement = self.in_time(client.prepare_typed_cached(sql, &types(params))).await?;
            return self.in_time(client.query(&statement, &values(params))).await;
        }
        let typed = typed(params);
        let asked = client.query_typed(sql, &typed);
        match &self.begin_read {
            Some(begin) if !self.is_begun.load(Ordering::Relaxed) => {
                // all three are on their way before the first has answered
                let all = async {
                    let (begun, read, _) = tokio::join!(biased;
                        client.batch_execute(begin), asked, client.batch_execute("COMMIT"));
                    begun.and(read)
                };
                self.in_time(all).await
            }
            _ => self.in_time(asked).await,
        }
    }

    /// Runs statements one after another; all of them are on their way before the first has answered.
    pub(crate) async fn query_all<const N: usize>(
        &self,
        statements: [(&str, &[Param<'_>]); N],
    ) -> Result<[Vec<Row>; N], Trouble> {
        self.prepare_all(statements).await?;
        self.pipeline(statements).await
    }

    /// Runs the last statements of a transaction, and commits: that travels right behind them, and comes to a rollback if one
    /// of them fails. Where none was begun, there is one statement, and it commits by itself.
    pub(crate) async fn commit_with<const N: usize>(
        &self,
        statements: [(&str, &[Param<'_>]); N],
    ) -> Result<[Vec<Row>; N], Trouble> {
        self.prepare_all(statements).await?;
        let (ran, committed) = tokio::join!(biased; self.pipeline(statements), self.commit());
        let rows = ran.map_err(in_doubt)?;
        committed.map(|()| rows)
    }

    /// Or else a statement that is prepared already would overtake one that is not.
    async fn prepare_all<const N: usize>(
        &self,
        statements: [(&str, &[Param<'_>]); N],
    ) -> Result<(), Trouble> {
        if !self.transaction_pooling {
            let client = self.client();
            for (sql, params) in statements {
                self.in_time(client.prepare_typed_cached(sql, &types(params))).await?;
            }
        }
        Ok(())
    }

    async fn pipeline<const N: usize>(
        &self,
        statements: [(&str, &[Param<'_>]); N],
    ) -> Result<[Vec<Row>; N], Trouble> {
        let answers = statements.map(|(sql, params)| self.query(sql, params));
        let mut rows = [const { Vec::new() }; N];
        // the first that failed is why the others did
        for (rows, answer) in rows.iter_mut().zip(join_all(answers).await) {
            *rows = answer?;
        }
        Ok(rows)
    }

    /// Runs a statement that writes; how many rows it touched.
    pub(crate) async fn execute(&self, sql: &str, params: &[Param<'_>]) -> Result<usize, Trouble> {
        let client = self.client();
        let rows = if self.transaction_pooling {
            self.in_time(client.execute_typed(sql, &typed(params))).await?
        } else {
            let statement = self.in_time(client.prepare_typed_cached(sql, &types(params))).await?;
            self.in_time(client.execute(&statement, &values(params))).await?
        };
        Ok(usize::try_from(rows).unwrap_or(usize::MAX))
    }

    /// Runs statements without parameters, one after another.
    pub(crate) async fn run_script(&self, sql: &str) -> Result<(), Trouble> {
        self.in_time(self.client().batch_execute(sql)).await
    }

    /// Begins a transaction by a script, if there is one.
    pub(crate) async fn begin(&self, how: Option<&str>) -> Result<(), Trouble> {
        self.is_begun.store(how.is_some(), Ordering::Relaxed);
        let Some(begin) = how else { return Ok(()) };
        let client = self.client();
        let said = self.in_time(client.simple_query(begin)).await?;
        if let Some(witness) = Witness::of(&said) {
            self.witness.get_or_init(|| witness);
        }
        Ok(())
    }

    /// Commits what was begun. The words of a failure say whether it is certain that nothing was written.
    pub(crate) async fn commit(&self) -> Result<(), Trouble> {
        if !self.is_begun.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        self.run_script("COMMIT").await.map_err(in_doubt)
    }

    /// By what the transaction is found again, if the answer to its beginning has come.
    pub(crate) fn witness(&self) -> Option<Witness> {
        self.witness.get().cloned()
    }

    /// Rolls back. A connection on which even that fails is closed, which does the same.
    pub(crate) async fn give_up(self) {
        if self.is_begun.load(Ordering::Relaxed) && self.run_script("ROLLBACK").await.is_ok() {
            self.is_begun.store(false, Ordering::Relaxed);
        }
    }
}

/// Closes a connection that is in the middle of something: of a transaction whose command was dropped or panicked, or of an
/// answer that did not come in time.
impl Drop for Session {
    fn drop(&mut self) {
        if *self.is_begun.get_mut() || *self.is_lost.get_mut() {
            let client = self.client.get_mut().unwrap_or_else(PoisonError::into_inner).take();
            drop(client.and_then(Arc::into_inner).map(Object::take));
        }
    }
}

/// What a failure is while a commit is under way.
fn in_doubt(trouble: Trouble) -> Trouble {
    match trouble {
        // unless the database answered, and refused
        Trouble::Sql(error) if error.as_db_error().is_none() => {
            Trouble::InDoubt(format!("the commit failed: {}", words(&error)))
        }
        Trouble::Late => Trouble::InDoubt("the commit was not answered in time".to_owned()),
        other => other,
    }
}
