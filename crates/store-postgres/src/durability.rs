//! The settings of PostgreSQL that decide whether acknowledged commits survive.

use countersign_store::error::StoreResult;

use crate::cells::cells_of;
use crate::statement::all;
use crate::store::PostgresStore;

/// The settings of the server. That of `synchronous_commit` is the default of new sessions: this server's own transactions set it to
/// `on`.
const SETTINGS: &str = "SELECT name, reset_val FROM pg_settings WHERE name IN \
                        ('fsync', 'full_page_writes', 'synchronous_commit', 'data_checksums')";

/// The durability settings of PostgreSQL, as PostgreSQL writes them: `on`, `off` or another word.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Durability {
    /// Whether commits are synced to the disk.
    pub fsync: String,
    /// Whether a partially written page can be restored.
    pub full_page_writes: String,
    /// Whether a commit waits for the disk, by default.
    pub synchronous_commit: String,
    /// Whether a damaged page is detected.
    pub data_checksums: String,
}

impl PostgresStore {
    /// Reads the durability settings.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn durability(&self) -> StoreResult<Durability> {
        let session = self.session().await?;
        let settings: Vec<(String, String)> = all(&session, SETTINGS, &[], |row| {
            let mut cells = cells_of(row, "pg_settings");
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
