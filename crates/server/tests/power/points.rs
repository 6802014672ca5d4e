//! Goes through a record, and lets the power go at many acknowledgements.

use std::fmt::{Display, Formatter};
use std::path::Path;
use std::time::Instant;

use crate::disk::{Dice, Disk, Kept};
use crate::judge::{Told, judge};
use crate::record::{Record, records};
use crate::server::{ACCOUNT, Recorded, Server, TOKEN};

/// The points that are tried.
pub struct Plan {
    pub name: &'static str,
    pub points: usize,
    pub seed: u64,
    /// Where in the record the points begin.
    pub from: usize,
}

/// The results of all points.
#[derive(Default)]
pub struct Findings {
    name: &'static str,
    pub points: usize,
    pub points_with_loss: usize,
    /// Acknowledged resources that were not there, at all points together.
    pub lost: usize,
    most_lost: usize,
    /// The points whose file was not intact, and why.
    pub broken: Vec<String>,
    /// Points at which the built server answered on the rebuilt folder.
    started: usize,
    acknowledged: usize,
    seconds: f64,
}

impl Display for Findings {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}: {} points among {} acknowledged: at {} something is lost ({} in all, {} at most), {} not intact {:?}; \
             the server started on {}; {:.1} s",
            self.name,
            self.points,
            self.acknowledged,
            self.points_with_loss,
            self.lost,
            self.most_lost,
            self.broken.len(),
            self.broken.first(),
            self.started,
            self.seconds
        )
    }
}

/// Lets the power go at points that lie evenly among the acknowledgements. The disk keeps, in turn, different parts of the unsynced writes.
pub async fn play(plan: &Plan, recorded: &Recorded, disk: Disk) -> Findings {
    let began = Instant::now();
    let acknowledged = acknowledged(&recorded.log, plan.from);
    assert!(acknowledged >= plan.points, "the load was no load: {acknowledged}");

    let mut found = Findings { name: plan.name, acknowledged, ..Findings::default() };
    let (mut disk, mut told, mut dice) = (disk, Told::default(), Dice(plan.seed));
    let mut passed = 0;
    for (at, record) in records(&recorded.log) {
        let Record::Response { body } = record else {
            disk.note(record);
            continue;
        };
        if !told.note(&body) || at < plan.from {
            continue;
        }
        passed += 1;
        if passed * plan.points / acknowledged > found.points {
            let kept = [Kept::Nothing, Kept::Some, Kept::Some, Kept::All][found.points % 4];
            try_point(&mut found, &disk, &told, &recorded.root, (kept, &mut dice)).await;
            if plan.points >= 500 && found.points.is_multiple_of(100) {
                println!("{found}; so far");
            }
        }
        found.seconds = began.elapsed().as_secs_f64();
    }
    found
}

/// How much was acknowledged beyond a place in a record.
fn acknowledged(log: &[u8], from: usize) -> usize {
    let mut told = Told::default();
    let mut is_counted = |(at, record): (usize, Record<'_>)| matches!(record, Record::Response { body } if told.note(&body) && at >= from);
    records(log).map(&mut is_counted).filter(|is_counted| *is_counted).count()
}

async fn try_point(
    found: &mut Findings,
    disk: &Disk,
    told: &Told,
    root: &Path,
    (kept, dice): (Kept, &mut Dice),
) {
    let folder = tempfile::tempdir().expect("a folder");
    disk.rebuild(root, folder.path(), kept, dice);
    let data = folder.path().join("data");
    // The server, now and then; else only its store, which takes a tenth of the time.
    if found.points % 50 == 1 {
        found.started += usize::from(answers(&data).await);
    }
    let verdict = judge(&data, told).await;
    found.points += 1;
    found.lost += verdict.lost.len();
    found.points_with_loss += usize::from(!verdict.lost.is_empty());
    found.most_lost = found.most_lost.max(verdict.lost.len());
    if let Some(fault) = verdict.faults.first() {
        found.broken.push(format!("point {} ({kept:?}): {fault}", found.points));
    }
    if !verdict.lost.is_empty() && found.points_with_loss == 1 {
        let (lost, all) = (verdict.lost.len(), told.len());
        println!("point {} ({kept:?}) lost {lost} of {all}, {}", found.points, verdict.lost[0]);
    }
}

/// Whether the built server starts on a rebuilt folder, and knows its account by the old token.
async fn answers(data: &Path) -> bool {
    let Some(mut server) = Server::try_start(data).await else { return false };
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let request = client.get(format!("{}/v2/Services", server.base));
    let answer = request.basic_auth(ACCOUNT, Some(TOKEN)).send().await.expect("it answers");
    let services: serde_json::Value = answer.json().await.expect("a list");
    server.kill();
    services["services"].as_array().is_some_and(|services| !services.is_empty())
}
