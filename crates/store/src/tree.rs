//! Reads the tree of the transparency log from a database.

use countersign_tlog::tile::{Content, hashes_of_bytes};
use countersign_tlog::tree::{Question, Tiles, TreeError};
use countersign_tlog::{Edge, Hash};

use crate::error::{StoreError, StoreResult};
use crate::seam::Transparency;

fn corrupt(error: &TreeError) -> StoreError {
    StoreError::Corrupt(format!("tlog_tiles: {error}"))
}

/// Reads the right edge of the tree of that size.
///
/// # Errors
/// The database failed, or a tile is missing.
pub async fn edge<S: Transparency + Sync + ?Sized>(store: &S, size: u64) -> StoreResult<Edge> {
    let mut tiles = Vec::new();
    for (level, number, width) in Edge::tiles_of(size) {
        let bytes = if width == 0 { None } else { store.log_tile(level, number).await? };
        tiles.push(hashes_of_bytes(&bytes.unwrap_or_default()));
    }
    Edge::of(size, tiles).ok_or_else(|| corrupt(&TreeError::NoTile("right edge".to_owned())))
}

/// Answers a question about the tree, which must be within its size.
///
/// # Errors
/// The database failed, or a tile is missing.
pub async fn answer<S: Transparency + Sync + ?Sized>(
    store: &S,
    question: Question,
) -> StoreResult<Vec<Hash>> {
    let mut tiles = Tiles::new();
    for path in question.tiles().map_err(|error| corrupt(&error))? {
        let Content::Hashes(level) = path.content else { continue };
        let bytes = store.log_tile(level, path.number).await?.unwrap_or_default();
        tiles.insert((level, path.number), hashes_of_bytes(&bytes));
    }
    question.answer(&tiles).map_err(|error| corrupt(&error))
}
