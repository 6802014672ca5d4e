//! Running a command until it is certain what became of it.
//!
//! A connection that breaks after `COMMIT` was sent leaves open whether the transaction is committed. The database keeps the
//! fate of every recent transaction by its id, so a command asks for that id when its transaction begins, and for the fate of
//! that id, over another connection, when no answer to the commit came.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant as Deadline, sleep};

use crate::cells::Cells;
use crate::command::{Command, Doubt, InDoubt, Outcome, Runs};
use crate::database::{Database, Session, Witness, run_of_the_server};
use crate::params::params;
use crate::statement::one;
use crate::trouble::{Tries, Trouble};

/// Writes a record to the log, so that the commit of the question waits for the same standbys as the commit in doubt.
const FATE: &str = concat!(
    "SELECT CASE WHEN $2 = ",
    run_of_the_server!(),
    " THEN pg_xact_status($1::xid8) END FROM pg_logical_emit_message(true, 'countersign', '')"
);

/// The pauses between two questions while the commit is still under way.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// All of it is written.
    Committed,
    /// Nothing of it is written.
    RolledBack,
    /// The database does not tell: it has crashed since, or another server has taken its place.
    Unknown,
}

struct AskFate(Witness);

#[async_trait]
impl Command for AskFate {
    /// `None` while the transaction is still under way.
    type Answer = Option<Fate>;
    const RUNS: Runs = Runs::PlannedOnce;
    const IN_DOUBT: InDoubt = InDoubt::RunsAgain;

    async fn run(&self, db: &Session) -> Result<Self::Answer, Trouble> {
        let Witness { transaction, run } = &self.0;
        let read = |row: &_| Cells::of(row, "pg_xact_status").take::<Option<String>>();
        let fate = one(db, FATE, params![transaction.as_str(), run.as_str()], read).await?;
        Ok(match fate.flatten().as_deref() {
            Some("in progress") => None,
            Some("committed") => Some(Fate::Committed),
            Some("aborted") => Some(Fate::RolledBack),
            _ => Some(Fate::Unknown),
        })
    }
}

/// Asks what became of a transaction until that is decided, or the deadline has passed.
async fn fate(db: &Database, witness: &Witness, deadline: Deadline) -> Fate {
    let ask = AskFate(witness.clone());
    let mut pause = FIRST_PAUSE;
    while Deadline::now() < deadline {
        // a question that failed may be asked again
        if let Ok(Outcome::Certain(Some(fate))) = db.transact_once(&ask, deadline).await {
            return fate;
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    Fate::Unknown
}

impl Database {
    /// Runs a command in a transaction, and again if it was given up for the sake of others.
    pub(crate) async fn transact<C: Command>(&self, command: &C) -> Result<C::Answer, Trouble> {
        self.transact_until(command, self.bounds.deadline(C::HURRY)).await
    }

    /// The same, with another deadline.
    pub(crate) async fn transact_until<C: Command>(
        &self,
        command: &C,
        deadline: Deadline,
    ) -> Result<C::Answer, Trouble> {
        let mut tries = Tries::default();
        loop {
            match self.try_transact(command, deadline).await {
                Err(trouble) if Deadline::now() < deadline && tries.once_more(&trouble) => {}
                Err(Trouble::ClocksDiffer) => {
                    self.comparison.disagreed();
                    return Err(Trouble::ClocksDiffer);
                }
                done => return done,
            }
        }
    }

    async fn try_transact<C: Command>(
        &self,
        command: &C,
        deadline: Deadline,
    ) -> Result<C::Answer, Trouble> {
        let Doubt { why, answer, witness } = match self.transact_once(command, deadline).await? {
            Outcome::Certain(answer) => return Ok(answer),
            Outcome::InDoubt(doubt) => doubt,
        };
        let fate = match &witness {
            Some(witness) => fate(self, witness, deadline).await,
            None if C::IN_DOUBT == InDoubt::RunsAgain => Fate::RolledBack,
            None => Fate::Unknown,
        };
        match (fate, answer) {
            (Fate::Committed, Some(answer)) => Ok(answer),
            (Fate::Committed, None) => {
                let db = self.session().await?;
                command.answer_again(&db).await?.ok_or(Trouble::InDoubt(why))
            }
            (Fate::RolledBack, _) => Err(Trouble::Undone(why)),
            (Fate::Unknown, _) => Err(Trouble::InDoubt(why)),
        }
    }
}
