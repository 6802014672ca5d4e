//! One run: a storm, then a minute of calm, then the judgement.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use countersign_domain::node::NodeId;
use countersign_store::PageQuery;
use countersign_store::seam::{ChallengeFilter, Challenges as _, Notifications as _};
use countersign_store_sqlite::{MemoryDatabase, SqliteStore};
use tokio::sync::mpsc;

use crate::bugs::Bug;
use crate::bus::Network;
use crate::checker::{Violation, judge};
use crate::clock::Time;
use crate::dice::Dice;
use crate::history::{Event, History, Kept, KeptChallenge, Recorder};
use crate::node::Surroundings;
use crate::push_service::Numbers;
use crate::weather::{Plan, Weather};
use crate::world::World;
use crate::{application, device, trouble};

/// How long after the faults everything that can be delivered must be.
const CALM: Duration = Duration::from_secs(60);
/// Items of a page.
const PAGE: u16 = 1_000;

/// What to run.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The seed: equal seeds give equal histories.
    pub seed: u64,
    /// How long faults happen, in simulated time.
    pub storm: Duration,
    /// The bug to put back.
    pub bug: Option<Bug>,
}

/// The result of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Everything that happened.
    pub history: History,
    /// The rules that were broken.
    pub violations: Vec<Violation>,
    /// How much time passed in the simulation.
    pub simulated: Duration,
}

/// Runs a simulation in this thread.
///
/// # Errors
/// The world cannot be made.
pub fn run(settings: Settings) -> anyhow::Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .context("a runtime")?;
    runtime.block_on(Box::pin(simulate(settings)))
}

async fn simulate(settings: Settings) -> anyhow::Result<Report> {
    let Settings { seed, storm, bug } = settings;
    let time = Time::begin();
    let plan = Plan::draw(&Dice::of(seed, 1));
    let weather = Weather::new(plan, Dice::of(seed, 2));
    let (taken, pushes) = mpsc::unbounded_channel();
    weather.set_calm(true);
    let around = Surroundings {
        seed,
        bug,
        database: MemoryDatabase::new()?,
        network: Network::new(weather.clone(), bug),
        weather: weather.clone(),
        time,
        recorder: Recorder::new(time),
        numbers: Numbers::default(),
        taken,
    };
    let world = Arc::new(Box::pin(World::new(around)).await?);
    weather.set_calm(false);
    (0..world.places()).for_each(|place| world.start_node(place));
    tokio::spawn(device::receive_pushes(Arc::clone(&world), pushes, Dice::of(seed, 30)));
    for (number, person) in (0..).zip(&world.people) {
        let (dice, more) = (Dice::of(seed, 100 + number), Dice::of(seed, 200 + number));
        tokio::spawn(application::ask(Arc::clone(&world), Arc::clone(person), dice));
        if person.streams() {
            tokio::spawn(device::stream(Arc::clone(&world), Arc::clone(person), more));
        }
    }
    let ends = async {
        tokio::time::sleep(storm).await;
        weather.set_calm(true);
        world.calm.cancel();
    };
    tokio::join!(trouble::make(&world), ends);
    world.note(Event::Calm);
    tokio::time::sleep(CALM).await;

    let kept = kept(&world).await?;
    let history = History { events: world.around.recorder.take(), kept };
    let violations = judge(&history);
    Ok(Report { violations, history, simulated: time.elapsed() })
}

/// All challenges and notifications, as the database holds them.
async fn kept(world: &World) -> anyhow::Result<Vec<KeptChallenge>> {
    let store = SqliteStore::in_memory(&world.around.database, None);
    let alive: Vec<NodeId> = world.nodes().iter().map(|node| node.verify.node()).collect();
    let now = world.around.time.now();
    let mut kept = Vec::new();
    for person in &world.people {
        let entity = person.factor.owner.entity;
        let all = ChallengeFilter::default();
        let found = store.challenges(entity, all, now, PageQuery::first(PAGE)).await?;
        anyhow::ensure!(!found.has_next, "too many challenges for one page");
        for challenge in found.items {
            let (sid, status) = (challenge.sid, challenge.status(now));
            let notifications = notifications(&store, &alive, sid).await?;
            kept.push(KeptChallenge { sid, status, notifications });
        }
    }
    Ok(kept)
}

async fn notifications(
    store: &SqliteStore,
    alive: &[NodeId],
    challenge: countersign_domain::sid::ChallengeSid,
) -> anyhow::Result<Vec<Kept>> {
    let found = store.notifications(challenge, PageQuery::first(PAGE)).await?;
    let kept = |notification: countersign_domain::notification::Notification| {
        // One with `Ttl=0` ends with its node.
        let is_lost = !alive.contains(&notification.created_on);
        let nobody = NodeId([0; 16]);
        let reader = if is_lost { nobody } else { notification.created_on };
        Kept {
            sid: notification.sid,
            automatic: notification.automatic,
            ending: Some(notification.current(reader)),
            delivery: format!("{:?}, attempts {:?}", notification.delivery, notification.attempts),
        }
    };
    Ok(found.items.into_iter().map(kept).collect())
}
