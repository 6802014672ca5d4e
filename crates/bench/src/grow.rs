//! `grow`: whether a database with a long history is slower than an empty one.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::bench::Bench;
use crate::calls::each;
use crate::fill::{HistorySize, PER_CHALLENGE, fill};
use crate::fleet::Fleet;
use crate::load;
use crate::notify::TTL;
use crate::pace::Pace;
use crate::population::Population;
use crate::report::say;
use crate::server::Server;

const PART: &str = "grow";
const PATIENCE: Duration = Duration::from_secs(5);

/// Measures the same notifications in turn on an empty and on a full database.
pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let past = HistorySize {
        entities: bench.scale.old_entities,
        notifications: bench.scale.old_notifications,
        per_challenge: PER_CHALLENGE,
    };
    let (server, empty) = bench.fresh_server().await?;
    let account = bench.installation.account_sid();
    let population = Arc::new(Population::enrol(&server, account, bench.scale.entities).await?);
    make_something_to_copy(&server, &population).await?;
    server.kill();

    let full = bench.fresh_folder()?;
    copy_files(&empty.path().join("data"), &full.path().join("data"))?;
    let database = database_in(&full.path().join("data"))?;
    let begin = Instant::now();
    let path = database.clone();
    tokio::task::spawn_blocking(move || fill(&path, past)).await??;
    let size = std::fs::metadata(&database)?.len() as f64 / 1e9;
    say(&format!("{PART}: filled {size:.2} GB in {:.0} s", begin.elapsed().as_secs_f64()));

    let full_name = format!("{} entities, {} old notifications", past.entities, past.notifications);
    for repeat in 0..bench.scale.repeats {
        let floor = bench.bare_floor(PART).await?;
        let mut sides = [("empty".to_owned(), empty.path()), (full_name.clone(), full.path())];
        let mut rates = [0.0; 2];
        // the first one finds a quieter disk
        let order = if repeat % 2 == 0 { [0, 1] } else { [1, 0] };
        for side in order {
            let (name, folder) = &mut sides[side];
            rates[side] = measure(bench, &population, folder, name, floor).await?;
        }
        let ratio = rates[1] / rates[0].max(1e-9);
        bench.report.add(PART, "full against empty", &[("ratio", ratio)]);
    }
    Ok(())
}

async fn measure(
    bench: &mut Bench,
    population: &Population,
    folder: &Path,
    name: &str,
    floor: f64,
) -> Result<f64> {
    let mut server = bench.installation.start(folder).await?;
    let challenges = population.challenge(&server, bench.scale.challenges).await?;
    let requests = challenges.notify(&server, TTL);
    let plan = bench.plan(bench.connections(), Pace::Closed);
    let load = load::run(server.target, &requests, plan, None).await?;
    bench.report.add_load(PART, name, &load, Some(floor), &[]);
    server.still_runs()?;
    Ok(load.per_second())
}

/// Creates a challenge that is delivered and approved.
pub(crate) async fn make_something_to_copy(
    server: &Server,
    population: &Arc<Population>,
) -> Result<()> {
    let mut fleet = Fleet::new();
    fleet.connect(server, population, 0..1).await?;
    let challenges = population.challenge(server, 1).await?;
    fleet.settle(1, PATIENCE).await;
    let answers = population.answers(server, &challenges).await?;
    each(server.target, answers.wire, answers.expected, 1).await.context("the answer to copy")?;
    // until the result of the delivery is committed too
    tokio::time::sleep(Duration::from_millis(500)).await;
    Ok(())
}

fn copy_files(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir(to)?;
    // A server rejects a folder that others may access.
    std::fs::set_permissions(to, std::fs::metadata(from)?.permissions())?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// The SQLite database in a folder.
pub(crate) fn database_in(folder: &Path) -> Result<PathBuf> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let mut first = [0; 16];
        let read = std::fs::File::open(&path).and_then(|mut file| file.read_exact(&mut first));
        if read.is_ok() && first == *b"SQLite format 3\0" {
            return Ok(path);
        }
    }
    anyhow::bail!("no database in {}", folder.display())
}
