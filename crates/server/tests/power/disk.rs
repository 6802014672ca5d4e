//! A model of a disk: the pages in the memory of the kernel, and those that were written.
//!
//! The kernel keeps each file in pages. A write changes pages in memory; a sync writes the changed ones; a sync that fails leaves them
//! as they are in memory, and takes them for written. When the power goes, the disk has what was synced, and of the pages
//! changed since, in any version, any of their sectors. A file is found if its name was there when its folder was last synced.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use crate::record::Record;

const PAGE: usize = 4_096;
const SECTOR: usize = 512;

/// Which of the writes without a sync the disk has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Nothing: neither bytes nor names.
    Nothing,
    /// Each page or not, some of them in part; each name or not.
    Some,
    /// Everything, as after `kill -9`.
    All,
}

#[derive(Default)]
pub struct Disk {
    files: HashMap<u64, File>,
    /// The names that files were opened by.
    opened: BTreeMap<PathBuf, u64>,
    /// The names of a folder when it was last synced.
    synced: BTreeMap<PathBuf, BTreeMap<String, u64>>,
    /// Whether a write of the bytes that are there is taken for none, as if the server had not made it.
    skips_same: bool,
}

#[derive(Default)]
struct File {
    /// The file as programs read it.
    memory: Vec<u8>,
    /// The file as it is after a power loss without luck.
    disk: Vec<u8>,
    /// The changes since then, in order.
    changes: Vec<(u64, Change)>,
    last: u64,
    /// The last change when a thread began its sync.
    syncing: HashMap<u32, u64>,
}

enum Change {
    Page { at: usize, bytes: Vec<u8> },
    Length(usize),
}

impl Disk {
    /// A disk for a control: a write of the bytes that are there already is taken for none.
    pub fn that_skips_same() -> Self {
        Self { skips_same: true, ..Self::default() }
    }

    /// Takes note of a call.
    pub fn note(&mut self, record: Record<'_>) {
        match record {
            Record::Opened { inode, length, path } => {
                // An inode is used again after its file was deleted.
                if length == 0 {
                    self.files.insert(inode, File::default());
                    self.opened.retain(|_, named| *named != inode);
                }
                self.opened.insert(path, inode);
            }
            Record::Written { inode, offset, bytes } => {
                let skips_same = self.skips_same;
                let file = self.file(inode);
                let there = file.memory.get(offset..offset + bytes.len());
                if !skips_same || there != Some(bytes) {
                    file.write(offset, bytes);
                }
            }
            Record::Cut { inode, length } => self.file(inode).cut(length),
            Record::SyncBegins { inode, thread } => {
                let file = self.file(inode);
                file.syncing.insert(thread, file.last);
            }
            Record::Synced { inode, thread } => self.file(inode).end_sync(thread, true),
            Record::SyncFailed { inode, thread } => self.file(inode).end_sync(thread, false),
            Record::FolderSynced { folder, files } => {
                self.opened.retain(|path, _| {
                    let name = path.file_name().unwrap_or_default().to_string_lossy();
                    path.parent() != Some(folder.as_path()) || files.contains_key(&*name)
                });
                self.synced.insert(folder, files);
            }
            Record::Response { .. } => {}
        }
    }

    /// Whether the names of a folder and of those around it were there when these were last synced.
    fn is_found(&self, folder: &Path, root: &Path) -> bool {
        let (Some(around), Some(name)) = (folder.parent(), folder.file_name()) else {
            return false;
        };
        let has = |names: &BTreeMap<String, u64>| names.contains_key(&*name.to_string_lossy());
        folder == root || self.synced.get(around).is_some_and(has) && self.is_found(around, root)
    }

    fn file(&mut self, inode: u64) -> &mut File {
        self.files.entry(inode).or_default()
    }

    /// Writes what the disk holds now below a folder that stands for `root`.
    pub fn rebuild(&self, root: &Path, into: &Path, kept: Kept, dice: &mut Dice) {
        let mut names: BTreeMap<PathBuf, u64> = BTreeMap::new();
        let found = self
            .synced
            .iter()
            .filter(|(folder, _)| kept != Kept::Nothing || self.is_found(folder, root));
        for (folder, files) in found {
            names.extend(files.iter().map(|(name, inode)| (folder.join(name), *inode)));
        }
        for (path, inode) in &self.opened {
            if kept == Kept::All || kept == Kept::Some && dice.one_in(2) {
                names.insert(path.clone(), *inode);
            }
        }
        for (path, inode) in names {
            let (Some(file), Ok(path)) = (self.files.get(&inode), path.strip_prefix(root)) else {
                continue;
            };
            let path = into.join(path);
            let folder = path.parent().expect("it lies in a folder");
            private_folder(folder);
            std::fs::write(&path, file.kept(kept, dice)).expect("a file");
            set_mode(&path, 0o600);
        }
    }
}

impl File {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if self.memory.len() < end {
            self.memory.resize(end, 0);
        }
        self.memory[offset..end].copy_from_slice(bytes);
        // The kernel writes whole pages, with all that they hold in memory.
        for page in offset / PAGE..end.div_ceil(PAGE) {
            let at = page * PAGE;
            let bytes = self.memory[at..self.memory.len().min(at + PAGE)].to_vec();
            self.change(Change::Page { at, bytes });
        }
    }

    fn cut(&mut self, length: usize) {
        self.memory.resize(length, 0);
        self.change(Change::Length(length));
    }

    fn change(&mut self, change: Change) {
        self.last += 1;
        self.changes.push((self.last, change));
    }

    /// Changes from before the sync began are written, or taken for written.
    fn end_sync(&mut self, thread: u32, is_written: bool) {
        let until = self.syncing.remove(&thread).unwrap_or(0);
        let covered = self.changes.partition_point(|(number, _)| *number <= until);
        for (_, change) in self.changes.drain(..covered).filter(|_| is_written) {
            change.apply(&mut self.disk, |_| true);
        }
    }

    fn kept(&self, kept: Kept, dice: &mut Dice) -> Vec<u8> {
        let mut disk = self.disk.clone();
        // How lucky this disk is.
        let luck = 1 + dice.below(4);
        for (_, change) in self.changes.iter().filter(|_| kept != Kept::Nothing) {
            if kept == Kept::All {
                change.apply(&mut disk, |_| true);
            } else if dice.one_in(luck) {
                let is_torn = dice.one_in(4);
                change.apply(&mut disk, |_| !is_torn || dice.one_in(2));
            }
        }
        disk
    }
}

impl Change {
    /// Applies the sectors that `has` names.
    fn apply(&self, disk: &mut Vec<u8>, mut has: impl FnMut(usize) -> bool) {
        match self {
            Self::Length(length) => disk.resize(*length, 0),
            Self::Page { at, bytes } => {
                for (sector, part) in bytes.chunks(SECTOR).enumerate().filter(|(it, _)| has(*it)) {
                    let at = at + sector * SECTOR;
                    if disk.len() < at + part.len() {
                        disk.resize(at + part.len(), 0);
                    }
                    disk[at..at + part.len()].copy_from_slice(part);
                }
            }
        }
    }
}

fn private_folder(folder: &Path) {
    std::fs::create_dir_all(folder).expect("a folder");
    set_mode(folder, 0o700);
}

fn set_mode(path: &Path, mode: u32) {
    let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
    std::fs::set_permissions(path, mode).expect("it is ours");
}

/// Pseudo-random numbers that repeat with their seed (SplitMix64).
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    pub fn one_in(&mut self, number: u64) -> bool {
        self.below(number) == 0
    }
}

#[test]
fn a_disk_has_what_was_synced_and_a_failed_sync_saves_nothing() {
    let mut disk = Disk::default();
    let root = Path::new("/root");
    let read = |disk: &Disk, kept| {
        let folder = tempfile::tempdir().expect("a folder");
        disk.rebuild(root, folder.path(), kept, &mut Dice(1));
        std::fs::read_to_string(folder.path().join("data/file")).ok()
    };
    let write = |bytes| Record::Written { inode: 7, offset: 0, bytes };
    let begins = || Record::SyncBegins { inode: 7, thread: 1 };
    disk.note(Record::Opened { inode: 7, length: 0, path: "/root/data/file".into() });
    disk.note(write(b"one"));
    disk.note(begins());
    disk.note(write(b"two"));
    disk.note(Record::Synced { inode: 7, thread: 1 });
    assert_eq!(read(&disk, Kept::Nothing), None, "its name is not synced");
    let sync = |folder: &str, name: &str, inode| {
        let files = BTreeMap::from([(name.to_owned(), inode)]);
        Record::FolderSynced { folder: folder.into(), files }
    };
    disk.note(sync("/root/data", "file", 7));
    assert_eq!(read(&disk, Kept::Nothing), None, "the name of its folder is not synced");
    disk.note(sync("/root", "data", 8));
    assert_eq!(read(&disk, Kept::Nothing).as_deref(), Some("one"), "written during the sync");
    assert_eq!(read(&disk, Kept::All).as_deref(), Some("two"));

    disk.note(begins());
    disk.note(Record::SyncFailed { inode: 7, thread: 1 });
    disk.note(begins());
    disk.note(Record::Synced { inode: 7, thread: 1 });
    assert_eq!(read(&disk, Kept::All).as_deref(), Some("one"), "a second sync writes nothing");
    disk.note(Record::Written { inode: 7, offset: 3, bytes: b"!" });
    disk.note(begins());
    disk.note(Record::Synced { inode: 7, thread: 1 });
    assert_eq!(read(&disk, Kept::Nothing).as_deref(), Some("two!"), "a page is written whole");
}
