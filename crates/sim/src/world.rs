//! The world of a run: its nodes, its persons, and how requests reach a node.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_domain::account::Account;
use countersign_domain::address::Platform;
use countersign_domain::service::Service;
use countersign_domain::sid::{AccountSid, ServiceSid};
use countersign_store::seam::{Accounts as _, Services as _};
use countersign_store_sqlite::SqliteStore;
use countersign_testkit::Fixtures;
use countersign_verify::VerifyResult;
use tokio_util::sync::CancellationToken;

use crate::bugs::Bug;
use crate::dice::Dice;
use crate::history::{Event, NodeRun};
use crate::node::{Node, Surroundings};
use crate::person::Person;

/// How long a client waits for a response.
const PATIENCE: Duration = Duration::from_secs(15);

/// The world of a run.
pub(crate) struct World {
    /// What the nodes share.
    pub(crate) around: Surroundings,
    /// The account of all persons.
    pub(crate) account: AccountSid,
    /// Their service.
    pub(crate) service: ServiceSid,
    /// The persons.
    pub(crate) people: Vec<Arc<Person>>,
    /// Cancelled when faults end.
    pub(crate) calm: CancellationToken,
    slots: Mutex<Slots>,
}

/// The places of nodes, each empty while its node is down.
struct Slots {
    nodes: Vec<Option<Arc<Node>>>,
    starts: NodeRun,
}

impl World {
    /// A world with its persons and without nodes.
    ///
    /// # Errors
    /// The database does not work.
    pub(crate) async fn new(around: Surroundings) -> anyhow::Result<Self> {
        let (account, service) = furnish(&around).await?;
        let at = (account.sid, service.sid);
        let plan = Arc::clone(&around.weather.plan);
        let dice = Dice::of(around.seed, 10);
        let calm = CancellationToken::new();
        let slots = Slots { nodes: vec![None; plan.nodes], starts: 0 };
        let mut world = Self {
            around,
            account: at.0,
            service: at.1,
            people: Vec::new(),
            calm,
            slots: Mutex::new(slots),
        };
        let enroller = Node::start(&world.around, 0, true);
        for number in 0..plan.persons {
            let platform = if dice.chance(650) { Platform::Stream } else { Platform::Fcm };
            let person = Box::pin(Person::enrol(&enroller.verify, at, number, platform)).await?;
            world.people.push(Arc::new(person));
        }
        enroller.kill(&world.around);
        world.lock().starts = 1;
        Ok(world)
    }

    /// The number of places for nodes.
    pub(crate) fn places(&self) -> usize {
        self.lock().nodes.len()
    }

    /// Starts a node at a place.
    pub(crate) fn start_node(&self, place: usize) {
        let mut slots = self.lock();
        let node = Node::start(&self.around, slots.starts, slots.nodes.len() == 1);
        slots.starts += 1;
        if let Some(slot) = slots.nodes.get_mut(place) {
            *slot = Some(Arc::new(node));
        }
    }

    /// Takes a node from its place, so that nobody reaches it any more.
    pub(crate) fn take_node(&self, place: usize) -> Option<Arc<Node>> {
        self.lock().nodes.get_mut(place).and_then(Option::take)
    }

    /// The node at a place.
    pub(crate) fn node_at(&self, place: usize) -> Option<Arc<Node>> {
        self.lock().nodes.get(place).cloned().flatten()
    }

    /// All running nodes.
    pub(crate) fn nodes(&self) -> Vec<Arc<Node>> {
        self.lock().nodes.iter().flatten().cloned().collect()
    }

    /// One of the running nodes, as a balancer picks it.
    pub(crate) fn any_node(&self, dice: &Dice) -> Option<Arc<Node>> {
        let nodes = self.nodes();
        let picked = usize::try_from(dice.below(nodes.len() as u64)).unwrap_or(0);
        nodes.get(picked).cloned()
    }

    /// Sends a request to a node. A response is noted if it is a failure; `None`: there was none, or a failure.
    ///
    /// As at the server's door, a request goes on when its caller hangs up.
    pub(crate) async fn request<T: Send + 'static>(
        &self,
        dice: &Dice,
        (name, node): (&'static str, &Arc<Node>),
        request: impl Future<Output = VerifyResult<T>> + Send + 'static,
    ) -> Option<T> {
        let weather = &self.around.weather;
        weather.travel().await;
        let gate = node.gate.clone();
        let served = async move {
            gate.pass().await;
            let response = request.await;
            gate.pass().await;
            response
        };
        let gate = node.gate.clone();
        let mut running = tokio::spawn(async move {
            tokio::select! {
                biased;
                () = gate.died() => None,
                response = served => Some(response),
            }
        });
        let hangs_up = weather.strikes(weather.plan.hang_ups);
        let patience = if hangs_up { dice.millis(0, 40) } else { PATIENCE };
        match tokio::time::timeout(patience, &mut running).await {
            Ok(Ok(Some(Ok(response)))) => return Some(response),
            Ok(Ok(Some(Err(error)))) => self.note(Event::Refused(name, error.to_string())),
            Ok(_) => self.note(Event::NoResponse(name)),
            Err(_) => {
                if self.around.bug == Some(Bug::HangUpStopsWrites) {
                    running.abort();
                }
                self.note(Event::NoResponse(name));
            }
        }
        None
    }

    /// Notes an event.
    pub(crate) fn note(&self, event: Event) {
        self.around.recorder.note(event);
    }

    /// Whether faults have ended.
    pub(crate) fn weather_is_calm(&self) -> bool {
        self.around.weather.is_calm()
    }

    /// Waits, but not longer than faults last; returns whether they last.
    pub(crate) async fn storm_for(&self, span: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.calm.cancelled() => false,
            () = tokio::time::sleep(span) => true,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stores an account and a service.
async fn furnish(around: &Surroundings) -> anyhow::Result<(Account, Service)> {
    let make = Fixtures::new(around.seed);
    let account = make.account();
    let service = make.service(&account);
    let store = SqliteStore::in_memory(&around.database, None);
    store.create_account(&account).await?;
    store.create_service(&service).await?;
    Ok((account, service))
}
