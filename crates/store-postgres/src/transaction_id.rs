//! Ids of transactions.

use tokio_postgres::SimpleQueryMessage;

/// Identifies the run of the database server. Ids of transactions that a crash lost are reused, so an id is valid only in its run.
/// After a crash the postmaster has another start time or, if only its children were restarted, the statistics were reset.
macro_rules! run_of_the_server {
    () => {
        "concat_ws(' ', extract(epoch FROM pg_postmaster_start_time()), \
         extract(epoch FROM pg_stat_get_bgwriter_stat_reset_time()))"
    };
}
pub(crate) use run_of_the_server;

/// The id of a transaction, by which its status is read when its commit was not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TransactionId {
    /// The id.
    pub(crate) id: String,
    /// The run of the server that assigned the id.
    pub(crate) run: String,
}

impl TransactionId {
    /// The last statement of a script that begins a transaction: it returns the id.
    pub(crate) const QUERY: &str = concat!("; SELECT pg_current_xact_id(), ", run_of_the_server!());

    /// The result of [`Self::QUERY`], if the script ended with it.
    pub(crate) fn of(messages: &[SimpleQueryMessage]) -> Option<Self> {
        let row = messages.iter().rev().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        })?;
        let cell = |at| row.try_get(at).ok().flatten().map(str::to_owned);
        Some(Self { id: cell(0)?, run: cell(1)? })
    }
}
