//! The permit of one request, from its arrival until its response has been sent.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_domain::sid::AccountSid;

use super::counts::{Counters, Counts, Owner, is_full, would_exceed};
use super::limits::OverloadError;
use crate::caller::Caller;

/// Which owners a request counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Assignment {
    /// No owner; the request has not had to wait.
    Unassigned { checks_credentials: bool },
    /// The address, if it is known; the request waits without good credentials.
    Unauthenticated(Option<Owner>),
    /// An account, and a device if one sent the request.
    Authenticated(Owner, Option<Owner>),
}

/// The permit of one request. Dropping it ends the request's counts.
pub struct RequestPermit {
    shared: Arc<Counters>,
    from: Option<IpAddr>,
    assignment: Mutex<Assignment>,
    /// Bytes of the response, which count until the permit is dropped.
    unsent: AtomicUsize,
}

impl RequestPermit {
    pub(super) fn new(shared: Arc<Counters>, from: Option<IpAddr>) -> Self {
        let assignment = Mutex::new(Assignment::Unassigned { checks_credentials: false });
        Self { shared, from, assignment, unsent: AtomicUsize::new(0) }
    }

    fn assignment(&self) -> MutexGuard<'_, Assignment> {
        self.assignment.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the credentials are being checked, which may read the database.
    pub fn begin_credential_check(&self) {
        let mut assignment = self.assignment();
        if matches!(*assignment, Assignment::Unassigned { .. }) {
            *assignment = Assignment::Unassigned { checks_credentials: true };
        }
    }

    /// Counts the request against its caller, whose credentials are good.
    ///
    /// # Errors
    /// [`OverloadError::Owner`] if the account or the device has too many requests in progress.
    pub fn assign(&self, caller: &Caller) -> Result<(), OverloadError> {
        let device = match caller {
            Caller::Application(_) => None,
            Caller::Enrolling(token) => Some(Owner::Token(token.sid)),
            Caller::Device(factor) => Some(Owner::Factor(factor.sid)),
        };
        self.assign_to(Owner::Account(caller.account()), device)
    }

    /// Counts the request against the account that an operator is signed in to.
    ///
    /// # Errors
    /// [`OverloadError::Owner`] if the account has too many requests in progress.
    pub fn assign_to_account(&self, account: AccountSid) -> Result<(), OverloadError> {
        self.assign_to(Owner::Account(account), None)
    }

    pub(super) fn assign_to(
        &self,
        account: Owner,
        device: Option<Owner>,
    ) -> Result<(), OverloadError> {
        let mut assignment = self.assignment();
        if matches!(*assignment, Assignment::Authenticated(..)) {
            return Ok(());
        }
        let limits = &self.shared.limits;
        let mut counts = self.shared.counts();
        counts.add(account, limits.per_account)?;
        if let Some(device) = device
            && let Err(error) = counts.add(device, limits.per_device)
        {
            counts.remove(account);
            return Err(error);
        }
        assignment.release(&mut counts);
        *assignment = Assignment::Authenticated(account, device);
        Ok(())
    }

    /// Notes that the request has to wait. Without good credentials it counts against its address.
    ///
    /// # Errors
    /// [`OverloadError`] if the address, or the server, has too many of these.
    pub fn begin_wait(&self) -> Result<(), OverloadError> {
        let mut assignment = self.assignment();
        let Assignment::Unassigned { checks_credentials } = *assignment else { return Ok(()) };
        let limits = &self.shared.limits;
        let mut counts = self.shared.counts();
        if is_full(counts.unauthenticated, limits.requests.div_ceil(2)) {
            return Err(OverloadError::Server);
        }
        let address = self.from.map(Owner::Address);
        if let Some(address) = address {
            // A caller with good credentials may share the address of strangers who use up its limit.
            let reserve = if checks_credentials { limits.requests.div_ceil(8) } else { 0 };
            let limit = match limits.unauthenticated_per_address {
                0 => 0,
                limit => limit.max(reserve),
            };
            counts.add(address, limit)?;
        }
        counts.unauthenticated += 1;
        *assignment = Assignment::Unauthenticated(address);
        Ok(())
    }

    /// Counts the bytes of the response until the permit is dropped. Responses without good credentials are not counted: they
    /// are files that are in memory anyway.
    ///
    /// # Errors
    /// [`OverloadError`] if too many bytes of the account, or of the server, are still to be sent. These bytes are not counted
    /// then.
    pub fn begin_response(&self, bytes: usize) -> Result<(), OverloadError> {
        let Assignment::Authenticated(account, _) = *self.assignment() else { return Ok(()) };
        let limits = &self.shared.limits;
        let mut counts = self.shared.counts();
        if would_exceed(counts.unsent, bytes, limits.unsent_bytes) {
            return Err(OverloadError::Server);
        }
        let count = counts.by_owner.entry(account).or_default();
        if would_exceed(count.unsent, bytes, limits.unsent_bytes_per_account) {
            return Err(OverloadError::Owner);
        }
        count.unsent += bytes;
        counts.unsent += bytes;
        self.unsent.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Whether the request has not shown good credentials.
    pub fn is_unauthenticated(&self) -> bool {
        !matches!(*self.assignment(), Assignment::Authenticated(..))
    }

    /// Requests of the same account that are in progress or wait, this one included. Without good credentials: waiting requests
    /// of the same address.
    pub fn concurrent(&self) -> usize {
        let owner = match *self.assignment() {
            Assignment::Authenticated(account, _) => account,
            Assignment::Unauthenticated(Some(address)) => address,
            Assignment::Unauthenticated(None) | Assignment::Unassigned { .. } => return 1,
        };
        let counts = self.shared.counts();
        counts.by_owner.get(&owner).map_or(1, |count| count.working + count.waiting).max(1)
    }

    /// Begins a long poll: until the value is dropped, the request counts as waiting and not as in progress. As many requests
    /// may wait as may be in progress; beyond that limit a long poll still counts as in progress.
    pub fn begin_long_poll(&self) -> LongPoll<'_> {
        let assignment = *self.assignment();
        let mut counts = self.shared.counts();
        let limit = self.shared.limits.requests;
        let Assignment::Authenticated(account, device) = assignment else { return LongPoll(None) };
        if is_full(counts.waiting, limit) {
            return LongPoll(None);
        }
        counts.waiting += 1;
        for owner in [Some(account), device].into_iter().flatten() {
            let count = counts.by_owner.entry(owner).or_default();
            count.working = count.working.saturating_sub(1);
            count.waiting += 1;
        }
        self.shared.working.fetch_sub(1, Ordering::Relaxed);
        LongPoll(Some((self, account, device)))
    }
}

impl Assignment {
    fn release(&self, counts: &mut Counts) {
        match *self {
            Self::Unassigned { .. } => {}
            Self::Unauthenticated(address) => {
                counts.unauthenticated = counts.unauthenticated.saturating_sub(1);
                if let Some(address) = address {
                    counts.remove(address);
                }
            }
            Self::Authenticated(account, device) => {
                counts.remove(account);
                if let Some(device) = device {
                    counts.remove(device);
                }
            }
        }
    }
}

impl Drop for RequestPermit {
    fn drop(&mut self) {
        self.shared.working.fetch_sub(1, Ordering::Relaxed);
        let assignment = *self.assignment();
        if matches!(assignment, Assignment::Unassigned { .. }) {
            return;
        }
        let mut counts = self.shared.counts();
        let unsent = self.unsent.load(Ordering::Relaxed);
        if let Assignment::Authenticated(account, _) = assignment
            && unsent > 0
        {
            counts.unsent = counts.unsent.saturating_sub(unsent);
            let count = counts.by_owner.entry(account).or_default();
            count.unsent = count.unsent.saturating_sub(unsent);
        }
        assignment.release(&mut counts);
    }
}

/// A long poll that waits.
pub struct LongPoll<'a>(Option<(&'a RequestPermit, Owner, Option<Owner>)>);

impl Drop for LongPoll<'_> {
    fn drop(&mut self) {
        let Some((permit, account, device)) = self.0.take() else { return };
        let mut counts = permit.shared.counts();
        counts.waiting = counts.waiting.saturating_sub(1);
        for owner in [Some(account), device].into_iter().flatten() {
            let count = counts.by_owner.entry(owner).or_default();
            count.waiting = count.waiting.saturating_sub(1);
            count.working += 1;
        }
        permit.shared.working.fetch_add(1, Ordering::Relaxed);
    }
}
