//! The data folder: private to its owner, and locked to one server.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use rustix::fs::{Access, access};
use rustix::io::Errno;

use crate::secret_file;

/// The lock of the folder, until dropped.
#[derive(Debug)]
pub struct FolderLock(File);

impl FolderLock {
    /// Writes the id of this process, a server, into the lock, for commands that signal it.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn name_server(&self) -> anyhow::Result<()> {
        let written = writeln!(&self.0, "{}", std::process::id());
        written.context("cannot write the process id into the lock of the data folder")
    }
}

/// Creates the folder if it is missing, with mode 0700 whatever the umask is. Its name is on the disk then.
///
/// # Errors
/// It cannot be created, or [`check`] rejects it.
pub fn make(folder: &Path) -> anyhow::Result<()> {
    if !folder.exists() {
        check_parent(folder)?;
        let make = || {
            let is_missing = |it: &&Path| !it.as_os_str().is_empty() && !it.exists();
            let missing: Vec<&Path> = folder.ancestors().take_while(is_missing).collect();
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            std::fs::set_permissions(folder, Permissions::from_mode(0o700))?;
            missing.into_iter().try_for_each(secret_file::sync_folder)
        };
        make().with_context(|| format!("cannot create the data folder {}", folder.display()))?;
    }
    check(folder)
}

/// Checks that a missing folder can be created: its nearest existing parent must be a folder that we may write to.
///
/// # Errors
/// It cannot be created.
pub fn check_parent(folder: &Path) -> anyhow::Result<()> {
    let shown = folder.display();
    let parents = folder
        .ancestors()
        .skip(1)
        .map(|parent| if parent.as_os_str().is_empty() { Path::new(".") } else { parent });
    let mut there = parents.filter(|parent| parent.symlink_metadata().is_ok());
    let Some(parent) = there.next() else { return Ok(()) };
    access(parent, Access::WRITE_OK | Access::EXEC_OK)
        .and_then(|()| if parent.is_dir() { Ok(()) } else { Err(Errno::NOTDIR) })
        .with_context(|| format!("cannot create the data folder {shown} in {}", parent.display()))
}

/// Rejects a folder that belongs to another user, and one that others may read or change: the database and the master
/// key are no safer than their folder.
///
/// # Errors
/// The problem, and the command that solves it.
pub fn check(folder: &Path) -> anyhow::Result<()> {
    let shown = folder.display();
    let found = std::fs::metadata(folder);
    let found = found.with_context(|| format!("cannot look at the data folder {shown}"))?;
    ensure!(found.is_dir(), "the data folder {shown} is not a folder");
    let (owner, us) = (found.uid(), rustix::process::geteuid().as_raw());
    ensure!(
        owner == us,
        "the data folder {shown} belongs to user {owner}, and this is user {us}: chown -R {us} {shown}, or run \
         countersign as user {owner} (a container: docker run --user {owner})"
    );
    let mode = found.mode() & 0o777;
    ensure!(
        mode & 0o077 == 0,
        "the data folder {shown} is open to others (mode {mode:04o}): chmod 700 {shown} (with systemd's StateDirectory: \
         StateDirectoryMode=0700)"
    );
    Ok(())
}

/// Sets mode 0600 on files that other users may access; returns those that were changed.
///
/// # Errors
/// A mode cannot be changed.
pub fn tighten(files: impl IntoIterator<Item = PathBuf>) -> anyhow::Result<Vec<PathBuf>> {
    let mut tightened = Vec::new();
    for file in files {
        let Ok(found) = std::fs::metadata(&file) else { continue };
        if found.mode() & 0o077 != 0 {
            let changed = std::fs::set_permissions(&file, Permissions::from_mode(0o600));
            changed.with_context(|| format!("cannot chmod 600 {}", file.display()))?;
            tightened.push(file);
        }
    }
    Ok(tightened)
}

/// Locks the folder for this process.
///
/// # Errors
/// Another server has locked it.
pub fn lock(folder: &Path) -> anyhow::Result<FolderLock> {
    let path = folder.join("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
    let file = file.with_context(|| format!("cannot open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => {
            // The id of a server that has ended.
            file.set_len(0).with_context(|| format!("cannot write {}", path.display()))?;
            Ok(FolderLock(file))
        }
        Err(TryLockError::WouldBlock) => {
            bail!("another countersign server is using the data folder {}", folder.display())
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

/// Whether a server has locked the folder. Creates nothing.
pub fn is_held(folder: &Path) -> bool {
    let file = OpenOptions::new().write(true).open(folder.join("lock"));
    file.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

/// The process id of the server that has locked the folder. `None` if no server has, or one that this process does not see, such
/// as in a container.
pub fn server(folder: &Path) -> Option<u32> {
    if !is_held(folder) {
        return None;
    }
    let lock = folder.join("lock");
    let id: u32 = std::fs::read_to_string(&lock).ok()?.trim().parse().ok()?;
    has_open(id, &lock).then_some(id)
}

/// Whether a process has a file open; `true` where the system does not say.
fn has_open(process: u32, file: &Path) -> bool {
    if !Path::new("/proc/self/fd").exists() {
        return true;
    }
    let of = |path: &Path| std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    let wanted = of(file);
    match std::fs::read_dir(format!("/proc/{process}/fd")) {
        Ok(files) => files.flatten().any(|entry| wanted.is_some() && of(&entry.path()) == wanted),
        // Of another user, whom the signal will name.
        Err(error) => error.kind() == std::io::ErrorKind::PermissionDenied,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn a_folder_is_locked_by_one_server() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_held(folder.path()));
        let first = lock(folder.path()).unwrap();
        assert!(lock(folder.path()).unwrap_err().to_string().contains("another countersign"));
        assert!(is_held(folder.path()));
        drop(first);
        assert!(!is_held(folder.path()));
        lock(folder.path()).unwrap();
    }

    #[test]
    fn a_server_is_named_while_it_holds_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let first = lock(folder.path()).unwrap();
        assert_eq!(server(folder.path()), None, "another command holds it");
        first.name_server().unwrap();
        assert_eq!(server(folder.path()), Some(std::process::id()));
        // An id of another process, as one that a container wrote.
        std::fs::write(folder.path().join("lock"), "1\n").unwrap();
        if rustix::process::geteuid().is_root() {
            assert_eq!(server(folder.path()), None);
        }
        drop(first);
        assert_eq!(server(folder.path()), None);
        let _again = lock(folder.path()).unwrap();
        assert_eq!(std::fs::read_to_string(folder.path().join("lock")).unwrap(), "");
    }

    #[test]
    fn a_folder_is_created_private_and_rejected_if_others_may_access_it() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("a/data");
        make(&data).unwrap();
        assert_eq!(mode(&data), 0o700);
        for open in [0o750, 0o705, 0o701, 0o770] {
            std::fs::set_permissions(&data, Permissions::from_mode(open)).unwrap();
            let error = make(&data).unwrap_err().to_string();
            assert!(error.contains(&format!("chmod 700 {}", data.display())), "{open:o}: {error}");
        }
        std::fs::set_permissions(&data, Permissions::from_mode(0o700)).unwrap();
        make(&data).unwrap();
    }

    #[test]
    fn a_file_that_others_could_read_is_tightened_once() {
        let folder = tempfile::tempdir().unwrap();
        let (file, none) = (folder.path().join("countersign.db"), folder.path().join("none"));
        std::fs::write(&file, "").unwrap();
        std::fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        assert_eq!(tighten([file.clone(), none.clone()]).unwrap(), std::slice::from_ref(&file));
        assert_eq!(mode(&file), 0o600);
        assert!(tighten([file, none]).unwrap().is_empty());
    }
}
