//! One bit of a copy is flipped: the file is refused by its name, or every row is as before.

use std::path::{Path, PathBuf};

use countersign_store_sqlite::{Depth, SqliteStore};
use rusqlite::Connection;
use rusqlite::types::Value;

use crate::disk::Dice;
use crate::server::{ACCOUNT, Server, TOKEN};

const PAGE: usize = 4_096;
const FRAME: usize = PAGE + 24;

/// The rows of each table.
type Tables = Vec<(String, Vec<Vec<Value>>)>;

/// The results of the copies with a flipped bit.
#[derive(Debug, Default)]
pub struct Flips {
    pub tried: usize,
    pub refused: usize,
    /// Copies that were read, and were not as before.
    pub wrong: Vec<String>,
}

/// A folder with the files of a server that was killed.
pub struct Files {
    database: Vec<u8>,
    log: Vec<u8>,
}

impl Files {
    pub fn of(data: &Path) -> Self {
        let read = |name: &str| std::fs::read(data.join(name)).expect("a file");
        Self { database: read("countersign.db"), log: read("countersign.db-wal") }
    }

    fn write(&self, folder: &Path) -> PathBuf {
        let path = folder.join("countersign.db");
        std::fs::write(&path, &self.database).expect("a file");
        std::fs::write(folder.join("countersign.db-wal"), &self.log).expect("a file");
        path
    }

    /// The same once the log is copied into the database, which then has no log.
    pub async fn closed(&self) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = self.write(folder.path());
        drop(SqliteStore::open(&path, Default::default()).expect("it opens"));
        Self { database: std::fs::read(path).expect("a file"), log: Vec::new() }
    }

    /// Flips a bit in each page of the database, or in `most` of them.
    pub async fn flip_pages(&self, most: usize, dice: &mut Dice) -> Flips {
        let pages = self.database.len() / PAGE;
        self.flip(pages, most, dice, |copy, page, within| {
            copy.database[page * PAGE + within % PAGE] ^= 1 << (within % 8);
        })
        .await
    }

    /// Flips a bit in each frame of the log that counts, or in `most` of them.
    pub async fn flip_frames(&self, most: usize, dice: &mut Dice) -> Flips {
        self.flip(self.frames(), most, dice, |copy, frame, within| {
            copy.log[32 + frame * FRAME + within % FRAME] ^= 1 << (within % 8);
        })
        .await
    }

    /// The frames of this round of the log: those that have its salts. Frames of earlier rounds lie behind them.
    fn frames(&self) -> usize {
        let frames = self.log[32..].chunks_exact(FRAME);
        frames.take_while(|frame| frame[8..16] == self.log[16..24]).count()
    }

    async fn flip(
        &self,
        parts: usize,
        most: usize,
        dice: &mut Dice,
        change: impl Fn(&mut Self, usize, usize),
    ) -> Flips {
        let right = read_all(self).await.expect("it is whole");
        let mut flips = Flips::default();
        let step = parts.div_ceil(most).max(1);
        for part in (0..parts).step_by(step) {
            let within = usize::try_from(dice.below(1 << 20)).expect("it is small");
            let mut copy = Self { database: self.database.clone(), log: self.log.clone() };
            change(&mut copy, part, within);
            flips.tried += 1;
            match read_all(&copy).await {
                Err(_) => flips.refused += 1,
                Ok(found) if found == right => {}
                Ok(_) => flips.wrong.push(format!("part {part}, byte {within}")),
            }
        }
        flips
    }

    /// The pages from which the built server answers its own account: it does so rightly, or not, and its log names the file.
    pub async fn serve_with_flips(&self, data: &Path, pages: usize, dice: &mut Dice) {
        let all = self.database.len() / PAGE;
        for number in 0..pages {
            let page = number * all / pages;
            let within = usize::try_from(dice.below(4_000)).expect("it is small");
            let mut copy = Self { database: self.database.clone(), log: Vec::new() };
            copy.database[page * PAGE + within] ^= 2;
            std::fs::write(data.join("countersign.db"), &copy.database).expect("a file");
            for beside in ["countersign.db-wal", "countersign.db-shm"] {
                let _ = std::fs::remove_file(data.join(beside));
            }
            let Some(mut server) = Server::try_start(data).await else {
                continue;
            };
            let client = reqwest::Client::builder().no_proxy().build().expect("a client");
            let request = client.get(format!("{}/v2/Services", server.base));
            let answer = request.basic_auth(ACCOUNT, Some(TOKEN)).send().await.expect("it answers");
            let status = answer.status().as_u16();
            let body: serde_json::Value = answer.json().await.expect("it is JSON");
            let names = body["services"]
                .as_array()
                .map(|all| all.iter().map(|it| &it["friendly_name"]).collect::<Vec<_>>());
            let is_right = status == 200 && names == Some(vec![&"power".into()]);
            assert!(is_right || status >= 500, "page {page}, byte {within}: {status} {body}");
            server.kill();
        }
    }
}

/// All rows of all tables, as the server would find them after a start. The error names the file.
async fn read_all(files: &Files) -> Result<Tables, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = files.write(folder.path());
    let store = SqliteStore::open(&path, Default::default()).map_err(|error| error.to_string());
    let store = store.inspect_err(|why| assert!(why.contains("countersign.db"), "{why}"))?;
    let faults = store.faults(Depth::Full).await.map_err(|error| error.to_string())?;
    drop(store);
    if let Some(fault) = faults.into_iter().next() {
        return Err(fault);
    }
    let db = Connection::open(&path).map_err(|error| error.to_string())?;
    tables(&db).map_err(|error| error.to_string())
}

fn tables(db: &Connection) -> Result<Tables, rusqlite::Error> {
    let mut names =
        db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")?;
    let names = names.query_map((), |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    let rows = |name: &String| -> Result<Vec<Vec<Value>>, rusqlite::Error> {
        let mut statement = db.prepare(&format!("SELECT * FROM {name}"))?;
        let columns = statement.column_count();
        let rows = statement.query_map((), |row| (0..columns).map(|at| row.get(at)).collect())?;
        rows.collect()
    };
    names.iter().map(|name| Ok((name.clone(), rows(name)?))).collect()
}
