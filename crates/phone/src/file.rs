//! A phone that outlives its process: one JSON file, readable by its owner only.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::error::Error;
use crate::key::DeviceKey;
use crate::phone::Phone;
use crate::registration::Registration;
use crate::server::{Options, Server};

#[derive(Serialize, Deserialize)]
struct Saved {
    base_url: String,
    #[serde(flatten)]
    registration: Registration,
    clock_offset: i64,
    private_key: String,
}

impl Phone {
    /// Writes the phone, with its private key, to a file of mode 0600. The file is whole or as it
    /// was before, never half written.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
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
            // nothing that holds a key is left lying about
            let _ = fs::remove_file(&new);
            Error::File(error)
        })
    }

    /// Reads a phone from its file.
    pub fn load(path: &Path, options: &Options) -> Result<Self, Error> {
        let text = fs::read_to_string(path)?;
        let saved: Saved = serde_json::from_str(&text).map_err(io::Error::from)?;
        let server = Server::new(&saved.base_url, options)?;
        let key = DeviceKey::from_pkcs8_base64(&saved.private_key)?;
        let clock = Clock::new(server.local_time(), saved.clock_offset);
        Ok(Self::new(server, saved.registration, key, clock))
    }
}

/// A name in the same folder, so that renaming it replaces the file at once.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name();
    let name = name.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not a file"))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}", std::process::id()));
    Ok(path.with_file_name(hidden))
}

/// A new name is on the disk when its folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    // left behind by a process of the same number that died: its mode is not known
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
    fn a_phone_survives_its_file() {
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
    fn only_the_owner_may_read_the_file_even_if_it_was_open_to_all() {
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
        let loaded = Phone::load(&path, &Options::default());
        assert!(matches!(loaded, Err(Error::File(_))));

        let occupied = folder.path().join("folder");
        fs::create_dir_all(occupied.join("full")).unwrap();
        let phone = vectors::phone("http://127.0.0.1:8080/");
        assert!(matches!(phone.save(&occupied), Err(Error::File(_))));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
