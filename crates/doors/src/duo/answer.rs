//! The outcome of a login: the protocol's word, and a message for the person.

use super::call::Dialect;
use super::document::Document;

/// Where a login stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// The devices were asked.
    Pushed,
    /// It is approved.
    Allow,
    /// The person denied it.
    Deny,
    /// The person said that it was somebody else.
    Fraud,
    /// Nobody answered in time.
    Timeout,
    /// The person gets no prompts for a while.
    LockedOut,
    /// The code is wrong, or was used before.
    WrongCode,
    /// The person cannot be asked: there is none, or no device that can answer.
    NoDevice,
    /// The account, or its service, does not take logins now.
    Closed,
    /// Too much is going on to ask the person now.
    Busy,
    /// The same request was sent before.
    Repeated,
}

/// Whether the person may enter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is not known yet.
    Waiting,
    /// They may.
    Allow,
    /// They may not.
    Deny,
}

impl Status {
    const REFUSALS: [Self; 9] = [
        Self::Deny,
        Self::Fraud,
        Self::Timeout,
        Self::LockedOut,
        Self::WrongCode,
        Self::NoDevice,
        Self::Closed,
        Self::Busy,
        Self::Repeated,
    ];

    /// The refusal with this word, in names of transactions.
    pub(crate) fn refusal(word: &str) -> Option<Self> {
        Self::REFUSALS.into_iter().find(|status| status.word() == word)
    }

    /// The word in names of transactions. One for each status.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Pushed => "pushed",
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Fraud => "fraud",
            Self::Timeout => "timeout",
            Self::LockedOut => "locked_out",
            Self::WrongCode => "wrong_code",
            Self::NoDevice => "no_device",
            Self::Closed => "closed",
            Self::Busy => "busy",
            Self::Repeated => "repeated",
        }
    }

    /// The word of the protocol.
    const fn protocol_word(self) -> &'static str {
        match self {
            Self::Pushed
            | Self::Allow
            | Self::Deny
            | Self::Fraud
            | Self::Timeout
            | Self::LockedOut => self.word(),
            Self::WrongCode | Self::NoDevice | Self::Closed | Self::Busy | Self::Repeated => "deny",
        }
    }

    /// The message for the person.
    pub(crate) const fn message(self) -> &'static str {
        match self {
            Self::Pushed => "A prompt was sent to your device.",
            Self::Allow => "Approved.",
            Self::Deny => "The login was denied.",
            Self::Fraud => "The login was denied and reported.",
            Self::Timeout => "Nobody answered the prompt in time.",
            Self::LockedOut => {
                "No prompts are sent to you now. Try again later, or ask your administrator."
            }
            Self::WrongCode => "The code is wrong or was used before.",
            Self::NoDevice => "No device of yours can approve this login. Ask your administrator.",
            Self::Closed => "Logins cannot be approved now. Ask your administrator.",
            Self::Busy => "Too many logins are waiting. Try again in a minute.",
            Self::Repeated => "The same login was asked for before. Try again.",
        }
    }

    /// Whether the person may enter.
    pub(crate) const fn verdict(self) -> Verdict {
        match self {
            Self::Pushed => Verdict::Waiting,
            Self::Allow => Verdict::Allow,
            Self::Deny
            | Self::Fraud
            | Self::Timeout
            | Self::LockedOut
            | Self::WrongCode
            | Self::NoDevice
            | Self::Closed
            | Self::Busy
            | Self::Repeated => Verdict::Deny,
        }
    }

    /// The response about a login. The older dialect has no result while it waits.
    pub(crate) fn document(self, dialect: Dialect) -> Document {
        let result = match self.verdict() {
            Verdict::Waiting => "waiting",
            Verdict::Allow => "allow",
            Verdict::Deny => "deny",
        };
        match dialect {
            Dialect::V2 => Document::default()
                .with("result", result)
                .with("status", self.protocol_word())
                .with("status_msg", self.message()),
            Dialect::Rest(_) if self.verdict() == Verdict::Waiting => {
                Document::default().with("status", self.message())
            }
            Dialect::Rest(_) => {
                Document::default().with("result", result).with("status", self.message())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::call::Format;
    use super::*;

    fn json(status: Status, dialect: Dialect) -> String {
        String::from_utf8(status.document(dialect).to_json()).unwrap()
    }

    #[test]
    fn each_dialect_says_where_a_login_stands() {
        let rest = Dialect::Rest(Format::Json);
        assert_eq!(
            json(Status::Pushed, Dialect::V2),
            r#"{"result":"waiting","status":"pushed","status_msg":"A prompt was sent to your device."}"#
        );
        assert_eq!(json(Status::Pushed, rest), r#"{"status":"A prompt was sent to your device."}"#);
        assert_eq!(
            json(Status::Fraud, Dialect::V2),
            r#"{"result":"deny","status":"fraud","status_msg":"The login was denied and reported."}"#
        );
        assert_eq!(json(Status::Allow, rest), r#"{"result":"allow","status":"Approved."}"#);
    }

    #[test]
    fn every_refusal_denies_and_has_a_word_of_its_own() {
        for status in Status::REFUSALS {
            assert_eq!(status.verdict(), Verdict::Deny);
            assert_eq!(Status::refusal(status.word()), Some(status));
        }
        for other in [Status::Allow, Status::Pushed] {
            assert_eq!(Status::refusal(other.word()), None);
        }
    }
}
