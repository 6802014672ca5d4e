//! The checksums of a database's pages: the last eight bytes of each, if its header reserves exactly so many. They are those of the
//! extension `cksumvfs` of SQLite, so that its programs can check a file too.

use crate::checksum::{Order, Sum};

/// The bytes that are reserved at the end of each page.
pub(crate) const RESERVED: usize = 8;

/// The pages of an open database.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    /// The length of a page; 0 until a header was seen that reserves room for checksums.
    size: usize,
    /// A bit for each page that was right when it was first found in the memory map.
    right: Vec<u64>,
}

/// A page whose checksum is wrong, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WrongPage(pub(crate) u64);

impl Pages {
    /// Looks for the header of the database in what was read or is written.
    pub(crate) fn learn(&mut self, bytes: &[u8], at: u64) {
        if at != 0 || bytes.len() < 100 || !bytes.starts_with(b"SQLite format 3\0") {
            return;
        }
        let size = match u16::from_be_bytes([bytes[16], bytes[17]]) {
            1 => 65_536,
            size => usize::from(size),
        };
        let has_checksums = usize::from(bytes[20]) == RESERVED;
        self.size = if has_checksums && size.is_power_of_two() { size } else { 0 };
    }

    /// The number of the page that so many bytes at an offset are, counted from 1.
    fn page(&self, length: usize, at: u64) -> Option<u64> {
        let size = u64::try_from(self.size).ok().filter(|size| *size >= 512)?;
        (length == self.size && at.is_multiple_of(size)).then(|| at / size + 1)
    }

    /// Checks a page that was read.
    pub(crate) fn check(&self, bytes: &[u8], at: u64) -> Result<(), WrongPage> {
        match self.page(bytes.len(), at) {
            Some(page) if !is_right(bytes) => Err(WrongPage(page)),
            _ => Ok(()),
        }
    }

    /// Checks a page in the memory map, the first time it is found there. Later changes come through [`seal`](Self::seal).
    pub(crate) fn check_once(&mut self, bytes: &[u8], at: u64) -> Result<(), WrongPage> {
        let Some(page) = self.page(bytes.len(), at) else { return Ok(()) };
        let (word, bit) = (usize::try_from(page / 64).unwrap_or(usize::MAX), 1 << (page % 64));
        if self.right.get(word).is_some_and(|bits| bits & bit != 0) {
            return Ok(());
        }
        if !is_right(bytes) {
            return Err(WrongPage(page));
        }
        if self.right.len() <= word {
            self.right.resize(word + 1, 0);
        }
        self.right[word] |= bit;
        Ok(())
    }

    /// Whether a write of so many bytes is that of a page that gets a checksum.
    pub(crate) fn is_page(&self, length: usize, at: u64) -> bool {
        self.page(length, at).is_some()
    }
}

/// Gives a page its checksum.
pub(crate) fn seal(page: &mut [u8]) {
    let Some((content, end)) = page.split_last_chunk_mut::<RESERVED>() else { return };
    *end = sum(content);
}

fn is_right(page: &[u8]) -> bool {
    page.split_last_chunk::<RESERVED>().is_some_and(|(content, end)| *end == sum(content))
}

fn sum(content: &[u8]) -> [u8; RESERVED] {
    let Sum(one, two) = Order::Little.add(Sum::default(), content);
    let mut bytes = [0; RESERVED];
    bytes[..4].copy_from_slice(&one.to_le_bytes());
    bytes[4..].copy_from_slice(&two.to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(reserved: u8) -> Vec<u8> {
        let mut page = vec![7; 4_096];
        page[..16].copy_from_slice(b"SQLite format 3\0");
        page[16..18].copy_from_slice(&4_096_u16.to_be_bytes());
        page[20] = reserved;
        seal(&mut page);
        page
    }

    #[test]
    fn a_page_is_checked_once_it_is_known_that_pages_have_checksums() {
        let mut pages = Pages::default();
        let mut page = vec![1; 4_096];
        assert_eq!(pages.check(&page, 4_096), Ok(()), "nothing is known yet");
        pages.learn(&header(0), 0);
        assert_eq!(pages.check(&page, 4_096), Ok(()), "they have none");
        pages.learn(&header(8), 0);
        assert_eq!(pages.check(&page, 4_096), Err(WrongPage(2)));
        seal(&mut page);
        assert_eq!(pages.check(&page, 4_096), Ok(()));
        assert_eq!(pages.check(&page[..16], 24), Ok(()), "no page");
        assert_eq!(pages.check(&vec![0; 4_096], 8_192), Ok(()), "a page that was never written");
    }

    #[test]
    fn every_single_bit_of_a_page_matters() {
        let page = header(8);
        for bit in 0..page.len() * 8 {
            let mut wrong = page.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(!is_right(&wrong), "bit {bit}");
        }
    }

    #[test]
    fn a_page_in_the_memory_map_is_checked_once() {
        let mut pages = Pages::default();
        pages.learn(&header(8), 0);
        let mut page = vec![1; 4_096];
        assert_eq!(pages.check_once(&page, 4_096 * 200), Err(WrongPage(201)));
        seal(&mut page);
        assert_eq!(pages.check_once(&page, 4_096 * 200), Ok(()));
        page[9] = 9;
        assert_eq!(pages.check_once(&page, 4_096 * 200), Ok(()));
        assert_eq!(pages.check_once(&page, 4_096 * 199), Err(WrongPage(200)));
    }
}
