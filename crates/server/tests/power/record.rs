//! The records that the recorder wrote, in their order.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::kinds;

/// One record.
pub enum Record<'a> {
    Opened {
        inode: u64,
        length: usize,
        path: PathBuf,
    },
    Written {
        inode: u64,
        offset: usize,
        bytes: &'a [u8],
    },
    Cut {
        inode: u64,
        length: usize,
    },
    SyncBegins {
        inode: u64,
        thread: u32,
    },
    Synced {
        inode: u64,
        thread: u32,
    },
    SyncFailed {
        inode: u64,
        thread: u32,
    },
    /// The files of a folder, by name.
    FolderSynced {
        folder: PathBuf,
        files: BTreeMap<String, u64>,
    },
    /// A response whose status says that something was done or is so, and its body.
    Response {
        body: serde_json::Value,
    },
}

/// All records of a log, and where each begins. The last one may be cut, since the process was killed.
pub fn records(log: &[u8]) -> impl Iterator<Item = (usize, Record<'_>)> {
    let mut rest = log;
    std::iter::from_fn(move || {
        let at = log.len() - rest.len();
        let (head, after) = rest.split_at_checked(kinds::HEAD)?;
        let word = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().expect("four"));
        let long = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().expect("eight"));
        let (payload, after) = after.split_at_checked(size(long(24)))?;
        rest = after;
        Some((at, read(word(0), word(4), long(8), size(long(16)), payload)))
    })
}

fn read(kind: u32, thread: u32, inode: u64, offset: usize, payload: &[u8]) -> Record<'_> {
    match kind {
        kinds::OPENED => {
            Record::Opened { inode, length: offset, path: PathBuf::from(&*text(payload)) }
        }
        kinds::WRITTEN => Record::Written { inode, offset, bytes: payload },
        kinds::CUT => Record::Cut { inode, length: offset },
        kinds::SYNC_BEGINS => Record::SyncBegins { inode, thread },
        kinds::SYNCED => Record::Synced { inode, thread },
        kinds::SYNC_FAILED => Record::SyncFailed { inode, thread },
        kinds::FOLDER_SYNCED => folder(&text(payload)),
        kinds::RESPONSE => Record::Response { body: body(&text(payload)) },
        _ => panic!("no record is of kind {kind}"),
    }
}

fn folder<'a>(text: &str) -> Record<'a> {
    let mut lines = text.lines();
    let folder = lines.next().map(Path::new).expect("a folder").to_owned();
    let of = |line: &str| {
        let (inode, name) = line.split_once(' ').expect("inode and name");
        (name.to_owned(), inode.parse().expect("an inode"))
    };
    Record::FolderSynced { folder, files: lines.map(of).collect() }
}

/// The body of a response; null if it has none.
fn body(response: &str) -> serde_json::Value {
    let body = response.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let mut value = serde_json::from_str(body).unwrap_or_default();
    if response.starts_with("HTTP/1.1 201")
        && let serde_json::Value::Object(members) = &mut value
    {
        members.insert("created".to_owned(), true.into());
    }
    value
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

fn size(number: u64) -> usize {
    usize::try_from(number).expect("it fits")
}
