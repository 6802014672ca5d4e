//! The write-ahead log as a file: whether a restart may trust it.
//!
//! When SQLite opens a log after a crash, it reads transactions up to the first frame whose checksum is wrong, and takes the rest for a
//! write that the crash cut off. Two cases are not that.
//!
//! A sync has failed: the kernel may have dropped what it could not write, and still show it to programs. Such bytes are not on the
//! disk, and no later sync puts it there. So the log is written anew, byte by byte the same, and synced, before anything rests on it.
//!
//! A frame is damaged: what follows was acknowledged, and would silently be gone. So a log is rejected if a whole transaction
//! follows the end of another beyond the first wrong frame, since a transaction begins only after the one before it is synced; or
//! if one bit makes the wrong frame right, since a write that was cut off differs by more.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::checksum::{Order, Sum, repairing_bit};

/// The length of the log's header.
const HEAD: usize = 32;
/// The length of a frame's header.
const FRAME_HEAD: usize = 24;
/// The first bytes of a log, but for the last bit, which tells the order of bytes in checksums.
const MAGIC: u32 = 0x377f_0682;

/// A log whose bytes can be trusted as far as they are valid.
#[derive(Debug, PartialEq, Eq)]
struct Log {
    /// The length up to the end of the last whole transaction.
    valid: u64,
}

/// The file of a database's log.
fn path_of(database: &Path) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push("-wal");
    PathBuf::from(path)
}

/// Makes sure that a log that is there is whole and on the disk. Waits until nobody else writes. Costs nothing without a log.
///
/// # Errors
/// The log is damaged, cannot be read or cannot be written, in words that name it.
pub fn secure(db: &Connection, database: &Path) -> Result<(), String> {
    let path = path_of(database);
    if std::fs::metadata(&path).map_or(0, |found| found.len()) == 0 {
        return Ok(());
    }
    let fail = |error: &dyn std::fmt::Display| format!("cannot use {}: {error}", path.display());
    // A damaged log stays as it is: closing the last connection would copy it and remove it.
    let keep = |on| db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, on);
    keep(true).map_err(|error| fail(&error))?;
    db.execute_batch("BEGIN IMMEDIATE").map_err(|error| fail(&error))?;
    let written = write_anew(&path);
    db.execute_batch("ROLLBACK").map_err(|error| fail(&error))?;
    let written = written.map_err(|error| fail(&error))?;
    keep(false).map_err(|error| fail(&error))?;
    if written > 0 {
        tracing::info!(path = %path.display(), bytes = written, "wrote the log of an earlier connection anew");
    }
    Ok(())
}

/// Writes the valid part of a log over itself, and syncs it. Returns its length.
fn write_anew(path: &Path) -> io::Result<u64> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let log = examine(&file)?;
    let mut buffer = vec![0; 64 * 1_024];
    let mut at = 0;
    while at < log.valid {
        let length = buffer.len().min(usize::try_from(log.valid - at).unwrap_or(buffer.len()));
        file.read_exact_at(&mut buffer[..length], at)?;
        file.write_all_at(&buffer[..length], at)?;
        at += length as u64;
    }
    file.sync_data()?;
    Ok(log.valid)
}

/// Reads a log from its beginning, as SQLite does after a crash.
fn examine(file: &File) -> io::Result<Log> {
    let mut reader = io::BufReader::with_capacity(256 * 1_024, file);
    let mut head = [0; HEAD];
    if !fill(&mut reader, &mut head)? || head == [0; HEAD] {
        return Ok(Log { valid: 0 });
    }
    let Some(header) = Header::of(&head) else {
        return Err(damaged("its header is damaged"));
    };
    let mut walk = Walk::new(&header);
    let mut frame = vec![0; FRAME_HEAD + header.page];
    while fill(&mut reader, &mut frame)? {
        walk.step(&header, &frame)?;
    }
    Ok(Log { valid: walk.valid })
}

fn damaged(what: &str) -> io::Error {
    let advice = "it holds acknowledged writes, so keep it; restore a backup, or remove it to go on without them";
    io::Error::new(io::ErrorKind::InvalidData, format!("{what}; {advice}"))
}

/// Fills the buffer; returns `false` at the end of the file.
fn fill(reader: &mut impl io::Read, buffer: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// The header of a log.
struct Header {
    order: Order,
    page: usize,
    salts: u64,
    sum: Sum,
}

impl Header {
    /// `None` if it is damaged.
    fn of(head: &[u8; HEAD]) -> Option<Self> {
        let magic = word(head, 0);
        let order = if magic & 1 == 1 { Order::Big } else { Order::Little };
        let sum = order.add(Sum::default(), &head[..24]);
        let page = usize::try_from(word(head, 8)).ok()?;
        let is_whole = magic & !1 == MAGIC && sum == stored(head, 24);
        let is_possible = page.is_power_of_two() && (512..=65_536).contains(&page);
        let salts = stored(head, 16).joined();
        (is_whole && is_possible).then_some(Self { order, page, salts, sum })
    }
}

/// How far a walk through the frames has come.
struct Walk {
    frame: u64,
    /// The checksum that the next frame continues.
    sum: Sum,
    valid: u64,
    /// Set beyond the first wrong frame.
    beyond: Option<Beyond>,
}

/// Frames that follow the first wrong one.
struct Beyond {
    /// The number of that frame.
    wrong: u64,
    /// The ends of transactions in a row of frames that continue each other.
    ends: u32,
}

impl Walk {
    fn new(header: &Header) -> Self {
        Self { frame: 0, sum: header.sum, valid: 0, beyond: None }
    }

    fn step(&mut self, header: &Header, frame: &[u8]) -> io::Result<()> {
        self.frame += 1;
        let sum = header.order.add(header.order.add(self.sum, &frame[..8]), &frame[FRAME_HEAD..]);
        let has_salts = stored(frame, 8).joined() == header.salts;
        let is_right = has_salts && sum == stored(frame, 16);
        let ends = word(frame, 4) != 0;
        match &mut self.beyond {
            None if is_right => {
                if ends {
                    self.valid = HEAD as u64 + self.frame * frame.len() as u64;
                }
                self.sum = sum;
            }
            None => {
                if differs_by_one_bit(header, frame, sum) {
                    return Err(damaged(&format!("a bit of its frame {} is wrong", self.frame)));
                }
                let ends = u32::from(ends && has_salts);
                self.beyond = Some(Beyond { wrong: self.frame, ends });
                self.sum = stored(frame, 16);
            }
            Some(beyond) => {
                // A frame that continues no other may begin another row.
                beyond.ends = if is_right { beyond.ends } else { 0 } + u32::from(ends && has_salts);
                if beyond.ends > 1 && is_right {
                    let wrong = beyond.wrong;
                    return Err(damaged(&format!(
                        "its frame {wrong} is damaged, and transactions follow"
                    )));
                }
                self.sum = stored(frame, 16);
            }
        }
        Ok(())
    }
}

/// Whether a wrong frame is right but for one bit.
fn differs_by_one_bit(header: &Header, frame: &[u8], sum: Sum) -> bool {
    let wrong_salts = (stored(frame, 8).joined() ^ header.salts).count_ones();
    let wrong_sum = (stored(frame, 16).joined() ^ sum.joined()).count_ones();
    match (wrong_salts, wrong_sum) {
        (1, 0) | (0, 1) => true,
        (0, _) => {
            let parts = [&frame[..8], &frame[FRAME_HEAD..]];
            repairing_bit(header.order, parts, sum, stored(frame, 16))
        }
        _ => false,
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// A pair of words.
fn stored(bytes: &[u8], at: usize) -> Sum {
    Sum(word(bytes, at), word(bytes, at + 4))
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
