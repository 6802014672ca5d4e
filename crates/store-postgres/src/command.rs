//! Commands, and the one transaction that each runs in.

use std::borrow::Cow;

use async_trait::async_trait;
use countersign_domain::time::Instant;
use tokio::time::Instant as Deadline;

use crate::bounds::Hurry;
use crate::clock::{self, Tolerance};
use crate::database::{BEGIN_POOLED, Database, Session, Witness};
use crate::trouble::Trouble;

const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";
const BEGIN_PLANNING: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL plan_cache_mode TO auto; \
                              SET LOCAL enable_seqscan TO on";

/// What a command runs in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runs {
    /// A transaction that plans its statements for the values that they are asked with.
    Planned,
    /// A transaction whose statements are the same for all values, so that none need be planned twice.
    PlannedOnce,
    /// The one statement that [`Session::commit_with`] is given, which is a transaction by itself and was planned once.
    Alone,
}

/// What is done about a transaction whose commit was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InDoubt {
    /// The database is asked what became of it: the answer of the command is known by then.
    Asks,
    /// Likewise, for a command whose last statements travel with the commit. Nothing is sent before the transaction has a
    /// witness, and the answer is read again.
    AsksAndReads,
    /// The command writes nothing, and is run again.
    RunsAgain,
    /// The caller is told, and finds out for itself.
    Tells,
}

impl InDoubt {
    const fn is_witnessed(self) -> bool {
        matches!(self, Self::Asks | Self::AsksAndReads)
    }
}

/// A value that says what is to be written.
#[async_trait]
pub(crate) trait Command: Send + Sync + 'static {
    /// What it answers.
    type Answer: Send + 'static;
    /// What it runs in.
    const RUNS: Runs = Runs::Planned;
    /// How long it may take.
    const HURRY: Hurry = Hurry::Request;
    /// What is done when the commit was not answered.
    const IN_DOUBT: InDoubt = InDoubt::Asks;

    /// The first and the last of the times that it decides by. A command that runs [alone](Runs::Alone) compares them with
    /// the database's clock itself.
    fn decides_at(&self) -> Option<(Instant, Instant)> {
        None
    }

    /// Writes it, within a transaction that was begun. May run again in another one, after the first came to nothing.
    async fn run(&self, db: &Session) -> Result<Self::Answer, Trouble>;

    /// Reads the answer of this command, which is committed, where the answer was lost with the connection
    /// ([`InDoubt::AsksAndReads`]).
    async fn answer_again(&self, _db: &Session) -> Result<Option<Self::Answer>, Trouble> {
        Ok(None)
    }
}

/// How a transaction ended.
pub(crate) enum Outcome<T> {
    /// It is committed.
    Certain(T),
    /// Its commit was not answered.
    InDoubt(Doubt<T>),
}

/// What is known of a transaction whose commit was not answered.
pub(crate) struct Doubt<T> {
    /// How the connection ended, for people.
    pub(crate) why: String,
    /// The command's answer if the transaction is committed; `None` if that was lost as well.
    pub(crate) answer: Option<T>,
    /// `None` if the command has none, or if the answer to its beginning was lost as well.
    pub(crate) witness: Option<Witness>,
}

impl Database {
    /// Runs a command in one transaction.
    pub(crate) async fn transact_once<C: Command>(
        &self,
        command: &C,
        deadline: Deadline,
    ) -> Result<Outcome<C::Answer>, Trouble> {
        let session = self.session_until(deadline).await?;
        let begin = self.beginning(command, session.tolerance);
        let ran = if C::IN_DOUBT == InDoubt::AsksAndReads {
            match session.begin(begin.as_deref()).await {
                Ok(()) => command.run(&session).await,
                Err(trouble) => Err(trouble),
            }
        } else {
            // polled in this order, so that the first statement travels right behind
            let (begun, ran) =
                tokio::join!(biased; session.begin(begin.as_deref()), command.run(&session));
            match ran {
                // whatever became of the beginning
                Err(Trouble::InDoubt(_)) => ran,
                ran => begun.and(ran),
            }
        };
        let (why, answer) = match ran {
            Ok(answer) => match session.commit().await {
                Ok(()) => return Ok(Outcome::Certain(answer)),
                Err(Trouble::InDoubt(why)) => (why, Some(answer)),
                Err(trouble) => return Err(trouble),
            },
            Err(Trouble::InDoubt(why)) => (why, None),
            Err(trouble) => {
                session.give_up().await;
                return Err(trouble);
            }
        };
        Ok(Outcome::InDoubt(Doubt { why, answer, witness: session.witness() }))
    }

    /// How the transaction of a command begins: with the bounds that differ from those of the connection, and on the condition
    /// that the clocks agree.
    fn beginning<C: Command>(
        &self,
        command: &C,
        tolerance: Option<Tolerance>,
    ) -> Option<Cow<'static, str>> {
        let begin = match (self.transaction_pooling, C::RUNS) {
            (true, _) => BEGIN_POOLED,
            (false, Runs::Planned) => BEGIN_PLANNING,
            (false, Runs::PlannedOnce) => BEGIN,
            (false, Runs::Alone) => return None,
        };
        let mut begin = Cow::Borrowed(begin);
        if self.transaction_pooling || C::HURRY != Hurry::Request {
            begin.to_mut().push_str(&self.bounds.of_transaction(C::HURRY));
        }
        if let Some((tolerance, times)) = tolerance.zip(command.decides_at()) {
            begin.to_mut().push_str(&clock::guard(tolerance.bounds(times)));
        }
        if C::IN_DOUBT.is_witnessed() {
            begin.to_mut().push_str(Witness::ASK);
        }
        Some(begin)
    }
}
