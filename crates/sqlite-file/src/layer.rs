//! The layer between SQLite and the file system: a VFS (<https://sqlite.org/vfs.html>) that is the system's own but for five methods of
//! an open database.
//!
//! The files of both have the same form: the system's file, and behind it what the layer knows. So the methods of the system take
//! the layer's files as they are, and only those that read, write, map, close and tell what is possible
//! pass through here.
#![allow(unsafe_code, reason = "SQLite and the layer call each other through pointers")]

use std::ffi::{CStr, c_int, c_void};
use std::sync::{Mutex, OnceLock, PoisonError};

use rusqlite::ffi::{
    SQLITE_FCNTL_RESERVE_BYTES, SQLITE_IOCAP_SUBPAGE_READ, SQLITE_IOERR_DATA, SQLITE_NOMEM,
    SQLITE_OK, SQLITE_OPEN_MAIN_DB, sqlite3_file, sqlite3_file_control, sqlite3_filename,
    sqlite3_int64, sqlite3_io_methods, sqlite3_vfs, sqlite3_vfs_find, sqlite3_vfs_register,
};
use rusqlite::{Connection, Error};

use crate::pages::{Pages, RESERVED, WrongPage, seal};

/// The name of the layer in SQLite.
const NAME: &CStr = c"countersign";

/// The system's VFS. SQLite keeps it for the life of the process.
#[derive(Clone, Copy)]
struct System(*mut sqlite3_vfs);

// SAFETY: SQLite lets all threads use a registered VFS, whose fields do not change.
unsafe impl Send for System {}
// SAFETY: SQLite lets all threads use a registered VFS, whose fields do not change.
unsafe impl Sync for System {}

static SYSTEM: OnceLock<Option<System>> = OnceLock::new();

/// The layer's record of an open file; it lies behind the system's file.
struct Behind {
    /// The system's methods.
    methods: *const sqlite3_io_methods,
    /// Where the file lies, for the log.
    path: String,
    pages: Pages,
}

/// Installs the layer for all connections that this process opens from now on. Returns whether it is there.
pub fn install() -> bool {
    SYSTEM.get_or_init(register).is_some()
}

fn register() -> Option<System> {
    // SAFETY: no pointer is passed but the null for "the default".
    let system = unsafe { sqlite3_vfs_find(std::ptr::null()) };
    if system.is_null() {
        return None;
    }
    // SAFETY: it is a registered VFS, a plain structure.
    let mut layer = unsafe { std::ptr::read(system) };
    layer.szOsFile = c_int::try_from(behind_at(layer.szOsFile) + size_of::<*mut Behind>()).ok()?;
    layer.pNext = std::ptr::null_mut();
    layer.zName = NAME.as_ptr();
    layer.xOpen = Some(open);
    // SQLite uses it for the life of the process.
    let layer = Box::into_raw(Box::new(layer));
    // SAFETY: it lives for ever.
    (unsafe { sqlite3_vfs_register(layer, 1) } == SQLITE_OK).then_some(System(system))
}

/// Where the pointer to [`Behind`] lies, behind a file of so many bytes.
fn behind_at(file: c_int) -> usize {
    usize::try_from(file).unwrap_or(0).next_multiple_of(align_of::<*mut Behind>())
}

/// The place of the pointer to what is known of a file.
///
/// # Safety
/// `file` is one that [`open`] was given.
unsafe fn place(file: *mut sqlite3_file) -> Option<*mut *mut Behind> {
    let system = SYSTEM.get().copied().flatten()?;
    // SAFETY: SQLite allocated `szOsFile` bytes, which the place lies within.
    unsafe { Some(file.byte_add(behind_at((*system.0).szOsFile)).cast()) }
}

/// The layer's record of an open database.
///
/// # Safety
/// `file` is open and has the methods of the layer. A connection, and so its file, is used by one thread at a time.
unsafe fn behind<'a>(file: *mut sqlite3_file) -> Option<&'a mut Behind> {
    // SAFETY: as above; the pointer was set when the file got the layer's methods, and is freed when it is closed.
    unsafe { place(file)?.read().as_mut() }
}

unsafe extern "C" fn open(
    _: *mut sqlite3_vfs,
    name: sqlite3_filename,
    file: *mut sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite calls with a file of the size that was registered; the system gets its own VFS.
    unsafe {
        let Some(system) = SYSTEM.get().copied().flatten() else { return SQLITE_NOMEM };
        let (Some(real), Some(place)) = ((*system.0).xOpen, place(file)) else {
            return SQLITE_NOMEM;
        };
        place.write(std::ptr::null_mut());
        let result = real(system.0, name, file, flags, out);
        let methods = (*file).pMethods;
        if result != SQLITE_OK || methods.is_null() || flags & SQLITE_OPEN_MAIN_DB == 0 {
            return result;
        }
        let path = if name.is_null() {
            String::new()
        } else {
            CStr::from_ptr(name).to_string_lossy().into_owned()
        };
        let known = Behind { methods, path, pages: Pages::default() };
        place.write(Box::into_raw(Box::new(known)));
        (*file).pMethods = layered(methods);
        SQLITE_OK
    }
}

/// The system's methods with those of the layer in place of five. The system has few sets of methods; each is made once.
///
/// # Safety
/// `methods` are a set of the system's, which lives for ever.
unsafe fn layered(methods: *const sqlite3_io_methods) -> *const sqlite3_io_methods {
    static MADE: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, layered)) = made.iter().find(|(system, _)| *system == methods as usize) {
        return *layered as *const sqlite3_io_methods;
    }
    // SAFETY: as the caller says.
    let mut layered = unsafe { std::ptr::read(methods) };
    layered.xClose = Some(close);
    layered.xRead = Some(read);
    layered.xWrite = Some(write);
    layered.xDeviceCharacteristics = Some(characteristics);
    if layered.iVersion >= 3 {
        layered.xFetch = Some(fetch);
    }
    let layered = Box::into_raw(Box::new(layered)).cast_const();
    made.push((methods as usize, layered as usize));
    layered
}

fn tell(behind: &Behind, WrongPage(page): WrongPage) -> c_int {
    tracing::error!(
        path = behind.path,
        page,
        "a page of the database does not match its checksum: restore a backup"
    );
    SQLITE_IOERR_DATA
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    // SAFETY: SQLite closes a file once; what is known of it was boxed when it was opened.
    unsafe {
        let Some(place) = place(file) else { return SQLITE_IOERR_DATA };
        let known = place.replace(std::ptr::null_mut());
        if known.is_null() {
            return SQLITE_IOERR_DATA;
        }
        let known = Box::from_raw(known);
        (*file).pMethods = known.methods;
        (*known.methods).xClose.map_or(SQLITE_OK, |real| real(file))
    }
}

unsafe extern "C" fn read(
    file: *mut sqlite3_file,
    into: *mut c_void,
    length: c_int,
    at: sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite vouches for the file and for the bytes.
    unsafe {
        let Some(known) = behind(file) else { return SQLITE_IOERR_DATA };
        let Some(real) = (*known.methods).xRead else { return SQLITE_IOERR_DATA };
        let result = real(file, into, length, at);
        if result != SQLITE_OK {
            return result;
        }
        let bytes = std::slice::from_raw_parts(into.cast::<u8>(), size(length));
        known.pages.learn(bytes, offset(at));
        known.pages.check(bytes, offset(at)).map_or_else(|wrong| tell(known, wrong), |()| result)
    }
}

unsafe extern "C" fn write(
    file: *mut sqlite3_file,
    from: *const c_void,
    length: c_int,
    at: sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite vouches for the file and for the bytes, which are its own buffer: its extension for checksums changes them too.
    unsafe {
        let Some(known) = behind(file) else { return SQLITE_IOERR_DATA };
        let Some(real) = (*known.methods).xWrite else { return SQLITE_IOERR_DATA };
        known.pages.learn(std::slice::from_raw_parts(from.cast(), size(length)), offset(at));
        if known.pages.is_page(size(length), offset(at)) {
            seal(std::slice::from_raw_parts_mut(from.cast_mut().cast(), size(length)));
        }
        real(file, from, length, at)
    }
}

/// SQLite may not read parts of pages, since only a whole page can be checked.
unsafe extern "C" fn characteristics(file: *mut sqlite3_file) -> c_int {
    // SAFETY: SQLite vouches for the file.
    unsafe {
        let real = behind(file).and_then(|known| (*known.methods).xDeviceCharacteristics);
        real.map_or(0, |real| real(file)) & !SQLITE_IOCAP_SUBPAGE_READ
    }
}

unsafe extern "C" fn fetch(
    file: *mut sqlite3_file,
    at: sqlite3_int64,
    length: c_int,
    into: *mut *mut c_void,
) -> c_int {
    // SAFETY: SQLite vouches for the file; what the system maps is so long.
    unsafe {
        let Some(known) = behind(file) else { return SQLITE_IOERR_DATA };
        let (Some(real), Some(give_back)) = ((*known.methods).xFetch, (*known.methods).xUnfetch)
        else {
            return SQLITE_IOERR_DATA;
        };
        let result = real(file, at, length, into);
        if result != SQLITE_OK || (*into).is_null() {
            return result;
        }
        let bytes = std::slice::from_raw_parts((*into).cast::<u8>(), size(length));
        let Err(wrong) = known.pages.check_once(bytes, offset(at)) else { return result };
        give_back(file, at, *into);
        *into = std::ptr::null_mut();
        tell(known, wrong)
    }
}

fn size(length: c_int) -> usize {
    usize::try_from(length).unwrap_or(0)
}

fn offset(at: sqlite3_int64) -> u64 {
    u64::try_from(at).unwrap_or(0)
}

/// Reserves room for checksums at the end of each page: at once in a file that is empty, else with the next `VACUUM`.
///
/// # Errors
/// SQLite refuses it.
pub fn reserve(db: &Connection) -> Result<(), Error> {
    control(db, c_int::try_from(RESERVED).unwrap_or(0)).map(|_| ())
}

/// How the end of each page of a file is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// The file has no page yet.
    Empty,
    /// For checksums.
    Checksums,
    /// For content.
    Content,
    /// For something that no version of this server makes: the header is damaged.
    Unknown,
}

/// Tells how the end of each page of a file is used.
///
/// # Errors
/// The file cannot be read.
pub fn ends(db: &Connection) -> Result<Ends, Error> {
    let count: i64 = db.query_row("PRAGMA page_count", (), |row| row.get(0))?;
    if count == 0 {
        return Ok(Ends::Empty);
    }
    db.query_row("SELECT count(*) FROM sqlite_schema", (), |_| Ok(()))?;
    Ok(match usize::try_from(control(db, -1)?) {
        Ok(RESERVED) => Ends::Checksums,
        Ok(0) => Ends::Content,
        _ => Ends::Unknown,
    })
}

/// Sets how many bytes are reserved, unless the number is negative. Returns how many were.
fn control(db: &Connection, mut bytes: c_int) -> Result<c_int, Error> {
    let into = (&raw mut bytes).cast();
    // SAFETY: the connection is open, and the number is written to while it is borrowed.
    let result = unsafe {
        sqlite3_file_control(db.handle(), c"main".as_ptr(), SQLITE_FCNTL_RESERVE_BYTES, into)
    };
    if result == SQLITE_OK {
        Ok(bytes)
    } else {
        Err(Error::SqliteFailure(rusqlite::ffi::Error::new(result), None))
    }
}

/// Whether a statement failed because a page does not match its checksum.
pub fn is_wrong_page(error: &Error) -> bool {
    error.sqlite_error().is_some_and(|error| error.extended_code == SQLITE_IOERR_DATA)
}

#[cfg(test)]
#[path = "layer_tests.rs"]
mod tests;
