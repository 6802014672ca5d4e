//! Whether a command was done.

use countersign_domain::provider_token::ProviderToken;

use super::calls::CallsFound;
use super::challenge_groups::GroupOpened;
use super::challenges::{Confirmed, Opened, Recorded};
use super::codes::CodeUse;
use super::deliveries::Settlement;
use super::factors::Enrolled;
use super::notifications::Notified;
use super::transparency::LogState;
use super::writes::{Inserted, Updated};

/// The result of a command.
pub trait Outcome {
    /// Whether the command did what it was for. One that was not done may still have counted something, such as a wrong code.
    fn is_done(&self) -> bool;
}

impl Outcome for bool {
    fn is_done(&self) -> bool {
        *self
    }
}

impl Outcome for usize {
    fn is_done(&self) -> bool {
        *self > 0
    }
}

impl<T> Outcome for Option<T> {
    fn is_done(&self) -> bool {
        self.is_some()
    }
}

impl<T> Outcome for Vec<T> {
    fn is_done(&self) -> bool {
        !self.is_empty()
    }
}

impl<T: Outcome, E> Outcome for Result<T, E> {
    fn is_done(&self) -> bool {
        self.as_ref().is_ok_and(T::is_done)
    }
}

impl<T> Outcome for CodeUse<T> {
    fn is_done(&self) -> bool {
        matches!(self, Self::Accepted(_))
    }
}

/// Results of which these variants mean that the command was done.
macro_rules! done {
    ($($result:ty: $done:pat,)*) => {
        $(impl Outcome for $result {
            fn is_done(&self) -> bool {
                matches!(self, $done)
            }
        })*
    };
}

done! {
    Inserted: Self::Done,
    Updated: Self::Done,
    Opened: Self::Done,
    GroupOpened: Self::Done,
    Enrolled: Self::Done(_),
    Notified: Self::Done(_),
    Confirmed: Self::Done,
    Recorded: Self::Done,
}

/// Results of commands that are always done.
macro_rules! always {
    ($($result:ty),*) => {
        $(impl Outcome for $result {
            fn is_done(&self) -> bool {
                true
            }
        })*
    };
}

always!((), u32, [u8; 32], CallsFound, LogState, ProviderToken, Settlement);
