//! Bad manners: what misbehaves, how often, and which time it is. Drawn from a seed, for each kind by itself, so that the same seed gives
//! the n-th request, call or push of a kind the same fate.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A kind of misbehaviour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A request is refused with 429.
    TooManyRequests,
    /// A request is refused with 503.
    Unavailable,
    /// A request is carried out, and answered 503.
    AnswersLost,
    /// A webhook is called twice.
    WebhooksDoubled,
    /// A webhook is called after the next event.
    WebhooksReordered,
    /// A device goes away with a prompt on its way to it.
    DevicesVanish,
    /// A push service takes its time.
    ProvidersSlow,
}

impl Kind {
    const ALL: [Self; 7] = [
        Self::TooManyRequests,
        Self::Unavailable,
        Self::AnswersLost,
        Self::WebhooksDoubled,
        Self::WebhooksReordered,
        Self::DevicesVanish,
        Self::ProvidersSlow,
    ];
}

/// How often which kind happens: shares of 1. All are 0 at first.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Shares {
    seed: u64,
    too_many_requests: f64,
    unavailable: f64,
    answers_lost: f64,
    webhooks_doubled: f64,
    webhooks_reordered: f64,
    devices_vanish: f64,
    providers_slow: f64,
    /// How long a slow push service takes, by the tester's clock.
    slow_seconds: u64,
}

impl Default for Shares {
    fn default() -> Self {
        Self {
            seed: 0,
            too_many_requests: 0.0,
            unavailable: 0.0,
            answers_lost: 0.0,
            webhooks_doubled: 0.0,
            webhooks_reordered: 0.0,
            devices_vanish: 0.0,
            providers_slow: 0.0,
            slow_seconds: 20,
        }
    }
}

impl Shares {
    /// The longest time of a slow push service.
    const SLOW_MOST: u64 = 3_600;

    /// Checks that every share is within its bounds.
    ///
    /// # Errors
    /// Names the share or the time that is not, and its bounds.
    pub(crate) fn check(self) -> Result<Self, String> {
        for kind in Kind::ALL {
            let share = self.of(kind);
            if !(0.0..=1.0).contains(&share) {
                return Err(format!("every share must be from 0 to 1, and one is {share}"));
            }
        }
        if self.slow_seconds > Self::SLOW_MOST {
            return Err(format!("slow_seconds must be 0 to {}", Self::SLOW_MOST));
        }
        Ok(self)
    }

    const fn of(&self, kind: Kind) -> f64 {
        match kind {
            Kind::TooManyRequests => self.too_many_requests,
            Kind::Unavailable => self.unavailable,
            Kind::AnswersLost => self.answers_lost,
            Kind::WebhooksDoubled => self.webhooks_doubled,
            Kind::WebhooksReordered => self.webhooks_reordered,
            Kind::DevicesVanish => self.devices_vanish,
            Kind::ProvidersSlow => self.providers_slow,
        }
    }
}

/// How often each kind has happened since it was last set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Done {
    too_many_requests: u64,
    unavailable: u64,
    answers_lost: u64,
    webhooks_doubled: u64,
    webhooks_reordered: u64,
    devices_vanish: u64,
    providers_slow: u64,
}

impl Done {
    const fn of(&mut self, kind: Kind) -> &mut u64 {
        match kind {
            Kind::TooManyRequests => &mut self.too_many_requests,
            Kind::Unavailable => &mut self.unavailable,
            Kind::AnswersLost => &mut self.answers_lost,
            Kind::WebhooksDoubled => &mut self.webhooks_doubled,
            Kind::WebhooksReordered => &mut self.webhooks_reordered,
            Kind::DevicesVanish => &mut self.devices_vanish,
            Kind::ProvidersSlow => &mut self.providers_slow,
        }
    }
}

/// The manners of a server.
#[derive(Default)]
pub(crate) struct Manners(Mutex<Drawn>);

#[derive(Default)]
struct Drawn {
    shares: Shares,
    done: Done,
    /// How often each kind was drawn.
    draws: Done,
}

impl Manners {
    /// Sets the shares, and begins with the seed again.
    pub(crate) fn set(&self, shares: Shares) {
        *self.lock() = Drawn { shares, ..Drawn::default() };
    }

    /// The shares that are set, and how often each kind has happened.
    pub(crate) fn shown(&self) -> (Shares, Done) {
        let drawn = self.lock();
        (drawn.shares, drawn.done)
    }

    /// Whether it happens this time.
    pub(crate) fn happens(&self, kind: Kind) -> bool {
        let mut drawn = self.lock();
        let share = drawn.shares.of(kind);
        if share <= 0.0 {
            return false;
        }
        let turn = drawn.draws.of(kind);
        *turn += 1;
        let turn = *turn;
        let happens = fraction(drawn.shares.seed, kind, turn) < share;
        *drawn.done.of(kind) += u64::from(happens);
        happens
    }

    /// How long a slow push service takes.
    pub(crate) fn slowness(&self) -> Duration {
        Duration::from_secs(self.lock().shares.slow_seconds)
    }

    fn lock(&self) -> MutexGuard<'_, Drawn> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A number from 0 to below 1 for a turn of a kind (SplitMix64).
#[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
fn fraction(seed: u64, kind: Kind, turn: u64) -> f64 {
    const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut bits = seed ^ (kind as u64 + 1).wrapping_mul(0xD134_2543_DE82_EF95);
    bits = bits.wrapping_add(turn.wrapping_mul(STEP));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^= bits >> 31;
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fates(seed: u64, share: f64) -> Vec<bool> {
        let manners = Manners::default();
        manners.set(Shares {
            seed,
            unavailable: share,
            webhooks_doubled: 0.5,
            ..Shares::default()
        });
        let fate = |turn: u32| {
            // The draws of another kind change nothing.
            for _ in 0..turn % 3 {
                manners.happens(Kind::WebhooksDoubled);
            }
            manners.happens(Kind::Unavailable)
        };
        (0..1_000).map(fate).collect()
    }

    #[test]
    fn a_seed_gives_the_same_fates_in_the_share_that_was_set() {
        assert_eq!(fates(7, 0.2), fates(7, 0.2));
        assert_ne!(fates(7, 0.2), fates(8, 0.2));
        let happened = fates(7, 0.2).into_iter().filter(|fate| *fate).count();
        assert!((150..250).contains(&happened), "{happened}");
        assert!(fates(7, 1.0).into_iter().all(|fate| fate));
        assert!(!fates(7, 0.0).into_iter().any(|fate| fate));
    }

    #[test]
    fn what_has_happened_is_counted_and_forgotten_when_it_is_set_anew() {
        let manners = Manners::default();
        let all = Shares { devices_vanish: 1.0, ..Shares::default() };
        manners.set(all);
        assert!(manners.happens(Kind::DevicesVanish) && !manners.happens(Kind::ProvidersSlow));
        assert_eq!(manners.shown(), (all, Done { devices_vanish: 1, ..Done::default() }));
        manners.set(all);
        assert_eq!(manners.shown().1, Done::default());
    }

    #[test]
    fn a_share_is_from_0_to_1() {
        for share in [-0.1, 1.1, f64::NAN] {
            assert!(Shares { unavailable: share, ..Shares::default() }.check().is_err(), "{share}");
        }
        assert!(Shares { slow_seconds: 3_601, ..Shares::default() }.check().is_err());
        assert!(Shares { unavailable: 1.0, ..Shares::default() }.check().is_ok());
    }
}
