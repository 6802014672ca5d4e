//! Storage of a phone in a JSON file that only its owner can read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::error::PhoneError;
use crate::key::DeviceKey;
use crate::phone::Phone;
use crate::registration::Registration;
use crate::server::{Server, ServerOptions};

#[derive(Serialize, Deserialize)]
struct Saved {
    base_url: String,
    #[serde(flatten)]
    registration: Registration,
    clock_offset: i64,
    private_key: String,
}

impl Phone {
    /// Writes the phone with its private key to a file of mode 0600. Replaces the file atomically.
    pub fn save(&self, path: &Path) -> Result<(), PhoneError> {
        let saved = Saved {
            base_url: self.server().base_url().to_string(),
            registration: self.registration().clone(),
            clock_offset: self.clock_offset(),
            private_key: self.key().to_pkcs8_base64(),
        };
        let text = serde_json::to_string_pretty(&saved).map_err(io::Error::from)?;
        let new = beside(path)?;
        let written = write_private(&new, &text)
            .and_then(|()| fs::rename(&new, path))
            .and_then(|()| sync_folder(path));
        written.map_err(|error| {
            // No file with a key may remain.
            let _ = fs::remove_file(&new);
            PhoneError::File(error)
        })
    }

    /// Reads a phone from its file.
    pub fn load(path: &Path, options: &ServerOptions) -> Result<Self, PhoneError> {
        let text = fs::read_to_string(path)?;
        let saved: Saved = serde_json::from_str(&text).map_err(io::Error::from)?;
        let server = Server::new(&saved.base_url, options)?;
        let key = DeviceKey::from_pkcs8_base64(&saved.private_key)?;
        let clock = Clock::new(server.local_time(), saved.clock_offset);
        Ok(Self::new(server, saved.registration, key, clock))
    }
}

/// A temporary name in the same folder, so that renaming it replaces the file atomically.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name();
    let name = name.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not a file"))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}", std::process::id()));
    Ok(path.with_file_name(hidden))
}

/// A rename is durable once the folder is synced.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    // Left by an earlier process with the same id. Its mode is unknown.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = create_private(path)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::vectors;

    #[test]
    fn a_phone_is_restored_from_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("phone.json");
        let phone = vectors::phone("http://127.0.0.1:8080/");
        phone.correct_clock(phone.server().local_time()() + 40);
        phone.save(&path).unwrap();
        phone.save(&path).unwrap();

        let again = Phone::load(&path, &vectors::options()).unwrap();
        assert_eq!(again.server().base_url(), phone.server().base_url());
        assert_eq!(format!("{again:?}"), format!("{phone:?}"));
        assert_eq!(again.key().to_pkcs8_der(), phone.key().to_pkcs8_der());
        assert_eq!(again.clock_offset(), 40);
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "a temporary file is left");
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read_a_file_that_was_public_before() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("phone.json");
        fs::write(&path, "{}").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        vectors::phone("http://127.0.0.1:8080/").save(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_broken_file_is_an_error_and_a_failed_save_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("phone.json");
        fs::write(&path, r#"{"base_url":"http://localhost"}"#).unwrap();
        let loaded = Phone::load(&path, &ServerOptions::default());
        assert!(matches!(loaded, Err(PhoneError::File(_))));

        let occupied = folder.path().join("folder");
        fs::create_dir_all(occupied.join("full")).unwrap();
        let phone = vectors::phone("http://127.0.0.1:8080/");
        assert!(matches!(phone.save(&occupied), Err(PhoneError::File(_))));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
