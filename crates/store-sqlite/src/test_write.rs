//! The command that only tests whether writing works.

use rusqlite::Connection;

use crate::command::Command;
use crate::error::DatabaseError;
use crate::statement::{execute, statements};

statements! {
    PULSE = "UPDATE installation SET pulse = pulse + 1 WHERE id = 1";
}

/// Changes a counter that nothing reads.
pub(crate) struct TestWrite;

impl Command for TestWrite {
    type Output = ();

    fn run(&self, db: &Connection) -> Result<(), DatabaseError> {
        execute(db, PULSE, ()).map(|_| ())
    }
}
