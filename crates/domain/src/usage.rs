//! The storage that an account uses, as its quotas count it.

use std::ops::{Add, AddAssign, Neg};

use crate::address::PushToken;
use crate::branding::LogoName;
use crate::challenge::Challenge;
use crate::factor::Factor;
use crate::signed_answer::SignedAnswer;
use crate::text::{AccountLabel, StringMap};
use crate::totp::TotpFactor;

/// The bytes of an entity, a factor or a challenge besides its texts: about the size of its row and its index entries.
pub const RECORD_BYTES: i64 = 512;

/// The storage that an account uses, or a change of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// The number of entities.
    pub entities: i64,
    /// Bytes of texts, and [`RECORD_BYTES`] for each record.
    pub bytes: i64,
}

impl Usage {
    /// One entity without a label.
    pub const ENTITY: Self = Self { entities: 1, bytes: RECORD_BYTES };

    /// One record with `texts` bytes of text.
    pub const fn record(texts: i64) -> Self {
        Self { entities: 0, bytes: RECORD_BYTES + texts }
    }

    /// The label of an entity.
    pub fn of_label(label: Option<&AccountLabel>) -> Self {
        Self { entities: 0, bytes: signed(label.map_or(0, |label| label.as_str().len())) }
    }

    /// The logo of a service. The service itself is not counted, since services have a limit of their own.
    pub fn of_logo(logo: Option<LogoName>) -> Self {
        Self { entities: 0, bytes: logo.map_or(0, |logo| logo.bytes.into()) }
    }

    /// A push factor: its name, versions, metadata and push token.
    pub fn of_factor(factor: &Factor) -> Self {
        let texts = [
            factor.friendly_name.as_str().len(),
            factor.app_id.as_str().len(),
            factor.sdk_version.as_str().len(),
            factor.address.token().map_or(0, |token| PushToken::expose(token).len()),
            factor.metadata.as_ref().map_or(0, StringMap::bytes),
        ];
        Self::record(signed(texts.iter().sum()))
    }

    /// A TOTP factor: its name and its sealed secret.
    pub fn of_totp_factor(factor: &TotpFactor) -> Self {
        let texts = factor.friendly_name.as_str().len() + factor.secret.as_bytes().len();
        Self::record(signed(texts))
    }

    /// A challenge: its message, details, hidden details and metadata.
    pub fn of_challenge(challenge: &Challenge) -> Self {
        let details = &challenge.details;
        let message = details.message.as_ref().map_or(0, |message| message.as_str().len());
        // [{"label":"","value":""}, …]
        let fields = details.fields.iter().map(|field| 23 + field.label.len() + field.value.len());
        let fields = 2 + fields.sum::<usize>() + details.fields.len().saturating_sub(1);
        let maps = [&challenge.hidden_details, &challenge.metadata];
        let maps: usize = maps.into_iter().flatten().map(StringMap::bytes).sum();
        Self::record(signed(message + fields + maps))
    }

    /// The change when an answer is stored as it was signed.
    pub fn of_signed_answer(answer: &SignedAnswer) -> Self {
        Self { entities: 0, bytes: signed(answer.jws.len()) }
    }

    /// The change when `new` replaces the metadata `old` of a challenge.
    pub fn of_metadata(new: Option<&StringMap>, old: Option<&StringMap>) -> Self {
        let bytes = |map: Option<&StringMap>| signed(map.map_or(0, StringMap::bytes));
        let bytes = if new.is_some() { bytes(new) - bytes(old) } else { 0 };
        Self { entities: 0, bytes }
    }
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

impl Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { entities: self.entities + other.entities, bytes: self.bytes + other.bytes }
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Neg for Usage {
    type Output = Self;

    fn neg(self) -> Self {
        Self { entities: -self.entities, bytes: -self.bytes }
    }
}
