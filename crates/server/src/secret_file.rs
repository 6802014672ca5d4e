//! Files that hold secrets. Files that we create are private to their owner, and rejected otherwise. Files that we
//! are given may be readable by a group; others cause a warning.

use std::fs::{File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::{Context as _, ensure};
use tempfile::NamedTempFile;

/// Writes a new file of mode 0600. A crash or a full disk leaves it complete or absent.
///
/// # Errors
/// It exists, or cannot be written.
pub fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    let write = || {
        beside(path, text)?.persist_noclobber(path).map_err(|error| error.error)?;
        sync_folder(path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Writes a file of mode 0600, replacing an existing one.
///
/// # Errors
/// It cannot be written.
pub fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let write = || {
        beside(path, text)?.persist(path).map_err(|error| error.error)?;
        sync_folder(path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Gives a file its final name, which must be free.
///
/// # Errors
/// It cannot be renamed.
pub fn rename(from: &Path, to: &Path) -> anyhow::Result<()> {
    let rename = || {
        std::fs::rename(from, to)?;
        sync_folder(to)
    };
    rename().with_context(|| format!("cannot rename {} to {}", from.display(), to.display()))
}

/// Writes the text to a temporary file in the same folder and syncs it. The file is removed unless it is persisted.
fn beside(path: &Path, text: &str) -> std::io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix(".countersign-").tempfile_in(folder_of(path))?;
    // Independent of the umask.
    file.as_file().set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Syncs the folder of a file, which makes a new name durable.
///
/// # Errors
/// It cannot be synced.
pub fn sync_folder(path: &Path) -> std::io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or_else(|| Path::new("."))
}

/// The text of a file that we created, without its final line break.
///
/// # Errors
/// It cannot be read, belongs to another user, or others may read it.
pub fn read_own(path: &Path) -> anyhow::Result<String> {
    let text = read(path)?;
    let found = std::fs::metadata(path).with_context(|| path.display().to_string())?;
    let (owner, us) = (found.uid(), rustix::process::geteuid().as_raw());
    let shown = path.display();
    ensure!(
        owner == us,
        "{shown} belongs to user {owner}, and this is user {us}: chown {us} {shown}"
    );
    ensure!(found.mode() & 0o077 == 0, "others may read {shown}: chmod 600 {shown}");
    Ok(text)
}

/// The text of a file that we were given, without its final line break. Logs a warning if everybody may read it.
///
/// # Errors
/// It cannot be read.
pub fn read_given(path: &Path) -> anyhow::Result<String> {
    warn_if_open(path);
    read(path)
}

/// Logs a warning if everybody on this machine may read a secret.
pub fn warn_if_open(path: &Path) {
    if let Some(warning) = warning(path) {
        tracing::warn!("{warning}");
    }
}

/// The warning if everybody on this machine may read a secret. Follows links, such as those of Kubernetes.
pub fn warning(path: &Path) -> Option<String> {
    let mode = std::fs::metadata(path).map_or(0, |found| found.mode());
    (mode & 0o007 != 0).then(|| {
        let shown = path.display();
        format!(
            "everybody on this machine may read {shown}, which holds a secret: chmod 600 {shown}, or 640 for the group that \
             it is for"
        )
    })
}

fn read(path: &Path) -> anyhow::Result<String> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_is_written_completely_and_never_over_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        write_new(&path, "one").unwrap();
        assert_eq!(mode(&path), 0o600);
        assert!(write_new(&path, "two").is_err());
        assert_eq!(read_own(&path).unwrap(), "one");
        replace(&path, "three\n").unwrap();
        assert_eq!((read_own(&path).unwrap().as_str(), mode(&path)), ("three", 0o600));
        assert_eq!(names(folder.path()), ["secret"], "nothing is left beside it");
        assert!(write_new(&folder.path().join("none/secret"), "x").is_err());
    }

    #[test]
    fn a_created_file_is_private_and_a_given_one_may_be_readable_by_a_group() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        write_new(&path, "one").unwrap();
        for open in [0o640, 0o604, 0o660] {
            std::fs::set_permissions(&path, Permissions::from_mode(open)).unwrap();
            let error = read_own(&path).unwrap_err().to_string();
            assert!(error.contains(&format!("chmod 600 {}", path.display())), "{open:o}: {error}");
            assert_eq!(read_given(&path).unwrap(), "one");
        }
    }
}
