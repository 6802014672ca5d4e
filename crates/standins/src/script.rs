//! Scripts the reaction of a stand-in to the next request, to the requests of one address, or to all.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use h2::Reason;
use tokio::sync::watch;

use crate::connections::ConnectionHandle;
use crate::faults::{Fault, Faults};
use crate::listener::{HttpResponse, Reply};

/// The reaction to one valid request. An invalid request is refused and uses up no action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action<A> {
    /// Sends this response.
    Respond(A),
    /// Sends the usual response, this much later.
    Delay(Duration),
    /// Sends no response until [`Script::release`], then the usual one.
    Stall,
    /// Sends the usual response; the connection then accepts no more requests.
    GoAway,
    /// Resets the stream without processing the request: HTTP/2's `REFUSED_STREAM`. On HTTP/1 the connection ends.
    Refuse,
    /// Resets the stream while processing the request: HTTP/2's `INTERNAL_ERROR`. On HTTP/1 the connection ends.
    Reset,
    /// Cuts the connection, with all other requests on it.
    Drop,
}

impl<A> From<A> for Action<A> {
    fn from(response: A) -> Self {
        Self::Respond(response)
    }
}

/// The script of one stand-in. The actions of an address come first, then those of the next request, then permanent ones, then
/// [`Faults`].
#[derive(Debug)]
pub struct Script<A> {
    faults: Faults,
    transient: Vec<A>,
    actions: Mutex<Actions<A>>,
    released: watch::Sender<u64>,
}

#[derive(Debug)]
struct Actions<A> {
    all: Queue<A>,
    addresses: HashMap<String, Queue<A>>,
    /// The number of requests so far, by address.
    requests: HashMap<String, u64>,
}

#[derive(Debug)]
struct Queue<A> {
    next: VecDeque<Action<A>>,
    always: Option<Action<A>>,
}

impl<A: Clone> Script<A> {
    /// An empty script. `transient` are the refusals that faults choose from.
    pub(crate) fn new(faults: Faults, transient: Vec<A>) -> Self {
        let actions =
            Actions { all: Queue::default(), addresses: HashMap::new(), requests: HashMap::new() };
        Self { faults, transient, actions: Mutex::new(actions), released: watch::Sender::new(0) }
    }

    /// Plans the action for the next request.
    pub fn next(&self, action: impl Into<Action<A>>) {
        self.actions().all.next.push_back(action.into());
    }

    /// Plans the action for each of the next `n` requests.
    pub fn next_n(&self, n: usize, action: impl Into<Action<A>>) {
        let action = action.into();
        self.actions().all.next.extend(std::iter::repeat_n(action, n));
    }

    /// Plans the action for the next request to an address.
    pub fn next_to(&self, address: &str, action: impl Into<Action<A>>) {
        let mut actions = self.actions();
        actions.addresses.entry(address.to_owned()).or_default().next.push_back(action.into());
    }

    /// Sets the action for all requests.
    pub fn always(&self, action: impl Into<Action<A>>) {
        self.actions().all.always = Some(action.into());
    }

    /// Sets the action for all requests to an address.
    pub fn always_to(&self, address: &str, action: impl Into<Action<A>>) {
        let mut actions = self.actions();
        actions.addresses.entry(address.to_owned()).or_default().always = Some(action.into());
    }

    /// Removes all planned actions. Stalled requests stay stalled.
    pub fn clear(&self) {
        let mut actions = self.actions();
        actions.all = Queue::default();
        actions.addresses.clear();
    }

    /// Releases all requests that are stalled now.
    pub fn release(&self) {
        self.released.send_modify(|times| *times += 1);
    }

    /// Takes the action for a request to `address`. Call it before the request is recorded, so that a later
    /// [`release`](Self::release) reaches it.
    pub(crate) fn take(&self, address: &str) -> PlannedAction<A> {
        let released = self.released.subscribe();
        let mut actions = self.actions();
        let planned = actions
            .addresses
            .get_mut(address)
            .and_then(|queue| queue.next.pop_front().or_else(|| queue.always.clone()))
            .or_else(|| actions.all.next.pop_front())
            .or_else(|| actions.all.always.clone());
        let action = planned.or_else(|| self.fault(&mut actions, address));
        PlannedAction { action, released }
    }

    fn fault(&self, actions: &mut Actions<A>, address: &str) -> Option<Action<A>> {
        if self.faults.is_none() {
            return None;
        }
        let requests = actions.requests.entry(address.to_owned()).or_default();
        let nth = *requests;
        *requests += 1;
        match self.faults.fault(address, nth)? {
            Fault::Refuse(choice) => {
                let most = u64::try_from(self.transient.len()).unwrap_or(u64::MAX).max(1);
                let choice = usize::try_from(choice % most).unwrap_or_default();
                self.transient.get(choice).cloned().map(Action::Respond)
            }
            Fault::Delay(span) => Some(Action::Delay(span)),
            Fault::Drop => Some(Action::Drop),
            Fault::GoAway => Some(Action::GoAway),
        }
    }

    fn actions(&self) -> MutexGuard<'_, Actions<A>> {
        self.actions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<A> Default for Queue<A> {
    fn default() -> Self {
        Self { next: VecDeque::new(), always: None }
    }
}

/// The action for one request.
pub(crate) struct PlannedAction<A> {
    action: Option<Action<A>>,
    released: watch::Receiver<u64>,
}

impl<A: Clone> PlannedAction<A> {
    /// The response that replaces the usual one, if there is one.
    pub(crate) fn response(&self) -> Option<A> {
        match &self.action {
            Some(Action::Respond(response)) => Some(response.clone()),
            _ => None,
        }
    }

    /// Whether the request gets a response.
    pub(crate) fn has_response(&self) -> bool {
        !matches!(self.action, Some(Action::Refuse | Action::Reset | Action::Drop))
    }

    /// Runs the action. `response` is the response to send, if the action sends any.
    pub(crate) async fn run(
        mut self,
        connection: &ConnectionHandle,
        response: HttpResponse,
    ) -> Reply {
        match self.action {
            None | Some(Action::Respond(_)) => Reply::Respond(response),
            Some(Action::Delay(span)) => {
                tokio::time::sleep(span).await;
                Reply::Respond(response)
            }
            Some(Action::Stall) => {
                // Fails only if the stand-in was dropped, and the connection with it.
                let _ = self.released.changed().await;
                Reply::Respond(response)
            }
            Some(Action::GoAway) => {
                connection.go_away();
                Reply::Respond(response)
            }
            Some(Action::Refuse) => Reply::Reset(Reason::REFUSED_STREAM),
            Some(Action::Reset) => Reply::Reset(Reason::INTERNAL_ERROR),
            Some(Action::Drop) => {
                connection.cut();
                // Until the connection ends and drops this future.
                std::future::pending().await
            }
        }
    }
}
