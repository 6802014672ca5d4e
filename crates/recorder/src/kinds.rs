//! The kinds of records. The tests that read a log include this file, so that the recorder's functions stay out of them.

/// A file was opened: its path; the offset is its length.
pub const OPENED: u32 = 1;
/// Bytes were written at the offset.
pub const WRITTEN: u32 = 2;
/// The file has the length that the offset says.
pub const CUT: u32 = 3;
/// A sync of a file begins, on this thread.
pub const SYNC_BEGINS: u32 = 4;
/// The sync that began on this thread was made.
pub const SYNCED: u32 = 5;
/// The sync that began on this thread failed, and the kernel dropped what it did not write.
pub const SYNC_FAILED: u32 = 6;
/// A folder was synced: its path, then for each of its files a line of inode and name.
pub const FOLDER_SYNCED: u32 = 7;
/// The bytes of a response of HTTP, whose sending begins.
pub const RESPONSE: u32 = 8;

/// The length of a record without its payload.
pub const HEAD: usize = 32;
