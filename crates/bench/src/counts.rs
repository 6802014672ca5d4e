//! `counts`: what a request costs the server, counted instead of timed. Counts hardly vary between machines and hours, so those of
//! two releases can be compared; `--check` compares them with recorded ones.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};

use crate::bench::Bench;
use crate::calls::each;
use crate::deliver::PATIENCE;
use crate::fleet::Fleet;
use crate::instruments::Instrument;
use crate::notify::TTL;
use crate::population::Population;
use crate::server::Server;

const PART: &str = "counts";
/// A count may rise by this share of the recorded one.
const TOLERANCE: f64 = 0.10;
/// Counts that the machine's load changes, which are shown and not checked.
const VARYING: [&str; 1] = ["context switches"];

/// Recorded counts: for each kind of request and each count, its value per request.
type Recorded = BTreeMap<String, BTreeMap<String, f64>>;

/// Counts each kind of request, one request after another, with each instrument on a server of its own.
pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    for instrument in Instrument::ALL {
        if let Some(missing) = instrument.missing() {
            bench
                .report
                .note(format!("not counted: {}: {missing} is not installed", instrument.counts()));
            continue;
        }
        let folder = bench.fresh_folder()?;
        let wrapped = bench.installation.under(instrument.wrapper(folder.path()));
        let mut server = wrapped.with(bench.backing.variables()).start(folder.path()).await?;
        count_all(bench, &server, instrument, folder.path()).await.context(instrument.counts())?;
        server.still_runs()?;
    }
    Ok(())
}

/// Counts with one instrument.
async fn count_all(
    bench: &mut Bench,
    server: &Server,
    instrument: Instrument,
    folder: &Path,
) -> Result<()> {
    let (account, number) = (bench.installation.account_sid(), bench.scale.counted);
    let population = Arc::new(Population::enrol(server, account, number).await?);
    let challenges = population.challenge(server, number).await?;
    let notify = challenges.notify(server, TTL).wire.clone();
    // Work that happens once is not counted.
    each(server.target, notify.clone(), 201, 1).await?;

    let mut counting = instrument.begin(server.target.pid, folder)?;
    each(server.target, notify.clone(), 201, 1).await?;
    add(bench, "notification, device offline", counting.end()?, number);

    let mut fleet = Fleet::new();
    fleet.connect(server, &population, 0..number).await?;
    // Prompts that waited for the devices arrive first.
    fleet.settle(number, PATIENCE).await;
    fleet.take();
    counting = instrument.begin(server.target.pid, folder)?;
    each(server.target, notify, 201, 1).await?;
    fleet.settle(number, PATIENCE).await;
    ensure!(fleet.count() == number, "{} of {number} prompts arrived", fleet.count());
    add(bench, "notification, delivered", counting.end()?, number);

    let answers = population.answers(server, &challenges).await?.wire;
    counting = instrument.begin(server.target.pid, folder)?;
    each(server.target, answers, 200, 1).await?;
    add(bench, "signed answer", counting.end()?, number);
    Ok(())
}

/// Adds the counts per request.
fn add(bench: &mut Bench, name: &str, counts: Vec<(&'static str, f64)>, requests: usize) {
    let per_request = counts.into_iter().map(|(what, count)| (what, count / requests as f64));
    bench.report.add(PART, name, &per_request.collect::<Vec<_>>());
}

/// Compares the counts with recorded ones: one that rose by more than a tenth is a fault.
pub(crate) fn check(bench: &mut Bench, file: &Path) -> Result<()> {
    let text = std::fs::read_to_string(file);
    let text = text.with_context(|| format!("cannot read {}", file.display()))?;
    let recorded: Recorded = serde_json::from_str(&text).context("recorded counts")?;
    let counted = bench.report.medians(PART);
    let (faults, notes) = compare(&recorded, &counted);
    notes.into_iter().for_each(|note| bench.report.note(note));
    faults.into_iter().for_each(|fault| bench.report.fault(fault));
    Ok(())
}

/// Writes the counts, to be compared with later.
pub(crate) fn record(bench: &Bench, file: &Path) -> Result<()> {
    let text = serde_json::to_string_pretty(&bench.report.medians(PART))? + "\n";
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// The faults and the notes of a comparison.
fn compare(recorded: &Recorded, counted: &Recorded) -> (Vec<String>, Vec<String>) {
    let (mut faults, mut notes) = (Vec::new(), Vec::new());
    for (name, counts) in recorded {
        for (what, before) in counts.iter().filter(|(what, _)| !VARYING.contains(&what.as_str())) {
            let Some(now) = counted.get(name).and_then(|counts| counts.get(what)) else {
                notes.push(format!("{name}: {what} were not counted, so they are not checked"));
                continue;
            };
            if *now > before * (1.0 + TOLERANCE) {
                faults
                    .push(format!("{name}: {what} rose from {before:.1} to {now:.1} per request"));
            } else if *now < before * (1.0 - TOLERANCE) {
                notes.push(format!(
                    "{name}: {what} fell from {before:.1} to {now:.1}: record them again"
                ));
            }
        }
    }
    (faults, notes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(syncs: f64, switches: f64) -> Recorded {
        let counts = [("syncs".to_owned(), syncs), ("context switches".to_owned(), switches)];
        BTreeMap::from([("answer".to_owned(), BTreeMap::from(counts))])
    }

    #[test]
    fn a_count_that_rose_by_more_than_a_tenth_is_a_fault() {
        let before = counts(2.0, 5.0);
        assert_eq!(compare(&before, &counts(2.19, 50.0)), (vec![], vec![]));
        let (faults, notes) = compare(&before, &counts(2.21, 5.0));
        assert_eq!(faults, ["answer: syncs rose from 2.0 to 2.2 per request"]);
        assert!(notes.is_empty());
    }

    #[test]
    fn a_count_that_fell_or_is_missing_is_noted() {
        let before = counts(2.0, 5.0);
        let (faults, notes) = compare(&before, &counts(1.0, 5.0));
        assert_eq!((faults.len(), notes.len()), (0, 1), "{notes:?}");
        let (faults, notes) = compare(&before, &Recorded::new());
        assert_eq!((faults.len(), notes.len()), (0, 1), "{notes:?}");
    }
}
