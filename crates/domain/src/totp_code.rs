//! One-time codes (RFC 4226, RFC 6238): computes and judges them.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use crate::invalid::Invalid;
use crate::secret::Secret;
use crate::time::Instant;
use crate::totp::TotpConfig;
use crate::totp_secret;

/// A code that a person enters: 3 to 8 digits.
pub struct TotpCode(Zeroizing<String>);

impl TotpCode {
    /// Parses a code.
    ///
    /// # Errors
    /// Any other text.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if (3..=8).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_digit()) {
            Ok(Self(Zeroizing::new(text.to_owned())))
        } else {
            Err(Invalid::because("must have 3 to 8 digits"))
        }
    }
}

/// The result of [`judge`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeVerdict {
    /// The code of this time step, which is later than the time step of the last accepted code.
    Right(u64),
    /// The code of a spent time step only.
    Spent,
    /// Not the code of any accepted time step.
    Wrong,
}

/// Judges a code by the time steps within the skew of `now`. The earliest of them that is later than `last` counts. Takes the same
/// time for every code that is refused. A secret that is not Base32 has no right codes.
pub fn judge(
    code: &TotpCode,
    secret: &Secret,
    config: TotpConfig,
    last: Option<u64>,
    now: Instant,
) -> CodeVerdict {
    let Some(bytes) = totp_secret::decode(secret) else { return CodeVerdict::Wrong };
    let key = hmac::Key::new(config.alg.hmac(), &bytes);
    let seconds = u64::try_from(now.as_seconds()).unwrap_or(0);
    let step = seconds / u64::from(config.time_step.max(1));
    let skew = u64::from(config.skew);
    let mut verdict = CodeVerdict::Wrong;
    for step in (step.saturating_sub(skew)..=step + skew).rev() {
        let right = code_at(&key, step, config.code_length);
        if verify_slices_are_equal(right.as_bytes(), code.0.as_bytes()).is_ok() {
            let is_spent = last.is_some_and(|last| step <= last);
            verdict = match verdict {
                CodeVerdict::Right(later) if is_spent => CodeVerdict::Right(later),
                _ if is_spent => CodeVerdict::Spent,
                _ => CodeVerdict::Right(step),
            };
        }
    }
    verdict
}

/// The code of a time step (RFC 4226 §5.3).
fn code_at(key: &hmac::Key, step: u64, digits: u8) -> Zeroizing<String> {
    let tag = hmac::sign(key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let at = usize::from(tag[tag.len() - 1] & 0xf);
    let word = u32::from_be_bytes([tag[at] & 0x7f, tag[at + 1], tag[at + 2], tag[at + 3]]);
    let number = word % 10_u32.pow(u32::from(digits));
    Zeroizing::new(format!("{number:0width$}", width = usize::from(digits)))
}

/// The code that an authenticator app shows at `now`; `None` if `secret` is not Base32.
pub fn code_now(secret: &Secret, config: TotpConfig, now: Instant) -> Option<Secret> {
    let key = hmac::Key::new(config.alg.hmac(), &totp_secret::decode(secret)?);
    let seconds = u64::try_from(now.as_seconds()).ok()?;
    let code = code_at(&key, seconds / u64::from(config.time_step.max(1)), config.code_length);
    Some(Secret::new(code.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::totp::TotpAlg;
    use crate::totp_secret::parse_secret;

    /// RFC 6238, appendix B: 8 digits, 30 seconds, and a seed of ASCII digits as long as the hash.
    const VECTORS: [(i64, [&str; 3]); 6] = [
        (59, ["94287082", "46119246", "90693936"]),
        (1_111_111_109, ["07081804", "68084774", "25091201"]),
        (1_111_111_111, ["14050471", "67062674", "99943326"]),
        (1_234_567_890, ["89005924", "91819424", "93441116"]),
        (2_000_000_000, ["69279037", "90698825", "38618901"]),
        (20_000_000_000, ["65353130", "77737706", "47863826"]),
    ];
    const SEEDS: [(TotpAlg, &str); 3] = [
        (TotpAlg::Sha1, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"),
        (TotpAlg::Sha256, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZA===="),
        (
            TotpAlg::Sha512,
            "gezdgnbvgy3tqojqgezdgnbvgy3tqojqgezdgnbvgy3tqojqgezdgnbvgy3tqojqgezdgnbvgy3tqojqgezdgnbvgy3tqojqgezdgna",
        ),
    ];

    fn config(alg: TotpAlg) -> TotpConfig {
        TotpConfig { alg, time_step: 30, skew: 0, code_length: 8 }
    }

    #[test]
    fn codes_are_those_of_the_rfc() {
        for (seconds, codes) in VECTORS {
            for ((alg, seed), code) in SEEDS.into_iter().zip(codes) {
                let secret = parse_secret(seed).unwrap();
                let now = Instant::from_seconds(seconds);
                assert_eq!(code_now(&secret, config(alg), now).unwrap().expose(), code);
                let code = TotpCode::parse(code).unwrap();
                let verdict = judge(&code, &secret, config(alg), None, now);
                let step = u64::try_from(seconds / 30).unwrap();
                assert_eq!(verdict, CodeVerdict::Right(step), "{alg:?} at {seconds}");
            }
        }
    }

    #[test]
    fn a_code_is_right_within_the_skew_and_once() {
        let secret = parse_secret(SEEDS[0].1).unwrap();
        let start = Instant::from_seconds(1_111_111_110);
        for skew in 0..=2_u8 {
            let config = TotpConfig { skew, code_length: 6, ..config(TotpAlg::Sha1) };
            let code = code_now(&secret, config, start).unwrap();
            let code = TotpCode::parse(code.expose()).unwrap();
            for away in -3_i64..=3 {
                let now = Instant::from_seconds(1_111_111_110 + away * 30);
                let found = judge(&code, &secret, config, None, now);
                if away.unsigned_abs() > u64::from(skew) {
                    assert_eq!(found, CodeVerdict::Wrong, "{away}");
                    continue;
                }
                let CodeVerdict::Right(step) = found else { panic!("{away}: {found:?}") };
                for last in [step, step + 1] {
                    let again = judge(&code, &secret, config, Some(last), now);
                    assert_eq!(again, CodeVerdict::Spent, "{away}");
                }
                assert_eq!(judge(&code, &secret, config, Some(step - 1), now), found);
            }
        }
    }

    #[test]
    fn a_code_of_another_length_is_wrong() {
        let secret = parse_secret(SEEDS[0].1).unwrap();
        let now = Instant::from_seconds(59);
        for wrong in ["4287082", "287082", "082"] {
            let code = TotpCode::parse(wrong).unwrap();
            let verdict = judge(&code, &secret, config(TotpAlg::Sha1), None, now);
            assert_eq!(verdict, CodeVerdict::Wrong);
        }
        for wrong in ["", "12", "123456789", "12a456", "١٢٣", " 123", "+123"] {
            assert!(TotpCode::parse(wrong).is_err(), "{wrong}");
        }
    }
}
