//! Keeps watch over the connection: says how it is, and sees to it, when it came back, that all is as it was before.

use std::mem::replace;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{ClientError, Event};
use bytes::Bytes;
use metrics::{counter, gauge};
use tokio::sync::mpsc;

use super::calls::Unanswered;
use super::wire::ToHolder;
use super::{ASK_WITHIN, Node, connection};
use crate::seam::Link;

/// While the link is down nobody tells of answers at other nodes: whoever waits for one looks again so often.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

impl Node {
    /// Follows the connection. `connects`: how often it has been made, and seen to, already.
    pub(super) async fn keep_link(
        self: Arc<Self>,
        mut happened: mpsc::Receiver<Event>,
        mut connects: u64,
    ) {
        let mut last_said = String::new();
        loop {
            let is_up = self.is_up();
            let look_again = self.clock.sleep(LOOK_AGAIN);
            let event = tokio::select! {
                event = happened.recv() => event,
                () = look_again, if !is_up => {
                    self.local.wake_all();
                    let stands = self.client.connection_state() == State::Connected;
                    if stands && let Err(why) = self.came_up().await {
                        say_once(&mut last_said, why);
                    }
                    continue;
                }
            };
            let Some(event) = event else { return };
            match event {
                Event::Disconnected | Event::Closed => self.went_down(),
                Event::SlowConsumer(_) => counter!("countersign_bus_dropped_total").increment(1),
                Event::LameDuckMode => {
                    tracing::info!("the NATS server is about to stop; another one will be sought");
                }
                Event::ServerError(error) => say_once(&mut last_said, &error.to_string()),
                Event::ClientError(ClientError::Other(error)) => say_once(&mut last_said, &error),
                Event::ClientError(_) | Event::Connected | Event::Draining => {}
            }
            // The count, not the event: events can be lost when there are many.
            let made = self.client.statistics().connects.load(Ordering::Relaxed);
            if made != connects {
                connects = made;
                self.went_down();
                counter!("countersign_bus_connects_total").increment(1);
                last_said.clear();
                if let Err(why) = self.came_up().await {
                    say_once(&mut last_said, why);
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

    /// To be called when the connection stands. Subscriptions have been written to it; they are in force when somebody
    /// has answered something that was written after them.
    ///
    /// # Errors
    /// Nobody answers.
    pub(super) async fn came_up(self: &Arc<Self>) -> Result<(), &'static str> {
        let nobody = (format!("{}.nobody", self.prefix), Bytes::new());
        let (client, clock, sealer) = (&self.client, &*self.clock, &self.sealer);
        match self.calls.ask(client, clock, sealer, nobody, ASK_WITHIN).await {
            Ok(_) | Err(Unanswered::Nobody) => {}
            Err(Unanswered::Late | Unanswered::Unsent) => {
                return Err("the NATS server does not answer, or does not let us use our subjects");
            }
        }
        self.link.send_replace(Link::Up);
        gauge!("countersign_bus_connected").set(1);
        tracing::info!(server = connection::server(&self.client), "the bus is connected");
        self.local.wake_all();
        // Beside this: how the connection fares must not wait for what is said over it.
        tokio::spawn(Arc::clone(self).tell_holds());
        Ok(())
    }

    /// A device that moved to another node while the link was down is held twice: the older socket has to go.
    async fn tell_holds(self: Arc<Self>) {
        for (factor, since) in self.local.holds() {
            let said = ToHolder::Held(self.clock.monotonic().since(since));
            self.say(self.to_device(factor), said.name(), said.encode()).await;
        }
    }
}

/// Logs what stands in the way, once.
fn say_once(last: &mut String, error: &str) {
    if last != error {
        tracing::warn!(error, "the connection of the bus");
        error.clone_into(last);
    }
}
