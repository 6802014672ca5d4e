//! How many calls of webhooks may wait.

use std::collections::HashMap;

use crate::sid::{AccountSid, WebhookSid};

/// How many calls may wait. 0 means no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueLimits {
    /// Calls of one webhook.
    pub per_webhook: u32,
    /// Calls of all webhooks of one account.
    pub per_account: u32,
}

/// The waiting calls of one webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallQueue {
    /// The webhook.
    pub webhook: WebhookSid,
    /// Its account; `None` if it was deleted.
    pub account: Option<AccountSid>,
    /// The number of its waiting calls.
    pub waiting: u64,
}

impl QueueLimits {
    /// How many calls of each webhook exceed the limits. The limit of a webhook applies first. An account that is still over its limit
    /// loses calls of the webhook with the most, then of the one with the second most, and so on.
    pub fn excess(self, queues: &[CallQueue]) -> Vec<(WebhookSid, u64)> {
        let over = |limit: u32, waiting: u64| match limit {
            0 => 0,
            limit => waiting.saturating_sub(limit.into()),
        };
        let mut accounts: HashMap<AccountSid, u64> = HashMap::new();
        let mut rest: Vec<_> = queues
            .iter()
            .map(|queue| (queue, over(self.per_webhook, queue.waiting)))
            .inspect(|(queue, excess)| {
                if let Some(account) = queue.account {
                    *accounts.entry(account).or_default() += queue.waiting - excess;
                }
            })
            .collect();
        rest.sort_by_key(|(queue, excess)| std::cmp::Reverse(queue.waiting - excess));
        for (queue, excess) in &mut rest {
            if let Some(waiting) = queue.account.and_then(|account| accounts.get_mut(&account)) {
                let more = over(self.per_account, *waiting).min(queue.waiting - *excess);
                *excess += more;
                *waiting -= more;
            }
        }
        let excess = rest.into_iter().map(|(queue, excess)| (queue.webhook, excess));
        excess.filter(|(_, excess)| *excess > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_queues_lose_the_excess_calls() {
        let queue = |webhook, account: Option<u8>, waiting| CallQueue {
            webhook: WebhookSid::from_bytes([webhook; 16]),
            account: account.map(|account| AccountSid::from_bytes([account; 16])),
            waiting,
        };
        let sid = |webhook| WebhookSid::from_bytes([webhook; 16]);
        let queues =
            [queue(1, Some(1), 12), queue(2, Some(1), 7), queue(3, Some(2), 9), queue(4, None, 11)];
        let excess = |per_webhook, per_account| {
            let mut excess = QueueLimits { per_webhook, per_account }.excess(&queues);
            excess.sort_unstable();
            excess
        };
        assert_eq!(excess(0, 0), []);
        assert_eq!(excess(10, 0), [(sid(1), 2), (sid(4), 1)]);
        assert_eq!(excess(0, 9), [(sid(1), 10)]);
        assert_eq!(excess(10, 5), [(sid(1), 12), (sid(2), 2), (sid(3), 4), (sid(4), 1)]);
        assert_eq!(excess(0, 5), [(sid(1), 12), (sid(2), 2), (sid(3), 4)]);
    }
}
