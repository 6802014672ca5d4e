//! How the file is opened and used.

use std::time::Duration;

use countersign_store::bounds::{BATCH_COMMANDS, QUEUE_COMMANDS};
use countersign_store::schema::SchemaPolicy;

/// How the file is opened and used.
#[derive(Debug, Clone)]
pub struct Options {
    /// The number of idle read connections that are kept open.
    pub readers: usize,
    /// How many commands may wait for the writer; one more is rejected at once, as unavailable.
    pub queue: usize,
    /// The most commands that share a commit.
    pub batch: usize,
    /// The writer's page cache, in MiB. Small on purpose: after each commit that split a leaf, SQLite walks through all of it,
    /// and pages outside of it are read from the memory map of the file.
    pub cache_mib: u32,
    /// How much of the file is mapped into memory, in MiB; 0: nothing, the file is read page by page. Only pages that are read
    /// take memory, and the system reclaims them when it needs to.
    pub mmap_mib: u32,
    /// The growth of the write-ahead log, in pages of 4 KiB, after which a checkpoint runs beside the writer. Few on purpose:
    /// the pages that a checkpoint scatters over the file are synced at once, and a commit meanwhile waits for that.
    pub log_pages: u32,
    /// The length of the log, in pages of 4 KiB, at which the writer itself runs a checkpoint, so that the log restarts. At twice
    /// this length the writer waits for the checkpoint that runs beside it.
    pub log_pages_most: u32,
    /// How long a command waits while another process writes.
    pub busy_timeout: Duration,
    /// The most pages of 4 KiB that the file may have; a write that needs more fails as unavailable.
    pub max_pages: Option<u32>,
    /// The handling of a schema of another version.
    pub schema_policy: SchemaPolicy,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            readers: 4,
            queue: QUEUE_COMMANDS,
            batch: BATCH_COMMANDS,
            cache_mib: 4,
            mmap_mib: 2_047,
            log_pages: 100,
            log_pages_most: 64_000,
            busy_timeout: Duration::from_secs(5),
            max_pages: None,
            schema_policy: SchemaPolicy::Serve,
        }
    }
}
