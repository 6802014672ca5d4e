//! The master key: where it comes from, and how a new one is stored.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use countersign_domain::world::{Entropy, random};
use countersign_verify::MasterKey;

use crate::config::Config;
use crate::{key_command, secret_file};

/// The file of the key in the data folder.
const NAME: &str = "master.key";
/// The file of a new key until the database stores its check value: a start after an interruption uses it again.
const UNUSED: &str = "master.key.new";

/// The origin of a master key.
#[derive(Debug, PartialEq, Eq)]
pub enum KeyOrigin {
    /// The environment, or a file that the environment names.
    Given,
    /// The data folder, where an earlier start stored it.
    Kept,
    /// Created for a new database; [`ServerKey::keep`] gives it its final name.
    Made,
}

/// The master key of a server that starts.
#[derive(Debug)]
pub struct ServerKey {
    /// The key.
    pub key: MasterKey,
    /// Its origin.
    pub origin: KeyOrigin,
    folder: PathBuf,
}

impl ServerKey {
    /// Gives a new key its final name once the database stores its check value; returns its path.
    ///
    /// # Errors
    /// The file cannot be renamed.
    pub fn keep(&self) -> anyhow::Result<Option<PathBuf>> {
        if self.origin != KeyOrigin::Made {
            return Ok(None);
        }
        let place = self.folder.join(NAME);
        secret_file::rename(&self.folder.join(UNUSED), &place)?;
        Ok(Some(place))
    }
}

/// The master key for commands beside servers, which create none: `COUNTERSIGN_MASTER_KEY` (64 hexadecimal digits),
/// the file that `COUNTERSIGN_MASTER_KEY_FILE` names, the output of `COUNTERSIGN_MASTER_KEY_COMMAND`, or `master.key`
/// in the data folder.
///
/// # Errors
/// There is no key, it cannot be read or is malformed, or others may read a file that we created.
pub fn find(
    config: &Config,
    variable: impl Fn(&str) -> Option<String>,
) -> anyhow::Result<MasterKey> {
    match find_if_any(config, variable)? {
        Some(key) => Ok(key),
        None => bail!(missing(config, &config.data_dir.join(NAME))),
    }
}

/// As [`find`], with `None` if there is no key.
///
/// # Errors
/// The key cannot be read or is malformed, or others may read a file that we created.
pub fn find_if_any(
    config: &Config,
    variable: impl Fn(&str) -> Option<String>,
) -> anyhow::Result<Option<MasterKey>> {
    if let Some(key) = given(variable)? {
        return Ok(Some(key));
    }
    let path = config.data_dir.join(NAME);
    if path.exists() { read(config, &path).map(Some) } else { Ok(None) }
}

/// The place where [`find`] looks for the key, in words.
pub fn place(config: &Config, variable: impl Fn(&str) -> Option<String>) -> String {
    if variable("COUNTERSIGN_MASTER_KEY").is_some() {
        return "COUNTERSIGN_MASTER_KEY in the environment".to_owned();
    }
    if let Some(file) = variable("COUNTERSIGN_MASTER_KEY_FILE") {
        return file;
    }
    if variable(key_command::VARIABLE).is_some() {
        return format!("the output of {}", key_command::VARIABLE);
    }
    config.data_dir.join(NAME).display().to_string()
}

/// The master key of a server, found as by [`find`]. With SQLite one is created for a new database; not with
/// PostgreSQL, whose database may belong to a key on another machine. A key without a database is rejected unless
/// `new_database` is set: a new database would hide that the old one is lost or elsewhere.
///
/// # Errors
/// As [`find`]; a database without its key, or a key without its database.
pub fn for_server(
    config: &Config,
    variable: impl Fn(&str) -> Option<String>,
    new_database: bool,
    entropy: &dyn Entropy,
) -> anyhow::Result<ServerKey> {
    if let Some(key) = look(config, variable, new_database)? {
        return Ok(key);
    }
    let path = config.data_dir.join(NAME);
    if path.exists() {
        tracing::warn!(
            path = %path.display(),
            "the master key is empty, as after a crash or on a full disk, and there is no database: creating a new one"
        );
        let removed = std::fs::remove_file(&path);
        removed.with_context(|| format!("cannot remove {}", path.display()))?;
    }
    let digits = random::<32>(entropy).map(|byte| format!("{byte:02x}")).concat();
    secret_file::write_new(&config.data_dir.join(UNUSED), &format!("{digits}\n"))?;
    Ok(ServerKey { key: parse(&digits)?, origin: KeyOrigin::Made, folder: config.data_dir.clone() })
}

/// As [`for_server`], with `None` where a server would create a key. Creates nothing.
///
/// # Errors
/// As [`for_server`].
pub fn look(
    config: &Config,
    variable: impl Fn(&str) -> Option<String>,
    new_database: bool,
) -> anyhow::Result<Option<ServerKey>> {
    let folder = config.data_dir.clone();
    let path = folder.join(NAME);
    let of = |key, origin| Ok(Some(ServerKey { key, origin, folder }));
    if let Some(key) = given(variable)? {
        return of(key, KeyOrigin::Given);
    }
    if config.database.url.is_some() {
        ensure!(path.exists(), missing(config, &path));
        return of(read(config, &path)?, KeyOrigin::Kept);
    }
    let has_database = config.has_database_file();
    if path.exists() && (has_database || !is_empty(&path)) {
        let key = read(config, &path)?;
        ensure!(has_database || new_database, lost_database(config));
        return of(key, KeyOrigin::Kept);
    }
    let unused = config.data_dir.join(UNUSED);
    if unused.exists() {
        return of(read(config, &unused)?, KeyOrigin::Made);
    }
    ensure!(!has_database, missing(config, &path));
    Ok(None)
}

/// Rejects an old key whose database no server has used, unless `new_database` is set.
///
/// # Errors
/// As [`for_server`].
pub fn suits_database(
    config: &Config,
    key: &ServerKey,
    is_used: bool,
    new_database: bool,
) -> anyhow::Result<()> {
    let is_kept_here = key.origin == KeyOrigin::Kept && config.database.url.is_none();
    ensure!(is_used || new_database || !is_kept_here, lost_database(config));
    Ok(())
}

/// The message about an old key without a database.
fn lost_database(config: &Config) -> String {
    format!(
        "there is an old master key, {}, and no database beside it: the database is probably lost, or is elsewhere. \
         {}. Put the database back, or correct data_dir; to begin with a new database under this key: countersign serve \
         --new-database",
        config.data_dir.join(NAME).display(),
        config.database_origin(),
    )
}

fn missing(config: &Config, path: &Path) -> String {
    let path = path.display();
    if config.database.url.is_some() {
        format!(
            "there is no master key, and with PostgreSQL none is created, since every server of one database needs the same: \
             name it by COUNTERSIGN_MASTER_KEY, COUNTERSIGN_MASTER_KEY_FILE or COUNTERSIGN_MASTER_KEY_COMMAND, or put it into {path}"
        )
    } else {
        let database = config.database_file();
        format!(
            "{path} is missing, and the database {} needs it: put the key back",
            database.display()
        )
    }
}

/// The new master key of a rotation.
///
/// # Errors
/// The file cannot be read, or its key is malformed.
pub fn read_new(path: &Path) -> anyhow::Result<MasterKey> {
    let text = secret_file::read_given(path).context("--new-key-file is invalid")?;
    parse(&text).with_context(|| format!("{} is invalid", path.display()))
}

/// The key in the environment, in a file that the environment names, or from its command.
fn given(variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<Option<MasterKey>> {
    if let Some(text) = variable("COUNTERSIGN_MASTER_KEY") {
        return parse(&text).context("COUNTERSIGN_MASTER_KEY is invalid").map(Some);
    }
    let Some(path) = variable("COUNTERSIGN_MASTER_KEY_FILE").map(PathBuf::from) else {
        let Some(command) = variable(key_command::VARIABLE) else { return Ok(None) };
        let invalid = || format!("{} is invalid", key_command::VARIABLE);
        let text = key_command::output(&command).with_context(invalid)?;
        return parse(text.expose()).with_context(invalid).map(Some);
    };
    let text = secret_file::read_given(&path).context("COUNTERSIGN_MASTER_KEY_FILE is invalid")?;
    parse(&text).with_context(|| format!("{} is invalid", path.display())).map(Some)
}

/// The key in a file that we created.
fn read(config: &Config, path: &Path) -> anyhow::Result<MasterKey> {
    let text = secret_file::read_own(path)?;
    if text.is_empty() && config.database.url.is_none() {
        bail!(
            "{} is empty, as after a crash or on a full disk, and the database {} needs the key that was in it: \
             put the key back (a master key has 64 hexadecimal digits)",
            path.display(),
            config.database_file().display()
        );
    }
    parse(&text).with_context(|| format!("{} is invalid", path.display()))
}

fn is_empty(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.len() == 0)
}

fn parse(text: &str) -> anyhow::Result<MasterKey> {
    const FORM: &str = "a master key has 64 hexadecimal digits";
    ensure!(text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()), FORM);
    let mut bytes = [0; 32];
    for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).context(FORM)?;
    }
    Ok(MasterKey::new(bytes))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::world::OsEntropy;

    fn config(folder: &Path) -> Config {
        Config { data_dir: folder.to_owned(), ..Config::default() }
    }

    fn for_server(config: &Config) -> anyhow::Result<ServerKey> {
        super::for_server(config, |_| None, false, &OsEntropy)
    }

    fn error(config: &Config) -> String {
        for_server(config).unwrap_err().to_string()
    }

    #[test]
    fn a_key_is_made_for_a_new_database_and_kept_once_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        let path = folder.path().join(NAME);
        let first = for_server(&config).unwrap();
        assert_eq!((&first.origin, path.exists()), (&KeyOrigin::Made, false));
        // The next start after an interruption, with a database and without, uses the same key.
        for database in [None, Some("a schema")] {
            if let Some(text) = database {
                std::fs::write(config.database_file(), text).unwrap();
            }
            let again = for_server(&config).unwrap();
            let words = |key: &ServerKey| countersign_verify::Keys::derive(&key.key).check_value();
            assert_eq!((words(&again), &again.origin), (words(&first), &KeyOrigin::Made));
        }
        assert_eq!(first.keep().unwrap(), Some(path.clone()));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(for_server(&config).unwrap().origin, KeyOrigin::Kept);
        assert!(find(&config, |_| None).is_ok());
    }

    #[test]
    fn a_database_without_its_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        std::fs::write(config.database_file(), "a schema").unwrap();
        assert!(error(&config).contains("put the key back"));
        std::fs::write(folder.path().join(NAME), "").unwrap();
        std::fs::set_permissions(folder.path().join(NAME), std::fs::Permissions::from_mode(0o600))
            .unwrap();
        let error = error(&config);
        assert!(error.contains("is empty") && error.contains("put the key back"), "{error}");
    }

    #[test]
    fn an_old_key_without_its_database_is_rejected_unless_a_new_one_is_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        let path = folder.path().join(NAME);
        secret_file::write_new(&path, &"ab".repeat(32)).unwrap();
        for _ in 0..2 {
            let error = error(&config);
            assert!(error.contains("is probably lost, or is elsewhere"), "{error}");
            assert!(error.contains("--new-database") && error.contains("data_dir"), "{error}");
            // An empty file is no database either.
            std::fs::write(config.database_file(), "").unwrap();
        }
        let meant = super::for_server(&config, |_| None, true, &OsEntropy).unwrap();
        assert_eq!(meant.origin, KeyOrigin::Kept);
        assert!(find(&config, |_| None).is_ok(), "other commands check the database themselves");
    }

    #[test]
    fn an_empty_key_without_a_database_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        std::fs::write(folder.path().join(NAME), "").unwrap();
        assert_eq!(for_server(&config).unwrap().origin, KeyOrigin::Made);
    }

    #[test]
    fn with_postgresql_no_key_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path());
        config.database.url = Some("postgres://127.0.0.1/countersign".to_owned().into());
        assert!(error(&config).contains("COUNTERSIGN_MASTER_KEY"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_key_that_others_may_read_is_refused_where_we_made_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        std::fs::write(&path, "00".repeat(32)).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let config = config(folder.path());
        std::fs::write(config.database_file(), "a schema").unwrap();
        assert!(error(&config).contains("chmod 600"));
        let named = |name: &str| {
            (name == "COUNTERSIGN_MASTER_KEY_FILE").then(|| path.display().to_string())
        };
        assert!(find(&config, named).is_ok(), "a given one may be readable by its group");
    }
}
