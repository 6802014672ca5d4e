//! Codes of TOTP factors, and how a store checks one.

use countersign_domain::limits::is_reached;
use countersign_domain::totp::TotpConfig;
use countersign_domain::totp_code::CodeVerdict;

/// A code with the settings that it was judged by. The store judges it again by the factor as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JudgedCode {
    /// The result of [`countersign_domain::totp_code::judge`].
    pub code: CodeVerdict,
    /// The factor's settings at that time. The code's step is a step of that length.
    pub config: TotpConfig,
    /// The most wrong codes of the factor in a row, whatever they were used for; 0: no limit.
    pub most_in_a_row: u32,
}

/// The columns of a factor's row that a code is checked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredCodes {
    /// The settings that codes are made with.
    pub config: TotpConfig,
    /// The time step of the code accepted last.
    pub last_step: Option<u64>,
    /// Wrong codes since then, whatever they were used for.
    pub wrong_in_a_row: u32,
}

/// The result of checking a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeCheck {
    /// Accepted: its step becomes the last step, and the count of wrong codes starts at 0 again.
    Accepted(u64),
    /// Its step, or a later one, was accepted before. It is not counted as wrong.
    Spent,
    /// Wrong, which is counted.
    Wrong,
    /// Not checked: too many codes were wrong before it.
    Exhausted,
    /// The factor's settings differ from those that the code was judged by.
    SettingsChanged,
}

/// The result of using a code for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeUse<T> {
    /// The code was accepted, and its step is used up.
    Accepted(T),
    /// The code was wrong, which is counted.
    Wrong,
    /// The code's step was used before, which is not counted.
    Spent,
    /// The code was not checked: too many codes were wrong before it.
    Exhausted,
    /// The factor's settings differ from those that the code was judged by: read the factor and judge again.
    SettingsChanged,
    /// The record that the code was for does not exist.
    NotFound,
}

impl StoredCodes {
    /// Checks a code.
    pub fn check(self, shown: JudgedCode) -> CodeCheck {
        if self.config != shown.config {
            return CodeCheck::SettingsChanged;
        }
        if is_reached(shown.most_in_a_row, self.wrong_in_a_row) {
            return CodeCheck::Exhausted;
        }
        match shown.code {
            CodeVerdict::Right(step) if self.last_step.is_none_or(|last| last < step) => {
                CodeCheck::Accepted(step)
            }
            CodeVerdict::Right(_) | CodeVerdict::Spent => CodeCheck::Spent,
            CodeVerdict::Wrong => CodeCheck::Wrong,
        }
    }
}

#[cfg(test)]
mod tests {
    use countersign_domain::totp::TotpAlg;

    use super::*;

    const CONFIG: TotpConfig =
        TotpConfig { alg: TotpAlg::Sha1, time_step: 30, skew: 1, code_length: 6 };

    fn check(code: CodeVerdict, config: TotpConfig, wrong_in_a_row: u32) -> CodeCheck {
        let stored = StoredCodes { config: CONFIG, last_step: Some(7), wrong_in_a_row };
        stored.check(JudgedCode { code, config, most_in_a_row: 3 })
    }

    #[test]
    fn a_code_is_accepted_once_counted_if_wrong_and_judged_by_what_is_stored() {
        for (code, expected) in [
            (CodeVerdict::Right(8), CodeCheck::Accepted(8)),
            (CodeVerdict::Right(7), CodeCheck::Spent),
            (CodeVerdict::Right(6), CodeCheck::Spent),
            (CodeVerdict::Spent, CodeCheck::Spent),
            (CodeVerdict::Wrong, CodeCheck::Wrong),
        ] {
            assert_eq!(check(code, CONFIG, 2), expected);
            assert_eq!(check(code, CONFIG, 3), CodeCheck::Exhausted);
            for config in [
                TotpConfig { time_step: 60, ..CONFIG },
                TotpConfig { skew: 0, ..CONFIG },
                TotpConfig { code_length: 8, ..CONFIG },
                TotpConfig { alg: TotpAlg::Sha256, ..CONFIG },
            ] {
                assert_eq!(check(code, config, 2), CodeCheck::SettingsChanged);
            }
        }
    }
}
