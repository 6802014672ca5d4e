//! Compares the time that a command was given with the database's clock, which is one for all nodes.
//!
//! A node computes the database's time from its last reading. In case that is wrong, each command that ends, leases, offers or
//! refuses something by the time carries a condition that the database's clock agrees, and fails if it does not. The condition
//! travels with the command's first statement.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use countersign_domain::time::Instant;
use tokio::sync::Notify;

use crate::error::CLOCKS_DIFFER;

/// The instant at which a statement arrived, in microseconds.
macro_rules! arrived_at {
    () => {
        "(extract(epoch FROM statement_timestamp()) * 1000000)::bigint"
    };
}
pub(crate) use arrived_at;

/// A condition that fails the statement unless the statement arrived between two instants.
macro_rules! clocks_agree {
    ($least:literal, $most:literal) => {
        concat!(
            "(CASE WHEN ",
            $crate::clock::arrived_at!(),
            " BETWEEN ",
            $least,
            " AND ",
            $most,
            " THEN 'true' ELSE 'the clocks of this server and of the database differ' END)::boolean"
        )
    };
}
pub(crate) use clocks_agree;

/// How far the time that a command was given may be from the database's clock when the command arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tolerance {
    /// How far the node's clock may be ahead.
    pub ahead: Duration,
    /// How far the node's clock may be behind. A command that waited for a connection counts as behind.
    pub behind: Duration,
}

impl Tolerance {
    /// The instants, in microseconds, between which a command that was given times from `first` to `last` may arrive.
    pub(crate) fn bounds(self, (first, last): (Instant, Instant)) -> (i64, i64) {
        ((last - self.ahead).as_micros(), (first + self.behind).as_micros())
    }
}

/// Whether and how commands are compared with the database's clock.
#[derive(Default)]
pub(crate) struct Comparison(pub(crate) OnceLock<(Tolerance, Arc<Notify>)>);

impl Comparison {
    /// The tolerance; without one, commands are not compared.
    pub(crate) fn tolerance(&self) -> Option<Tolerance> {
        self.0.get().map(|(tolerance, _)| *tolerance)
    }

    /// Notifies that the clocks were found to differ.
    pub(crate) fn disagreed(&self) {
        if let Some((_, disagreed)) = self.0.get() {
            disagreed.notify_one();
        }
    }
}

/// The statement at the beginning of a transaction that fails unless the clocks agree.
pub(crate) fn guard((least, most): (i64, i64)) -> String {
    format!(
        "; SELECT (CASE WHEN {} BETWEEN {least} AND {most} THEN 'true' ELSE '{CLOCKS_DIFFER}' END)::boolean",
        arrived_at!()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guard_fails_with_the_known_text() {
        assert!(clocks_agree!("$1", "$2").contains(CLOCKS_DIFFER));
        assert!(guard((1, 2)).contains("BETWEEN 1 AND 2"));
    }
}
