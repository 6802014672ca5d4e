//! Records what a process asks of its file system, in order, and lets its syncs fail.
//!
//! Loaded by `LD_PRELOAD`, the functions in `calls.rs` take the place of those of the C library, and call the kernel
//! themselves. Only files below `RECORDER_ROOT` count. A record is appended to the file that `RECORDER_LOG` names, by one write each, so
//! that the order of the records is the order of the calls: a write after it was made, a sync before and after, a response
//! of HTTP before it is sent. Without these variables all calls are passed through.
//!
//! A record is six numbers, little-endian: kind (u32), thread (u32), inode (u64), offset (u64), the length of the payload (u64), and the
//! payload. The kinds are in [`kinds`].

mod calls;
pub mod kinds;
mod record;
mod state;
