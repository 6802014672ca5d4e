//! The connected phone: it holds the device stream in the background and records when each push arrives.

use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use countersign_phone::{Phone, Prompt, Stream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::timeout::within;

/// A connected phone.
pub(super) struct ConnectedPhone {
    /// When the server confirmed the connection.
    pub(super) linked: Instant,
    incoming: UnboundedReceiver<Incoming>,
    /// All pushes that have arrived.
    received: Vec<ReceivedPush>,
    off: CancellationToken,
    task: JoinHandle<()>,
}

/// A push that arrived and was acknowledged.
#[derive(Clone)]
pub(super) struct ReceivedPush {
    pub(super) prompt: Prompt,
    pub(super) at: Instant,
}

type Incoming = Result<ReceivedPush, countersign_phone::PhoneError>;

impl ConnectedPhone {
    /// Connects and starts to listen.
    pub(super) async fn switch_on(phone: &Phone) -> anyhow::Result<Self> {
        let connecting = async { Ok(phone.connect().await?) };
        let stream = within("the device stream to link", connecting).await?;
        let linked = Instant::now();
        let (sender, incoming) = unbounded_channel();
        let off = CancellationToken::new();
        let task = tokio::spawn(listen(stream, sender, off.clone()));
        Ok(Self { linked, incoming, received: Vec::new(), off, task })
    }

    /// Closes the stream.
    pub(super) async fn switch_off(self) -> anyhow::Result<()> {
        self.off.cancel();
        within("the device stream to end", async { Ok(self.task.await?) }).await
    }

    /// The first push that is as wanted, whether it has arrived already or not.
    pub(super) async fn push(
        &mut self,
        what: &str,
        wanted: impl Fn(&Prompt) -> bool,
    ) -> anyhow::Result<ReceivedPush> {
        if let Some(received) = self.received.iter().find(|received| wanted(&received.prompt)) {
            return Ok(received.clone());
        }
        let coming = async {
            loop {
                let received = self.next().await?;
                if wanted(&received.prompt) {
                    return Ok(received);
                }
            }
        };
        within(what, coming).await
    }

    /// Listens for a while, and tells whether this notification has ever arrived.
    pub(super) async fn has_received(
        &mut self,
        notification: &str,
        listening: Duration,
    ) -> anyhow::Result<bool> {
        let until = tokio::time::Instant::now() + listening;
        while let Ok(received) = tokio::time::timeout_at(until, self.next()).await {
            received?;
        }
        Ok(self.received.iter().any(|received| received.prompt.notification_sid == notification))
    }

    /// How many pushes of this challenge have arrived.
    pub(super) fn pushes_of(&self, challenge: &str) -> usize {
        self.received.iter().filter(|received| received.prompt.challenge_sid == challenge).count()
    }

    async fn next(&mut self) -> anyhow::Result<ReceivedPush> {
        let received = self.incoming.recv().await.ok_or_else(|| anyhow!("the phone is off"))?;
        let received = received.context("the phone lost its device stream")?;
        self.received.push(received.clone());
        Ok(received)
    }
}

async fn listen(mut stream: Stream, sender: UnboundedSender<Incoming>, off: CancellationToken) {
    loop {
        let received = tokio::select! {
            () = off.cancelled() => return stream.close().await,
            prompt = stream.next_prompt() => prompt.map(|prompt| ReceivedPush { prompt, at: Instant::now() }),
        };
        let is_over = received.is_err();
        if sender.send(received).is_err() || is_over {
            return;
        }
    }
}
