//! The person's input: a letter and Enter.

use std::io::BufRead as _;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// The letters.
pub(super) const KEYS: &str = "a approve · d deny · s skip, and Enter";

/// The letters for a challenge that asks for the number on the page.
pub(super) const NUMBER_KEYS: &str =
    "the number that the page shows approves · d deny · s skip, and Enter";

/// Lines of standard input.
pub(super) struct Keys(UnboundedReceiver<String>);

impl Keys {
    /// Starts to read. The reading thread ends with the process, since nothing can interrupt it.
    pub(super) fn listen() -> Self {
        let (sender, receiver) = unbounded_channel();
        std::thread::spawn(move || {
            for line in std::io::stdin().lock().lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self(receiver)
    }

    /// The next line; pends forever at the end of the input.
    pub(super) async fn next(keys: &mut Option<Self>) -> String {
        if let Some(Self(lines)) = keys {
            if let Some(line) = lines.recv().await {
                return line;
            }
            *keys = None;
        }
        std::future::pending().await
    }
}
