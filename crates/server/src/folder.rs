//! The data folder: the lock that keeps it to one server, the master key, and the first account's secret.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use countersign_domain::world::{Entropy, random};
use countersign_verify::MasterKey;

use crate::config::{Config, read_secret_file};

/// Holds the folder for this process, until dropped.
#[derive(Debug)]
pub struct FolderLock(#[expect(dead_code, reason = "the lock lives as long as the file")] File);

/// Makes the folder if need be, readable by its owner alone.
///
/// # Errors
/// It cannot be made.
pub fn make(folder: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("cannot make the data folder {}", folder.display()))
}

/// Keeps the folder to this process.
///
/// # Errors
/// Another server holds it.
pub fn lock(folder: &Path) -> anyhow::Result<FolderLock> {
    let path = folder.join("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
    let file = file.with_context(|| format!("cannot open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(FolderLock(file)),
        Err(TryLockError::WouldBlock) => {
            bail!("another countersign server is using the data folder {}", folder.display())
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

/// Where the master key came from.
#[derive(Debug, PartialEq, Eq)]
pub enum KeyOrigin {
    /// It was given in the environment.
    Environment,
    /// It was read from this file.
    File(PathBuf),
    /// It was made just now, into this file.
    Made(PathBuf),
}

/// The master key: `COUNTERSIGN_MASTER_KEY` (64 hexadecimal digits), or the file that `COUNTERSIGN_MASTER_KEY_FILE`
/// names, or `master.key` in the data folder. That one is made if neither it nor a database is there, and only for SQLite:
/// a PostgreSQL database may have been made under a key that is on another machine.
///
/// # Errors
/// It cannot be read or made, is malformed, or others may read its file.
pub fn master_key(
    config: &Config,
    variable: impl Fn(&str) -> Option<String>,
    entropy: &dyn Entropy,
) -> anyhow::Result<(MasterKey, KeyOrigin)> {
    if let Some(text) = variable("COUNTERSIGN_MASTER_KEY") {
        let key = parse_key(&text).context("COUNTERSIGN_MASTER_KEY is not right")?;
        return Ok((key, KeyOrigin::Environment));
    }
    let named = variable("COUNTERSIGN_MASTER_KEY_FILE").map(PathBuf::from);
    let path = named.clone().unwrap_or_else(|| config.data_dir.join("master.key"));
    if !path.exists() && named.is_none() && config.database.url.is_none() {
        let database = config.database_file();
        ensure!(
            !database.exists(),
            "{} is missing, and the database {} was made under it: put the key back",
            path.display(),
            database.display()
        );
        let digits = random::<32>(entropy).map(|byte| format!("{byte:02x}")).concat();
        write_secret(&path, &format!("{digits}\n"))?;
        return Ok((parse_key(&digits)?, KeyOrigin::Made(path)));
    }
    ensure!(
        path.exists() || named.is_some(),
        "there is no master key, and with PostgreSQL none is made, since every server of one database needs the same: \
         name it by COUNTERSIGN_MASTER_KEY or COUNTERSIGN_MASTER_KEY_FILE, or put it into {}",
        path.display()
    );
    let text = read_secret_file(&path)?;
    let mode = std::fs::metadata(&path)?.permissions().mode();
    ensure!(mode & 0o077 == 0, "others may read {}: chmod 600 it", path.display());
    let key = parse_key(&text).with_context(|| format!("{} is not right", path.display()))?;
    Ok((key, KeyOrigin::File(path)))
}

/// Writes a file that its owner alone may read; it must not exist.
///
/// # Errors
/// It exists, or cannot be written.
pub fn write_secret(path: &Path, text: &str) -> anyhow::Result<()> {
    let write = || {
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

fn parse_key(text: &str) -> anyhow::Result<MasterKey> {
    const FORM: &str = "a master key has 64 hexadecimal digits";
    ensure!(text.len() == 64 && text.is_ascii(), FORM);
    let mut bytes = [0; 32];
    for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).context(FORM)?;
    }
    Ok(MasterKey::new(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::OsEntropy;

    #[test]
    fn a_folder_serves_one_server() {
        let folder = tempfile::tempdir().unwrap();
        let first = lock(folder.path()).unwrap();
        assert!(lock(folder.path()).unwrap_err().to_string().contains("another countersign"));
        drop(first);
        lock(folder.path()).unwrap();
    }

    fn config(folder: &Path) -> Config {
        Config { data_dir: folder.to_owned(), ..Config::default() }
    }

    #[test]
    fn a_key_is_made_once_and_never_beside_a_database() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        let path = folder.path().join("master.key");
        let key = || master_key(&config, |_| None, &OsEntropy);
        assert_eq!(key().unwrap().1, KeyOrigin::Made(path.clone()));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(key().unwrap().1, KeyOrigin::File(path.clone()));
        std::fs::remove_file(&path).unwrap();
        std::fs::write(config.database_file(), "").unwrap();
        assert!(key().unwrap_err().to_string().contains("put the key back"));
    }

    #[test]
    fn with_postgresql_no_key_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path());
        config.database.url = Some("postgres://127.0.0.1/countersign".to_owned().into());
        let error = master_key(&config, |_| None, &OsEntropy).unwrap_err();
        assert!(error.to_string().contains("COUNTERSIGN_MASTER_KEY"), "{error}");
        assert!(!folder.path().join("master.key").exists());
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        std::fs::write(&path, "00".repeat(32)).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let error = master_key(&config(folder.path()), |_| None, &OsEntropy).unwrap_err();
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
}
