//! The signals that a server handles. None of them ends it abruptly.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The action that a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalAction {
    /// Finish the requests in flight and stop: SIGTERM, SIGINT, SIGQUIT.
    Stop,
    /// Read settings and certificates again: SIGHUP.
    Reload,
}

/// The signals of a server. While this exists none of them ends the process, nor does SIGPIPE, which Rust ignores.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hangup: Signal,
    user_1: Signal,
    user_2: Signal,
}

impl Signals {
    /// Starts to listen.
    ///
    /// # Errors
    /// The system does not allow a handler.
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

    /// Waits for the next signal with an action. Others are logged.
    pub async fn next(&mut self) -> SignalAction {
        loop {
            let name = tokio::select! {
                _ = self.terminate.recv() => return SignalAction::Stop,
                _ = self.interrupt.recv() => return SignalAction::Stop,
                _ = self.quit.recv() => return SignalAction::Stop,
                _ = self.hangup.recv() => return SignalAction::Reload,
                _ = self.user_1.recv() => "SIGUSR1",
                _ = self.user_2.recv() => "SIGUSR2",
            };
            tracing::info!("{name} is ignored; SIGHUP reloads, SIGTERM stops");
        }
    }

    /// Waits for an interrupt: Ctrl-C, for example.
    pub async fn interrupted(&mut self) {
        self.interrupt.recv().await;
    }
}
