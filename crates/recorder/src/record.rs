//! How a record is appended.

use std::ffi::c_int;

use crate::kinds::HEAD;

/// Appends a record to the log.
pub(crate) fn append(log: c_int, kind: u32, inode: u64, offset: u64, payload: &[u8]) {
    // SAFETY: the call takes no pointer.
    let thread = unsafe { libc::syscall(libc::SYS_gettid) };
    let mut head = [0_u8; HEAD];
    head[0..4].copy_from_slice(&kind.to_le_bytes());
    head[4..8].copy_from_slice(&u32::try_from(thread).unwrap_or(0).to_le_bytes());
    head[8..16].copy_from_slice(&inode.to_le_bytes());
    head[16..24].copy_from_slice(&offset.to_le_bytes());
    head[24..32].copy_from_slice(&(payload.len() as u64).to_le_bytes());
    let parts = [
        libc::iovec { iov_base: head.as_ptr().cast_mut().cast(), iov_len: head.len() },
        libc::iovec { iov_base: payload.as_ptr().cast_mut().cast(), iov_len: payload.len() },
    ];
    // SAFETY: both parts are borrowed for the time of the call, which only reads them.
    let written = unsafe { libc::syscall(libc::SYS_writev, log, parts.as_ptr(), parts.len()) };
    if written != (head.len() + payload.len()) as i64 {
        // A record that is missing makes every conclusion wrong.
        std::process::abort();
    }
}
