//! Places: how many requests may be in work at a time, in all and for each owner.
//!
//! A request belongs to nobody when it comes. Once its credentials are good it belongs to an account, and if a device sent it,
//! to the device too. Until then, whatever makes it wait takes a place of its address. A place is held until the response has
//! been sent, so that nobody can fill the server with work or with responses that are not read.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_domain::sid::{AccessTokenSid, AccountSid, FactorSid};
use foldhash::fast::RandomState;

use crate::auth::Caller;

/// How many requests may be in work at a time. 0 means no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlaceBounds {
    /// In all. Those of nobody may have half of these, and those of one address that wait for the check of their credentials an
    /// eighth.
    pub requests: usize,
    /// Of one account, its devices included.
    pub per_account: usize,
    /// Of one device, or by one access token.
    pub per_device: usize,
    /// From one address, without good credentials.
    pub strangers_per_address: usize,
    /// Bytes of all responses that are still to be sent.
    pub unsent_bytes: usize,
    /// Bytes of those of one account, its devices included.
    pub unsent_bytes_per_account: usize,
}

impl Default for PlaceBounds {
    fn default() -> Self {
        Self {
            requests: 10_000,
            per_account: 2_500,
            per_device: 20,
            strangers_per_address: 100,
            unsent_bytes: 256 << 20,
            unsent_bytes_per_account: 64 << 20,
        }
    }
}

/// Why a request is not served now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crowded {
    /// Its account, device or address has as many as it may have.
    Owner,
    /// The server has.
    Server,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Owner {
    Address(IpAddr),
    Account(AccountSid),
    Factor(FactorSid),
    Token(AccessTokenSid),
}

/// Requests of one owner.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    working: usize,
    /// Long polls, which have bounds of their own.
    waiting: usize,
    /// Bytes of their responses that are still to be sent.
    unsent: usize,
}

/// All requests in work. Cheap to clone.
#[derive(Clone)]
pub struct Places(Arc<House>);

struct House {
    bounds: PlaceBounds,
    working: AtomicUsize,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    strangers: usize,
    waiting: usize,
    unsent: usize,
    /// Each request looks here several times, and nobody chooses enough keys to make a faster hash costly.
    by_owner: HashMap<Owner, Count, RandomState>,
}

impl Places {
    /// With these bounds, and nothing in work.
    pub fn new(bounds: PlaceBounds) -> Self {
        Self(Arc::new(House { bounds, working: AtomicUsize::new(0), counts: Mutex::default() }))
    }

    /// A request that has come from an address; IPv6 addresses of one network are given as one. Fails if there are too many.
    ///
    /// # Errors
    /// [`Crowded::Server`].
    pub fn arrive(&self, from: Option<IpAddr>) -> Result<Place, Crowded> {
        let before = self.0.working.fetch_add(1, Ordering::Relaxed);
        let held = Mutex::new(Held::Nobody { is_checked: false });
        let unsent = AtomicUsize::new(0);
        let place = Place { house: Arc::clone(&self.0), from, held, unsent };
        if is_full(before, self.0.bounds.requests) { Err(Crowded::Server) } else { Ok(place) }
    }

    /// Requests in work, without long polls.
    pub fn working(&self) -> usize {
        self.0.working.load(Ordering::Relaxed)
    }

    /// Long polls that wait.
    pub fn waiting(&self) -> usize {
        self.0.counts().waiting
    }

    /// Bytes of responses that are still to be sent, of those that are counted.
    pub fn unsent(&self) -> usize {
        self.0.counts().unsent
    }

    /// Whether more than nine tenths of all places are taken.
    pub fn are_nearly_full(&self) -> bool {
        let most = self.0.bounds.requests;
        most > 0 && self.working() > most - most / 10
    }
}

impl House {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        // Counting cannot panic half way.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const fn is_full(count: usize, bound: usize) -> bool {
    bound > 0 && count >= bound
}

const fn exceeds(count: usize, more: usize, bound: usize) -> bool {
    bound > 0 && count.saturating_add(more) > bound
}

impl Counts {
    /// Adds a request unless there are `bound` of them.
    ///
    /// # Errors
    /// [`Crowded::Owner`].
    fn add_within(&mut self, owner: Owner, bound: usize) -> Result<(), Crowded> {
        let count = self.by_owner.entry(owner).or_default();
        // An owner without a request has room, so no empty count stays.
        if is_full(count.working, bound) {
            return Err(Crowded::Owner);
        }
        count.working += 1;
        Ok(())
    }

    fn remove(&mut self, owner: Owner) {
        if let Entry::Occupied(mut count) = self.by_owner.entry(owner) {
            count.get_mut().working = count.get().working.saturating_sub(1);
            if count.get().working + count.get().waiting == 0 {
                count.remove();
            }
        }
    }
}

/// Whose a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    /// Nobody's, and it has not had to wait.
    Nobody { is_checked: bool },
    /// Nobody's; it holds a place of its address, if that is known.
    Stranger(Option<Owner>),
    /// An account's, and perhaps a device's.
    Known(Owner, Option<Owner>),
}

/// The place of one request. Dropped, it is free again.
pub struct Place {
    house: Arc<House>,
    from: Option<IpAddr>,
    held: Mutex<Held>,
    /// Bytes of its response that are counted until it is dropped.
    unsent: AtomicUsize,
}

impl Place {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its credentials are being checked, which may take a look into the database.
    pub fn is_checked(&self) {
        let mut held = self.held();
        if matches!(*held, Held::Nobody { .. }) {
            *held = Held::Nobody { is_checked: true };
        }
    }

    /// Its credentials are good.
    ///
    /// # Errors
    /// [`Crowded::Owner`] if the account or the device has too many in work.
    pub fn is_of(&self, caller: &Caller) -> Result<(), Crowded> {
        let device = match caller {
            Caller::Application(_) => None,
            Caller::Enrolling(token) => Some(Owner::Token(token.sid)),
            Caller::Device(factor) => Some(Owner::Factor(factor.sid)),
        };
        self.is_known(Owner::Account(caller.account()), device)
    }

    /// It belongs to somebody who is signed in with an account.
    ///
    /// # Errors
    /// [`Crowded::Owner`] if the account has too many in work.
    pub fn is_of_account(&self, account: AccountSid) -> Result<(), Crowded> {
        self.is_known(Owner::Account(account), None)
    }

    fn is_known(&self, account: Owner, device: Option<Owner>) -> Result<(), Crowded> {
        let mut held = self.held();
        if matches!(*held, Held::Known(..)) {
            return Ok(());
        }
        let bounds = &self.house.bounds;
        let mut counts = self.house.counts();
        counts.add_within(account, bounds.per_account)?;
        if let Some(device) = device
            && let Err(crowded) = counts.add_within(device, bounds.per_device)
        {
            counts.remove(account);
            return Err(crowded);
        }
        held.release(&mut counts);
        *held = Held::Known(account, device);
        Ok(())
    }

    /// The request has to wait. If it is nobody's it takes a place of its address.
    ///
    /// # Errors
    /// [`Crowded`] if there is none.
    pub fn waits(&self) -> Result<(), Crowded> {
        let mut held = self.held();
        let Held::Nobody { is_checked } = *held else { return Ok(()) };
        let bounds = &self.house.bounds;
        let mut counts = self.house.counts();
        if is_full(counts.strangers, bounds.requests.div_ceil(2)) {
            return Err(Crowded::Server);
        }
        let address = self.from.map(Owner::Address);
        if let Some(address) = address {
            // A caller with good credentials may come from the address of strangers who hold its places.
            let reserve = if is_checked { bounds.requests.div_ceil(8) } else { 0 };
            let most = match bounds.strangers_per_address {
                0 => 0,
                most => most.max(reserve),
            };
            counts.add_within(address, most)?;
        }
        counts.strangers += 1;
        *held = Held::Stranger(address);
        Ok(())
    }

    /// Its response of so many bytes is to be sent; they count until the place is dropped. What belongs to nobody is not counted:
    /// strangers get files that are in memory anyway.
    ///
    /// # Errors
    /// [`Crowded`] if too many bytes are still to be sent, of the account or of the server; then these are not counted.
    pub fn sends(&self, bytes: usize) -> Result<(), Crowded> {
        let Held::Known(account, _) = *self.held() else { return Ok(()) };
        let bounds = &self.house.bounds;
        let mut counts = self.house.counts();
        if exceeds(counts.unsent, bytes, bounds.unsent_bytes) {
            return Err(Crowded::Server);
        }
        let count = counts.by_owner.entry(account).or_default();
        if exceeds(count.unsent, bytes, bounds.unsent_bytes_per_account) {
            return Err(Crowded::Owner);
        }
        count.unsent += bytes;
        counts.unsent += bytes;
        self.unsent.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Whether nobody's credentials came with it, or they were not good.
    pub fn is_strangers(&self) -> bool {
        !matches!(*self.held(), Held::Known(..))
    }

    /// Requests of the same account that are in work or wait, this one included; without good credentials those of the address
    /// that wait.
    pub fn concurrent(&self) -> usize {
        let owner = match *self.held() {
            Held::Known(account, _) => account,
            Held::Stranger(Some(address)) => address,
            Held::Stranger(None) | Held::Nobody { .. } => return 1,
        };
        let counts = self.house.counts();
        counts.by_owner.get(&owner).map_or(1, |count| count.working + count.waiting).max(1)
    }

    /// A long poll begins: until the value is dropped, the request counts as waiting and not as work. As many may wait as may be
    /// in work; beyond that it goes on counting as work.
    pub fn long_poll(&self) -> LongPoll<'_> {
        let held = *self.held();
        let mut counts = self.house.counts();
        let bound = self.house.bounds.requests;
        let Held::Known(account, device) = held else { return LongPoll(None) };
        if is_full(counts.waiting, bound) {
            return LongPoll(None);
        }
        counts.waiting += 1;
        for owner in [Some(account), device].into_iter().flatten() {
            let count = counts.by_owner.entry(owner).or_default();
            count.working = count.working.saturating_sub(1);
            count.waiting += 1;
        }
        self.house.working.fetch_sub(1, Ordering::Relaxed);
        LongPoll(Some((self, account, device)))
    }
}

impl Held {
    fn release(&self, counts: &mut Counts) {
        match *self {
            Self::Nobody { .. } => {}
            Self::Stranger(address) => {
                counts.strangers = counts.strangers.saturating_sub(1);
                if let Some(address) = address {
                    counts.remove(address);
                }
            }
            Self::Known(account, device) => {
                counts.remove(account);
                if let Some(device) = device {
                    counts.remove(device);
                }
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.house.working.fetch_sub(1, Ordering::Relaxed);
        let held = *self.held();
        if matches!(held, Held::Nobody { .. }) {
            return;
        }
        let mut counts = self.house.counts();
        let unsent = self.unsent.load(Ordering::Relaxed);
        if let Held::Known(account, _) = held
            && unsent > 0
        {
            counts.unsent = counts.unsent.saturating_sub(unsent);
            let count = counts.by_owner.entry(account).or_default();
            count.unsent = count.unsent.saturating_sub(unsent);
        }
        held.release(&mut counts);
    }
}

/// A long poll that waits.
pub struct LongPoll<'a>(Option<(&'a Place, Owner, Option<Owner>)>);

impl Drop for LongPoll<'_> {
    fn drop(&mut self) {
        let Some((place, account, device)) = self.0.take() else { return };
        let mut counts = place.house.counts();
        counts.waiting = counts.waiting.saturating_sub(1);
        for owner in [Some(account), device].into_iter().flatten() {
            let count = counts.by_owner.entry(owner).or_default();
            count.waiting = count.waiting.saturating_sub(1);
            count.working += 1;
        }
        place.house.working.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: PlaceBounds = PlaceBounds {
        requests: 16,
        per_account: 3,
        per_device: 2,
        strangers_per_address: 1,
        unsent_bytes: 150,
        unsent_bytes_per_account: 100,
    };

    fn account(digit: char) -> AccountSid {
        format!("AC{}", digit.to_string().repeat(32)).parse().unwrap()
    }

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    /// A request of a device.
    fn of_device(places: &Places, account_digit: char, device: char) -> Result<Place, Crowded> {
        let place = places.arrive(None)?;
        let sid = format!("YF{}", device.to_string().repeat(32)).parse().unwrap();
        place.is_known(Owner::Account(account(account_digit)), Some(Owner::Factor(sid)))?;
        Ok(place)
    }

    fn of_account(places: &Places, digit: char) -> Result<Place, Crowded> {
        let place = places.arrive(address("192.0.2.1"))?;
        place.is_of_account(account(digit))?;
        Ok(place)
    }

    #[test]
    fn bytes_that_are_still_to_be_sent_are_bounded_by_account_and_in_all() {
        let places = Places::new(BOUNDS);
        let (one, same) = (of_account(&places, '1').unwrap(), of_account(&places, '1').unwrap());
        let other = of_account(&places, '2').unwrap();
        assert_eq!(one.sends(60), Ok(()));
        assert_eq!(same.sends(41), Err(Crowded::Owner));
        assert_eq!(same.sends(40), Ok(()));
        assert_eq!(other.sends(51), Err(Crowded::Server));
        assert_eq!(other.sends(50), Ok(()));
        drop(one);
        assert_eq!((places.unsent(), other.sends(50)), (90, Ok(())));
        let stranger = places.arrive(None).unwrap();
        assert_eq!(stranger.sends(1_000), Ok(()), "files, which are in memory anyway");
        drop((same, other, stranger));
        assert_eq!(places.unsent(), 0);
        assert!(places.0.counts().by_owner.is_empty());
    }

    #[test]
    fn an_account_and_a_device_have_bounds_and_places_come_back() {
        let places = Places::new(BOUNDS);
        let first = of_device(&places, '1', 'a').unwrap();
        let second = of_device(&places, '1', 'a').unwrap();
        assert_eq!(
            of_device(&places, '1', 'a').err(),
            Some(Crowded::Owner),
            "a third of the device"
        );
        let third = of_device(&places, '1', 'b').unwrap();
        assert_eq!(of_account(&places, '1').err(), Some(Crowded::Owner), "a fourth of the account");
        let other = of_account(&places, '2').unwrap();
        assert_eq!((third.concurrent(), other.concurrent(), places.working()), (3, 1, 4));
        drop(first);
        assert!(of_account(&places, '1').is_ok());
        drop((second, third, other));
        assert_eq!(places.working(), 0);
        assert!(places.0.counts().by_owner.is_empty(), "nobody is remembered");
    }

    #[test]
    fn past_the_bound_of_all_a_request_is_turned_away_and_it_is_said_before() {
        let places = Places::new(BOUNDS);
        let held: Vec<_> = (0..15).map(|_| places.arrive(None).unwrap()).collect();
        assert!(!places.are_nearly_full());
        let last = places.arrive(None).unwrap();
        assert!(places.are_nearly_full());
        assert_eq!(places.arrive(None).err(), Some(Crowded::Server));
        drop((held, last));
        assert_eq!(places.working(), 0);
    }

    #[test]
    fn strangers_that_wait_have_a_bound_per_address_and_half_of_all() {
        let places = Places::new(BOUNDS);
        let stranger = |from: &str| {
            let place = places.arrive(address(from)).unwrap();
            place.waits().map(|()| place)
        };
        let first = stranger("192.0.2.1").unwrap();
        assert_eq!(first.waits(), Ok(()), "it has its place");
        assert_eq!(stranger("192.0.2.1").err(), Some(Crowded::Owner));
        assert!(of_account(&places, '1').is_ok(), "a caller at the same address is served");
        let others: Vec<_> = (2..9).map(|n| stranger(&format!("192.0.2.{n}")).unwrap()).collect();
        assert_eq!(stranger("192.0.2.9").err(), Some(Crowded::Server));
        assert!(of_account(&places, '1').is_ok(), "the other half is for callers");
        drop((first, others));
        assert!(places.0.counts().by_owner.is_empty());
    }

    #[test]
    fn the_check_of_credentials_has_places_beside_those_of_strangers() {
        let places = Places::new(BOUNDS);
        let stranger = places.arrive(address("192.0.2.1")).unwrap();
        stranger.waits().unwrap();
        let checked = places.arrive(address("192.0.2.1")).unwrap();
        checked.is_checked();
        assert_eq!(checked.waits(), Ok(()));
        let beyond = places.arrive(address("192.0.2.1")).unwrap();
        beyond.is_checked();
        assert_eq!(beyond.waits(), Err(Crowded::Owner), "an eighth of all");
        checked.is_of_account(account('1')).unwrap();
        assert_eq!(beyond.waits(), Ok(()), "a place of the address is free again");
    }

    #[test]
    fn a_long_poll_is_no_work_and_is_still_shown() {
        let places = Places::new(BOUNDS);
        let polls: Vec<_> = (0..5).map(|_| of_account(&places, '1').map(Box::new)).collect();
        assert!(polls.iter().any(Result::is_err), "as work there are too many");
        drop(polls);
        let first = of_account(&places, '1').unwrap();
        let second = of_account(&places, '1').unwrap();
        let waiting = (first.long_poll(), second.long_poll());
        assert_eq!((places.working(), places.waiting()), (0, 2));
        let third = of_account(&places, '1').unwrap();
        assert_eq!(third.concurrent(), 3);
        drop(waiting);
        assert_eq!((places.working(), places.waiting()), (3, 0));
        assert_eq!(of_account(&places, '1').err(), Some(Crowded::Owner));
        drop((first, second, third));
        assert!(places.0.counts().by_owner.is_empty());
    }

    #[test]
    fn nought_is_no_bound() {
        let bounds = PlaceBounds {
            requests: 0,
            per_account: 0,
            per_device: 0,
            strangers_per_address: 0,
            unsent_bytes: 0,
            unsent_bytes_per_account: 0,
        };
        let places = Places::new(bounds);
        let all: Vec<_> = (0..100)
            .map(|number| {
                let place = places.arrive(address("192.0.2.1")).unwrap();
                if number % 2 == 0 { place.waits() } else { place.is_of_account(account('1')) }
                    .unwrap();
                place
            })
            .collect();
        assert!(!places.are_nearly_full());
        drop(all);
    }
}
