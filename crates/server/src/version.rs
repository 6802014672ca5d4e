//! The version of this binary.

/// The version, and the commit where it is known: `0.1.0 (007eeae, 2026-11-30)`. The commit is unknown in development builds,
/// and in builds from sources that neither lie in a Git repository nor were packed by `git archive`.
pub const VERSION: &str = if COMMIT_HASH.is_empty() {
    env!("CARGO_PKG_VERSION")
} else {
    concat!(env!("CARGO_PKG_VERSION"), " (", env!("COMMIT"), ")")
};

/// The abbreviated hash of the commit; empty if it is unknown.
pub const COMMIT_HASH: &str = env!("COMMIT_HASH");
