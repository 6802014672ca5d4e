//! One-time codes (RFC 6238): a factor that shares a secret with an authenticator app (wire reference §2.3).

use std::str::FromStr;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use crate::entity::Owner;
use crate::factor_status::{FactorStatus, UNVERIFIED_FOR};
use crate::invalid::Invalid;
use crate::secret::{Sealed, Secret};
use crate::sid::FactorSid;
use crate::text::FriendlyName;
use crate::time::Instant;

/// The bytes of a secret that we make (RFC 4226 §4, requirement 6).
pub const SECRET_BYTES: usize = 20;
/// The bytes of the shortest secret that is taken (RFC 4226 §4, requirement 6).
const LEAST_SECRET_BYTES: usize = 16;
/// The characters of the longest secret that is taken.
const LONGEST_SECRET: usize = 256;
/// The digits of Base32 (RFC 4648 §6).
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The hash of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TotpAlg {
    /// What most authenticator apps know.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl TotpAlg {
    /// The word on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    const fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }
}

impl FromStr for TotpAlg {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        [Self::Sha1, Self::Sha256, Self::Sha512]
            .into_iter()
            .find(|alg| alg.as_str() == text)
            .ok_or(Invalid::because("must be sha1, sha256 or sha512"))
    }
}

/// How a factor's codes are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TotpConfig {
    /// The hash.
    pub alg: TotpAlg,
    /// Seconds that a code is valid: 20 to 60.
    pub time_step: u8,
    /// Steps before and after that are accepted too: 0 to 2.
    pub skew: u8,
    /// Digits: 3 to 8.
    pub code_length: u8,
}

/// What a new factor, or an update, says of its codes; absent means the service's, or unchanged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TotpConfigChange {
    /// The hash.
    pub alg: Option<TotpAlg>,
    /// Seconds that a code is valid: 20 to 60.
    pub time_step: Option<u8>,
    /// Steps before and after that are accepted too: 0 to 2.
    pub skew: Option<u8>,
    /// Digits: 3 to 8.
    pub code_length: Option<u8>,
}

impl TotpConfigChange {
    /// What `was` becomes by it.
    pub fn of(self, was: TotpConfig) -> TotpConfig {
        TotpConfig {
            alg: self.alg.unwrap_or(was.alg),
            time_step: self.time_step.unwrap_or(was.time_step),
            skew: self.skew.unwrap_or(was.skew),
            code_length: self.code_length.unwrap_or(was.code_length),
        }
    }
}

/// What an update changes; absent means unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TotpChange {
    /// A new name.
    pub friendly_name: Option<FriendlyName>,
    /// How codes are made from now on.
    pub config: TotpConfigChange,
}

/// A factor that proves itself by codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TotpFactor {
    /// Its SID.
    pub sid: FactorSid,
    /// Whose it is.
    pub owner: Owner,
    /// What the person calls it.
    pub friendly_name: FriendlyName,
    /// Whether a right code has been shown.
    pub status: FactorStatus,
    /// The shared secret.
    pub secret: Sealed,
    /// How its codes are made.
    pub config: TotpConfig,
    /// The time step of the code accepted last: that one and those before are spent.
    pub last_step: Option<u64>,
    /// When it was made.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
}

impl TotpFactor {
    /// What it is after an update at `at`. Steps of another length are numbered anew: what was spent stays spent.
    pub fn changed(self, change: TotpChange, at: Instant) -> Self {
        let config = change.config.of(self.config);
        let (old, new) = (u64::from(self.config.time_step), u64::from(config.time_step.max(1)));
        Self {
            friendly_name: change.friendly_name.unwrap_or(self.friendly_name),
            last_step: self.last_step.map(|last| ((last + 1) * old).saturating_sub(1) / new),
            config,
            updated_at: at,
            ..self
        }
    }

    /// Whether it was left unverified for so long that it counts as gone at `now`.
    pub fn has_lapsed(&self, now: Instant) -> bool {
        self.status == FactorStatus::Unverified && now >= self.created_at + UNVERIFIED_FOR
    }
}

/// A code as a person types it: 3 to 8 digits.
pub struct Code(Zeroizing<String>);

impl Code {
    /// Reads one.
    ///
    /// # Errors
    /// Anything else.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if (3..=8).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_digit()) {
            Ok(Self(Zeroizing::new(text.to_owned())))
        } else {
            Err(Invalid::because("must have 3 to 8 digits"))
        }
    }
}

/// Reads a shared secret written in Base32, in either case, with or without padding, in groups between spaces or dashes, and
/// writes it the one way that we keep it: capital, unpadded and in one piece.
///
/// # Errors
/// Not Base32, less than 128 bits, or more than 256 characters.
pub fn parse_secret(text: &str) -> Result<Secret, Invalid> {
    const FORM: Invalid = Invalid::because("must be Base32");
    let is_digit = |c: &char| !c.is_whitespace() && *c != '-';
    let mut digits: String = text.chars().filter(is_digit).take(LONGEST_SECRET + 1).collect();
    digits.make_ascii_uppercase();
    let digits = Zeroizing::new(digits);
    if digits.len() > LONGEST_SECRET {
        return Err(Invalid::because("must have at most 256 characters"));
    }
    let digits = Secret::new(digits.trim_end_matches('='));
    let bytes = decode(&digits).ok_or(FORM)?;
    if bytes.len() < LEAST_SECRET_BYTES {
        return Err(Invalid::because(
            "must have at least 128 bits, which are 26 characters of Base32",
        ));
    }
    Ok(digits)
}

/// Writes a new secret in Base32.
pub fn secret_of(bytes: &[u8; SECRET_BYTES]) -> Secret {
    let mut text = String::with_capacity(SECRET_BYTES * 8 / 5);
    for chunk in bytes.chunks(5) {
        let bits = chunk.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        for place in (0..8).rev() {
            let digit = usize::try_from(bits >> (place * 5) & 31).unwrap_or(0);
            text.push(char::from(BASE32[digit]));
        }
    }
    Secret::new(text)
}

/// The bytes behind Base32 digits; `None` if it is none.
fn decode(secret: &Secret) -> Option<Zeroizing<Vec<u8>>> {
    // a last group of 1, 3 or 6 digits holds no whole number of bytes
    if matches!(secret.expose().len() % 8, 1 | 3 | 6) {
        return None;
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(secret.expose().len() * 5 / 8));
    let (mut bits, mut have) = (0_u32, 0);
    for digit in secret.expose().bytes() {
        let value = BASE32.iter().position(|known| *known == digit)?;
        bits = (bits << 5 | u32::try_from(value).ok()?) & 0xfff;
        have += 5;
        if have >= 8 {
            have -= 8;
            bytes.push(u8::try_from(bits >> have & 0xff).ok()?);
        }
    }
    Some(bytes)
}

/// What a code is found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeVerdict {
    /// The code of this time step, which is later than that of the code accepted last.
    Right(u64),
    /// The code of a time step that is spent, and of none that is not.
    Spent,
    /// The code of no time step of now.
    Wrong,
}

/// Judges a code by the time steps within the skew of `now`: the earliest one later than `last` counts. Takes the same
/// time for every code that is not accepted. A secret that is not Base32 has no right codes.
pub fn judge(
    code: &Code,
    secret: &Secret,
    config: TotpConfig,
    last: Option<u64>,
    now: Instant,
) -> CodeVerdict {
    let Some(bytes) = decode(secret) else { return CodeVerdict::Wrong };
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
    let key = hmac::Key::new(config.alg.hmac(), &decode(secret)?);
    let seconds = u64::try_from(now.as_seconds()).ok()?;
    let code = code_at(&key, seconds / u64::from(config.time_step.max(1)), config.code_length);
    Some(Secret::new(code.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sid::{AccountSid, EntitySid, ServiceSid};
    use crate::text::Identity;

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
                let code = Code::parse(code).unwrap();
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
            let code = Code::parse(code.expose()).unwrap();
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
            let code = Code::parse(wrong).unwrap();
            let verdict = judge(&code, &secret, config(TotpAlg::Sha1), None, now);
            assert_eq!(verdict, CodeVerdict::Wrong);
        }
        for wrong in ["", "12", "123456789", "12a456", "١٢٣", " 123", "+123"] {
            assert!(Code::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_secret_is_base32_and_ours_reads_back() {
        let ours = secret_of(b"12345678901234567890");
        assert_eq!(ours.expose(), SEEDS[0].1);
        assert_eq!(decode(&ours).unwrap().as_slice(), b"12345678901234567890");
        for wrong in ["", "====", "1", "A", "ABC", "GEZDGNB!", "GEZ=GNBV", "GÉZDGNBV"] {
            assert!(parse_secret(wrong).is_err(), "{wrong}");
        }
        assert!(parse_secret(&"A".repeat(257)).is_err());
    }

    #[test]
    fn what_was_spent_stays_spent_with_a_step_of_another_length() {
        let owner = Owner {
            account: AccountSid::from_bytes([1; 16]),
            service: ServiceSid::from_bytes([2; 16]),
            entity: EntitySid::from_bytes([3; 16]),
            identity: Identity::parse("alice-0001").unwrap(),
        };
        let at = Instant::from_seconds(0);
        for (old, new) in [(20, 60), (60, 20), (30, 30), (30, 45), (45, 30), (59, 60), (21, 20)] {
            let factor = TotpFactor {
                sid: FactorSid::from_bytes([2; 16]),
                owner: owner.clone(),
                friendly_name: FriendlyName::parse("codes").unwrap(),
                status: FactorStatus::Verified,
                secret: Sealed::from_bytes(Vec::new()),
                config: TotpConfig { time_step: old, ..config(TotpAlg::Sha1) },
                last_step: Some(1_000_003),
                created_at: at,
                updated_at: at,
            };
            let step = TotpConfigChange { time_step: Some(new), ..TotpConfigChange::default() };
            let change = TotpChange { friendly_name: None, config: step };
            let is = factor.changed(change, at).last_step.unwrap();
            let last_spent_second = 1_000_004 * u64::from(old) - 1;
            assert_eq!(is, last_spent_second / u64::from(new), "{old} to {new}");
        }
    }
}
