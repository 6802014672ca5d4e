//! The functions that take the place of those of the C library.
//!
//! The kernel is called directly, so nothing here can call itself. `open` is variadic in C; on the processors that we test on, a
//! third argument that was not given is only not used.

use std::ffi::{c_char, c_int, c_long, c_void};

use libc::{iovec, mode_t, off_t, size_t, ssize_t};

use crate::kinds::{
    CUT, FOLDER_SYNCED, OPENED, RESPONSE, SYNC_BEGINS, SYNC_FAILED, SYNCED, WRITTEN,
};
use crate::record::append;
use crate::state::{
    Kind, Wanted, failure, is_lazy, note_close, note_open, open_file, path_of, wanted,
};

/// Responses are recorded up to here.
const RESPONSE_MOST: usize = 64 * 1_024;

fn open_at(folder: c_int, path: *const c_char, how: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller's path is passed on.
    let fd = unsafe { libc::syscall(libc::SYS_openat, folder, path, how, mode) } as c_int;
    if let Some(wanted) = wanted().filter(|_| fd >= 0)
        && let Some((inode, length, path)) = note_open(wanted, fd)
        && open_file(fd).is_some_and(|(_, kind)| kind != Kind::Folder)
    {
        append(wanted.log, OPENED, inode, length, path.as_os_str().as_encoded_bytes());
    }
    fd
}

/// The bytes of a caller.
unsafe fn bytes<'a>(from: *const c_void, length: usize) -> &'a [u8] {
    // SAFETY: the caller of the C library vouches for them.
    unsafe { std::slice::from_raw_parts(from.cast(), length) }
}

/// Records a write that was made; `offset` is where it began.
fn note_written(fd: c_int, from: *const c_void, result: ssize_t, offset: u64) -> ssize_t {
    if let (Some(wanted), Some((inode, _)), Ok(length)) =
        (wanted(), open_file(fd), usize::try_from(result))
    {
        // SAFETY: the kernel has read so many.
        append(wanted.log, WRITTEN, inode, offset, unsafe { bytes(from, length) });
    }
    result
}

/// Records a response before it is sent.
fn note_response(wanted: &Wanted, parts: &[&[u8]]) {
    if parts.first().is_some_and(|part| part.starts_with(b"HTTP/1.1 20")) {
        let all = parts.concat();
        append(wanted.log, RESPONSE, 0, 0, &all[..all.len().min(RESPONSE_MOST)]);
    }
}

/// Where the next write of a descriptor begins, after one of so many bytes.
fn offset_before(fd: c_int, written: ssize_t) -> u64 {
    // SAFETY: no pointer is passed.
    let after = unsafe { libc::lseek(fd, 0, libc::SEEK_CUR) };
    u64::try_from(after - written as off_t).unwrap_or(0)
}

fn sync(fd: c_int, call: c_long) -> c_int {
    let real = || {
        // SAFETY: no pointer is passed.
        unsafe { libc::syscall(call, fd) as c_int }
    };
    let (Some(wanted), Some((inode, kind))) = (wanted(), open_file(fd)) else { return real() };
    if kind == Kind::Log && is_lazy(wanted) {
        return 0;
    }
    if let Some(is_new) = failure(wanted, fd, inode) {
        if is_new && kind != Kind::Folder {
            append(wanted.log, SYNC_BEGINS, inode, 0, &[]);
            append(wanted.log, SYNC_FAILED, inode, 0, &[]);
        }
        // SAFETY: the place is this thread's own.
        unsafe { *libc::__errno_location() = libc::EIO };
        return -1;
    }
    if kind == Kind::Folder {
        let names = names_in(fd);
        let result = real();
        if let Some(names) = names.filter(|_| result == 0) {
            append(wanted.log, FOLDER_SYNCED, inode, 0, &names);
        }
        return result;
    }
    append(wanted.log, SYNC_BEGINS, inode, 0, &[]);
    let result = real();
    append(wanted.log, if result == 0 { SYNCED } else { SYNC_FAILED }, inode, 0, &[]);
    result
}

/// The path of a folder, and a line for each file in it.
fn names_in(fd: c_int) -> Option<Vec<u8>> {
    let folder = path_of(fd)?;
    let mut lines = folder.as_os_str().as_encoded_bytes().to_vec();
    for entry in std::fs::read_dir(folder).ok()?.flatten() {
        let inode = std::os::unix::fs::DirEntryExt::ino(&entry);
        lines.extend(format!("\n{inode} {}", entry.file_name().to_string_lossy()).bytes());
    }
    Some(lines)
}

macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*) -> $result:ty $body:block)*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// As for the function of the C library.
        #[unsafe(no_mangle)]
        pub(crate) unsafe extern "C" fn $name($($argument: $type),*) -> $result $body
    )*};
}

functions! {
    /// `open(2)`.
    open(path: *const c_char, how: c_int, mode: mode_t) -> c_int { open_at(libc::AT_FDCWD, path, how, mode) }
    /// `open(2)` for large files.
    open64(path: *const c_char, how: c_int, mode: mode_t) -> c_int { open_at(libc::AT_FDCWD, path, how, mode) }
    /// `openat(2)`.
    openat(folder: c_int, path: *const c_char, how: c_int, mode: mode_t) -> c_int { open_at(folder, path, how, mode) }
    /// `openat(2)` for large files.
    openat64(folder: c_int, path: *const c_char, how: c_int, mode: mode_t) -> c_int { open_at(folder, path, how, mode) }
    /// `close(2)`.
    close(fd: c_int) -> c_int {
        note_close(fd);
        // SAFETY: no pointer is passed.
        unsafe { libc::syscall(libc::SYS_close, fd) as c_int }
    }
    /// `pwrite(2)`.
    pwrite(fd: c_int, from: *const c_void, length: size_t, at: off_t) -> ssize_t {
        // SAFETY: the caller's bytes are passed on.
        let result = unsafe { libc::syscall(libc::SYS_pwrite64, fd, from, length, at) as ssize_t };
        note_written(fd, from, result, at as u64)
    }
    /// `pwrite(2)` for large files.
    pwrite64(fd: c_int, from: *const c_void, length: size_t, at: off_t) -> ssize_t {
        // SAFETY: as the caller says.
        unsafe { pwrite(fd, from, length, at) }
    }
    /// `write(2)`.
    write(fd: c_int, from: *const c_void, length: size_t) -> ssize_t {
        // SAFETY: the caller's bytes are passed on.
        let result = unsafe { libc::syscall(libc::SYS_write, fd, from, length) as ssize_t };
        if result <= 0 || open_file(fd).is_none() {
            return result;
        }
        note_written(fd, from, result, offset_before(fd, result))
    }
    /// `writev(2)`: of sockets only, since nothing here writes files so.
    writev(fd: c_int, parts: *const iovec, count: c_int) -> ssize_t {
        if let (Some(wanted), Ok(length)) = (wanted(), usize::try_from(count)) {
            // SAFETY: the caller vouches for the parts and their bytes.
            let parts = unsafe { std::slice::from_raw_parts(parts, length) };
            // SAFETY: the caller vouches for the bytes of each part.
            let parts: Vec<&[u8]> = parts.iter().map(|part| unsafe { bytes(part.iov_base, part.iov_len) }).collect();
            note_response(wanted, &parts);
        }
        // SAFETY: the caller's parts are passed on.
        unsafe { libc::syscall(libc::SYS_writev, fd, parts, count) as ssize_t }
    }
    /// `send(2)`.
    send(fd: c_int, from: *const c_void, length: size_t, how: c_int) -> ssize_t {
        if let Some(wanted) = wanted() {
            // SAFETY: the caller vouches for its bytes.
            note_response(wanted, &[unsafe { bytes(from, length) }]);
        }
        let nobody = std::ptr::null::<c_void>();
        // SAFETY: the caller's bytes are passed on.
        unsafe { libc::syscall(libc::SYS_sendto, fd, from, length, how, nobody, 0) as ssize_t }
    }
    /// `ftruncate(2)`.
    ftruncate(fd: c_int, length: off_t) -> c_int {
        // SAFETY: no pointer is passed.
        let result = unsafe { libc::syscall(libc::SYS_ftruncate, fd, length) as c_int };
        if let (0, Some(wanted), Some((inode, _))) = (result, wanted(), open_file(fd)) {
            append(wanted.log, CUT, inode, length as u64, &[]);
        }
        result
    }
    /// `ftruncate(2)` for large files.
    ftruncate64(fd: c_int, length: off_t) -> c_int {
        // SAFETY: as the caller says.
        unsafe { ftruncate(fd, length) }
    }
    /// `fsync(2)`.
    fsync(fd: c_int) -> c_int { sync(fd, libc::SYS_fsync) }
    /// `fdatasync(2)`.
    fdatasync(fd: c_int) -> c_int { sync(fd, libc::SYS_fdatasync) }
}
