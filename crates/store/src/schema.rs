//! Which schema versions a server may work on.
//!
//! While one release replaces another, servers of both use one database. So a server works on a newer schema unless the schema
//! excludes it. Migrations first only add; a later migration removes what older servers need, and records in
//! `installation.serves_from` the oldest server version that can still use the schema.

use std::fmt;

/// The handling of a schema of another version by a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SchemaPolicy {
    /// Migrates an older schema; uses a newer one if it still serves this version. For servers.
    #[default]
    Serve,
    /// Migrates an older schema; rejects a newer one, whose extra columns would be left empty. For the target of a move.
    Import,
    /// Rejects both, since the database is read whole and left unchanged. For the source of a move.
    Export,
    /// Rejects an older schema; uses a newer one if it still serves this version. For commands that run beside servers.
    Attach,
}

impl SchemaPolicy {
    /// Whether a missing database is created.
    pub const fn creates(self) -> bool {
        matches!(self, Self::Serve | Self::Import)
    }
}

/// A migration, as the code defines it or as a database recorded it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The number, from 1.
    pub version: i64,
    /// The title.
    pub name: String,
    /// The checksum of its text.
    pub checksum: String,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "V{}__{}", self.version, self.name)
    }
}

/// Checks whether a schema can be used, and returns how many of the known migrations are applied; the others must be applied
/// next. `serves_from` is read from a schema with unknown migrations: the last migration that a server knows must be this one or a
/// later one.
///
/// # Errors
/// Why the schema cannot be used, in words for the operator.
pub fn check(
    schema_policy: SchemaPolicy,
    known: &[Step],
    applied: &[Step],
    serves_from: Option<i64>,
) -> Result<usize, String> {
    if let Some((applied, _)) = applied.iter().zip(known).find(|(applied, known)| applied != known)
    {
        return Err(format!(
            "the schema was changed, or made by something else: this version knows no migration {applied}"
        ));
    }
    let count = known.len();
    let last = known.last().map_or(0, |step| step.version);
    match (applied.get(count), schema_policy) {
        (None, SchemaPolicy::Export | SchemaPolicy::Attach) if applied.is_empty() && count > 0 => Err(
            "it is empty: no server has used it, and only `countersign serve` creates the schema"
                .to_owned(),
        ),
        (None, SchemaPolicy::Export | SchemaPolicy::Attach) if applied.len() < count => Err(format!(
            "the schema has {} of {count} migrations: start this version of the server on it first",
            applied.len()
        )),
        (None, _) => Ok(applied.len()),
        (Some(_), SchemaPolicy::Serve | SchemaPolicy::Attach)
            if serves_from.is_some_and(|first| first <= last) =>
        {
            Ok(count)
        }
        (Some(newer), SchemaPolicy::Serve | SchemaPolicy::Attach) => Err(format!(
            "the schema was made by a newer version, with {newer}, and does not serve this version"
        )),
        (Some(newer), SchemaPolicy::Import | SchemaPolicy::Export) => {
            Err(format!("the schema was made by a newer version, with {newer}: use that one"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(names: &[&str]) -> Vec<Step> {
        let step = |(version, name): (i64, &&str)| Step {
            version,
            name: (*name).to_owned(),
            checksum: name.len().to_string(),
        };
        (1..).zip(names).map(step).collect()
    }

    #[test]
    fn missing_migrations_are_applied_unless_the_database_is_only_read() {
        let known = steps(&["one", "two", "three"]);
        for schema_policy in [SchemaPolicy::Serve, SchemaPolicy::Import] {
            assert_eq!(check(schema_policy, &known, &[], None), Ok(0));
            assert_eq!(check(schema_policy, &known, &known[..2], None), Ok(2));
        }
        for schema_policy in [SchemaPolicy::Export, SchemaPolicy::Attach] {
            let why = check(schema_policy, &known, &known[..2], None).unwrap_err();
            assert!(why.contains("has 2 of 3 migrations"), "{why}");
            let why = check(schema_policy, &known, &[], None).unwrap_err();
            assert!(why.contains("only `countersign serve`"), "{why}");
            assert_eq!(check(schema_policy, &known, &known, None), Ok(3));
        }
    }

    #[test]
    fn a_newer_schema_is_used_as_long_as_it_serves_this_version() {
        let newer = steps(&["one", "two", "three", "four"]);
        let known = &newer[..2];
        for serves_from in [1, 2] {
            for schema_policy in [SchemaPolicy::Serve, SchemaPolicy::Attach] {
                assert_eq!(check(schema_policy, known, &newer, Some(serves_from)), Ok(2));
            }
        }
        for serves_from in [Some(3), None] {
            let why = check(SchemaPolicy::Serve, known, &newer, serves_from).unwrap_err();
            assert!(why.contains("V3__three") && why.contains("does not serve"), "{why}");
        }
        for schema_policy in [SchemaPolicy::Import, SchemaPolicy::Export] {
            let why = check(schema_policy, known, &newer, Some(1)).unwrap_err();
            assert!(why.contains("newer version, with V3__three"), "{why}");
        }
    }

    #[test]
    fn a_schema_with_other_migrations_is_rejected_by_every_program() {
        let known = steps(&["one", "two"]);
        for schema_policy in
            [SchemaPolicy::Serve, SchemaPolicy::Import, SchemaPolicy::Export, SchemaPolicy::Attach]
        {
            for applied in [steps(&["one", "other"]), steps(&["one", "other", "three"])] {
                let why = check(schema_policy, &known, &applied, Some(1)).unwrap_err();
                assert!(why.contains("knows no migration V2__other"), "{why}");
            }
        }
    }
}
