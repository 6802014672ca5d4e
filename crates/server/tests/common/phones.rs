//! Phones that write down what they are shown.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_domain::sid::NotificationSid;
use countersign_phone::{Backoff, Event, Listener, Phone};
use countersign_testkit::history::{History, Known};
use tokio::task::JoinSet;

use crate::load::{instant, now};

/// Phones that listen and acknowledge until this is dropped.
pub struct Seen {
    history: History,
    shown: Arc<Mutex<Vec<NotificationSid>>>,
    listening: JoinSet<()>,
}

impl Seen {
    /// Prompts are noted in `history`.
    pub fn new(history: History) -> Self {
        Self { history, shown: Arc::default(), listening: JoinSet::new() }
    }

    pub fn listen(&mut self, phone: &Phone) {
        let (shown, history) = (Arc::clone(&self.shown), self.history.clone());
        let mut listener = listener(phone);
        self.listening.spawn(async move {
            loop {
                // A phone that was closed for good is started again.
                if let Ok(Event::Prompt(prompt)) = listener.next().await {
                    let (read_at, sid) = (now(), prompt.notification_sid.parse().expect("a SID"));
                    history.note(read_at, read_at, Known::Shown(sid, instant(prompt.expires_at)));
                    shown.lock().expect("nobody panics").push(sid);
                }
            }
        });
    }

    /// The notifications whose prompts were shown, each as often as it was.
    pub fn all(&self) -> Vec<NotificationSid> {
        self.shown.lock().expect("nobody panics").clone()
    }
}

/// A listener that reconnects without delay.
pub fn listener(phone: &Phone) -> Listener {
    let quick = Duration::from_millis(50);
    phone.listen_with(Backoff { first: quick, most: quick * 10, come_back: quick })
}
