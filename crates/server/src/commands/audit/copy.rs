//! Copies of the transparency log: folders of the files that a server serves.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use countersign_tlog::edge::GrownTiles;
use countersign_tlog::tile::{Content, hashes_of_bytes, unbundle};
use countersign_tlog::{
    Checkpoint, Edge, Hash, Note, TILE_WIDTH, TilePath, VerifierKey, check, tree,
};
use countersign_verify::Verify;

use super::files::{read, witnessed};
use crate::cli::CheckConsistency;

const CHECKPOINT: &str = "checkpoint";

/// Writes all files of the log into a folder.
pub(super) async fn export(
    verify: &Verify,
    key: &VerifierKey,
    folder: &Path,
) -> anyhow::Result<()> {
    let published = verify.log_checkpoint().await?.context("the log has no checkpoint yet")?;
    let size = published.checkpoint.size;
    if let Some(old) = old_checkpoint(folder, key)? {
        let proof = verify.log_consistency(old.size, size).await?;
        ensure!(
            check::consistency(old.size, old.root, size, published.checkpoint.root, &proof),
            "the log is not a continuation of the copy in {}: it was changed",
            folder.display()
        );
    }
    let mut missing = 0_u64;
    for path in paths(size) {
        let file = folder.join(path.to_string());
        if file.exists() {
            continue;
        }
        match verify.log_file(path).await? {
            Some(bytes) => write(&file, &bytes)?,
            None => missing += u64::from(path.width),
        }
    }
    write(&folder.join(CHECKPOINT), published.note.to_string().as_bytes())?;
    println!("{size} entries of {} are in {}", published.checkpoint.origin, folder.display());
    if missing > 0 {
        println!("The text of {missing} of them was pruned; their hashes are there.");
    }
    Ok(())
}

/// The files of a log of that size, but the checkpoint.
fn paths(size: u64) -> impl Iterator<Item = TilePath> {
    let contents = (0..8).map(Content::Hashes).chain([Content::Entries]);
    contents.flat_map(move |content| TilePath::of_level(content, size, 0))
}

fn old_checkpoint(folder: &Path, key: &VerifierKey) -> anyhow::Result<Option<Checkpoint>> {
    let file = folder.join(CHECKPOINT);
    if !file.exists() {
        return Ok(None);
    }
    let note = Note::parse(&read(&file)?)?;
    let old = Checkpoint::open(&note, key);
    old.map(Some).with_context(|| format!("{} is of another log", file.display()))
}

fn write(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let cannot = || format!("cannot write {}", file.display());
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).with_context(cannot)?;
    }
    std::fs::write(file, bytes).with_context(cannot)
}

/// Checks a copy: its signature, that its tiles make the root of its checkpoint, and that it continues an older checkpoint.
pub(super) fn check(flags: &CheckConsistency) -> anyhow::Result<()> {
    let folder = &flags.folder;
    let note = Note::parse(&read(&folder.join(CHECKPOINT))?).context(CHECKPOINT)?;
    let checkpoint = Checkpoint::open(&note, &flags.key).context(CHECKPOINT)?;
    witnessed(&note, &flags.witness)?;
    let size = checkpoint.size;
    let tiles = rebuilt(folder, size, checkpoint.root)?;
    println!("The copy is whole: {size} entries of {} make its signed root.", checkpoint.origin);
    let Some(since) = &flags.since else { return Ok(()) };
    let old = Note::parse(&read(since)?).and_then(|note| Checkpoint::open(&note, &flags.key));
    let old = old.with_context(|| since.display().to_string())?;
    ensure!(
        old.size <= size,
        "{} is newer than the copy: it has {} entries, the copy has {size}",
        since.display(),
        old.size
    );
    let proof = tree::Question::Consistency { old: old.size, size }.answer(&tiles)?;
    ensure!(
        check::consistency(old.size, old.root, size, checkpoint.root, &proof),
        "the log does not continue {}: its first {} entries were changed",
        since.display(),
        old.size
    );
    println!("It continues the checkpoint of {} entries.", old.size);
    Ok(())
}

/// Makes the tree anew from the tiles of leaves, and compares the entries that are there. Returns all tiles.
fn rebuilt(folder: &Path, size: u64, root: Hash) -> anyhow::Result<tree::Tiles> {
    let mut edge = Edge::default();
    let mut filled = GrownTiles::new();
    for path in TilePath::of_level(Content::Hashes(0), size, 0) {
        let leaves = hashes_of_bytes(&bytes_of(&folder.join(path.to_string()))?);
        let width = usize::from(path.width);
        ensure!(leaves.len() == width, "{path} has {} hashes", leaves.len());
        compare_entries(folder, path, &leaves)?;
        for leaf in leaves {
            edge.push(leaf, &mut filled);
        }
    }
    ensure!(edge.root() == root, "the tiles do not make the root of the checkpoint");
    Ok(edge.grown(filled).into_iter().collect())
}

/// Compares the entries of a bundle with their hashes, unless their text was pruned.
fn compare_entries(folder: &Path, leaves: TilePath, hashes: &[Hash]) -> anyhow::Result<()> {
    let path = TilePath { content: Content::Entries, ..leaves };
    let file: PathBuf = folder.join(path.to_string());
    if !file.exists() {
        return Ok(());
    }
    let entries = unbundle(&bytes_of(&file)?).with_context(|| format!("{path} is cut off"))?;
    let made: Vec<_> = entries.iter().map(|entry| Hash::of_leaf(entry)).collect();
    if made != hashes {
        let differs = made.iter().zip(hashes).position(|(made, hash)| made != hash);
        let index = leaves.number * TILE_WIDTH + differs.unwrap_or(made.len()) as u64;
        anyhow::bail!("entry {index} was changed");
    }
    Ok(())
}

fn bytes_of(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}
