//! The list of migrations, which both stores number and name alike.

use countersign_store::schema::Step;
use refinery::Migration;

/// Makes the migrations of their names and texts.
///
/// # Errors
/// A name is not of the form `V1__title`.
pub fn known(migrations: &[(&str, &str)]) -> Result<Vec<Migration>, refinery::Error> {
    migrations.iter().map(|(name, sql)| Migration::unapplied(name, sql)).collect()
}

/// The step that a migration is.
pub fn step(migration: &Migration) -> Step {
    Step {
        version: i64::from(migration.version()),
        name: migration.name().to_owned(),
        checksum: migration.checksum().to_string(),
    }
}

/// Whether a schema has all known migrations and others.
pub fn is_newer(applied: &[Step], known: &[Step]) -> bool {
    applied.len() > known.len() && applied.starts_with(known)
}
