//! Chooses and draws the [presence](crate::presence) of new challenges.

use crate::challenge::MAX_FIELDS;
use crate::invalid::Invalid;
use crate::presence::{Presence, PresenceCode, PresenceNumber, PresenceProof, below};
use crate::service_protection::{PresenceList, PresenceMode};
use crate::text::FieldLabel;
use crate::world::Entropy;

/// The label of a code's field, unless the application gives another one.
pub const CODE_LABEL: &str = "Code";

/// The presence that an application asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PresenceWish {
    /// The modes that it accepts, in place of the service's.
    pub modes: Option<PresenceList>,
    /// The label of the code's field.
    pub label: Option<FieldLabel>,
    /// The number, in place of one that is drawn.
    pub answer: Option<PresenceNumber>,
}

/// A part of a [`PresenceWish`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PresencePart {
    /// The modes.
    Modes,
    /// The label of the code's field.
    Label,
    /// The number.
    Answer,
}

/// A part of a wish that cannot be fulfilled, and why.
pub type PresenceRefusal = (PresencePart, Invalid);

/// The presence that the device and the challenge allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PresenceAbility {
    /// Whether the device asks its person for numbers.
    pub takes_numbers: bool,
    /// How many fields the application gives. A code needs one more.
    pub fields: usize,
}

/// The numbers and the code drawn for a challenge. All challenges of a group share them.
#[derive(Debug, Clone)]
pub struct PresenceDraw {
    modes: Vec<PresenceMode>,
    code: PresenceProof,
    number: PresenceNumber,
    options: [PresenceNumber; 3],
}

impl PresenceWish {
    /// Draws what the modes need; `None` if no presence is asked for. `of_service` are the service's modes.
    ///
    /// # Errors
    /// A label or a number is given, and no mode uses it.
    pub fn draw(
        self,
        of_service: &[PresenceMode],
        entropy: &dyn Entropy,
    ) -> Result<Option<PresenceDraw>, PresenceRefusal> {
        let modes = self.modes.as_ref().map_or(of_service, PresenceList::modes);
        let has = |mode| modes.contains(&mode);
        if self.label.is_some() && !has(PresenceMode::Code) {
            let why = "is only used with Presence=code";
            return Err((PresencePart::Label, Invalid::because(why)));
        }
        if self.answer.is_some() && !has(PresenceMode::Number) && !has(PresenceMode::Pick) {
            let why = "is only used with Presence=number or pick";
            return Err((PresencePart::Answer, Invalid::because(why)));
        }
        if modes == [PresenceMode::None] {
            return Ok(None);
        }
        let number = self.answer.unwrap_or_else(|| PresenceNumber::draw(entropy));
        let label = match self.label {
            Some(label) => label,
            None => FieldLabel::parse(CODE_LABEL)
                .unwrap_or_else(|_| unreachable!("the default label is a label")),
        };
        Ok(Some(PresenceDraw {
            modes: modes.to_vec(),
            code: PresenceProof::Code { label, code: draw_code(entropy) },
            number,
            options: draw_options(number, entropy),
        }))
    }

    /// Checks a wish for a challenge that a TOTP code answers, which proves presence by itself. The service's modes do not concern
    /// it.
    ///
    /// # Errors
    /// The part that it does not have.
    pub fn check_for_totp(&self) -> Result<(), PresenceRefusal> {
        const WHY: Invalid =
            Invalid::because("is for push factors: a TOTP code proves presence itself");
        let accepts = |modes: &PresenceList| modes.modes().contains(&PresenceMode::None);
        if self.modes.as_ref().is_some_and(|modes| !accepts(modes)) {
            Err((PresencePart::Modes, WHY))
        } else if self.label.is_some() {
            Err((PresencePart::Label, WHY))
        } else if self.answer.is_some() {
            Err((PresencePart::Answer, WHY))
        } else {
            Ok(())
        }
    }
}

impl PresenceDraw {
    /// The presence of a challenge: the first mode that the device can do. `None` if that is none.
    ///
    /// # Errors
    /// The device can do no mode.
    pub fn for_device(
        &self,
        ability: PresenceAbility,
    ) -> Result<Option<Presence>, PresenceRefusal> {
        let is_possible = |mode: &&PresenceMode| match mode {
            PresenceMode::None => true,
            PresenceMode::Code => ability.fields < MAX_FIELDS,
            PresenceMode::Number | PresenceMode::Pick => ability.takes_numbers,
        };
        let proof = match self.modes.iter().find(is_possible) {
            Some(PresenceMode::None) => return Ok(None),
            Some(PresenceMode::Code) => self.code.clone(),
            Some(PresenceMode::Number) => PresenceProof::Number { answer: self.number },
            Some(PresenceMode::Pick) => {
                PresenceProof::Pick { answer: self.number, options: self.options }
            }
            None if self.modes.contains(&PresenceMode::Code) => {
                let why = "code needs room for its field: give at most 19 Details.Fields";
                return Err((PresencePart::Modes, Invalid::because(why)));
            }
            None => {
                let why = "number and pick need a factor that was enrolled with Config.Presence=number; \
                           name code or none after them for other factors";
                return Err((PresencePart::Modes, Invalid::because(why)));
            }
        };
        Ok(Some(Presence::new(proof)))
    }
}

fn draw_code(entropy: &dyn Entropy) -> PresenceCode {
    PresenceCode::parse(&format!("{:04}", below(10_000, entropy)))
        .unwrap_or_else(|_| unreachable!("four digits are a code"))
}

/// The answer and two other numbers, shuffled.
fn draw_options(answer: PresenceNumber, entropy: &dyn Entropy) -> [PresenceNumber; 3] {
    let second = PresenceNumber::draw_unlike(&[answer], entropy);
    let third = PresenceNumber::draw_unlike(&[answer, second], entropy);
    let mut options = [answer, second, third];
    let at = |bound| usize::try_from(below(bound, entropy)).unwrap_or(0);
    options.swap(2, at(3));
    options.swap(1, at(2));
    options
}
