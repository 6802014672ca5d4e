//! Profiles of `valgrind --tool=callgrind`.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// Functions that allocate: those of mimalloc, which Rust uses, and those of the C libraries.
const ALLOCATES: [&str; 9] = [
    "mi_malloc",
    "mi_malloc_aligned",
    "mi_zalloc",
    "mi_zalloc_aligned",
    "mi_realloc",
    "mi_realloc_aligned",
    "malloc",
    "calloc",
    "realloc",
];

/// The counts of one profile.
#[derive(Debug, PartialEq)]
pub(crate) struct Profile {
    pub(crate) instructions: f64,
    /// Calls of allocating functions by others than those.
    pub(crate) allocations: f64,
}

/// Controls a running profile.
pub(crate) fn control(arguments: &[&str], pid: u32) -> Result<()> {
    let output = Command::new("callgrind_control").args(arguments).arg(pid.to_string()).output();
    let output = output.context("callgrind_control")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let is_done = output.status.success() && said.contains("OK");
    ensure!(
        is_done,
        "callgrind_control {arguments:?}: {said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// Reads the dump in a folder, and removes it.
pub(crate) fn take_dump(folder: &Path) -> Result<Profile> {
    let mut dumps = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("callgrind.")) {
            dumps.push(path);
        }
    }
    ensure!(dumps.len() == 1, "one dump of callgrind was expected: {dumps:?}");
    let text = std::fs::read_to_string(&dumps[0])?;
    std::fs::remove_file(&dumps[0])?;
    parse(&text)
}

/// Parses a profile (Callgrind format, version 1). A name has a number in its file, and is written where it occurs first.
fn parse(text: &str) -> Result<Profile> {
    let mut names = HashMap::new();
    let (mut instructions, mut allocations) = (None, 0.0);
    let (mut caller, mut called) = ("", "");
    for line in text.lines() {
        if let Some(function) = line.strip_prefix("fn=") {
            caller = resolve(&mut names, function);
        } else if let Some(function) = line.strip_prefix("cfn=") {
            called = resolve(&mut names, function);
        } else if let Some(calls) = line.strip_prefix("calls=") {
            let count = calls.split(' ').next().and_then(|count| count.parse::<f64>().ok());
            let count = count.context("a count of calls")?;
            if ALLOCATES.contains(&called) && !is_of_allocator(caller) {
                allocations += count;
            }
        } else if let Some(total) = line.strip_prefix("totals:").or(line.strip_prefix("summary:")) {
            instructions = total.trim().parse::<f64>().ok();
        }
    }
    Ok(Profile { instructions: instructions.context("a profile without a total")?, allocations })
}

/// The name of a function: `(7) name` where it occurs first, `(7)` afterwards.
fn resolve<'a>(names: &mut HashMap<&'a str, &'a str>, text: &'a str) -> &'a str {
    match text.split_once(' ') {
        Some((number, name)) => {
            names.insert(number, name);
            name
        }
        None => names.get(text).copied().unwrap_or(""),
    }
}

/// Whether a caller is part of an allocator, whose calls of its own functions are no further allocations.
fn is_of_allocator(caller: &str) -> bool {
    ALLOCATES.contains(&caller) || caller.starts_with("mi_") || caller.starts_with("_mi_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allocations_are_calls_from_outside_the_allocator() {
        let text = "version: 1\nevents: Ir\n\nfn=(1) serve\n10 5\ncfn=(2) mi_malloc_aligned\ncalls=7 20\n11 70\n\n\
                    fn=(2)\n21 9\ncfn=(3) mi_malloc\ncalls=7 30\n22 63\n\nfn=(4) other\ncfn=(3)\ncalls=2 30\n1 1\n\
                    cfn=(1)\ncalls=4 10\n1 1\n\ntotals: 1234\n";
        assert_eq!(parse(text).unwrap(), Profile { instructions: 1234.0, allocations: 9.0 });
        assert!(parse("version: 1\n").is_err());
    }
}
