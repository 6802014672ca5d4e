//! Records the outcomes of attempts: in a metric, and in the security log.

use countersign_domain::integration::Integration;
use countersign_verify::security::{self, Event};
use metrics::counter;

/// The outcome of an attempt, as pages say it. A page that is opened again says it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The devices of a user were to be asked.
    Asked,
    /// The browser was signed in.
    SignedIn,
    /// The person denied.
    Denied,
    /// A wrong number or code was entered on a device, or too many wrong codes of a device on the page.
    WrongNumber,
    /// The person had not begun it.
    NotMe,
    /// Nobody answered in time.
    Expired,
    /// A wrong code was typed on the page.
    WrongCode,
    /// There were too many tries.
    Throttled,
}

impl Outcome {
    const fn word(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::SignedIn => "signed_in",
            Self::Denied => "denied",
            Self::WrongNumber => "wrong_number",
            Self::NotMe => "not_me",
            Self::Expired => "expired",
            Self::WrongCode => "wrong_code",
            Self::Throttled => "throttled",
        }
    }

    /// The reason of a refusal; `None` if the security log has none.
    const fn refusal(self) -> Option<&'static str> {
        match self {
            Self::Denied => Some("the person denied"),
            Self::WrongNumber => Some("a wrong number or code was entered"),
            Self::NotMe => Some("the person had not begun it"),
            Self::WrongCode => Some("the code is wrong or was used before"),
            Self::Throttled => Some("too many tries"),
            Self::Asked | Self::SignedIn | Self::Expired => None,
        }
    }

    /// Counts and logs it.
    pub(super) fn record(self, integration: &Integration) {
        counter!("countersign_sign_in_page_total", "outcome" => self.word()).increment(1);
        let (account, sid) = (integration.account, integration.sid);
        if self == Self::SignedIn {
            security::done(Event::SignInPage, account, sid);
        }
        if let Some(why) = self.refusal() {
            security::refused(Event::SignInPage, account, Some(&sid), &why);
        }
    }
}
