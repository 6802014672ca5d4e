//! `countersign migrate-data`: copies everything from one database into another.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use countersign_domain::time::Instant;
use countersign_store::Moving;
use countersign_store::schema::SchemaPolicy;
use countersign_verify::Keys;
use countersign_verify::moving::{MoveError, Progress, move_all};
use secrecy::{ExposeSecret, SecretString};

use crate::cli::MigrateData;
use crate::config::{Config, Origin};
use crate::database::Database;
use crate::folder::{self, FolderLock};
use crate::master_key;
use crate::test_mode;
use crate::world::World;

/// Progress is printed after this many rows.
const TELL_EVERY: u64 = 10_000;

/// One side of the move.
enum Side {
    /// SQLite in this data folder.
    Folder(PathBuf),
    /// PostgreSQL.
    Url(SecretString),
}

impl Side {
    /// `sqlite:FOLDER`, `postgres://…`, or `postgres:` for the database of the configuration.
    fn parse(text: &str, config: &Config) -> anyhow::Result<Self> {
        match text.split_once(':') {
            Some(("sqlite", folder)) if !folder.is_empty() => Ok(Self::Folder(folder.into())),
            Some(("postgres" | "postgresql", "")) => {
                let url = config.database.url.clone();
                url.map(Self::Url)
                    .context("postgres: alone is the database of database.url, which is not set")
            }
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => {
                Ok(Self::Url(text.to_owned().into()))
            }
            _ => bail!("a side of the move is sqlite:FOLDER, postgres://… or postgres:"),
        }
    }

    /// The configuration of a server that uses this side.
    fn config(&self, config: &Config) -> Config {
        let mut config = config.clone();
        match self {
            Self::Folder(folder) => {
                config.data_dir.clone_from(folder);
                config.database.url = None;
            }
            Self::Url(url) => {
                let set = config.database.url.as_ref().map(ExposeSecret::expose_secret);
                if set != Some(url.expose_secret()) {
                    let origin = Origin::Flag("--from or --to".to_owned());
                    config.origins.set("database.url", origin);
                }
                config.database.url = Some(url.clone());
                config.database.connections_max = 1;
            }
        }
        config
    }

    /// Locks the folder against servers.
    fn lock(&self) -> anyhow::Result<Option<FolderLock>> {
        match self {
            Self::Folder(folder) => folder::lock(folder).map(Some),
            Self::Url(_) => Ok(None),
        }
    }
}

/// Opens a side that no server is using, and reads the clock of its servers.
async fn open(
    config: &Config,
    schema_policy: SchemaPolicy,
) -> anyhow::Result<(Arc<dyn Moving>, Instant)> {
    let database = Database::open_as(config, schema_policy).await?;
    let now = database.time(&World::real()).await?;
    let store: Arc<dyn Moving> = match database {
        Database::Sqlite(store) => {
            test_mode::reject_test_database(&store, config)?;
            store
        }
        Database::Postgres(store) => {
            let servers = store.servers().await?;
            ensure!(
                servers == 0,
                "servers hold {servers} connections to the PostgreSQL database: stop all of them first"
            );
            store
        }
    };
    Ok((store, now))
}

pub(super) async fn run(config: &Config, flags: &MigrateData) -> anyhow::Result<()> {
    let (from, to) = (Side::parse(&flags.from, config)?, Side::parse(&flags.to, config)?);
    let (source, target) = (from.config(config), to.config(config));
    if let Side::Folder(folder) = &from {
        let file = source.database_file();
        let shown = &flags.from;
        ensure!(
            source.has_database_file(),
            "there is no database {} to copy (--from {shown})",
            file.display()
        );
        folder::check(folder)?;
    }
    // Nothing is created before the source and the key have been checked.
    let _held = from.lock()?;
    let keys = Keys::derive(&master_key(config, &[&from, &to])?);
    let (from, _) = open(&source, SchemaPolicy::Export).await.context("the source")?;
    if let Side::Folder(folder) = &to {
        folder::make(folder)?;
    }
    let _held_too = to.lock()?;
    let (to, now) = open(&target, SchemaPolicy::Import).await.context("the target")?;

    let since = now - config.retention.challenges();
    let mut told = 0;
    let tell = |progress: Progress| {
        let (word, table, rows, all) = match progress {
            Progress::Copied(table, rows, all) => ("copied", table, rows, all),
            Progress::Compared(table, rows, all) => ("compared", table, rows, all),
        };
        if rows == all || rows / TELL_EVERY != told {
            eprintln!("{word} {table}: {rows} of {all}");
        }
        told = rows / TELL_EVERY;
    };
    let moved = move_all((&*from, &*to), &keys, (since, now), tell).await;
    let moved = moved.map_err(|error| match error {
        MoveError::Store(error) => anyhow::Error::from(error)
            .context("the move was interrupted; the same command resumes it"),
        other => other.into(),
    })?;
    println!("{:<14} {:>10}  checksum, the same on both sides", "table", "rows");
    for table in &moved {
        let checksum: String = table.checksum.iter().map(|byte| format!("{byte:02x}")).collect();
        println!("{:<14} {:>10}  {checksum}", table.table, table.rows);
    }
    eprintln!(
        "Everything has been copied. Start the servers on the target, and no longer on the source."
    );
    Ok(())
}

/// The master key as servers find it, or in a folder of the move if the environment names none.
fn master_key(config: &Config, sides: &[&Side]) -> anyhow::Result<countersign_verify::MasterKey> {
    let folders = sides.iter().filter_map(|side| match side {
        Side::Folder(folder) => Some(folder.as_path()),
        Side::Url(_) => None,
    });
    let has_key = |folder: &&Path| folder.join("master.key").exists();
    let folder = folders.clone().find(has_key).unwrap_or(&config.data_dir);
    let config = Config { data_dir: folder.to_owned(), ..config.clone() };
    master_key::find(&config, |name| std::env::var(name).ok())
}
