//! The right edge of a tree: all that is needed to append to it.

use std::collections::BTreeMap;

use crate::hash::{Hash, root_over};
use crate::tile::TILE_WIDTH;

/// The right edge: the last, partial tile of each level.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Edge {
    size: u64,
    tiles: Vec<Vec<Hash>>,
}

/// Tiles by level and number, each with all of its hashes.
pub type GrownTiles = BTreeMap<(u8, u64), Vec<Hash>>;

impl Edge {
    /// The partial tiles of a tree of that size, by level and number: what [`of`](Self::of) takes, in this order.
    pub fn tiles_of(size: u64) -> Vec<(u8, u64, usize)> {
        let levels = (0..8_u8).map(|level| (level, size >> (8 * u32::from(level))));
        let levels = levels.take_while(|(_, width)| *width > 0);
        levels
            .map(|(level, width)| (level, width / TILE_WIDTH, (width % TILE_WIDTH) as usize))
            .collect()
    }

    /// The edge of a tree of that size. `None` if the tiles are not those that [`tiles_of`](Self::tiles_of) names; longer ones are
    /// cut.
    pub fn of(size: u64, tiles: Vec<Vec<Hash>>) -> Option<Self> {
        let named = Self::tiles_of(size);
        if named.len() != tiles.len() {
            return None;
        }
        let cut = |(mut tile, (.., width)): (Vec<Hash>, (u8, u64, usize))| {
            let is_long_enough = tile.len() >= width;
            tile.truncate(width);
            is_long_enough.then_some(tile)
        };
        let tiles = tiles.into_iter().zip(named).map(cut).collect::<Option<_>>()?;
        Some(Self { size, tiles })
    }

    /// How many entries the tree has.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Appends the hash of an entry. Notes the tiles that it fills.
    pub fn push(&mut self, leaf: Hash, filled: &mut GrownTiles) {
        let (mut hash, mut number) = (leaf, self.size);
        self.size += 1;
        for level in 0..u8::MAX {
            let at = usize::from(level);
            if self.tiles.len() == at {
                self.tiles.push(Vec::new());
            }
            let tile = &mut self.tiles[at];
            tile.push(hash);
            if (tile.len() as u64) < TILE_WIDTH {
                return;
            }
            hash = root_over(tile);
            number /= TILE_WIDTH;
            filled.insert((level, number), std::mem::take(tile));
        }
    }

    /// The tiles that grew since none was filled but these: these, and the partial ones that grew.
    #[must_use]
    pub fn grown(&self, mut filled: GrownTiles) -> GrownTiles {
        for ((level, number, _), tile) in Self::tiles_of(self.size).into_iter().zip(&self.tiles) {
            let below = level.checked_sub(1);
            let has_grown = below.is_none_or(|below| filled.keys().any(|(full, _)| *full == below));
            if !tile.is_empty() && has_grown {
                filled.insert((level, number), tile.clone());
            }
        }
        filled
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        let mut below: Option<Hash> = None;
        for tile in &self.tiles {
            let hashes: Vec<_> = tile.iter().copied().chain(below).collect();
            below = if hashes.is_empty() { None } else { Some(root_over(&hashes)) };
        }
        below.unwrap_or_else(Hash::empty)
    }
}
