//! Tells the code which commit it is built from: `COMMIT` is such as `007eeae, 2026-11-30`, `COMMIT_HASH` its first part. Both
//! may be empty.

use std::path::Path;
use std::process::Command;

/// Written by `git archive` into the sources that it packs; see `.gitattributes`.
const ARCHIVED: &str = include_str!("commit.txt");

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=commit.txt");
    let archived = ARCHIVED.trim();
    let commit =
        if archived.starts_with('$') { of_repository() } else { Some(archived.to_owned()) };
    let commit = commit.unwrap_or_default();
    println!("cargo:rustc-env=COMMIT={commit}");
    println!("cargo:rustc-env=COMMIT_HASH={}", commit.split(',').next().unwrap_or_default());
}

/// The commit of the working tree. Only for release builds: others would be built again after every commit.
fn of_repository() -> Option<String> {
    if std::env::var("PROFILE").as_deref() != Ok("release") {
        return None;
    }
    // Sources that lie in another project's repository are of none of its commits.
    let root = Path::new(&git(&["rev-parse", "--show-toplevel"])?).canonicalize().ok()?;
    if root != Path::new("../..").canonicalize().ok()? {
        return None;
    }
    for file in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--git-path", file])?;
        if Path::new(&path).exists() {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    git(&["log", "-1", "--abbrev=7", "--format=%h, %cs"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}
