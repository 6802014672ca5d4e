//! How long anything may take. The database ends a statement that takes too long or waits too long for a lock; should it say
//! nothing at all, the connection is given up.

use std::time::Duration;

use countersign_store::wait_budget;
use tokio::time::Instant;

/// What a command may take its time for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hurry {
    /// A request waits for it.
    Request,
    /// A background duty, of many rows.
    Duty,
    /// A migration, or a step of a move of the whole database. Nobody waits but the operator.
    None,
}

/// A duty may take so long.
const DUTY: Duration = Duration::from_secs(60);
/// Even a migration that copies the whole history ends some time.
const UNHURRIED: Duration = Duration::from_secs(6 * 60 * 60);

/// The bounds of everything that one store asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    timeout: Duration,
}

impl Bounds {
    /// With what a request may take.
    pub(crate) const fn new(timeout: Duration) -> Self {
        Self { timeout }
    }

    /// When an answer must have come to what is asked for now. A request has what its earlier waits have left.
    pub(crate) fn deadline(self, hurry: Hurry) -> Instant {
        let spent = if hurry == Hurry::Request { wait_budget::spent() } else { Duration::ZERO };
        Instant::now() + self.whole(hurry).saturating_sub(spent)
    }

    /// The longest wait for a connection, to be made or to be free.
    pub(crate) const fn connection(self) -> Duration {
        self.timeout
    }

    /// The longest wait for a connection that others use: half, so that what is left is of some use.
    pub(crate) fn free_connection(self) -> Duration {
        self.timeout / 2
    }

    fn whole(self, hurry: Hurry) -> Duration {
        match hurry {
            Hurry::Request => self.timeout,
            Hurry::Duty => self.timeout.max(DUTY),
            Hurry::None => UNHURRIED,
        }
    }

    /// The longest wait for a lock: half of what a request may take, since it may have waited for a connection before. A duty
    /// waits no longer, and is tried again.
    fn lock(self, hurry: Hurry) -> Duration {
        match hurry {
            Hurry::Request | Hurry::Duty => self.timeout / 2,
            Hurry::None => UNHURRIED,
        }
    }

    /// Sets the bounds of requests for all that follows on a connection.
    pub(crate) fn greeting(self) -> String {
        self.settings("SET", Hurry::Request)
    }

    /// Sets the bounds of a transaction, which come before those of its connection.
    pub(crate) fn of_transaction(self, hurry: Hurry) -> String {
        self.settings("SET LOCAL", hurry)
    }

    /// A node that stops in the middle of a transaction holds its locks no longer than three times a request's time.
    fn settings(self, set: &str, hurry: Hurry) -> String {
        let [lock, statement, idle] =
            [self.lock(hurry), self.whole(hurry), self.timeout * 3].map(|span| span.as_millis());
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
    use crate::database::Session;
    use crate::{Options, PostgresStore};

    #[test]
    fn a_connection_begins_with_the_bounds_of_requests() {
        let bounds = Bounds::new(Duration::from_secs(4));
        assert_eq!(
            bounds.greeting(),
            "; SET lock_timeout TO 2000; SET statement_timeout TO 4000; \
             SET idle_in_transaction_session_timeout TO 12000"
        );
        assert_eq!(
            bounds.of_transaction(Hurry::Duty),
            "; SET LOCAL lock_timeout TO 2000; SET LOCAL statement_timeout TO 60000; \
             SET LOCAL idle_in_transaction_session_timeout TO 12000"
        );
    }

    /// A node that stops in the middle of a transaction does not hold its locks for ever.
    #[tokio::test]
    async fn connections_have_the_bounds_and_migrations_have_others() {
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
        let unhurried = read(store.db.unhurried_session().await.unwrap()).await;
        assert_eq!(unhurried, "6h 6h 4500ms");
        assert_eq!(read(store.db.session().await.unwrap()).await, "750ms 1500ms 4500ms");
    }
}
