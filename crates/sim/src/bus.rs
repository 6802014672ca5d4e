//! The bus between simulated nodes: messages that come late, twice or not at all, and nodes that lose it.
//!
//! It behaves as the bus over NATS does. What a node holds is in a [`LocalBus`] of its own, as there; only the messages between nodes are
//! simulated. In good weather it keeps the rules of every bus.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use countersign_bus::local::Takeover;
use countersign_bus::{Attachment, Bus, Changed, Link, LocalBus, Offer, OfferOutcome, Watch};
use countersign_domain::monotonic::Monotonic;
use countersign_domain::sid::{ChallengeSid, FactorSid};
use tokio::sync::{oneshot, watch};

use crate::bugs::Bug;
use crate::gate::Gate;
use crate::history::NodeRun;
use crate::weather::Weather;

/// How long an offer may take, as over NATS.
const OFFER_TIMEOUT: Duration = Duration::from_secs(12);
/// How long a node may take to say that it holds a device.
const PRESENCE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a node may take to give up a device.
const TAKEOVER_TIMEOUT: Duration = Duration::from_secs(2);
/// Between two questions after an offer that has no reply. After two without a reply it is lost.
const LOST_CHECK: Duration = Duration::from_millis(250);

/// One node's end of the bus.
#[derive(Clone)]
struct End {
    local: LocalBus,
    gate: Gate,
    link: Arc<watch::Sender<Link>>,
}

impl End {
    fn is_up(&self) -> bool {
        *self.link.borrow() == Link::Up && !self.gate.is_dead()
    }
}

/// The bus of all nodes.
pub(crate) struct Network {
    ends: Mutex<BTreeMap<NodeRun, End>>,
    weather: Weather,
    bug: Option<Bug>,
}

impl Network {
    /// A bus without nodes.
    pub(crate) fn new(weather: Weather, bug: Option<Bug>) -> Arc<Self> {
        Arc::new(Self { ends: Mutex::default(), weather, bug })
    }

    /// Connects a node.
    pub(crate) fn join(self: &Arc<Self>, node: NodeRun, gate: Gate) -> SimBus {
        let link = Arc::new(watch::Sender::new(Link::Up));
        let end = End { local: LocalBus::default(), gate, link };
        self.lock().insert(node, end.clone());
        SimBus { network: Arc::clone(self), node, end }
    }

    /// Removes a node.
    pub(crate) fn leave(&self, node: NodeRun) {
        self.lock().remove(&node);
    }

    /// Cuts a node off, or connects it again.
    pub(crate) fn set_link(&self, node: NodeRun, link: Link) {
        let Some(end) = self.lock().get(&node).cloned() else { return };
        if end.link.send_replace(link) == link || link == Link::Down {
            return;
        }
        // The node missed changes of challenges, and devices that moved, while it was cut off.
        end.local.wake_all();
        for (_, other) in self.others(node) {
            settle_holds(&end.local, &other.local);
        }
    }

    /// The other nodes that can be reached.
    fn others(&self, node: NodeRun) -> Vec<(NodeRun, End)> {
        let ends = self.lock();
        let others = ends.iter().filter(|(other, end)| **other != node && end.is_up());
        others.map(|(other, end)| (*other, end.clone())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeRun, End>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries a message; returns whether it arrives.
    async fn carry(&self, from: &End, to: &End) -> bool {
        if !from.is_up() || !to.is_up() {
            return false;
        }
        self.weather.travel().await;
        let is_lost = self.weather.strikes(self.weather.plan.lost);
        !is_lost && to.is_up() && to.gate.is_alive().await
    }
}

/// Of two nodes that hold a device, the one where it attached later keeps it.
fn settle_holds(one: &LocalBus, other: &LocalBus) {
    for (holder, rival) in [(one, other), (other, one)] {
        let mut holds = holder.holds();
        holds.sort_by_key(|(factor, _)| *factor.as_bytes());
        for (factor, since) in holds {
            rival.give_up_older(factor, since);
        }
    }
}

/// The bus of one node.
#[derive(Clone)]
pub(crate) struct SimBus {
    network: Arc<Network>,
    node: NodeRun,
    end: End,
}

impl SimBus {
    /// Carries a message to every other node, each on a way of its own, perhaps twice.
    fn broadcast(&self, act: impl Fn(&LocalBus) + Clone + Send + 'static) {
        if !self.end.is_up() {
            return;
        }
        for (_, other) in self.network.others(self.node) {
            let copies = 1 + usize::from({
                let weather = &self.network.weather;
                weather.strikes(weather.plan.doubled)
            });
            for _ in 0..copies {
                let (network, from) = (Arc::clone(&self.network), self.end.clone());
                let (other, act) = (other.clone(), act.clone());
                tokio::spawn(async move {
                    if network.carry(&from, &other).await {
                        act(&other.local);
                    }
                });
            }
        }
    }

    /// Asks a node something that it answers from memory. `None`: no reply within `timeout`.
    async fn ask<T>(
        &self,
        other: &End,
        timeout: Duration,
        reply: impl Future<Output = T>,
    ) -> Option<T> {
        let asked = async {
            if !self.network.carry(&self.end, other).await {
                return None;
            }
            let reply = reply.await;
            self.network.carry(other, &self.end).await.then_some(reply)
        };
        let late = tokio::time::sleep(timeout);
        tokio::pin!(asked, late);
        tokio::select! {
            biased;
            reply = &mut asked => {
                if reply.is_none() && self.end.is_up() && other.is_up() {
                    late.await;
                }
                reply
            }
            () = &mut late => None,
        }
    }

    /// Offers a prompt to a device of another node.
    async fn offer_to(&self, other: End, offer: Offer) -> OfferOutcome {
        let (reply, outcome) = oneshot::channel();
        let is_in_hand = Arc::new(AtomicBool::new(false));
        tokio::spawn({
            let (network, from, to) = (Arc::clone(&self.network), self.end.clone(), other.clone());
            let is_in_hand = Arc::clone(&is_in_hand);
            async move {
                if network.carry(&from, &to).await {
                    is_in_hand.store(true, Ordering::SeqCst);
                    let outcome = to.local.offer(offer).await;
                    is_in_hand.store(false, Ordering::SeqCst);
                    if network.carry(&to, &from).await {
                        let _ = reply.send(outcome);
                    }
                }
            }
        });
        let known = async {
            match outcome.await {
                Ok(outcome) => outcome,
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            outcome = known => outcome,
            outcome = self.until_lost(&other, &is_in_hand) => outcome,
            () = tokio::time::sleep(OFFER_TIMEOUT) => OfferOutcome::Unacknowledged,
        }
    }

    /// Resolves when no reply to an offer will come: the other node has it no longer in hand, or does not reply any more.
    async fn until_lost(&self, other: &End, is_in_hand: &AtomicBool) -> OfferOutcome {
        if self.network.bug == Some(Bug::LostOfferWaits) {
            return std::future::pending().await;
        }
        let mut if_lost = OfferOutcome::NotConnected;
        let mut unanswered = 0;
        while unanswered < 2 {
            tokio::time::sleep(LOST_CHECK).await;
            let is_reached = self.end.is_up() && other.is_up() && other.gate.is_running();
            match (is_reached, is_in_hand.load(Ordering::SeqCst)) {
                (true, true) => {
                    if_lost = OfferOutcome::Unacknowledged;
                    unanswered = 0;
                }
                (true, false) => return OfferOutcome::Unacknowledged,
                (false, _) => {
                    tokio::time::sleep(PRESENCE_TIMEOUT).await;
                    unanswered += 1;
                }
            }
        }
        if_lost
    }
}

#[async_trait]
impl Bus for SimBus {
    async fn offer(&self, offer: Offer) -> OfferOutcome {
        let factor = offer.factor;
        if self.end.local.is_here(factor) {
            return self.end.local.offer(offer).await;
        }
        if !self.end.is_up() {
            return OfferOutcome::NotConnected;
        }
        // The newest hold first: a node from which a device was taken is silent.
        let holders = self.network.others(self.node).into_iter();
        let since = |end: &End| {
            let holds = end.local.holds();
            holds.into_iter().find(|(held, _)| *held == factor).map(|(_, since)| since)
        };
        let newest = holders
            .filter_map(|(_, end)| Some((since(&end)?, end)))
            .max_by_key(|(since, _)| *since);
        match newest {
            Some((_, holder)) => self.offer_to(holder, offer).await,
            None => OfferOutcome::NotConnected,
        }
    }

    async fn is_attached(&self, factor: FactorSid) -> bool {
        if self.end.local.is_here(factor) {
            return true;
        }
        for (_, other) in self.network.others(self.node) {
            if self.end.is_up() && other.local.is_here(factor) {
                let reply = async { other.local.is_here(factor) };
                if self.ask(&other, PRESENCE_TIMEOUT, reply).await == Some(true) {
                    return true;
                }
            }
        }
        false
    }

    async fn attach(&self, factor: FactorSid, now: Monotonic) -> Option<Attachment> {
        let attachment = self.end.local.attach(factor, now).await?;
        if self.end.is_up() {
            for (_, other) in self.network.others(self.node) {
                if other.local.holds().iter().any(|(held, _)| *held == factor) {
                    let reply = async { other.local.give_up(factor, now) };
                    let given_up = self.ask(&other, TAKEOVER_TIMEOUT, reply).await;
                    if given_up == Some(Takeover::TooSoon) {
                        return None;
                    }
                }
            }
        }
        Some(attachment)
    }

    async fn dismiss(&self, factor: FactorSid) {
        self.end.local.dismiss(factor).await;
        self.broadcast(move |local| local.dismiss_here(factor));
    }

    async fn answered_elsewhere(&self, factor: FactorSid, challenge: ChallengeSid) {
        if self.end.local.is_here(factor) {
            return self.end.local.answered_elsewhere(factor, challenge).await;
        }
        self.broadcast(move |local| local.tell_device(factor, challenge));
    }

    async fn watch(&self, challenge: ChallengeSid) -> Watch {
        self.end.local.watch(challenge).await
    }

    async fn challenge_changed(&self, challenge: ChallengeSid) {
        self.end.local.challenge_changed(challenge).await;
        self.broadcast(move |local| local.wake(challenge));
    }

    async fn announce(&self, changed: Changed) {
        self.end.local.announce(changed).await;
        self.broadcast(move |local| local.tell(changed));
    }

    fn listen(&self, listener: Box<dyn Fn(Changed) + Send + Sync>) {
        self.end.local.listen(listener);
    }

    fn held(&self) -> Vec<FactorSid> {
        let mut held = self.end.local.held();
        held.sort_by_key(|factor| *factor.as_bytes());
        held
    }

    fn link(&self) -> Option<watch::Receiver<Link>> {
        let rounds = self.network.bug != Some(Bug::NoRounds);
        rounds.then(|| self.end.link.subscribe())
    }

    async fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    use countersign_bus::conformance::BusPair;
    use countersign_testkit::ManualClock;

    use super::*;
    use crate::dice::Dice;
    use crate::weather::Plan;

    async fn two_nodes() -> (BusPair, ()) {
        let dice = Dice::of(1, 1);
        let weather = Weather::new(Plan::draw(&dice), dice);
        weather.set_calm(true);
        let network = Network::new(weather, None);
        let join = |node| Arc::new(network.join(node, Gate::default()));
        (BusPair { here: join(1), there: join(2), clock: ManualClock::new() }, ())
    }

    countersign_bus::conformance!(two_nodes);
}
