//! How often a command or a read is run again.

use crate::error::DatabaseError;

/// The most runs of a command that the database cancelled in favour of another.
const MOST_RUNS: usize = 8;
/// The most broken connections that one command meets: many more than a pool has, since all may break at once and each is
/// noticed by a run.
const MOST_BROKEN: usize = 2_000;

/// The failed runs so far.
#[derive(Default)]
pub(crate) struct Retries {
    runs: usize,
    broken: usize,
}

impl Retries {
    /// Counts a failure. Returns whether to run once more.
    pub(crate) fn once_more(&mut self, error: &DatabaseError) -> bool {
        if error.is_broken_connection() {
            self.broken += 1;
            self.broken < MOST_BROKEN
        } else {
            self.runs += 1;
            error.is_transient() && self.runs < MOST_RUNS
        }
    }
}
