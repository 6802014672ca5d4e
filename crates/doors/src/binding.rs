//! The message that both the client and the device show, so that the person compares them. A message that is a number of two digits is
//! entered on the device where that is wanted: then the device does not show it.

use countersign_domain::challenge::Field;
use countersign_domain::presence::PresenceNumber;
use countersign_domain::presence_choice::PresenceWish;
use countersign_domain::service_protection::{PresenceList, PresenceMode};

/// The longest message, in characters. Devices show it in one line.
const LONGEST: usize = 64;

/// A message that can be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BindingMessage(String);

/// An error of the binding message, or of the presence that an approval must show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BindingError {
    /// The message: why.
    Message(&'static str),
    /// The approval must show what this way of asking cannot.
    Presence,
}

impl BindingMessage {
    /// Parses a message.
    ///
    /// # Errors
    /// It is long, or holds what a device might not show as it is meant.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let is_plain = |c: char| c.is_alphanumeric() || " -.,:#".contains(c);
        if text.chars().count() > LONGEST {
            return Err("it has more than 64 characters");
        }
        if text.is_empty() || !text.chars().all(is_plain) || text.trim() != text {
            return Err("it may hold letters, digits, spaces within and -.,:# only");
        }
        Ok(Self(text.to_owned()))
    }

    /// The number that a person can enter, if it is one.
    fn number(&self) -> Option<PresenceNumber> {
        PresenceNumber::parse(&self.0).ok()
    }
}

/// The presence that an approval must show, out of `wanted`. With `must_enter` only a number counts.
///
/// # Errors
/// The message is not the number that it must be, or a number would not do.
pub(crate) fn presence(
    message: Option<&BindingMessage>,
    must_enter: bool,
    wanted: &[PresenceMode],
) -> Result<PresenceWish, BindingError> {
    use PresenceMode::{Code, None, Number, Pick};
    let number = message.and_then(BindingMessage::number);
    let is_entered = |mode: &PresenceMode| matches!(mode, Number | Pick);
    let can_show = |mode: &PresenceMode| match mode {
        None => !must_enter,
        Number | Pick => number.is_some(),
        // It would have to be typed at the client after the approval.
        Code => false,
    };
    let mut modes: Vec<_> = wanted.iter().copied().filter(can_show).collect();
    if modes.is_empty() && must_enter && number.is_some() {
        modes.push(Number);
    }
    if modes.is_empty() {
        let can_enter = must_enter || wanted.iter().any(is_entered);
        let why = "it must be a number from 10 to 99, which the person enters on the device";
        return Err(if can_enter { BindingError::Message(why) } else { BindingError::Presence });
    }
    let answer = number.filter(|_| modes.iter().any(is_entered));
    let words: Vec<_> = modes.iter().map(|mode| mode.as_str()).collect();
    let modes = PresenceList::parse(&words.join(",")).unwrap_or_else(|_| PresenceList::none());
    Ok(PresenceWish { modes: Some(modes), label: Option::None, answer })
}

/// Whether every device that is asked must take a number.
pub(crate) fn must_take_numbers(presence: &PresenceWish) -> bool {
    let modes = presence.modes.as_ref().map_or(&[][..], PresenceList::modes);
    presence.answer.is_some() && !modes.contains(&PresenceMode::None)
}

/// The message as the device shows it, unless it is entered there.
pub(crate) fn field(message: Option<&BindingMessage>, presence: &PresenceWish) -> Option<Field> {
    let shown = message.filter(|_| presence.answer.is_none());
    shown.map(|message| Field::shortened("Message", &message.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Option<BindingMessage> {
        BindingMessage::parse(text).ok()
    }

    #[test]
    fn a_message_is_plain() {
        for good in ["W4SCT", "64", "Order 7: 12.50, #3", "\u{e4}\u{f6}"] {
            assert!(BindingMessage::parse(good).is_ok(), "{good}");
        }
        for wrong in ["", " a", "a ", "a\nb", "<b>", "a\u{202e}b", &"x".repeat(65)] {
            assert!(BindingMessage::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_number_is_entered_where_that_is_wanted_and_shown_elsewhere() {
        use PresenceMode::{Code, None, Number};
        let (number, word) = (message("64"), message("A1"));
        let wish = presence(number.as_ref(), false, &[Number]).unwrap();
        assert_eq!(wish.answer, PresenceNumber::new(64));
        assert!(must_take_numbers(&wish) && field(number.as_ref(), &wish).is_none());
        let wish = presence(number.as_ref(), false, &[Number, None]).unwrap();
        assert!(wish.answer.is_some() && !must_take_numbers(&wish));
        let wish = presence(number.as_ref(), false, &[None]).unwrap();
        assert_eq!((wish.answer, field(number.as_ref(), &wish).is_some()), (Option::None, true));
        assert_eq!(presence(Option::None, false, &[Number, None]).unwrap().answer, Option::None);
        let strict = presence(number.as_ref(), true, &[None]).unwrap();
        assert!(must_take_numbers(&strict));
        for (message, must_enter, wanted) in
            [(&word, false, &[Number][..]), (&Option::None, true, &[None])]
        {
            let refused = presence(message.as_ref(), must_enter, wanted);
            assert!(matches!(refused, Err(BindingError::Message(_))));
        }
        assert_eq!(presence(number.as_ref(), false, &[Code]), Err(BindingError::Presence));
    }
}
