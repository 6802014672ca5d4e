//! The power goes: what a disk holds that keeps only what was synced, at many acknowledgements, with the real server under load.
//!
//! A recorder, loaded into the server, writes down its file system calls and its responses in one order. From that the files are rebuilt
//! as a disk may hold them at the moment of a response: what was synced, and of the rest nothing, all, or any part. The store opens
//! them as the server does, and everything that was acknowledged must be there. The controls leave a sync out, and must lose.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test with a real process goes by the real clock, and tells what it found"
)]

mod disk;
mod flips;
mod judge;
#[path = "../../../recorder/src/kinds.rs"]
mod kinds;
mod load;
mod points;
mod record;
mod server;

use crate::disk::Dice;
use crate::disk::Disk;
use crate::flips::Files;
use crate::load::Cast;
use crate::points::{Findings, Plan};
use crate::server::{Recorded, Stage};

/// The most kills until one meets a transaction that is in the log and not on the disk: the sync that fails may be that of an empty log.
const KILLS: usize = 8;

/// `POWER_POINTS=1000` plays at full size and tells its progress.
fn points() -> usize {
    std::env::var("POWER_POINTS").ok().and_then(|points| points.parse().ok()).unwrap_or(40)
}

fn plan(name: &'static str, points: usize) -> Plan {
    let seed = std::env::var("POWER_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
    println!("{name}: POWER_SEED={seed} repeats what the disk kept");
    Plan { name, points, seed, from: 0 }
}

/// Runs a server under load until it has acknowledged enough, and kills it.
async fn under_load(stage: &Stage, acknowledged: usize) -> Recorded {
    let mut server = stage.start().await;
    let cast = Cast::enrol(&server, 12).await;
    let posts = cast.post();
    posts.until(acknowledged).await;
    server.kill();
    posts.end().await;
    stage.recorded()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_power_goes() {
    let plan = plan("power loss", points());
    let stage = Stage::new();
    let recorded = under_load(&stage, (plan.points * 2).max(200)).await;
    let found = points::play(&plan, &recorded, Disk::default()).await;
    println!("{found}");
    assert_eq!(found.points, plan.points);
    assert_eq!((found.lost, &found.broken[..]), (0, &[][..]), "{found}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_leaves_out_the_sync_of_a_commit_is_found() {
    let plan = plan("control", points().min(200));
    let stage = Stage::new().without_syncs_of("store-writer");
    let recorded = under_load(&stage, (plan.points * 2).max(200)).await;
    let found = points::play(&plan, &recorded, Disk::default()).await;
    println!("{found}");
    assert!(found.points_with_loss * 4 > found.points, "{found}");
}

/// Syncs fail under load; then again, while the server is killed and starts on what the kernel still shows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_rests_on_a_sync_that_failed() {
    let plan = plan("failing syncs", points());
    let stage = Stage::new();
    let enough = plan.points.max(80);
    let mut server = stage.start().await;
    let cast = Cast::enrol(&server, 12).await;
    let mut posts = cast.post();
    posts.until(enough).await;
    stage.fail_syncs();
    posts.until_refused(20).await;
    stage.mend_syncs();

    let mut control = None;
    for _ in 0..KILLS {
        posts.until(enough).await;
        stage.fail_syncs();
        posts.until_refused(20).await;
        server.kill();
        posts.end().await;
        stage.mend_syncs();
        let from = stage.recorded().log.len();
        server.restart().await;
        posts = cast.post();
        posts.until(40).await;
        let found = log_not_written_anew(&plan, &stage.recorded(), from).await;
        let loses = found.lost + found.broken.len() > 0;
        control = Some(found);
        if loses {
            break;
        }
    }
    server.kill();
    posts.end().await;

    let found = points::play(&plan, &stage.recorded(), Disk::default()).await;
    println!("{found}");
    assert_eq!(found.points, plan.points);
    assert_eq!((found.lost, &found.broken[..]), (0, &[][..]), "{found}");
    let control = control.expect("the server was killed");
    println!("{control}");
    assert!(control.lost + control.broken.len() > 0, "{control}");
}

/// The control: as if the server trusted the log that it found at its start, instead of writing it anew.
async fn log_not_written_anew(plan: &Plan, recorded: &Recorded, from: usize) -> Findings {
    let (name, points) = ("control, the log not written anew", 30);
    let plan = Plan { name, points, seed: plan.seed, from };
    points::play(&plan, recorded, Disk::that_skips_same()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_bit_is_refused_or_changes_no_answer() {
    let plan = plan("flipped bits", points());
    let stage = Stage::new();
    under_load(&stage, 300).await;
    let (mut dice, most) = (Dice(plan.seed), plan.points);
    let killed = Files::of(&stage.data());
    let frames = killed.flip_frames(most / 2, &mut dice).await;
    println!("flipped bits in the log: {frames:?}");
    let closed = killed.closed().await;
    let pages = closed.flip_pages(most, &mut dice).await;
    println!("flipped bits in the database: {pages:?}");
    assert_eq!((&frames.wrong[..], &pages.wrong[..]), (&[][..], &[][..]));
    assert!(frames.tried > 0 && frames.refused == frames.tried, "{frames:?}");
    assert!(pages.refused * 10 > pages.tried * 9, "{pages:?}");
    closed.serve_with_flips(&stage.data(), (most / 20).max(2), &mut dice).await;
}
