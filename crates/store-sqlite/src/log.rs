//! The write-ahead log, and how it is folded back into the file.
//!
//! SQLite would do that at the end of the commit that makes the log long, and everybody in that commit and behind it would
//! wait for thousands of pages and two more fsyncs. Here a thread beside the writer copies the pages while the writer goes
//! on.
//!
//! The log begins anew with the first commit that finds all of it copied: by itself in any pause of some milliseconds.
//! Without pauses it grows, and readers do not mind, since they look only at what is not copied yet; until it is very long,
//! and the writer copies the little that was written meanwhile itself, between two commits.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use countersign_store::StoreError;
use rusqlite::Connection;

use crate::writer::measure_stall;
use crate::{Options, connection};

/// The second time there is only what was written during the first, so that a pause right after is of use.
const PASSES: u8 = 2;
/// Before the writer lends a hand, so that little is left for it.
const PASSES_BEFORE_WRITER: u8 = 4;

/// The writer's side of it.
pub(crate) struct Log {
    /// As of the last commit.
    pages: Arc<AtomicU32>,
    /// [`Options::log_pages`].
    long: u32,
    /// [`Options::log_pages_most`].
    most: u32,
    /// How long it was when the thread was last asked.
    asked_at: u32,
    /// Whether the thread was asked and has not been heard of since.
    is_being_copied: bool,
    /// For so many passes.
    ask: Option<SyncSender<u8>>,
    copied: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Log {
    /// Starts the thread.
    pub(crate) fn start(path: PathBuf, options: Options) -> Result<Self, StoreError> {
        let (long, most) = (options.log_pages, options.log_pages_most);
        let (ask, asked) = sync_channel(1);
        let (tell, copied) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("store-log".to_owned())
            .spawn(move || copy_when_asked(&path, &options, &asked, &tell))
            .map_err(|error| StoreError::Unavailable(format!("no thread to copy: {error}")))?;
        Ok(Self {
            pages: Arc::default(),
            long,
            most,
            asked_at: 0,
            is_being_copied: false,
            ask: Some(ask),
            copied,
            thread: Some(thread),
        })
    }

    /// Has the connection that writes tell how long the log is, instead of folding it back by itself.
    pub(crate) fn watch(&self, db: &mut Connection) -> Result<(), rusqlite::Error> {
        let pages = Arc::clone(&self.pages);
        db.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, count| {
            pages.store(u32::try_from(count).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))
    }

    /// To be called between two commits.
    pub(crate) fn tend(&mut self, db: &Connection) {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages < self.asked_at {
            // it has begun anew
            self.asked_at = 0;
        }
        if !self.is_being_copied {
            if pages - self.asked_at >= self.long {
                // one that is full or gone is seen when its answer is looked for
                self.is_being_copied = true;
                self.asked_at = pages;
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
        self.is_being_copied = false;
        if pages >= self.most {
            measure_stall(fold(db, "writer"));
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        drop(self.ask.take());
        if let Some(thread) = self.thread.take() {
            // its panic, if that is how it ended, has been printed
            let _ = thread.join();
        }
    }
}

fn copy_when_asked(path: &Path, options: &Options, asked: &Receiver<u8>, tell: &SyncSender<()>) {
    let mut kept = None;
    while let Ok(passes) = asked.recv() {
        match kept.take().map_or_else(|| connection::plain(path, options), Ok) {
            Ok(db) => {
                (0..passes).for_each(|_| _ = fold(&db, "beside"));
                kept = Some(db);
            }
            Err(error) => tracing::warn!(%error, "the log cannot be folded back"),
        }
        if tell.send(()).is_err() {
            break;
        }
    }
}

/// Copies what is in the log by now, as far as no reader stands before it. How long it took.
fn fold(db: &Connection, by: &'static str) -> Duration {
    let began = Instant::now();
    let folded = db.query_row("PRAGMA wal_checkpoint(PASSIVE)", (), |_| Ok(()));
    let took = began.elapsed();
    metrics::histogram!("countersign_store_checkpoint_seconds", "by" => by).record(took);
    if let Err(error) = folded {
        tracing::warn!(%error, "the log cannot be folded back");
    }
    took
}
