//! A log in memory.

use countersign_tlog::edge::GrownTiles;
use countersign_tlog::tree::{Question, Tiles};
use countersign_tlog::{Edge, Hash};

/// A log that keeps every tile.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) edge: Edge,
    pub(crate) tiles: Tiles,
}

impl Log {
    /// A log of entries.
    pub(crate) fn of<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut log = Self::default();
        entries.into_iter().for_each(|entry| log.push(entry));
        log
    }

    pub(crate) fn push(&mut self, entry: &[u8]) {
        let mut filled = GrownTiles::new();
        self.edge.push(Hash::of_leaf(entry), &mut filled);
        self.tiles.extend(self.edge.grown(filled));
    }

    /// Answers a question from the tiles that it names, and from nothing else.
    pub(crate) fn answer(&self, question: Question) -> Vec<Hash> {
        let needed = question.tiles().unwrap();
        let tile = |path: &countersign_tlog::TilePath| {
            let countersign_tlog::tile::Content::Hashes(level) = path.content else { panic!() };
            let hashes = &self.tiles[&(level, path.number)];
            ((level, path.number), hashes[..usize::from(path.width)].to_vec())
        };
        question.answer(&needed.iter().map(tile).collect()).unwrap()
    }
}
