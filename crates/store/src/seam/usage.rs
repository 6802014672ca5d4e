//! The storage used by accounts, for their quotas.

use async_trait::async_trait;
use countersign_domain::sid::AccountSid;
use countersign_domain::time::Instant;
use countersign_domain::usage::Usage;

use crate::error::StoreResult;

/// The tables whose rows count against an account's quotas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountedTable {
    /// Entities.
    Entities,
    /// Push factors.
    Factors,
    /// TOTP factors.
    TotpFactors,
    /// Challenges of either type.
    Challenges,
    /// Services with a logo.
    Services,
}

impl CountedTable {
    /// All counted tables.
    pub const ALL: [Self; 5] =
        [Self::Entities, Self::Factors, Self::TotpFactors, Self::Challenges, Self::Services];

    /// The usage of a row whose texts, or whose logo, have `texts` bytes.
    pub const fn usage(self, texts: i64) -> Usage {
        match self {
            Self::Entities => Usage { bytes: Usage::ENTITY.bytes + texts, ..Usage::ENTITY },
            Self::Factors | Self::TotpFactors | Self::Challenges => Usage::record(texts),
            Self::Services => Usage { entities: 0, bytes: texts },
        }
    }
}

/// The key of a row, in the order in which a table is counted.
pub type CountedKey = [[u8; 16]; 2];

/// A row that counts against the quotas of its account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountedRow {
    /// Its key; the second part is its SID.
    pub key: CountedKey,
    /// Its account.
    pub account: AccountSid,
    /// The time of its creation.
    pub made_at: Instant,
    /// The usage that it counts.
    pub usage: Usage,
}

/// The storage used by accounts.
#[async_trait]
pub trait Usages {
    /// Reads the rows of a table that follow `after`, at most `most`; none at the end of the table. Deleted rows are included
    /// until the cleaner has removed them, except entities and factors that were deleted by themselves.
    async fn count_stored(
        &self,
        table: CountedTable,
        after: Option<CountedKey>,
        most: usize,
    ) -> StoreResult<Vec<CountedRow>>;
}
