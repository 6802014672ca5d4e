//! The open files of this process, and the settings that the test gives by environment variables.

use std::collections::HashMap;
use std::ffi::{CString, OsString, c_int};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Descriptors beyond are not followed; the test's server has far fewer.
const DESCRIPTORS: usize = 65_536;

/// The settings of the test.
pub(crate) struct Wanted {
    /// The descriptor of the log.
    pub(crate) log: c_int,
    root: PathBuf,
    /// While this file is there, syncs fail.
    fault: CString,
    /// The thread whose syncs of a write-ahead log are left out, as SQLite does with `synchronous=NORMAL`.
    lazy_thread: Option<Vec<u8>>,
}

/// An open file that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Folder,
    /// A write-ahead log.
    Log,
    File,
}

/// The inode, times four, plus the kind; 0: the descriptor does not count.
static OPEN: [AtomicU64; DESCRIPTORS] = [const { AtomicU64::new(0) }; DESCRIPTORS];
/// How many failures of its file each descriptor has reported.
static REPORTED: [AtomicU64; DESCRIPTORS] = [const { AtomicU64::new(0) }; DESCRIPTORS];

/// The settings; `None` if nothing is to be recorded.
pub(crate) fn wanted() -> Option<&'static Wanted> {
    static WANTED: OnceLock<Option<Wanted>> = OnceLock::new();
    WANTED.get_or_init(read_settings).as_ref()
}

fn read_settings() -> Option<Wanted> {
    let of = |name: &str| std::env::var_os(name).map(OsString::into_vec);
    let log = CString::new(of("RECORDER_LOG")?).ok()?;
    let how = libc::O_WRONLY | libc::O_APPEND | libc::O_CREAT | libc::O_CLOEXEC;
    // SAFETY: the path ends with a zero.
    let log = unsafe { libc::syscall(libc::SYS_openat, libc::AT_FDCWD, log.as_ptr(), how, 0o600) };
    Some(Wanted {
        log: c_int::try_from(log).ok().filter(|log| *log >= 0)?,
        root: PathBuf::from(OsString::from_vec(of("RECORDER_ROOT")?)),
        fault: CString::new(of("RECORDER_FAULT").unwrap_or_default()).ok()?,
        lazy_thread: of("RECORDER_LAZY_THREAD"),
    })
}

/// The inode and the kind of an open file that counts.
pub(crate) fn open_file(fd: c_int) -> Option<(u64, Kind)> {
    let found = OPEN.get(usize::try_from(fd).ok()?)?.load(Ordering::Acquire);
    let kind = match found & 3 {
        1 => Kind::Folder,
        2 => Kind::Log,
        _ => Kind::File,
    };
    (found != 0).then_some((found >> 2, kind))
}

/// Notes a file that was opened. Returns its inode, its length and its path if it counts.
pub(crate) fn note_open(wanted: &Wanted, fd: c_int) -> Option<(u64, u64, PathBuf)> {
    let slot = usize::try_from(fd).ok().filter(|slot| *slot < DESCRIPTORS)?;
    OPEN[slot].store(0, Ordering::Release);
    let path = path_of(fd)?;
    let name = path.as_os_str().to_string_lossy();
    // SQLite makes its shared memory anew at every start.
    if !path.starts_with(&wanted.root) || name.ends_with("-shm") {
        return None;
    }
    // SAFETY: all zeros are a value of the type.
    let mut found: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: `found` is writable for the time of the call.
    if unsafe { libc::fstat(fd, &raw mut found) } != 0 {
        return None;
    }
    let kind = match found.st_mode & libc::S_IFMT {
        libc::S_IFDIR => 1,
        libc::S_IFREG if name.ends_with("-wal") => 2,
        libc::S_IFREG => 3,
        _ => return None,
    };
    REPORTED[slot].store(failures(found.st_ino), Ordering::Release);
    OPEN[slot].store(found.st_ino << 2 | kind, Ordering::Release);
    Some((found.st_ino, u64::try_from(found.st_size).unwrap_or(0), path))
}

/// Forgets a descriptor that is closed.
pub(crate) fn note_close(fd: c_int) {
    if let Some(slot) = usize::try_from(fd).ok().and_then(|slot| OPEN.get(slot)) {
        slot.store(0, Ordering::Release);
    }
}

/// The path by which a descriptor was opened.
pub(crate) fn path_of(fd: c_int) -> Option<PathBuf> {
    std::fs::read_link(Path::new("/proc/self/fd").join(fd.to_string())).ok()
}

fn all_failures() -> std::sync::MutexGuard<'static, HashMap<u64, u64>> {
    static ALL: OnceLock<Mutex<HashMap<u64, u64>>> = OnceLock::new();
    ALL.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

fn failures(inode: u64) -> u64 {
    all_failures().get(&inode).copied().unwrap_or(0)
}

/// Whether a sync of this descriptor fails now, and whether that is a new failure. As in Linux, every descriptor of a file reports each
/// failure once, to the sync that met it first.
pub(crate) fn failure(wanted: &Wanted, fd: c_int, inode: u64) -> Option<bool> {
    // SAFETY: the path ends with a zero.
    let is_wanted = unsafe {
        libc::syscall(libc::SYS_faccessat, libc::AT_FDCWD, wanted.fault.as_ptr(), libc::F_OK)
    };
    let is_new = is_wanted == 0;
    if is_new {
        *all_failures().entry(inode).or_default() += 1;
    }
    let (slot, now) = (usize::try_from(fd).ok()?, failures(inode));
    (REPORTED[slot].swap(now, Ordering::AcqRel) != now).then_some(is_new)
}

/// Whether the syncs of the write-ahead log by this thread are to be left out.
pub(crate) fn is_lazy(wanted: &Wanted) -> bool {
    let Some(lazy) = &wanted.lazy_thread else { return false };
    let mut name = [0_u8; 16];
    // SAFETY: the call writes at most 16 bytes.
    unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr()) };
    name.split(|byte| *byte == 0).next() == Some(&lazy[..lazy.len().min(15)])
}
