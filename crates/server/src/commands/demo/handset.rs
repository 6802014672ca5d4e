//! The phone in the person's hand: it holds the device stream in the background and notes when each push comes.

use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use countersign_phone::{Phone, Prompt, Stream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::timeout::within;

/// A connected phone.
pub(super) struct Handset {
    /// When the server said that it is linked.
    pub(super) linked: Instant,
    incoming: UnboundedReceiver<Incoming>,
    /// All that came so far.
    heard: Vec<Heard>,
    off: CancellationToken,
    task: JoinHandle<()>,
}

/// A push that came, and was acknowledged.
#[derive(Clone)]
pub(super) struct Heard {
    pub(super) prompt: Prompt,
    pub(super) at: Instant,
}

type Incoming = Result<Heard, countersign_phone::Error>;

impl Handset {
    /// Connects, and listens from then on.
    pub(super) async fn switch_on(phone: &Phone) -> anyhow::Result<Self> {
        let connecting = async { Ok(phone.connect().await?) };
        let stream = within("the device stream to link", connecting).await?;
        let linked = Instant::now();
        let (sender, incoming) = unbounded_channel();
        let off = CancellationToken::new();
        let task = tokio::spawn(listen(stream, sender, off.clone()));
        Ok(Self { linked, incoming, heard: Vec::new(), off, task })
    }

    /// Says goodbye to the server.
    pub(super) async fn switch_off(self) -> anyhow::Result<()> {
        self.off.cancel();
        within("the device stream to end", async { Ok(self.task.await?) }).await
    }

    /// The first push that is as wished, whether it has come already or not.
    pub(super) async fn push(
        &mut self,
        what: &str,
        wished: impl Fn(&Prompt) -> bool,
    ) -> anyhow::Result<Heard> {
        if let Some(heard) = self.heard.iter().find(|heard| wished(&heard.prompt)) {
            return Ok(heard.clone());
        }
        let coming = async {
            loop {
                let heard = self.next().await?;
                if wished(&heard.prompt) {
                    return Ok(heard);
                }
            }
        };
        within(what, coming).await
    }

    /// Listens for a while, and then tells whether this notification has ever come.
    pub(super) async fn has_heard(
        &mut self,
        notification: &str,
        listening: Duration,
    ) -> anyhow::Result<bool> {
        let until = tokio::time::Instant::now() + listening;
        while let Ok(heard) = tokio::time::timeout_at(until, self.next()).await {
            heard?;
        }
        Ok(self.heard.iter().any(|heard| heard.prompt.notification_sid == notification))
    }

    /// How many pushes of this challenge have come.
    pub(super) fn pushes_of(&self, challenge: &str) -> usize {
        self.heard.iter().filter(|heard| heard.prompt.challenge_sid == challenge).count()
    }

    async fn next(&mut self) -> anyhow::Result<Heard> {
        let heard = self.incoming.recv().await.ok_or_else(|| anyhow!("the phone is off"))?;
        let heard = heard.context("the phone lost its device stream")?;
        self.heard.push(heard.clone());
        Ok(heard)
    }
}

async fn listen(mut stream: Stream, sender: UnboundedSender<Incoming>, off: CancellationToken) {
    loop {
        let heard = tokio::select! {
            () = off.cancelled() => return stream.close().await,
            prompt = stream.next_prompt() => prompt.map(|prompt| Heard { prompt, at: Instant::now() }),
        };
        let is_over = heard.is_err();
        if sender.send(heard).is_err() || is_over {
            return;
        }
    }
}
