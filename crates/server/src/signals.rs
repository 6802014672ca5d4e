//! The signals that a server obeys. None of them ends it abruptly.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a server is told by a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Finish what is in flight, and stop: SIGTERM, SIGINT, SIGQUIT.
    Stop,
    /// Read settings and certificates again: SIGHUP.
    Reload,
}

/// The signals of a server. From the beginning none of them ends the process by itself, nor does SIGPIPE, which Rust ignores.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hangup: Signal,
    user_1: Signal,
    user_2: Signal,
}

impl Signals {
    /// Listens from now on.
    ///
    /// # Errors
    /// The system refuses.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hangup: signal(SignalKind::hangup())?,
            user_1: signal(SignalKind::user_defined1())?,
            user_2: signal(SignalKind::user_defined2())?,
        })
    }

    /// The next signal that means something. Others are logged.
    pub async fn next(&mut self) -> Told {
        loop {
            let name = tokio::select! {
                _ = self.terminate.recv() => return Told::Stop,
                _ = self.interrupt.recv() => return Told::Stop,
                _ = self.quit.recv() => return Told::Stop,
                _ = self.hangup.recv() => return Told::Reload,
                _ = self.user_1.recv() => "SIGUSR1",
                _ = self.user_2.recv() => "SIGUSR2",
            };
            tracing::info!("{name} means nothing here; SIGHUP reloads, SIGTERM stops");
        }
    }

    /// Waits for an interrupt: Ctrl-C, for example.
    pub async fn interrupted(&mut self) {
        self.interrupt.recv().await;
    }
}
