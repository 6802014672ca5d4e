//! Nobody gets more tries than allowed, and denying never needs a number.

use countersign_domain::challenge::{
    ChallengeLifecycle, ChallengeState, ChallengeStatus, MAX_FIELDS, Verdict,
};
use countersign_domain::presence::{Presence, PresenceCode, PresenceNumber, PresenceProof};
use countersign_domain::presence_check::{CONFIRM_GRACE, CodeRefusal, confirm, judge};
use countersign_domain::presence_choice::{PresenceAbility, PresencePart, PresenceWish};
use countersign_domain::service_protection::{PresenceList, PresenceMode};
use countersign_domain::text::FieldLabel;
use countersign_domain::world::Entropy;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::draw::instant;

/// Bytes of a seed, over and over.
struct Bytes(Vec<u8>, std::sync::atomic::AtomicUsize);

impl Entropy for Bytes {
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            let at = self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            *byte = self.0[at % self.0.len()];
        }
    }
}

fn number() -> impl Strategy<Value = PresenceNumber> {
    (10_u8..=99).prop_map(|number| PresenceNumber::new(number).expect("two digits"))
}

fn code() -> impl Strategy<Value = PresenceCode> {
    // few, so that some are right
    (0..4_u8).prop_map(|code| PresenceCode::parse(&format!("471{code}")).expect("four digits"))
}

fn asked(modes: &str) -> PresenceWish {
    PresenceWish { modes: PresenceList::parse(modes).ok(), ..PresenceWish::default() }
}

proptest! {
    #[test]
    fn a_guesser_gets_no_more_tries_than_allowed(
        answer in number(), guesses in vec(prop::option::of(number()), 0..6), is_pick: bool, at in instant(),
    ) {
        let options = [answer; 3];
        let proof = if is_pick { PresenceProof::Pick { answer, options } } else { PresenceProof::Number { answer } };
        let mut presence = Presence::new(proof);
        let most = presence.tries();
        for (tried, guess) in guesses.into_iter().enumerate() {
            prop_assert_eq!(judge(&presence, Verdict::Denied, guess, at), Ok(()), "denying needs no number");
            match judge(&presence, Verdict::Approved, guess, at) {
                Ok(()) => {
                    prop_assert_eq!(guess, Some(answer));
                    prop_assert!(tried < usize::from(most));
                    break;
                }
                Err(wrong) => {
                    prop_assert_eq!(wrong.tries_left, most.saturating_sub(wrong.counted.wrong()));
                    prop_assert!(guess != Some(answer) || tried >= usize::from(most));
                    prop_assert!(wrong.counted.tries_left_after(at).is_some());
                    presence = wrong.counted;
                }
            }
        }
    }

    #[test]
    fn a_code_is_confirmed_within_three_tries_or_never(right in code(), tries in vec(code(), 0..8), created in instant()) {
        let label = FieldLabel::parse("Code").expect("a label");
        let mut presence = Presence::new(PresenceProof::Code { label, code: right.clone() });
        let state = ChallengeState::Answered { verdict: Verdict::Approved, at: created };
        let lifecycle = ChallengeLifecycle { state, expires_at: created };
        let mut wrong = 0;
        for code in tries {
            let was_confirmed = presence.is_confirmed;
            match confirm(&presence, lifecycle, &code, created) {
                Ok(changed) => {
                    prop_assert!(code == right && (wrong < 3 || was_confirmed));
                    presence = changed.unwrap_or(presence);
                    prop_assert!(presence.is_confirmed);
                }
                Err(CodeRefusal::Wrong(counted)) => {
                    prop_assert!(code != right && wrong < 3);
                    wrong += 1;
                    presence = counted;
                }
                Err(CodeRefusal::NoTryLeft) => prop_assert_eq!(wrong, 3),
                Err(other) => prop_assert!(false, "{}", other),
            }
            prop_assert!(presence.is_confirmed >= was_confirmed, "once confirmed, always confirmed");
        }
    }

    #[test]
    fn a_code_counts_only_after_an_approval_and_not_for_long(
        state in crate::draw::state(), expires_at in instant(), at in instant(),
    ) {
        let label = FieldLabel::parse("Code").expect("a label");
        let right = PresenceCode::parse("4711").expect("a code");
        let presence = Presence::new(PresenceProof::Code { label, code: right.clone() });
        let lifecycle = ChallengeLifecycle { state, expires_at };
        let is_good = confirm(&presence, lifecycle, &right, at).is_ok();
        let is_approved = lifecycle.status(at) == ChallengeStatus::Approved;
        prop_assert_eq!(is_good, is_approved && at < expires_at + CONFIRM_GRACE);
    }

    #[test]
    fn a_draw_fits_every_device_that_can_prove_presence(seed in vec(any::<u8>(), 1..64), given in prop::option::of(number())) {
        let wish = PresenceWish { answer: given, ..asked("pick,number,code") };
        let entropy = Bytes(seed, std::sync::atomic::AtomicUsize::new(0));
        let draw = wish.draw(&[PresenceMode::None], &entropy).expect("a good wish").expect("a draw");
        let pick = draw.for_device(PresenceAbility { takes_numbers: true, fields: 0 }).expect("can do");
        let Some(PresenceProof::Pick { answer, options }) = pick.map(|presence| presence.proof) else {
            panic!("the first mode that the device can do");
        };
        prop_assert!(given.is_none_or(|given| given == answer));
        prop_assert!(options.contains(&answer));
        prop_assert!(options[0] != options[1] && options[1] != options[2] && options[0] != options[2]);
        let old = draw.for_device(PresenceAbility { takes_numbers: false, fields: 19 }).expect("can do");
        prop_assert_eq!(old.map(|presence| presence.mode()), Some("code"));
        let again = draw.for_device(PresenceAbility { takes_numbers: true, fields: 3 }).expect("can do");
        prop_assert_eq!(again.map(|presence| presence.proof), Some(PresenceProof::Pick { answer, options }));
    }
}

#[test]
fn a_mode_that_the_device_cannot_do_is_refused_or_falls_back() {
    let entropy = Bytes(vec![7], std::sync::atomic::AtomicUsize::new(0));
    let of = |modes: &str, takes_numbers, fields| {
        let draw = asked(modes).draw(&[], &entropy).unwrap().unwrap();
        let ability = PresenceAbility { takes_numbers, fields };
        draw.for_device(ability).map(|presence| presence.map(|presence| presence.mode()))
    };
    for modes in ["number", "pick", "pick,number"] {
        assert_eq!(of(modes, false, 0).unwrap_err().0, PresencePart::Modes, "{modes}");
    }
    assert_eq!(of("number,none", false, 0), Ok(None));
    assert_eq!(of("number,code", false, 0), Ok(Some("code")));
    assert_eq!(of("code", true, MAX_FIELDS - 1), Ok(Some("code")));
    assert_eq!(of("code", true, MAX_FIELDS).unwrap_err().0, PresencePart::Modes);
    assert_eq!(of("code,number", true, MAX_FIELDS), Ok(Some("number")));
}

#[test]
fn a_label_and_a_number_need_a_mode_that_uses_them() {
    let entropy = Bytes(vec![7], std::sync::atomic::AtomicUsize::new(0));
    let label = FieldLabel::parse("PIN").ok();
    let answer = PresenceNumber::new(64);
    let draw = |wish: PresenceWish, of_service: &[PresenceMode]| {
        wish.draw(of_service, &entropy).map(|draw| draw.is_some()).map_err(|(part, _)| part)
    };
    let none = [PresenceMode::None];
    let wish = |modes: &str| PresenceWish { label: label.clone(), ..asked(modes) };
    assert_eq!(draw(wish("number"), &none), Err(PresencePart::Label));
    assert_eq!(draw(wish("number,code"), &none), Ok(true));
    assert_eq!(draw(PresenceWish { answer, ..asked("code") }, &none), Err(PresencePart::Answer));
    assert_eq!(draw(PresenceWish { answer, ..asked("pick") }, &none), Ok(true));
    let by_service = PresenceWish { answer, ..PresenceWish::default() };
    assert_eq!(draw(by_service.clone(), &none), Err(PresencePart::Answer));
    assert_eq!(draw(by_service.clone(), &[PresenceMode::Number]), Ok(true));
    assert_eq!(by_service.check_for_totp().unwrap_err().0, PresencePart::Answer);
    assert_eq!(asked("code").check_for_totp().unwrap_err().0, PresencePart::Modes);
    assert!(asked("code,none").check_for_totp().is_ok());
    assert_eq!(draw(PresenceWish::default(), &none), Ok(false));
    assert_eq!(draw(asked("none"), &[PresenceMode::Code]), Ok(false), "in place of the service's");
}
