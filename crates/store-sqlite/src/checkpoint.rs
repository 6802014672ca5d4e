//! Checkpoints of the write-ahead log.
//!
//! By default SQLite runs a checkpoint at the end of the commit that makes the log long, and every command in that commit and
//! behind it waits for thousands of pages and two more syncs. Here a thread beside the writer copies the pages while the writer
//! goes on.
//!
//! The log restarts with the first commit that finds all of it copied: any pause of some milliseconds is enough. Without pauses it
//! grows. That does not slow readers down, since they search only the part that is not copied yet. When the log is very long, the
//! writer itself copies the little that was written meanwhile, between two commits.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use countersign_store::error::{StoreError, StoreResult};
use rusqlite::Connection;

use crate::batch::measure_stall;
use crate::connection;
use crate::options::Options;

/// The second pass copies only what was written during the first, so that a pause right after it is enough for a restart.
const PASSES: u8 = 2;
/// The passes before the writer runs a checkpoint itself, so that little is left for it.
const PASSES_BEFORE_WRITER: u8 = 4;

/// The writer's handle of the checkpoint thread.
pub(crate) struct Checkpointer {
    /// The length of the log after the last commit.
    pages: Arc<AtomicU32>,
    /// [`Options::log_pages`].
    long: u32,
    /// [`Options::log_pages_most`].
    most: u32,
    /// The length of the log when the last checkpoint was started.
    started_at: u32,
    /// Whether a checkpoint was started and has not reported its end.
    is_running: bool,
    /// Starts a checkpoint of that many passes.
    ask: Option<SyncSender<u8>>,
    copied: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    /// Starts the thread.
    pub(crate) fn start(path: PathBuf, options: Options) -> StoreResult<Self> {
        let (long, most) = (options.log_pages, options.log_pages_most);
        let (ask, asked) = sync_channel(1);
        let (tell, copied) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("store-log".to_owned())
            .spawn(move || run_when_asked(&path, &options, &asked, &tell))
            .map_err(|error| StoreError::Unavailable(format!("no thread to copy: {error}")))?;
        Ok(Self {
            pages: Arc::default(),
            long,
            most,
            started_at: 0,
            is_running: false,
            ask: Some(ask),
            copied,
            thread: Some(thread),
        })
    }

    /// Makes the connection that writes report the length of the log instead of running checkpoints.
    pub(crate) fn watch(&self, db: &mut Connection) -> Result<(), rusqlite::Error> {
        let pages = Arc::clone(&self.pages);
        db.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, count| {
            pages.store(u32::try_from(count).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))
    }

    /// Starts or runs a checkpoint if the log is long. Must be called between two commits.
    pub(crate) fn tend(&mut self, db: &Connection) {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages < self.started_at {
            // The log has restarted.
            self.started_at = 0;
        }
        if !self.is_running {
            if pages - self.started_at >= self.long {
                // A full or closed channel is noticed when the end of the checkpoint is awaited.
                self.is_running = true;
                self.started_at = pages;
                let may_be_last = pages.saturating_add(self.long) >= self.most;
                let passes = if may_be_last { PASSES_BEFORE_WRITER } else { PASSES };
                let _ = self.ask.as_ref().map(|ask| ask.try_send(passes));
            }
            return;
        }
        match self.copied.try_recv() {
            Err(TryRecvError::Empty) if pages < self.most.saturating_mul(2) => return,
            Err(TryRecvError::Empty) => drop(self.copied.recv()),
            Ok(()) | Err(TryRecvError::Disconnected) => {}
        }
        self.is_running = false;
        if pages >= self.most {
            measure_stall(checkpoint(db, "writer"));
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        drop(self.ask.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been logged.
            let _ = thread.join();
        }
    }
}

fn run_when_asked(path: &Path, options: &Options, asked: &Receiver<u8>, tell: &SyncSender<()>) {
    let mut kept = None;
    while let Ok(passes) = asked.recv() {
        match kept.take().map_or_else(|| connection::plain(path, options), Ok) {
            Ok(db) => {
                (0..passes).for_each(|_| _ = checkpoint(&db, "beside"));
                kept = Some(db);
            }
            Err(error) => tracing::warn!(%error, "a checkpoint failed"),
        }
        if tell.send(()).is_err() {
            break;
        }
    }
}

/// Copies the log into the file, as far as no reader needs the old pages. Returns how long it took.
fn checkpoint(db: &Connection, by: &'static str) -> Duration {
    let began = Instant::now();
    let done = db.query_row("PRAGMA wal_checkpoint(PASSIVE)", (), |_| Ok(()));
    let took = began.elapsed();
    metrics::histogram!("countersign_store_checkpoint_seconds", "by" => by).record(took);
    if let Err(error) = done {
        tracing::warn!(%error, "a checkpoint failed");
    }
    took
}
