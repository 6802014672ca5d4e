//! The operator's database of places: a file in the MaxMind format (`.mmdb`) that knows the country of an address, such as
//! GeoLite2 or DB-IP Lite. None is shipped, since their licences do not permit it.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::{anyhow, ensure};
use countersign_domain::answer_context::Country;
use countersign_verify::places::Places;
use maxminddb::{MaxMindDbError, Reader, path};

use crate::config::GeoSection;

/// The database in use.
pub struct GeoDatabase {
    file: PathBuf,
    reader: RwLock<Arc<Reader<Vec<u8>>>>,
}

impl GeoDatabase {
    /// Reads the file that the settings name, if they name one.
    ///
    /// # Errors
    /// The file cannot be read, or is no database of countries.
    pub fn of(settings: &GeoSection) -> anyhow::Result<Option<Self>> {
        settings.database.as_deref().map(Self::open).transpose()
    }

    fn open(file: &Path) -> anyhow::Result<Self> {
        let reader = RwLock::new(Arc::new(read(file)?));
        Ok(Self { file: file.to_owned(), reader })
    }

    /// Reads the file again.
    ///
    /// # Errors
    /// The new file cannot be used; the old content stays in use.
    pub fn reload(&self) -> anyhow::Result<()> {
        let fresh = Arc::new(read(&self.file)?);
        *self.reader.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// The description in the file.
    pub fn description(&self) -> String {
        let reader = self.current();
        let about = reader.metadata();
        format!("{} of {} networks", about.database_type, about.node_count)
    }

    fn current(&self) -> Arc<Reader<Vec<u8>>> {
        Arc::clone(&self.reader.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Places for GeoDatabase {
    fn country(&self, address: IpAddr) -> Option<Country> {
        let reader = self.current();
        let found = reader.lookup(address).ok()?;
        let code: Option<&str> = found.decode_path(&path!["country", "iso_code"]).ok()?;
        code?.parse().ok()
    }
}

/// Reads a database whole, and looks one address up, so that a damaged file is noticed at once.
fn read(file: &Path) -> anyhow::Result<Reader<Vec<u8>>> {
    // The text of such an error contains that of its cause.
    let wrong =
        |error: MaxMindDbError| anyhow!("geo.database: {} cannot be used: {error}", file.display());
    let reader = Reader::open_readfile(file).map_err(wrong)?;
    let kind = &reader.metadata().database_type;
    ensure!(
        kind.contains("Country") || kind.contains("City"),
        "geo.database: {} is a database of {kind}, not of countries or cities",
        file.display()
    );
    reader.verify().map_err(wrong)?;
    Ok(reader)
}

#[cfg(test)]
mod tests {
    use countersign_testkit::mmdb;

    use super::*;

    fn database(folder: &Path, bytes: &[u8]) -> GeoSection {
        let file = folder.join("places.mmdb");
        std::fs::write(&file, bytes).unwrap();
        GeoSection { database: Some(file) }
    }

    fn countries(found: &GeoDatabase) -> [Option<String>; 3] {
        ["192.0.2.7", "198.51.100.1", "203.0.113.9"].map(|address| {
            found.country(address.parse().unwrap()).map(|country| country.to_string())
        })
    }

    #[test]
    fn the_country_of_an_address_is_found_and_a_new_file_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let first = mmdb::countries(&[("192.0.2.0", 24, "PT"), ("198.51.100.0", 24, "DE")]);
        let found = GeoDatabase::of(&database(folder.path(), &first)).unwrap().unwrap();
        assert_eq!(countries(&found), [Some("PT".into()), Some("DE".into()), None]);
        assert_eq!(found.country("2001:db8::1".parse().unwrap()), None);
        database(folder.path(), &mmdb::countries(&[("203.0.113.0", 24, "FR")]));
        found.reload().unwrap();
        assert_eq!(countries(&found), [None, None, Some("FR".into())]);
        database(folder.path(), b"nothing of the kind");
        assert!(found.reload().is_err());
        assert_eq!(countries(&found), [None, None, Some("FR".into())], "the old one stays");
    }

    #[test]
    fn a_missing_or_damaged_file_is_an_error_that_names_it() {
        assert!(GeoDatabase::of(&GeoSection::default()).unwrap().is_none());
        let folder = tempfile::tempdir().unwrap();
        let missing = GeoSection { database: Some(folder.path().join("places.mmdb")) };
        let whole = mmdb::countries(&[("192.0.2.0", 24, "PT")]);
        let damaged = database(folder.path(), &whole[..whole.len() - 40]);
        std::fs::write(folder.path().join("places.mmdb"), b"").unwrap();
        for section in [missing, damaged] {
            let error = GeoDatabase::of(&section).err().expect("an error");
            let text = format!("{error:#}");
            assert!(text.starts_with("geo.database: ") && text.contains("places.mmdb"), "{text}");
        }
    }
}
