//! Which schema a server may work on. While one release replaces another, servers of both use one database, so a schema that
//! is newer than a server is no reason to refuse it, unless the schema says so. Hence migrations only add at first; one that
//! takes away what an older server needs comes later, and says in `installation.serves_from` which servers it still serves.

use std::fmt;

/// What is done about a schema of another version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fitting {
    /// An older one is brought up to date; a newer one is used if it still serves this version.
    #[default]
    Serve,
    /// An older one is brought up to date; a newer one is refused, since what it has more would stay empty.
    Fill,
    /// Both are refused: it is to be read whole, and left as it is.
    Read,
    /// An older one is refused, and a newer one is used if it still serves this version: for commands beside servers.
    Beside,
}

impl Fitting {
    /// Whether a database is made where there is none.
    pub const fn makes(self) -> bool {
        matches!(self, Self::Serve | Self::Fill)
    }
}

/// A migration, as the code knows it or a database remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// From 1.
    pub version: i64,
    /// Its title.
    pub name: String,
    /// Of its text.
    pub checksum: String,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "V{}__{}", self.version, self.name)
    }
}

/// How many of the known steps are applied already; the others are to be. `serves_from` is what a schema with more steps than
/// are known says: the last step that a server knows must be this one or a later one.
///
/// # Errors
/// Why the schema is not to be used, for a person.
pub fn judge(
    fitting: Fitting,
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
    match (applied.get(count), fitting) {
        (None, Fitting::Read | Fitting::Beside) if applied.is_empty() && count > 0 => Err(
            "it is empty: no server has used it, and only `countersign serve` makes what belongs there"
                .to_owned(),
        ),
        (None, Fitting::Read | Fitting::Beside) if applied.len() < count => Err(format!(
            "the schema has {} of {count} migrations: start this version of the server on it first",
            applied.len()
        )),
        (None, _) => Ok(applied.len()),
        (Some(_), Fitting::Serve | Fitting::Beside)
            if serves_from.is_some_and(|first| first <= last) =>
        {
            Ok(count)
        }
        (Some(newer), Fitting::Serve | Fitting::Beside) => Err(format!(
            "the schema was made by a newer version, with {newer}, and does not serve this one any more"
        )),
        (Some(newer), Fitting::Fill | Fitting::Read) => {
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
    fn what_is_missing_is_applied_unless_it_is_only_read() {
        let known = steps(&["one", "two", "three"]);
        for fitting in [Fitting::Serve, Fitting::Fill] {
            assert_eq!(judge(fitting, &known, &[], None), Ok(0));
            assert_eq!(judge(fitting, &known, &known[..2], None), Ok(2));
        }
        for fitting in [Fitting::Read, Fitting::Beside] {
            let why = judge(fitting, &known, &known[..2], None).unwrap_err();
            assert!(why.contains("has 2 of 3 migrations"), "{why}");
            let why = judge(fitting, &known, &[], None).unwrap_err();
            assert!(why.contains("only `countersign serve`"), "{why}");
            assert_eq!(judge(fitting, &known, &known, None), Ok(3));
        }
    }

    #[test]
    fn a_newer_schema_is_used_as_long_as_it_serves_this_version() {
        let newer = steps(&["one", "two", "three", "four"]);
        let known = &newer[..2];
        for serves_from in [1, 2] {
            for fitting in [Fitting::Serve, Fitting::Beside] {
                assert_eq!(judge(fitting, known, &newer, Some(serves_from)), Ok(2));
            }
        }
        for serves_from in [Some(3), None] {
            let why = judge(Fitting::Serve, known, &newer, serves_from).unwrap_err();
            assert!(why.contains("V3__three") && why.contains("does not serve"), "{why}");
        }
        for fitting in [Fitting::Fill, Fitting::Read] {
            let why = judge(fitting, known, &newer, Some(1)).unwrap_err();
            assert!(why.contains("newer version, with V3__three"), "{why}");
        }
    }

    #[test]
    fn another_schema_is_refused_whoever_asks() {
        let known = steps(&["one", "two"]);
        for fitting in [Fitting::Serve, Fitting::Fill, Fitting::Read, Fitting::Beside] {
            for applied in [steps(&["one", "other"]), steps(&["one", "other", "three"])] {
                let why = judge(fitting, &known, &applied, Some(1)).unwrap_err();
                assert!(why.contains("knows no migration V2__other"), "{why}");
            }
        }
    }
}
