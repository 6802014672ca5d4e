//! Time limits. The database ends a statement that takes too long or waits too long for a lock. If the database does not respond
//! at all, the connection is closed.

use std::time::Duration;

use countersign_store::wait_budget;
use tokio::time::Instant;

/// The time limit of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeLimit {
    /// A request waits for the command.
    Request,
    /// The command is a background duty, of many rows.
    Duty,
    /// The command is a migration, or a step of a move of the whole database: only the operator waits.
    Unlimited,
}

/// The time limit of a duty.
const DUTY: Duration = Duration::from_secs(60);
/// The time limit of a migration, which may copy the whole history.
const UNLIMITED: Duration = Duration::from_secs(6 * 60 * 60);

/// The time limits of one store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TimeLimits {
    request: Duration,
}

impl TimeLimits {
    /// Makes the limits, given that of a request.
    pub(crate) const fn new(request: Duration) -> Self {
        Self { request }
    }

    /// The deadline of a command that begins now. For a request the time of its earlier waits is subtracted.
    pub(crate) fn deadline(self, limit: TimeLimit) -> Instant {
        let spent = if limit == TimeLimit::Request { wait_budget::spent() } else { Duration::ZERO };
        Instant::now() + self.whole(limit).saturating_sub(spent)
    }

    /// The longest wait for a connection, new or idle.
    pub(crate) const fn connection(self) -> Duration {
        self.request
    }

    /// The longest wait for a connection in use: half of a request, so that some time is left to use it.
    pub(crate) fn free_connection(self) -> Duration {
        self.request / 2
    }

    fn whole(self, limit: TimeLimit) -> Duration {
        match limit {
            TimeLimit::Request => self.request,
            TimeLimit::Duty => self.request.max(DUTY),
            TimeLimit::Unlimited => UNLIMITED,
        }
    }

    /// The longest wait for a lock: half of a request, since it may have waited for a connection before. A duty waits no longer, since
    /// it is run again.
    fn lock(self, limit: TimeLimit) -> Duration {
        match limit {
            TimeLimit::Request | TimeLimit::Duty => self.request / 2,
            TimeLimit::Unlimited => UNLIMITED,
        }
    }

    /// The settings of a new connection: the limits of requests.
    pub(crate) fn of_connection(self) -> String {
        self.settings("SET", TimeLimit::Request)
    }

    /// The settings of a transaction, which override those of its connection.
    pub(crate) fn of_transaction(self, limit: TimeLimit) -> String {
        self.settings("SET LOCAL", limit)
    }

    /// A node that stops in the middle of a transaction holds its locks for at most three times the limit of a request.
    fn settings(self, set: &str, limit: TimeLimit) -> String {
        let [lock, statement, idle] =
            [self.lock(limit), self.whole(limit), self.request * 3].map(|span| span.as_millis());
        format!(
            "; {set} lock_timeout TO {lock}; {set} statement_timeout TO {statement}; \
             {set} idle_in_transaction_session_timeout TO {idle}"
        )
    }
}

#[cfg(test)]
mod tests {
    use countersign_testkit::postgres::TestDatabase;

    use super::*;
    use crate::options::Options;
    use crate::session::Session;
    use crate::store::PostgresStore;

    #[test]
    fn a_connection_begins_with_the_limits_of_requests() {
        let limits = TimeLimits::new(Duration::from_secs(4));
        assert_eq!(
            limits.of_connection(),
            "; SET lock_timeout TO 2000; SET statement_timeout TO 4000; \
             SET idle_in_transaction_session_timeout TO 12000"
        );
        assert_eq!(
            limits.of_transaction(TimeLimit::Duty),
            "; SET LOCAL lock_timeout TO 2000; SET LOCAL statement_timeout TO 60000; \
             SET LOCAL idle_in_transaction_session_timeout TO 12000"
        );
    }

    #[tokio::test]
    async fn connections_have_the_limits_and_migrations_have_others() {
        let database = TestDatabase::new();
        let timeout = Duration::from_millis(1_500);
        let options = Options { url: database.url(), timeout, ..Options::default() };
        let store = PostgresStore::connect(options).await.unwrap();
        let settings = "SELECT concat_ws(' ', current_setting('lock_timeout'), current_setting('statement_timeout'), \
                        current_setting('idle_in_transaction_session_timeout'))";
        let read = async |session: Session| {
            let rows = session.query(settings, &[]).await.unwrap();
            session.commit().await.unwrap();
            rows[0].get::<_, String>(0)
        };
        let unlimited = read(store.db.unlimited_session().await.unwrap()).await;
        assert_eq!(unlimited, "6h 6h 4500ms");
        assert_eq!(read(store.db.session().await.unwrap()).await, "750ms 1500ms 4500ms");
    }
}
