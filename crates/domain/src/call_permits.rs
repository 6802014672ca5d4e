//! How many calls of webhooks may be in flight at a time.

use std::collections::HashMap;
use std::time::Duration;

use crate::sid::{AccountSid, WebhookSid};
use crate::webhook_call::CallOutcome;

/// Calls of one webhook in flight, on all nodes together, unless the webhook is known to be quick.
pub const MIN_IN_FLIGHT: usize = 4;
/// Calls of one quick webhook in flight.
pub const MAX_IN_FLIGHT: usize = 32;
/// A webhook is quick if it accepts a call within this time.
pub const QUICK: Duration = Duration::from_secs(1);
/// Webhooks whose limit is remembered at a time.
const MAX_WEBHOOKS: usize = 1_024;
/// An account may hold one of this many parts of the permits that other accounts leave.
const SHARE: usize = 4;

/// The permits of a node for calls in flight.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PermitPool {
    /// Permits that are free.
    pub free: usize,
    /// Permits that are held for the calls of each account.
    pub held: HashMap<AccountSid, usize>,
}

/// A webhook with calls that are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueWebhook {
    /// The account that it belongs to.
    pub account: AccountSid,
    /// How many more of its calls may be in flight.
    pub capacity: usize,
}

impl PermitPool {
    /// How many more permits an account may take. It may hold a quarter of the permits that other accounts leave, and at least one
    /// while any is free.
    fn available(&self, account: AccountSid) -> usize {
        let held = self.held.get(&account).copied().unwrap_or(0);
        let share = ((self.free + held) / SHARE).max(1);
        share.saturating_sub(held).min(self.free)
    }

    /// Assigns permits to webhooks: one to each in their order, then a second one to each, and so on. Returns the number for each.
    pub fn assign(&mut self, due: &[DueWebhook]) -> Vec<usize> {
        let mut assigned = vec![0; due.len()];
        let mut has_assigned = true;
        while has_assigned {
            has_assigned = false;
            for (webhook, assigned) in due.iter().zip(&mut assigned) {
                if *assigned < webhook.capacity && self.available(webhook.account) > 0 {
                    *assigned += 1;
                    self.free -= 1;
                    *self.held.entry(webhook.account).or_default() += 1;
                    has_assigned = true;
                }
            }
        }
        assigned
    }
}

/// How many calls of each webhook may be in flight: one more after each quick success, and the least again after any other call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallConcurrency(HashMap<WebhookSid, usize>);

impl CallConcurrency {
    /// How many calls of a webhook may be in flight.
    pub fn limit(&self, webhook: WebhookSid) -> usize {
        self.0.get(&webhook).copied().unwrap_or(MIN_IN_FLIGHT)
    }

    /// Records the outcome of a call and how long it took.
    pub fn record(&mut self, webhook: WebhookSid, outcome: &CallOutcome, took: Duration) {
        if !matches!(outcome, CallOutcome::Taken(_)) || took > QUICK {
            self.0.remove(&webhook);
            return;
        }
        if self.0.len() >= MAX_WEBHOOKS && !self.0.contains_key(&webhook) {
            self.0.clear();
        }
        let limit = self.0.entry(webhook).or_insert(MIN_IN_FLIGHT);
        *limit = (*limit + 1).min(MAX_IN_FLIGHT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call_response::CallResponse;

    fn due(account: u8) -> DueWebhook {
        DueWebhook { account: AccountSid::from_bytes([account; 16]), capacity: MIN_IN_FLIGHT }
    }

    #[test]
    fn an_account_gets_a_quarter_of_the_permits_that_others_leave() {
        let mut permits = PermitPool { free: 256, ..PermitPool::default() };
        let many = vec![due(1); 100];
        let assigned = permits.assign(&many);
        assert_eq!((assigned.iter().sum::<usize>(), permits.free), (64, 192));
        assert_eq!(assigned[..64], [1; 64], "one for each webhook before any gets a second");
        assert_eq!(permits.assign(&many).iter().sum::<usize>(), 0);
        assert_eq!(permits.assign(&vec![due(2); 100]).iter().sum::<usize>(), 48);
        assert_eq!(permits.assign(&[due(3)]), [4], "its own limit");
    }

    #[test]
    fn a_quick_webhook_may_have_more_calls_in_flight() {
        let webhook = WebhookSid::from_bytes([1; 16]);
        let (taken, quick) = (CallOutcome::Taken(200), Duration::from_millis(30));
        let mut concurrency = CallConcurrency::default();
        assert_eq!(concurrency.limit(webhook), MIN_IN_FLIGHT);
        concurrency.record(webhook, &taken, quick);
        assert_eq!(concurrency.limit(webhook), MIN_IN_FLIGHT + 1);
        for _ in 0..100 {
            concurrency.record(webhook, &taken, quick);
        }
        assert_eq!(concurrency.limit(webhook), MAX_IN_FLIGHT);
        for (outcome, took) in [
            (&taken, Duration::from_secs(2)),
            (&CallOutcome::Refused(CallResponse::bare(500)), quick),
            (&CallOutcome::Unanswered("timeout".into()), quick),
        ] {
            concurrency.record(webhook, &taken, quick);
            concurrency.record(webhook, outcome, took);
            assert_eq!(concurrency.limit(webhook), MIN_IN_FLIGHT);
        }
    }

    #[test]
    fn the_number_of_remembered_webhooks_is_limited() {
        let mut concurrency = CallConcurrency::default();
        for n in 0..3_000_u16 {
            let [high, low] = n.to_be_bytes();
            let mut sid = [0; 16];
            (sid[0], sid[1]) = (high, low);
            concurrency.record(
                WebhookSid::from_bytes(sid),
                &CallOutcome::Taken(200),
                Duration::ZERO,
            );
        }
        assert!(concurrency.0.len() <= MAX_WEBHOOKS);
    }

    #[test]
    fn an_account_without_permits_gets_one_while_any_is_free() {
        let mut permits = PermitPool { free: 3, ..PermitPool::default() };
        let all: Vec<_> = (1..=4).map(due).collect();
        assert_eq!(permits.assign(&all), [1, 1, 1, 0]);
        assert_eq!(permits.free, 0);
        let full = DueWebhook { capacity: 0, ..due(5) };
        assert_eq!(PermitPool { free: 9, ..PermitPool::default() }.assign(&[full]), [0]);
    }
}
