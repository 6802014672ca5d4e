//! Phones that write down what they are shown.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use countersign_phone::{Backoff, Event, Listener, Phone};
use tokio::task::JoinSet;

/// A prompt that a phone was shown.
#[derive(Debug, Clone)]
pub struct Shown {
    pub notification: String,
    pub expires_at: SystemTime,
    pub read_at: SystemTime,
}

/// Phones that listen and acknowledge until this is dropped.
#[derive(Default)]
pub struct Seen {
    shown: Arc<Mutex<Vec<Shown>>>,
    listening: JoinSet<()>,
}

impl Seen {
    pub fn listen(&mut self, phone: &Phone) {
        let shown = Arc::clone(&self.shown);
        let mut listener = listener(phone);
        self.listening.spawn(async move {
            loop {
                // A phone that was closed for good is started again.
                if let Ok(Event::Prompt(prompt)) = listener.next().await {
                    shown.lock().expect("nobody panics").push(Shown {
                        notification: prompt.notification_sid,
                        expires_at: prompt.expires_at.into(),
                        read_at: SystemTime::now(),
                    });
                }
            }
        });
    }

    pub fn all(&self) -> Vec<Shown> {
        self.shown.lock().expect("nobody panics").clone()
    }
}

/// A listener that reconnects without delay.
pub fn listener(phone: &Phone) -> Listener {
    let quick = Duration::from_millis(50);
    phone.listen_with(Backoff { first: quick, most: quick * 10, come_back: quick })
}
