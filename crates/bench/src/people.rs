//! How the people of a morning behave: who is away, who answers when and what, and how long a device stays connected.

use std::time::Duration;

use countersign_phone::Verdict;

use crate::draws::Draws;

/// Of a hundred logins: those of people whose device is off.
const AWAY: usize = 5;
/// Approved within a third of the challenge's life.
const APPROVED: f64 = 90.0;
/// Denied, as quickly.
const DENIED: f64 = 2.0;
/// Approved later, within three quarters of the challenge's life. Those that remain look at the prompt and do nothing.
const LATE: f64 = 2.0;

/// The mean time for which a device stays connected: one in a hundred connects again each second.
const CONNECTED: Duration = Duration::from_secs(100);

/// Everybody's behaviour, by the seed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct People {
    draws: Draws,
    /// The lifetime of a challenge.
    lifetime: Duration,
}

/// What a person does about a prompt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Decision {
    Answer { verdict: Verdict, after: Duration },
    Ignore,
}

impl People {
    pub(crate) const fn new(seed: u64, lifetime: Duration) -> Self {
        Self { draws: Draws::new(seed), lifetime }
    }

    /// Whether the device of a person is off all morning.
    pub(crate) const fn is_away(person: usize) -> bool {
        let one_in = 100 / AWAY;
        person % one_in == one_in - 1
    }

    /// What a person with a connected device does about the prompt with this number.
    pub(crate) fn decide(self, person: usize, prompt: u64) -> Decision {
        let name = |what: &'static str| (what, person, prompt);
        let here = 100.0 - AWAY as f64;
        let share = self.draws.share(name("decision")) * here;
        // With a life of a minute: 1.2 s at least, half within 4 s, and 20 s at most.
        let reaction = self.lifetime.mul_f64(0.02)
            + self.lifetime.div_f64(15.0).mul_f64(self.draws.exponential(name("reaction")));
        let soon = reaction.min(self.lifetime / 3);
        let verdict = if (APPROVED..APPROVED + DENIED).contains(&share) {
            Verdict::Denied
        } else {
            Verdict::Approved
        };
        if share < APPROVED + DENIED {
            Decision::Answer { verdict, after: soon }
        } else if share < APPROVED + DENIED + LATE {
            let share = 1.0 / 3.0 + self.draws.share(name("late")) * (0.75 - 1.0 / 3.0);
            Decision::Answer { verdict, after: self.lifetime.mul_f64(share) }
        } else {
            Decision::Ignore
        }
    }

    /// How long a device holds its connection.
    pub(crate) fn connected_for(self, person: usize, connection: u64) -> Duration {
        CONNECTED.mul_f64(self.draws.exponential(("connection", person, connection)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn people_decide_in_the_documented_shares() {
        let people = People::new(1, MINUTE);
        let here = (0..20_000).filter(|person| !People::is_away(*person)).collect::<Vec<_>>();
        assert_eq!(here.len(), 19_000);
        let (mut quick, mut late, mut denied, mut ignored) = (0, 0, 0, 0);
        let mut times = Vec::new();
        for person in here {
            match people.decide(person, 0) {
                Decision::Ignore => ignored += 1,
                Decision::Answer { verdict: Verdict::Denied, .. } => denied += 1,
                Decision::Answer { after, .. } if after > MINUTE / 3 => {
                    assert!(after <= MINUTE * 3 / 4);
                    late += 1;
                }
                Decision::Answer { after, .. } => {
                    quick += 1;
                    times.push(after);
                }
            }
        }
        assert!((17_850..18_150).contains(&quick), "{quick}");
        for count in [denied, late] {
            assert!((340..460).contains(&count), "{count}");
        }
        assert!((150..250).contains(&ignored), "{ignored}");
        times.sort();
        let median = times[times.len() / 2];
        assert!((3_800..4_200).contains(&median.as_millis()), "{median:?}");
        assert!(times[0] >= Duration::from_millis(1_200));
    }

    #[test]
    fn one_device_in_a_hundred_connects_again_each_second() {
        let people = People::new(1, MINUTE);
        let all = (0..10_000).map(|person| people.connected_for(person, 0));
        let within = all.filter(|length| *length < Duration::from_secs(10)).count();
        // 1 - exp(-0.1)
        assert!((890..1_010).contains(&within), "{within}");
    }
}
