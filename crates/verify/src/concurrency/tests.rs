use countersign_domain::sid::AccountSid;

use super::counts::Owner;
use super::*;

const LIMITS: ConcurrencyLimits = ConcurrencyLimits {
    requests: 16,
    per_account: 3,
    per_device: 2,
    unauthenticated_per_address: 1,
    unsent_bytes: 150,
    unsent_bytes_per_account: 100,
};

fn account(digit: char) -> AccountSid {
    format!("AC{}", digit.to_string().repeat(32)).parse().unwrap()
}

fn address(text: &str) -> Option<IpAddr> {
    Some(text.parse().unwrap())
}

fn from_device(
    limiter: &RequestLimiter,
    account_digit: char,
    device: char,
) -> Result<RequestPermit, OverloadError> {
    let permit = limiter.admit(None)?;
    let sid = format!("YF{}", device.to_string().repeat(32)).parse().unwrap();
    permit.assign_to(Owner::Account(account(account_digit)), Some(Owner::Factor(sid)))?;
    Ok(permit)
}

fn from_account(limiter: &RequestLimiter, digit: char) -> Result<RequestPermit, OverloadError> {
    let permit = limiter.admit(address("192.0.2.1"))?;
    permit.assign_to_account(account(digit))?;
    Ok(permit)
}

#[test]
fn unsent_bytes_are_limited_for_an_account_and_in_all() {
    let limiter = RequestLimiter::new(LIMITS);
    let (one, same) = (from_account(&limiter, '1').unwrap(), from_account(&limiter, '1').unwrap());
    let other = from_account(&limiter, '2').unwrap();
    assert_eq!(one.begin_response(60), Ok(()));
    assert_eq!(same.begin_response(41), Err(OverloadError::Owner));
    assert_eq!(same.begin_response(40), Ok(()));
    assert_eq!(other.begin_response(51), Err(OverloadError::Server));
    assert_eq!(other.begin_response(50), Ok(()));
    drop(one);
    assert_eq!((limiter.unsent(), other.begin_response(50)), (90, Ok(())));
    let stranger = limiter.admit(None).unwrap();
    assert_eq!(stranger.begin_response(1_000), Ok(()), "files are in memory anyway");
    drop((same, other, stranger));
    assert_eq!(limiter.unsent(), 0);
    assert!(limiter.0.counts().by_owner.is_empty());
}

#[test]
fn an_account_and_a_device_have_limits_and_dropped_permits_are_free_again() {
    let limiter = RequestLimiter::new(LIMITS);
    let first = from_device(&limiter, '1', 'a').unwrap();
    let second = from_device(&limiter, '1', 'a').unwrap();
    let refused = from_device(&limiter, '1', 'a').err();
    assert_eq!(refused, Some(OverloadError::Owner), "a third request of the device");
    let third = from_device(&limiter, '1', 'b').unwrap();
    let refused = from_account(&limiter, '1').err();
    assert_eq!(refused, Some(OverloadError::Owner), "a fourth request of the account");
    let other = from_account(&limiter, '2').unwrap();
    assert_eq!((third.concurrent(), other.concurrent(), limiter.working()), (3, 1, 4));
    drop(first);
    assert!(from_account(&limiter, '1').is_ok());
    drop((second, third, other));
    assert_eq!(limiter.working(), 0);
    assert!(limiter.0.counts().by_owner.is_empty(), "no empty count is left");
}

#[test]
fn a_full_limiter_refuses_and_reports_that_it_is_nearly_full() {
    let limiter = RequestLimiter::new(LIMITS);
    let held: Vec<_> = (0..15).map(|_| limiter.admit(None).unwrap()).collect();
    assert!(!limiter.is_nearly_full());
    let last = limiter.admit(None).unwrap();
    assert!(limiter.is_nearly_full());
    assert_eq!(limiter.admit(None).err(), Some(OverloadError::Server));
    drop((held, last));
    assert_eq!(limiter.working(), 0);
}

#[test]
fn waiting_strangers_have_a_limit_per_address_and_half_of_all_permits() {
    let limiter = RequestLimiter::new(LIMITS);
    let stranger = |from: &str| {
        let permit = limiter.admit(address(from)).unwrap();
        permit.begin_wait().map(|()| permit)
    };
    let first = stranger("192.0.2.1").unwrap();
    assert_eq!(first.begin_wait(), Ok(()), "it is counted already");
    assert_eq!(stranger("192.0.2.1").err(), Some(OverloadError::Owner));
    assert!(from_account(&limiter, '1').is_ok(), "a caller at the same address is served");
    let others: Vec<_> = (2..9).map(|n| stranger(&format!("192.0.2.{n}")).unwrap()).collect();
    assert_eq!(stranger("192.0.2.9").err(), Some(OverloadError::Server));
    assert!(from_account(&limiter, '1').is_ok(), "the other half is for callers");
    drop((first, others));
    assert!(limiter.0.counts().by_owner.is_empty());
}

#[test]
fn credential_checks_have_a_larger_limit_per_address() {
    let limiter = RequestLimiter::new(LIMITS);
    let stranger = limiter.admit(address("192.0.2.1")).unwrap();
    stranger.begin_wait().unwrap();
    let checked = limiter.admit(address("192.0.2.1")).unwrap();
    checked.begin_credential_check();
    assert_eq!(checked.begin_wait(), Ok(()));
    let beyond = limiter.admit(address("192.0.2.1")).unwrap();
    beyond.begin_credential_check();
    assert_eq!(beyond.begin_wait(), Err(OverloadError::Owner), "an eighth of all permits");
    checked.assign_to_account(account('1')).unwrap();
    assert_eq!(beyond.begin_wait(), Ok(()), "the address is below its limit again");
}

#[test]
fn a_long_poll_counts_as_concurrent_and_not_as_working() {
    let limiter = RequestLimiter::new(LIMITS);
    let polls: Vec<_> = (0..5).map(|_| from_account(&limiter, '1').map(Box::new)).collect();
    assert!(polls.iter().any(Result::is_err), "too many for the limit of working requests");
    drop(polls);
    let first = from_account(&limiter, '1').unwrap();
    let second = from_account(&limiter, '1').unwrap();
    let waiting = (first.begin_long_poll(), second.begin_long_poll());
    assert_eq!((limiter.working(), limiter.waiting()), (0, 2));
    let third = from_account(&limiter, '1').unwrap();
    assert_eq!(third.concurrent(), 3);
    drop(waiting);
    assert_eq!((limiter.working(), limiter.waiting()), (3, 0));
    assert_eq!(from_account(&limiter, '1').err(), Some(OverloadError::Owner));
    drop((first, second, third));
    assert!(limiter.0.counts().by_owner.is_empty());
}

#[test]
fn zero_is_no_limit() {
    let limits = ConcurrencyLimits {
        requests: 0,
        per_account: 0,
        per_device: 0,
        unauthenticated_per_address: 0,
        unsent_bytes: 0,
        unsent_bytes_per_account: 0,
    };
    let limiter = RequestLimiter::new(limits);
    let all: Vec<_> = (0..100)
        .map(|number| {
            let permit = limiter.admit(address("192.0.2.1")).unwrap();
            if number % 2 == 0 {
                permit.begin_wait().unwrap();
            } else {
                permit.assign_to_account(account('1')).unwrap();
            }
            permit
        })
        .collect();
    assert!(!limiter.is_nearly_full());
    drop(all);
}
