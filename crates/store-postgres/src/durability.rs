//! The settings of PostgreSQL that decide whether what it has acknowledged survives.

use countersign_store::error::StoreResult;

use crate::PostgresStore;
use crate::cells::Cells;
use crate::statement::all;

/// As an administrator has set them. That of `synchronous_commit` is the default of new sessions: this server's own transactions
/// set it to `on`.
const SETTINGS: &str = "SELECT name, reset_val FROM pg_settings WHERE name IN \
                        ('fsync', 'full_page_writes', 'synchronous_commit', 'data_checksums')";

/// What PostgreSQL does for durability, each as PostgreSQL writes it: `on`, `off` or another word.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Durability {
    /// Whether commits are written through to the disk.
    pub fsync: String,
    /// Whether a page that was half written can be restored.
    pub full_page_writes: String,
    /// Whether a commit waits for the disk, by default.
    pub synchronous_commit: String,
    /// Whether a damaged page is noticed.
    pub data_checksums: String,
}

impl PostgresStore {
    /// Reads the settings that decide whether what is stored survives.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn durability(&self) -> StoreResult<Durability> {
        let session = self.session().await?;
        let settings: Vec<(String, String)> = all(&session, SETTINGS, &[], |row| {
            let mut cells = Cells::of(row, "pg_settings");
            Ok((cells.take()?, cells.take()?))
        })
        .await?;
        let of = |name: &str| {
            let found = settings.iter().find(|(setting, _)| setting == name);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        Ok(Durability {
            fsync: of("fsync"),
            full_page_writes: of("full_page_writes"),
            synchronous_commit: of("synchronous_commit"),
            data_checksums: of("data_checksums"),
        })
    }
}
