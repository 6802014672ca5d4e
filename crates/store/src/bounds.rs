//! Default bounds of both databases.

/// Commands that may wait to be run; more are refused at once, as unavailable.
pub const QUEUE_COMMANDS: usize = 4_096;

/// Commands that share one commit at most.
pub const BATCH_COMMANDS: usize = 512;
