//! What a stand-in is told to do: with the next request, with those to one address, or with all.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use h2::Reason;
use tokio::sync::watch;

use crate::listener::{Answer, Line, Reply};
use crate::manners::{Lapse, Manners};

/// What happens to one request that is right. One that is wrong is refused for what is wrong with it, and takes no turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn<A> {
    /// This answer.
    Answer(A),
    /// The usual answer, this much later.
    Delay(Duration),
    /// No answer, until [`Script::release`]; then the usual one.
    Stall,
    /// The usual answer, and the connection takes no more requests.
    GoAway,
    /// The stream is reset and the request was not looked at: HTTP/2's `REFUSED_STREAM`. On HTTP/1 the connection ends.
    Refuse,
    /// The stream is reset half way: HTTP/2's `INTERNAL_ERROR`. On HTTP/1 the connection ends.
    Reset,
    /// The connection ends without a word, with everything else that is on it.
    Drop,
}

impl<A> From<A> for Turn<A> {
    fn from(answer: A) -> Self {
        Self::Answer(answer)
    }
}

/// The turns of one stand-in. An address's own turns come first, then those for whoever is next, then what always
/// holds, then its [`Manners`].
#[derive(Debug)]
pub struct Script<A> {
    manners: Manners,
    passing: Vec<A>,
    turns: Mutex<Turns<A>>,
    released: watch::Sender<u64>,
}

#[derive(Debug)]
struct Turns<A> {
    anyone: Plan<A>,
    addresses: HashMap<String, Plan<A>>,
    heard: HashMap<String, u64>,
}

#[derive(Debug)]
struct Plan<A> {
    next: VecDeque<Turn<A>>,
    always: Option<Turn<A>>,
}

impl<A: Clone> Script<A> {
    /// Nothing is planned. `passing` are the answers that bad manners give.
    pub(crate) fn new(manners: Manners, passing: Vec<A>) -> Self {
        let turns =
            Turns { anyone: Plan::default(), addresses: HashMap::new(), heard: HashMap::new() };
        Self { manners, passing, turns: Mutex::new(turns), released: watch::Sender::new(0) }
    }

    /// Whoever comes next takes this turn.
    pub fn next(&self, turn: impl Into<Turn<A>>) {
        self.turns().anyone.next.push_back(turn.into());
    }

    /// The next `n` take this turn.
    pub fn next_n(&self, n: usize, turn: impl Into<Turn<A>>) {
        let turn = turn.into();
        self.turns().anyone.next.extend(std::iter::repeat_n(turn, n));
    }

    /// The next request to an address takes this turn.
    pub fn next_to(&self, address: &str, turn: impl Into<Turn<A>>) {
        let mut turns = self.turns();
        turns.addresses.entry(address.to_owned()).or_default().next.push_back(turn.into());
    }

    /// Everybody takes this turn, until told otherwise.
    pub fn always(&self, turn: impl Into<Turn<A>>) {
        self.turns().anyone.always = Some(turn.into());
    }

    /// Every request to an address takes this turn, until told otherwise.
    pub fn always_to(&self, address: &str, turn: impl Into<Turn<A>>) {
        let mut turns = self.turns();
        turns.addresses.entry(address.to_owned()).or_default().always = Some(turn.into());
    }

    /// Nothing is planned any more. What stalls goes on stalling.
    pub fn clear(&self) {
        let mut turns = self.turns();
        turns.anyone = Plan::default();
        turns.addresses.clear();
    }

    /// Lets go all that stall now.
    pub fn release(&self) {
        self.released.send_modify(|times| *times += 1);
    }

    /// The turn of a request to `address`. Take it before anybody can see the request: whoever then calls
    /// [`release`](Self::release) reaches it.
    pub(crate) fn cue(&self, address: &str) -> Cue<A> {
        let released = self.released.subscribe();
        let mut turns = self.turns();
        let planned = turns
            .addresses
            .get_mut(address)
            .and_then(|plan| plan.next.pop_front().or_else(|| plan.always.clone()))
            .or_else(|| turns.anyone.next.pop_front())
            .or_else(|| turns.anyone.always.clone());
        let turn = planned.or_else(|| self.lapse(&mut turns, address));
        Cue { turn, released }
    }

    fn lapse(&self, turns: &mut Turns<A>, address: &str) -> Option<Turn<A>> {
        if self.manners.is_calm() {
            return None;
        }
        let heard = turns.heard.entry(address.to_owned()).or_default();
        let nth = *heard;
        *heard += 1;
        match self.manners.lapse(address, nth)? {
            Lapse::Refuse(choice) => {
                let most = u64::try_from(self.passing.len()).unwrap_or(u64::MAX).max(1);
                let choice = usize::try_from(choice % most).unwrap_or_default();
                self.passing.get(choice).cloned().map(Turn::Answer)
            }
            Lapse::Delay(span) => Some(Turn::Delay(span)),
            Lapse::Drop => Some(Turn::Drop),
            Lapse::GoAway => Some(Turn::GoAway),
        }
    }

    fn turns(&self) -> MutexGuard<'_, Turns<A>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<A> Default for Plan<A> {
    fn default() -> Self {
        Self { next: VecDeque::new(), always: None }
    }
}

/// One request's turn.
pub(crate) struct Cue<A> {
    turn: Option<Turn<A>>,
    released: watch::Receiver<u64>,
}

impl<A: Clone> Cue<A> {
    /// The answer it is to be given in place of the usual one.
    pub(crate) fn answer(&self) -> Option<A> {
        match &self.turn {
            Some(Turn::Answer(answer)) => Some(answer.clone()),
            _ => None,
        }
    }

    /// Whether it will be given any.
    pub(crate) fn is_answered(&self) -> bool {
        !matches!(self.turn, Some(Turn::Refuse | Turn::Reset | Turn::Drop))
    }

    /// Takes the turn: `answer`, or what was planned in its place.
    pub(crate) async fn take(mut self, line: &Line, answer: Answer) -> Reply {
        match self.turn {
            None | Some(Turn::Answer(_)) => Reply::Answer(answer),
            Some(Turn::Delay(span)) => {
                tokio::time::sleep(span).await;
                Reply::Answer(answer)
            }
            Some(Turn::Stall) => {
                // fails only if the stand-in is gone, and then so is the connection
                let _ = self.released.changed().await;
                Reply::Answer(answer)
            }
            Some(Turn::GoAway) => {
                line.go_away();
                Reply::Answer(answer)
            }
            Some(Turn::Refuse) => Reply::Reset(Reason::REFUSED_STREAM),
            Some(Turn::Reset) => Reply::Reset(Reason::INTERNAL_ERROR),
            Some(Turn::Drop) => {
                line.cut();
                // until the connection is gone, and this with it
                std::future::pending().await
            }
        }
    }
}
