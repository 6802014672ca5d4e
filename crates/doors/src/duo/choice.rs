//! The ways in which a person can approve a login, as a client offers them, and which one was chosen.

use std::fmt::Write as _;

use countersign_domain::presence::PresenceNumber;
use countersign_domain::presence_choice::PresenceWish;
use countersign_domain::service_protection::{PresenceList, PresenceMode};
use countersign_domain::sid::FactorSid;
use countersign_verify::challenge_groups::Devices;

use super::document::{Document, Value};
use crate::person::{Device, Person};

/// The most devices that are offered one by one.
const OFFERED: usize = 8;

/// The choices of a person.
#[derive(Debug)]
pub(super) struct Choices<'a> {
    person: &'a Person,
    /// The devices that can prove what an approval must show.
    devices: Vec<&'a Device>,
    /// The presence proofs of an approval that this client can show.
    modes: Vec<PresenceMode>,
    /// The number that the client shows.
    number: Option<PresenceNumber>,
}

/// A choice.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Choice<'a> {
    /// To ask devices.
    Push(Devices),
    /// A code that was typed.
    Code(&'a str),
    /// Something that is not offered.
    None,
}

impl<'a> Choices<'a> {
    /// The choices of a person. `wanted` is what an approval must show; `number` is the number that the client shows.
    pub(super) fn of(
        person: &'a Person,
        wanted: &[PresenceMode],
        number: Option<PresenceNumber>,
    ) -> Self {
        // A code from the phone would have to be asked for after the approval, which no client does.
        let can_show = |mode: &PresenceMode| match mode {
            PresenceMode::None => true,
            PresenceMode::Number | PresenceMode::Pick => number.is_some(),
            PresenceMode::Code => false,
        };
        let modes: Vec<_> = wanted.iter().copied().filter(can_show).collect();
        let number = number.filter(|_| modes.iter().any(|mode| *mode != PresenceMode::None));
        let needs_number = !modes.contains(&PresenceMode::None);
        let can_prove =
            |device: &&Device| !modes.is_empty() && (device.takes_numbers || !needs_number);
        let devices = person.devices.iter().filter(can_prove).collect();
        Self { person, devices, modes, number }
    }

    /// Whether a person has any.
    pub(super) fn is_empty(&self) -> bool {
        self.devices.is_empty() && self.person.codes.is_empty()
    }

    /// The number to show, if a device would ask for it.
    pub(super) fn number(&self) -> Option<PresenceNumber> {
        self.number.filter(|_| self.devices.iter().any(|device| device.takes_numbers))
    }

    /// The presence proofs of an approval.
    pub(super) fn presence(&self) -> PresenceWish {
        let words: Vec<_> = self.modes.iter().map(|mode| mode.as_str()).collect();
        let modes = PresenceList::parse(&words.join(",")).unwrap_or_else(|_| PresenceList::none());
        PresenceWish { modes: Some(modes), label: None, answer: self.number }
    }

    /// The choice that a client names by the word of a prompt, or by a code that was typed.
    pub(super) fn named(&self, text: &'a str) -> Choice<'a> {
        let text = text.trim();
        if text.len() >= 3 && text.bytes().all(|c| c.is_ascii_digit()) {
            return Choice::Code(text);
        }
        let place = text.strip_prefix("verified_").unwrap_or(text).strip_prefix("push");
        match place.and_then(|place| place.parse::<usize>().ok()) {
            Some(1) => self.all(),
            Some(place @ 2..) => match self.devices.get(place - 2) {
                Some(device) => Choice::Push(Devices::Listed(vec![device.sid])),
                None => Choice::None,
            },
            _ => Choice::None,
        }
    }

    /// All devices.
    pub(super) fn all(&self) -> Choice<'a> {
        let devices = self.person.devices_to_ask(self.devices.iter().copied());
        devices.map_or(Choice::None, Choice::Push)
    }

    /// One device, if it is one of them.
    pub(super) fn device(&self, sid: FactorSid) -> Choice<'a> {
        let is_one = self.devices.iter().any(|device| device.sid == sid);
        if is_one { Choice::Push(Devices::Listed(vec![sid])) } else { Choice::None }
    }

    /// The message for the person, and the words of the choices.
    pub(super) fn prompt(&self, user_name: &str) -> (String, Document) {
        let mut text = format!("Countersign login for {user_name}\n\n");
        let verified = if self.number().is_some() { "verified_" } else { "" };
        let mut factors = Document::default();
        let mut count = 0;
        for line in self.lines() {
            count += 1;
            let word = format!("{verified}push{count}");
            if count == 1 {
                factors = factors.with("default", word.clone());
            }
            factors = factors.with(count.to_string(), word);
            // Writing to a string cannot fail.
            let _ = writeln!(text, " {count}. {line}");
        }
        if let Some(number) = self.number() {
            let _ = writeln!(text, "\nEnter {} on your device to approve.", number.value());
        }
        text.push_str(match (count, self.person.codes.is_empty()) {
            (0, _) => "Code: ",
            (1, true) => "\nOption (1): ",
            (_, true) => "\nOption: ",
            (_, false) => "\nCode or option: ",
        });
        (text, factors)
    }

    /// A line for each choice of devices.
    fn lines(&self) -> Vec<String> {
        match &self.devices[..] {
            [] => Vec::new(),
            [one] => vec![format!("Push to {}", one.name)],
            all => {
                let each =
                    all.iter().take(OFFERED).map(|device| format!("Push to {}", device.name));
                std::iter::once("Push to all your devices".to_owned()).chain(each).collect()
            }
        }
    }

    /// The devices, as newer clients list them.
    pub(super) fn list(&self) -> Vec<Document> {
        let device = |sid: FactorSid, kind: &'static str, name: &str| {
            Document::default()
                .with("device", sid.to_string())
                .with("type", kind)
                .with("number", "")
                .with("name", name.to_owned())
        };
        let pushes = self.devices.iter().map(|one| {
            let words = vec!["auto".into(), "push".into()];
            device(one.sid, "phone", one.name.as_str())
                .with("display_name", format!("Push ({})", one.name))
                .with("capabilities", Value::List(words))
        });
        let codes = self.person.codes.iter().map(|(sid, name)| {
            let words = vec!["mobile_otp".into()];
            device(*sid, "token", name.as_str())
                .with("display_name", format!("Code ({name})"))
                .with("capabilities", Value::List(words))
        });
        pushes.chain(codes).collect()
    }
}

#[cfg(test)]
mod tests {
    use countersign_domain::text::{FriendlyName, Identity};

    use super::*;

    fn device(byte: u8, takes_numbers: bool) -> Device {
        let name = FriendlyName::parse(format!("phone {byte}")).unwrap();
        Device { sid: FactorSid::from_bytes([byte; 16]), name, takes_numbers }
    }

    fn person(devices: Vec<Device>, codes: u8) -> Person {
        let code =
            |byte| (FactorSid::from_bytes([100 + byte; 16]), FriendlyName::parse("app").unwrap());
        let identity = Identity::parse("ann-00001").unwrap();
        Person { identity, devices, codes: (0..codes).map(code).collect() }
    }

    fn listed(bytes: &[u8]) -> Choice<'static> {
        let sids = bytes.iter().map(|byte| FactorSid::from_bytes([*byte; 16]));
        Choice::Push(Devices::Listed(sids.collect()))
    }

    fn number() -> Option<PresenceNumber> {
        PresenceNumber::new(64)
    }

    #[test]
    fn a_word_or_a_code_is_a_choice() {
        let ann = person(vec![device(1, true), device(2, false)], 1);
        let choices = Choices::of(&ann, &[PresenceMode::None], None);
        assert_eq!(choices.named("push1"), Choice::Push(Devices::All));
        assert_eq!(choices.named("verified_push1"), Choice::Push(Devices::All));
        assert_eq!(choices.named("push3"), listed(&[2]));
        assert_eq!(choices.named(" 123456 "), Choice::Code("123456"));
        for other in ["push4", "push0", "push", "1", "sms1", "phone1", "", "12345a"] {
            assert_eq!(choices.named(other), Choice::None, "{other}");
        }
        assert_eq!(choices.device(FactorSid::from_bytes([2; 16])), listed(&[2]));
        assert_eq!(choices.device(FactorSid::from_bytes([3; 16])), Choice::None);
    }

    #[test]
    fn a_prompt_names_each_choice() {
        let ann = person(vec![device(1, true), device(2, false)], 1);
        let (text, factors) = Choices::of(&ann, &[PresenceMode::None], None).prompt("ann");
        assert_eq!(
            text,
            "Countersign login for ann\n\n 1. Push to all your devices\n 2. Push to phone 1\n 3. Push to phone 2\n\nCode or option: "
        );
        assert_eq!(
            String::from_utf8(factors.to_json()).unwrap(),
            r#"{"default":"push1","1":"push1","2":"push2","3":"push3"}"#
        );
        let bob = person(vec![], 1);
        let (text, factors) = Choices::of(&bob, &[PresenceMode::None], number()).prompt("bob");
        assert_eq!((&*text, factors), ("Countersign login for bob\n\nCode: ", Document::default()));
    }

    #[test]
    fn only_devices_that_take_numbers_are_asked_for_one() {
        let wanted = [PresenceMode::Number];
        let ann = person(vec![device(1, true), device(2, false)], 0);
        let choices = Choices::of(&ann, &wanted, number());
        assert_eq!(choices.all(), listed(&[1]));
        assert_eq!(choices.number(), number());
        let (text, factors) = choices.prompt("ann");
        assert!(text.contains("1. Push to phone 1\n\nEnter 64 on your device"), "{text}");
        assert!(factors.to_json().starts_with(br#"{"default":"verified_push1""#));
        assert_eq!(choices.presence().answer, number());
        let without = Choices::of(&ann, &wanted, None);
        assert!(without.is_empty() && without.all() == Choice::None, "the client shows no number");
    }

    #[test]
    fn a_device_that_takes_no_number_needs_none_where_none_is_allowed() {
        let wanted = [PresenceMode::Number, PresenceMode::None];
        let ann = person(vec![device(1, true), device(2, false)], 0);
        let choices = Choices::of(&ann, &wanted, number());
        assert_eq!(choices.all(), Choice::Push(Devices::All));
        let old = Choices::of(&ann, &wanted, None);
        assert_eq!((old.all(), old.presence().answer), (Choice::Push(Devices::All), None));
        let code = Choices::of(&ann, &[PresenceMode::Code], number());
        assert!(code.is_empty() && code.number().is_none(), "no client asks for a code");
    }
}
