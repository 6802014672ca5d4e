//! Files that several commands about the transparency log read.

use std::path::Path;

use anyhow::{Context as _, ensure};
use countersign_tlog::{Note, VerifierKey, cosignature};

/// The error of a command that needs a log.
pub(super) const NO_LOG: &str =
    "there is no transparency log: set transparency.enabled to true, and restart the server";

/// The largest file that is read as text: more than any proof or entry.
const FILE_MAX: u64 = 1024 * 1024;

/// Reads a text file.
pub(super) fn read(path: &Path) -> anyhow::Result<String> {
    let cannot = || format!("cannot read {}", path.display());
    let size = std::fs::metadata(path).map(|found| found.len()).with_context(cannot)?;
    ensure!(size <= FILE_MAX, "{} is too large", path.display());
    std::fs::read_to_string(path).with_context(cannot)
}

/// Checks that witnesses have cosigned a checkpoint.
pub(super) fn witnessed(checkpoint: &Note, witnesses: &[VerifierKey]) -> anyhow::Result<()> {
    for key in witnesses {
        cosignature::verify(checkpoint, key).with_context(|| format!("witness {}", key.name))?;
    }
    Ok(())
}
