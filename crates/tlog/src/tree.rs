//! Roots and proofs, from the tiles of a tree.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use crate::hash::{Hash, root_over, split};
use crate::tile::{Content, FULL, TILE_WIDTH, TilePath};

/// Why a proof cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// A tile is missing or too short.
    #[error("the log has no {0}")]
    NoTile(String),
    /// There is no such entry, or no such tree.
    #[error("the log has {0} entries")]
    OutOfBounds(u64),
}

/// The tiles of hashes that were read, by level and number.
pub type Tiles = HashMap<(u8, u64), Vec<Hash>>;

/// A question about a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// The root of a tree of that size.
    Root(u64),
    /// The proof that the entry at `index` is in the tree of `size` entries.
    Inclusion {
        /// The index of the entry.
        index: u64,
        /// The size of the tree.
        size: u64,
    },
    /// The proof that the tree of `size` entries begins with the tree of `old` entries.
    Consistency {
        /// The size of the old tree.
        old: u64,
        /// The size of the tree.
        size: u64,
    },
}

/// The leaves from the first up to but without the second. Never empty.
type Span = (u64, u64);

impl Question {
    /// The tiles that an answer needs. A tile that is longer than its path says does as well.
    ///
    /// # Errors
    /// [`TreeError::OutOfBounds`].
    pub fn tiles(self) -> Result<Vec<TilePath>, TreeError> {
        let needed = RefCell::new(BTreeSet::new());
        let note = |level, number, width: usize| {
            needed.borrow_mut().insert((level, number, width));
            Ok(vec![Hash([0; Hash::BYTES]); width])
        };
        self.hashes(&note)?;
        let mut widest = HashMap::new();
        for (level, number, width) in needed.into_inner() {
            let most = widest.entry((level, number)).or_insert(0);
            *most = width.max(*most);
        }
        let path = |((level, number), width): ((u8, u64), usize)| TilePath {
            content: Content::Hashes(level),
            number,
            width: u16::try_from(width).unwrap_or(FULL),
        };
        Ok(widest.into_iter().map(path).collect())
    }

    /// Answers from tiles: the root alone, or the hashes of the proof.
    ///
    /// # Errors
    /// See [`TreeError`].
    pub fn answer(self, tiles: &Tiles) -> Result<Vec<Hash>, TreeError> {
        self.hashes(&|level, number, width| {
            let found = tiles.get(&(level, number)).and_then(|tile| tile.get(..width));
            found.map(<[Hash]>::to_vec).ok_or_else(|| {
                let content = Content::Hashes(level);
                let width = u16::try_from(width).unwrap_or(FULL);
                TreeError::NoTile(TilePath { content, number, width }.to_string())
            })
        })
    }

    fn hashes(self, read: &Read<'_>) -> Result<Vec<Hash>, TreeError> {
        let spans = match self {
            Self::Root(0) => return Ok(vec![Hash::empty()]),
            Self::Root(size) => vec![(0, size)],
            Self::Inclusion { index, size } if index < size => inclusion(index, size),
            Self::Consistency { old, size } if old <= size => consistency(old, size),
            Self::Inclusion { size, .. } | Self::Consistency { size, .. } => {
                return Err(TreeError::OutOfBounds(size));
            }
        };
        spans.into_iter().map(|span| subtree(span, read)).collect()
    }
}

/// Reads the first hashes of a tile, given by level, number and how many.
type Read<'a> = dyn Fn(u8, u64, usize) -> Result<Vec<Hash>, TreeError> + 'a;

/// The siblings on the way from an entry to the root (RFC 6962 §2.1.1).
fn inclusion(index: u64, size: u64) -> Vec<Span> {
    let (mut begin, mut end, mut spans) = (0, size, Vec::new());
    while end - begin > 1 {
        let middle = begin + split(end - begin);
        if index < middle {
            spans.push((middle, end));
            end = middle;
        } else {
            spans.push((begin, middle));
            begin = middle;
        }
    }
    spans.reverse();
    spans
}

/// RFC 6962 §2.1.2. Empty if one of the trees is empty, or both are the same.
fn consistency(old: u64, size: u64) -> Vec<Span> {
    if old == 0 || old == size {
        return Vec::new();
    }
    let (mut begin, mut end, mut spans, mut is_whole) = (0, size, Vec::new(), true);
    while old != end {
        let middle = begin + split(end - begin);
        if old <= middle {
            spans.push((middle, end));
            end = middle;
        } else {
            spans.push((begin, middle));
            begin = middle;
            is_whole = false;
        }
    }
    if !is_whole {
        spans.push((begin, end));
    }
    spans.reverse();
    spans
}

/// The hash of the subtree of a span, which begins where such a subtree may begin.
fn subtree((begin, end): Span, read: &Read<'_>) -> Result<Hash, TreeError> {
    let size = end - begin;
    if size.is_power_of_two() {
        let height = size.trailing_zeros();
        let level = u8::try_from(height / 8).unwrap_or(u8::MAX);
        let first = begin >> (8 * u32::from(level));
        let count = ((size >> (8 * u32::from(level))) % TILE_WIDTH) as usize;
        let within = (first % TILE_WIDTH) as usize;
        let hashes = read(level, first / TILE_WIDTH, within + count)?;
        return Ok(root_over(&hashes[within..]));
    }
    let middle = begin + split(size);
    Ok(Hash::of_node(subtree((begin, middle), read)?, subtree((middle, end), read)?))
}
