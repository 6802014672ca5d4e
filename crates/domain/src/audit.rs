//! The audit trail: what was done at the console, by whom. It holds fixed words, names of operators, SIDs and addresses.

use std::net::IpAddr;
use std::time::Duration;

use crate::sid::{AccountSid, AuditSid};
use crate::time::Instant;

/// How long entries are kept.
pub const KEPT: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// How many entries an account keeps, the newest ones. A little more may be stored at times.
pub const MAX_ENTRIES: usize = 100_000;
/// To find the oldest entry that is kept means to walk over all that are: only one entry in so many causes it.
const TRIMMED_EVERY: u8 = 64;

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its SID. Entries are ordered by it.
    pub sid: AuditSid,
    /// The account.
    pub account: AccountSid,
    /// When it happened.
    pub at: Instant,
    /// The operator's name, the SID of an API key, or `token`.
    pub actor: String,
    /// The event's word in the security log.
    pub event: String,
    /// The object of the action: a SID, or a route of the console.
    pub subject: Option<String>,
    /// Why it was refused; `None` if it was done.
    pub refusal: Option<String>,
    /// The operator's address.
    pub address: Option<IpAddr>,
}

impl AuditEntry {
    /// Whether this entry causes those beyond [`MAX_ENTRIES`] to be removed.
    pub fn causes_trimming(&self) -> bool {
        self.sid.as_bytes().last().is_some_and(|byte| byte % TRIMMED_EVERY == 0)
    }
}
