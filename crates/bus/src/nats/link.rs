//! Follows the state of the connection, and restores what depends on it after a reconnect.

use std::mem::replace;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{ClientError, Event};
use bytes::Bytes;
use metrics::{counter, gauge};
use tokio::sync::mpsc;

use super::connection;
use super::node::{Node, TAKEOVER_TIMEOUT};
use super::requests::RequestError;
use super::wire::HolderRequest;
use crate::seam::Link;

/// While the link is down, no message says that a challenge was answered at another node: requests that wait for one read
/// again at this interval.
const REREAD_INTERVAL: Duration = Duration::from_secs(1);

impl Node {
    /// Follows the connection until the client ends. `connects`: the connects that were acted on before.
    pub(super) async fn keep_link(
        self: Arc<Self>,
        mut happened: mpsc::Receiver<Event>,
        mut connects: u64,
    ) {
        let mut last_logged = String::new();
        loop {
            let is_up = self.is_up();
            let reread = self.clock.sleep(REREAD_INTERVAL);
            let event = tokio::select! {
                event = happened.recv() => event,
                () = reread, if !is_up => {
                    self.local.wake_all();
                    let is_connected = self.client.connection_state() == State::Connected;
                    if is_connected && let Err(why) = self.came_up().await {
                        log_once(&mut last_logged, why);
                    }
                    continue;
                }
            };
            let Some(event) = event else { return };
            match event {
                Event::Disconnected | Event::Closed => self.went_down(),
                Event::SlowConsumer(_) => counter!("countersign_bus_dropped_total").increment(1),
                Event::LameDuckMode => {
                    tracing::info!(
                        "the NATS server is about to stop; the bus will use another one"
                    );
                }
                Event::ServerError(error) => log_once(&mut last_logged, &error.to_string()),
                Event::ClientError(ClientError::Other(error)) => log_once(&mut last_logged, &error),
                Event::ClientError(_) | Event::Connected | Event::Draining => {}
            }
            // The client's count and not its event: events can be lost when there are many.
            let counted = self.client.statistics().connects.load(Ordering::Relaxed);
            if counted != connects {
                connects = counted;
                self.went_down();
                counter!("countersign_bus_connects_total").increment(1);
                last_logged.clear();
                if let Err(why) = self.came_up().await {
                    log_once(&mut last_logged, why);
                }
            }
        }
    }

    fn went_down(&self) {
        let was_up = self.link.send_if_modified(|link| replace(link, Link::Down) == Link::Up);
        if was_up {
            gauge!("countersign_bus_connected").set(0);
            tracing::warn!(
                "the bus has lost its connection; prompts for devices at other nodes are slow until it is back"
            );
        }
    }

    /// Sets the link to [`Link::Up`] once the subscriptions are in force. They have been written to the connection; a reply to a
    /// message that was written after them proves that the server has read them.
    ///
    /// # Errors
    /// The server does not reply.
    pub(super) async fn came_up(self: &Arc<Self>) -> Result<(), &'static str> {
        let no_subscriber = (format!("{}.nobody", self.prefix), Bytes::new());
        let (client, clock, sealer) = (&self.client, &*self.clock, &self.sealer);
        match self.requests.ask(client, clock, sealer, no_subscriber, TAKEOVER_TIMEOUT).await {
            Ok(_) | Err(RequestError::NoResponders) => {}
            Err(RequestError::Timeout | RequestError::NotSent) => {
                return Err(
                    "the NATS server does not reply, or forbids the subjects below bus.prefix",
                );
            }
        }
        self.link.send_replace(Link::Up);
        gauge!("countersign_bus_connected").set(1);
        tracing::info!(server = connection::server(&self.client), "the bus is connected");
        self.local.wake_all();
        // In a task: following the connection must not wait for messages over it.
        tokio::spawn(Arc::clone(self).tell_holds());
        Ok(())
    }

    /// Tells other nodes which devices this one holds. A device that moved while the link was down is held twice, and the
    /// older socket must end.
    async fn tell_holds(self: Arc<Self>) {
        for (factor, since) in self.local.holds() {
            let request = HolderRequest::Held(self.clock.monotonic().since(since));
            self.say(self.device_subject(factor), request.name(), request.encode()).await;
        }
    }
}

/// Logs an error, unless it was the last one that was logged.
fn log_once(last: &mut String, error: &str) {
    if last != error {
        tracing::warn!(error, "the connection of the bus has an error");
        error.clone_into(last);
    }
}
