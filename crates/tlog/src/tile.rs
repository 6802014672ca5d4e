//! The files of a log: their names and contents (c2sp.org/tlog-tiles).

use std::fmt;

use crate::hash::Hash;

/// Hashes in a full tile, and entries in a full bundle.
pub const TILE_WIDTH: u64 = FULL as u64;
/// The same, as the width of a path.
pub(crate) const FULL: u16 = 256;
/// The largest entry: its length is written in two bytes.
pub const ENTRY_BYTES_MAX: usize = u16::MAX as usize;
/// Levels that a tree of 2^64 entries has.
const LEVELS: u8 = 8;

/// The content of a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Content {
    /// Entries.
    Entries,
    /// Hashes of this level: of entries at level 0, of full tiles of the level below above that.
    Hashes(u8),
}

/// The name of a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TilePath {
    /// Its content.
    pub content: Content,
    /// Its number within its level.
    pub number: u64,
    /// How many hashes or entries it holds: 1 to 256.
    pub width: u16,
}

impl TilePath {
    /// Reads the path behind the log's prefix, such as `tile/0/x001/x234/067.p/8`. `None` if it is not written exactly so.
    pub fn parse(path: &str) -> Option<Self> {
        let (level, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let content = match level {
            "entries" => Content::Entries,
            level => Content::Hashes(level.parse().ok().filter(|level| *level < LEVELS)?),
        };
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, width.parse().ok()?),
            None => (rest, FULL),
        };
        let digits: String = number.split('/').map(|group| group.trim_start_matches('x')).collect();
        let found = Self { content, number: digits.parse().ok()?, width };
        // The only spelling is ours: no leading zeros, no sign, no width of 0 or of a full tile.
        let is_width = (1..=FULL).contains(&width);
        (is_width && found.to_string() == path).then_some(found)
    }

    /// The tiles of a level that a tree of that size has, beginning with tile `from`: full ones, then the partial one if there is one.
    pub fn of_level(content: Content, size: u64, from: u64) -> impl Iterator<Item = Self> {
        let level = match content {
            Content::Entries => 0,
            Content::Hashes(level) => level,
        };
        let width = size.checked_shr(8 * u32::from(level)).unwrap_or(0);
        let full =
            (from..width / TILE_WIDTH).map(move |number| Self { content, number, width: FULL });
        let rest = (width % TILE_WIDTH) as u16;
        let partial = Self { content, number: width / TILE_WIDTH, width: rest };
        full.chain((rest > 0 && partial.number >= from).then_some(partial))
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tile/")?;
        match self.content {
            Content::Entries => f.write_str("entries")?,
            Content::Hashes(level) => write!(f, "{level}")?,
        }
        let digits = self.number.to_string();
        let groups = digits.len().div_ceil(3);
        let padded = format!("{digits:0>width$}", width = groups * 3);
        for group in 0..groups {
            let mark = if group + 1 < groups { "x" } else { "" };
            write!(f, "/{mark}{}", &padded[group * 3..group * 3 + 3])?;
        }
        match u64::from(self.width) {
            TILE_WIDTH => Ok(()),
            width => write!(f, ".p/{width}"),
        }
    }
}

/// The bytes of a tile of hashes.
pub fn hashes_to_bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// The hashes of a tile's bytes; what is left over is dropped.
pub fn hashes_of_bytes(bytes: &[u8]) -> Vec<Hash> {
    let (hashes, _) = bytes.as_chunks::<{ Hash::BYTES }>();
    hashes.iter().map(|hash| Hash(*hash)).collect()
}

/// The bytes of a bundle of entries, each of which has at most [`ENTRY_BYTES_MAX`] bytes; more are cut off.
pub fn bundle<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        let entry = &entry[..entry.len().min(ENTRY_BYTES_MAX)];
        let length = u16::try_from(entry.len()).unwrap_or(u16::MAX);
        bytes.extend(length.to_be_bytes());
        bytes.extend(entry);
    }
    bytes
}

/// The entries of a bundle; `None` if one is cut off.
pub fn unbundle(mut bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut entries = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        entries.push(entry.to_vec());
        bytes = rest;
    }
    bytes.is_empty().then_some(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_spelling() {
        let path = "tile/1/x001/x234/067.p/8";
        let tile = TilePath::parse(path).unwrap();
        assert_eq!((tile.content, tile.number, tile.width), (Content::Hashes(1), 1_234_067, 8));
        assert_eq!(tile.to_string(), path);
        for wrong in [
            "tile/0/0",
            "tile/0/x000/001",
            "tile/0/001.p/0",
            "tile/0/001.p/256",
            "tile/0/001.p/08",
            "tile/0/+01",
            "tile/8/000",
            "tile/00/000",
            "tile/0/1000",
            "tile/0/xx01/000",
            "tile/0/",
            "tile/0",
            "tile//000",
            "/tile/0/000",
            "tile/entries/x18/446/744/073/709/551/616",
        ] {
            assert_eq!(TilePath::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_bundle_gives_its_entries_back_and_a_cut_one_nothing() {
        let entries = [b"one".to_vec(), Vec::new(), vec![7; 300]];
        let bytes = bundle(entries.iter().map(Vec::as_slice));
        assert_eq!(unbundle(&bytes).unwrap(), entries);
        assert_eq!(unbundle(&bytes[..bytes.len() - 1]), None);
    }

    #[test]
    fn a_level_has_full_tiles_and_a_partial_one() {
        let names = |content, size| -> Vec<_> {
            TilePath::of_level(content, size, 0).map(|tile| tile.to_string()).collect()
        };
        assert_eq!(names(Content::Hashes(0), 257), ["tile/0/000", "tile/0/001.p/1"]);
        assert_eq!(names(Content::Hashes(1), 257), ["tile/1/000.p/1"]);
        assert_eq!(names(Content::Entries, 256), ["tile/entries/000"]);
        assert!(names(Content::Hashes(2), 257).is_empty());
    }
}
