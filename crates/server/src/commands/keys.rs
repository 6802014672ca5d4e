//! `countersign keys`: changes the master key beside running servers.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use countersign_store::moving::Resealing;
use countersign_verify::rotation::{self, KeyUse, Resealed, RotationState};
use countersign_verify::security::{self, Event};
use countersign_verify::{Keys, MasterKey};
use serde_json::json;

use super::lists::print;
use crate::cli::{EndRotation, KeysCommand, Listing};
use crate::config::Config;
use crate::database::Database;
use crate::master_key;
use crate::wiring::unlock;
use crate::world::World;

/// The number of cells between two lines of progress.
const TELL_EVERY: u64 = 1_000;

/// A database and its keys.
struct Opened {
    database: Arc<dyn Resealing>,
    keys: Keys,
    world: World,
}

pub(super) async fn run(config: &Config, command: KeysCommand) -> anyhow::Result<()> {
    let database = Database::open_beside(config).await?;
    let world = database.set_clock(&World::real()).await?;
    let master = master_key::find(config, |name| std::env::var(name).ok())?;
    let keys = unlock(&*database.store(), &master, &world).await?;
    let opened = Opened { database: database.resealing(), keys, world };
    match command {
        KeysCommand::List(listing) => opened.list(listing).await,
        KeysCommand::Rotate { new_key_file } => {
            let new = master_key::read_new(&new_key_file)?;
            opened.rotate(&new, &new_key_file).await
        }
        KeysCommand::Reseal => opened.reseal().await.map(|_| ()),
        KeysCommand::Finish(EndRotation { at_once }) => opened.end(false, at_once).await,
        KeysCommand::Abandon(EndRotation { at_once }) => opened.end(true, at_once).await,
    }
}

impl Opened {
    async fn list(&self, listing: Listing) -> anyhow::Result<()> {
        let newest = self.keys.newest();
        for key in rotation::survey(&*self.database, &self.keys).await? {
            let KeyUse { id, created_at, retired_at, cells } = key;
            let all: u64 = cells.iter().map(|(_, _, count)| count).sum();
            let state = match (id == newest, retired_at) {
                (true, _) => "seals",
                (false, None) => "opens",
                (false, Some(_)) => "retired",
            };
            let line = || {
                let made = created_at.map_or_else(|| "-".to_owned(), |at| at.to_string());
                let of = |(table, column, count): &(&str, &str, u64)| {
                    format!("  {table}.{column}={count}")
                };
                let by_column: String = cells.iter().map(of).collect();
                format!("{id}  {made}  {state}  secrets={all}{by_column}")
            };
            print(listing, line, || {
                let by_column = cells.iter().map(|(table, column, count)| {
                    (format!("{table}.{column}"), serde_json::Value::from(*count))
                });
                json!({
                    "id": id.0,
                    "state": state,
                    "date_created": created_at,
                    "date_retired": retired_at,
                    "secrets": all,
                    "by_column": by_column.collect::<serde_json::Map<_, _>>(),
                })
            });
        }
        match rotation::state(&*self.database, &self.keys).await? {
            RotationState::Idle => {}
            RotationState::WithOldKey => eprintln!(
                "A rotation has begun, and this is the old master key: give every server the new one, then run countersign \
                 keys finish with it."
            ),
            RotationState::WithNewKey => eprintln!(
                "A rotation has begun, and this is the new master key: when every server has it, run countersign keys finish."
            ),
        }
        Ok(())
    }

    async fn rotate(&self, new: &MasterKey, file: &Path) -> anyhow::Result<()> {
        let before = rotation::state(&*self.database, &self.keys).await?;
        let (now, entropy) = (self.world.clock.now(), &*self.world.entropy);
        rotation::begin(&*self.database, &self.keys, new, now, entropy).await?;
        if before == RotationState::Idle {
            security::done(Event::RotationBegun, None, self.keys.newest());
        }
        eprintln!("Both master keys open the database now, and servers start with either.");
        self.reseal().await?;
        eprintln!(
            "Next: give {} to every server in place of the old key; they need no restart. Then, with the new key: countersign \
             keys finish",
            file.display()
        );
        Ok(())
    }

    async fn reseal(&self) -> anyhow::Result<Resealed> {
        let mut told = (None, 0);
        let tell = |table: &'static str, cells: u64| {
            let step = (Some(table), cells / TELL_EVERY);
            if step != told && step.1 > 0 {
                eprintln!("sealed anew: {table} {cells}");
            }
            told = step;
        };
        let entropy = &*self.world.entropy;
        let done = rotation::reseal(&*self.database, &self.keys, entropy, tell).await;
        let done = done.context("the same command goes on where it stopped")?;
        eprintln!("{} secrets were sealed anew under key {}.", done.cells, self.keys.newest());
        if done.broken > 0 {
            eprintln!(
                "{} cells cannot be opened by any key, so they were left as they are: they were damaged or moved before.",
                done.broken
            );
        }
        Ok(done)
    }

    async fn end(&self, abandon: bool, at_once: bool) -> anyhow::Result<()> {
        if !at_once && rotation::state(&*self.database, &self.keys).await? != RotationState::Idle {
            self.wait().await?;
        }
        self.reseal().await?;
        rotation::end(&*self.database, &self.keys, abandon, self.world.clock.now()).await?;
        let (event, other) = if abandon {
            (Event::RotationAbandoned, "new")
        } else {
            (Event::RotationFinished, "old")
        };
        security::done(event, None, self.keys.newest());
        eprintln!(
            "The {other} master key opens nothing any more in this database. Backups that were made before need the key of their time."
        );
        Ok(())
    }

    /// Waits until every running server has learned the newest sealing key.
    async fn wait(&self) -> anyhow::Result<()> {
        let Some(at) = rotation::known_to_all_at(&*self.database).await? else { return Ok(()) };
        let left = at.since(self.world.clock.now());
        if !left.is_zero() {
            eprintln!(
                "Waiting {} s, until every running server has learned the new sealing key.",
                left.as_secs() + 1
            );
            self.world.clock.sleep(left).await;
        }
        Ok(())
    }
}
