//! Codes that a person shows, and what a store makes of one.

use countersign_domain::limits::is_reached;
use countersign_domain::totp::TotpConfig;

/// A code, as [`countersign_domain::totp::judge`] found it.
pub use countersign_domain::totp::CodeVerdict as ShownCode;

/// A code with what it was judged by, to be judged once more by the factor as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judged {
    /// What it was found to be.
    pub code: ShownCode,
    /// How the factor's codes were made when it was judged: its step is a step of that length.
    pub config: TotpConfig,
    /// The most wrong codes of the factor in a row, for whatever they are shown; 0: no limit.
    pub most_in_a_row: u32,
}

/// What a factor's row says about codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredCodes {
    /// How they are made.
    pub config: TotpConfig,
    /// The time step of the code accepted last.
    pub last_step: Option<u64>,
    /// Wrong codes since then, for whatever they were shown.
    pub wrong_in_a_row: u32,
}

/// What a code comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeFate {
    /// It is accepted: its step is the last one, and wrong codes are counted from none again.
    Accepted(u64),
    /// Its step was accepted before, or a later one was. It is not counted as wrong.
    Spent,
    /// It is wrong, and is counted.
    Wrong,
    /// Too many were wrong before it: it is not looked at.
    Exhausted,
    /// The factor makes its codes in another way than it was judged by.
    Moved,
}

impl StoredCodes {
    /// What a code comes to.
    pub fn take(self, shown: Judged) -> CodeFate {
        if self.config != shown.config {
            return CodeFate::Moved;
        }
        if is_reached(shown.most_in_a_row, self.wrong_in_a_row) {
            return CodeFate::Exhausted;
        }
        match shown.code {
            ShownCode::Right(step) if self.last_step.is_none_or(|last| last < step) => {
                CodeFate::Accepted(step)
            }
            ShownCode::Right(_) | ShownCode::Spent => CodeFate::Spent,
            ShownCode::Wrong => CodeFate::Wrong,
        }
    }
}

#[cfg(test)]
mod tests {
    use countersign_domain::totp::TotpAlg;

    use super::*;

    const CONFIG: TotpConfig =
        TotpConfig { alg: TotpAlg::Sha1, time_step: 30, skew: 1, code_length: 6 };

    fn fate(code: ShownCode, config: TotpConfig, wrong_in_a_row: u32) -> CodeFate {
        let stored = StoredCodes { config: CONFIG, last_step: Some(7), wrong_in_a_row };
        stored.take(Judged { code, config, most_in_a_row: 3 })
    }

    #[test]
    fn a_code_is_accepted_once_counted_if_wrong_and_judged_by_what_is_stored() {
        for (code, expected) in [
            (ShownCode::Right(8), CodeFate::Accepted(8)),
            (ShownCode::Right(7), CodeFate::Spent),
            (ShownCode::Right(6), CodeFate::Spent),
            (ShownCode::Spent, CodeFate::Spent),
            (ShownCode::Wrong, CodeFate::Wrong),
        ] {
            assert_eq!(fate(code, CONFIG, 2), expected);
            assert_eq!(fate(code, CONFIG, 3), CodeFate::Exhausted);
            for config in [
                TotpConfig { time_step: 60, ..CONFIG },
                TotpConfig { skew: 0, ..CONFIG },
                TotpConfig { code_length: 8, ..CONFIG },
                TotpConfig { alg: TotpAlg::Sha256, ..CONFIG },
            ] {
                assert_eq!(fate(code, config, 2), CodeFate::Moved);
            }
        }
    }
}
