//! The calls of webhooks: what is tried, and what follows from a try. `docs/understand/states.md` draws a call's life.

use std::collections::HashMap;
use std::time::Duration;

use crate::delivery::NodeId;
use crate::event::CallId;
use crate::sid::{AccountSid, ChallengeSid, ServiceSid, WebhookSid};
use crate::time::Instant;
use crate::webhook::Webhook;

/// How long a call is tried after its event.
pub const TRIED_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// How long one that was given up is kept for the operator.
pub const KEPT_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Calls of one webhook that are in flight at once, on all nodes together, unless it is known to be quick.
pub const AT_ONCE: usize = 4;
/// How long a call stands behind another one before it is judged anew, whatever became of that one.
pub const BEHIND_FOR: Duration = Duration::from_secs(10 * 60);
/// Calls of one webhook that takes each within [`QUICK`].
pub const MOST_AT_ONCE: usize = 32;
/// A call that is taken within this time is a quick one.
pub const QUICK: Duration = Duration::from_secs(1);
/// Calls of one webhook that were given up and are kept at most.
pub const KEPT: usize = 10_000;
/// What the record of a call says that was given up since too many waited.
pub const OVERFLOWED: &str = "given up: too many calls were waiting";
/// What the record of a call says whose day was over before its first try.
pub const UNTRIED: &str = "not tried in time";
/// Webhooks whose pace is remembered at most.
const PACES: usize = 1_024;
/// An account holds at most this part of the permits that other accounts leave.
const SHARE: usize = 4;

/// The delay after the first failed try.
const FIRST: Duration = Duration::from_secs(5);
/// The longest delay.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// The permits that a node has for calls in flight.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Permits {
    /// Those that nobody holds.
    pub free: usize,
    /// How many are held for the calls of each account that has any in flight.
    pub held: HashMap<AccountSid, usize>,
}

/// A webhook with calls that are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Whose it is.
    pub account: AccountSid,
    /// How many more of its calls may be in flight.
    pub room: usize,
}

impl Permits {
    /// How many more permits an account may take: it holds at most a quarter of what other accounts leave, and one at least
    /// while any is free.
    fn room(&self, account: AccountSid) -> usize {
        let held = self.held.get(&account).copied().unwrap_or(0);
        let share = ((self.free + held) / SHARE).max(1);
        share.saturating_sub(held).min(self.free)
    }

    /// Takes permits for webhooks, one for each in their order, then a second one for each, and so on; how many each gets.
    pub fn deal(&mut self, waiting: &[Waiting]) -> Vec<usize> {
        let mut dealt = vec![0; waiting.len()];
        let mut goes_on = true;
        while goes_on {
            goes_on = false;
            for (webhook, dealt) in waiting.iter().zip(&mut dealt) {
                if *dealt < webhook.room && self.room(webhook.account) > 0 {
                    *dealt += 1;
                    self.free -= 1;
                    *self.held.entry(webhook.account).or_default() += 1;
                    goes_on = true;
                }
            }
        }
        dealt
    }
}

/// How many calls of each webhook may be in flight: more with every one that it takes quickly, and few again after one that it
/// does not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Paces(HashMap<WebhookSid, usize>);

impl Paces {
    /// How many calls of a webhook may be in flight.
    pub fn at_once(&self, webhook: WebhookSid) -> usize {
        self.0.get(&webhook).copied().unwrap_or(AT_ONCE)
    }

    /// Notes what a call came to that took so long.
    pub fn note(&mut self, webhook: WebhookSid, outcome: &CallOutcome, took: Duration) {
        if !matches!(outcome, CallOutcome::Taken(_)) || took > QUICK {
            self.0.remove(&webhook);
            return;
        }
        if self.0.len() >= PACES && !self.0.contains_key(&webhook) {
            self.0.clear();
        }
        let at_once = self.0.entry(webhook).or_insert(AT_ONCE);
        *at_once = (*at_once + 1).min(MOST_AT_ONCE);
    }
}

/// How many calls may wait. 0: no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueLimits {
    /// Of one webhook.
    pub per_webhook: u32,
    /// Of all webhooks of one account.
    pub per_account: u32,
}

/// The calls of one webhook that wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    /// Which webhook.
    pub webhook: WebhookSid,
    /// Whose it is, if it is there still.
    pub account: Option<AccountSid>,
    /// How many.
    pub waiting: u64,
}

impl QueueLimits {
    /// Of which webhooks how many calls are too many: first of those that are over the limit themselves, then, of an account
    /// that still has too many, of the webhook with the most, and so on.
    pub fn excess(self, queues: &[Queue]) -> Vec<(WebhookSid, u64)> {
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

/// A call that is ours to make until the lease runs out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallLease {
    /// Its id.
    pub id: CallId,
    /// Whom to call, as it is now.
    pub webhook: Webhook,
    /// The form, as it was made when the event happened.
    pub parameters: Vec<(String, String)>,
    /// The tries before this one.
    pub attempts: u32,
    /// From then on it is not tried again.
    pub deadline: Instant,
    /// Who has it.
    pub node: NodeId,
    /// Until when.
    pub until: Instant,
}

/// What a try came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallOutcome {
    /// This status, a 2xx.
    Taken(u16),
    /// Another status.
    Refused(u16),
    /// There was no answer; why, without the URL and without secrets.
    Unanswered(String),
}

impl CallOutcome {
    /// For metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Taken(_) => "taken",
            Self::Refused(_) => "refused",
            Self::Unanswered(_) => "unanswered",
        }
    }
}

/// What becomes of a call after a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterCall {
    /// It was taken, which is kept with the challenge that it tells of, if it tells of one.
    Taken {
        /// What the application answered.
        status: u16,
    },
    /// It is tried again.
    Retry {
        /// Then.
        at: Instant,
    },
    /// It is given up.
    Failed,
}

/// What follows from a try that ended at `now`; `attempts` were made before it, and `jitter` is any number.
pub fn after_call(
    outcome: &CallOutcome,
    attempts: u32,
    now: Instant,
    deadline: Instant,
    jitter: u32,
) -> AfterCall {
    if let CallOutcome::Taken(status) = *outcome {
        return AfterCall::Taken { status };
    }
    let at = now + delay(attempts, jitter);
    if at < deadline { AfterCall::Retry { at } } else { AfterCall::Failed }
}

/// Doubling from five seconds to an hour, of which a random fifth is taken off.
fn delay(attempts: u32, jitter: u32) -> Duration {
    let whole = FIRST.saturating_mul(1 << attempts.min(16)).min(LONGEST);
    whole - whole.mul_f64(f64::from(jitter) / f64::from(u32::MAX) / 5.0)
}

/// How a webhook fares whose calls fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailingWebhook {
    /// Which.
    pub webhook: WebhookSid,
    /// Whose events it hears.
    pub service: ServiceSid,
    /// Its URL.
    pub url: String,
    /// Calls that failed at least once and are tried again.
    pub waiting: u32,
    /// Calls that were given up and are still kept.
    pub given_up: u32,
    /// What the last failed try of one of them came to.
    pub last_error: String,
    /// When the next one is tried, if any is.
    pub next_try: Option<Instant>,
}

/// Where a call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallState {
    /// It is made if the challenge expires unanswered.
    Asleep,
    /// It is made when its time comes.
    Due,
    /// An earlier one of the same webhook and factor is before it.
    Behind,
    /// It is being made.
    Leased,
    /// It was given up.
    Failed,
}

impl CallState {
    /// Reads the word of the database.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "asleep" => Some(Self::Asleep),
            "due" => Some(Self::Due),
            "behind" => Some(Self::Behind),
            "leased" => Some(Self::Leased),
            "failed" => Some(Self::Failed),
            _ => None,
        }
    }
}

/// A call that is still to be made, or was given up. One that was taken is a [`TakenCall`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its id.
    pub id: CallId,
    /// What it tells: the word of an [`EventType`](crate::webhook::EventType), or one that a newer release has added.
    pub event: String,
    /// The challenge that it tells of, if it tells of one.
    pub challenge: Option<ChallengeSid>,
    /// When that happened.
    pub happened_at: Instant,
    /// The tries so far.
    pub attempts: u32,
    /// Where it stands.
    pub state: CallState,
    /// When its state ends: the next try, the end of the lease, or when it is forgotten.
    pub wake_at: Instant,
    /// What the last failed try came to.
    pub last_error: Option<String>,
}

impl Call {
    /// The challenge that the form of a call names.
    pub fn challenge_of(parameters: &[(String, String)]) -> Option<ChallengeSid> {
        parameters
            .iter()
            .find(|(name, _)| name == "challenge_sid")
            .and_then(|(_, sid)| sid.parse().ok())
    }
}

/// A call about a challenge that the application took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenCall {
    /// Its id.
    pub id: CallId,
    /// Whose it is, or was.
    pub webhook: WebhookSid,
    /// What it told, as [`Call::event`].
    pub event: String,
    /// When that happened.
    pub happened_at: Instant,
    /// The tries, the last of which was taken.
    pub attempts: u32,
    /// When it was taken.
    pub taken_at: Instant,
    /// What the application answered, a 2xx.
    pub status: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(account: u8) -> Waiting {
        Waiting { account: AccountSid::from_bytes([account; 16]), room: AT_ONCE }
    }

    #[test]
    fn an_account_gets_a_quarter_of_what_others_leave() {
        let mut permits = Permits { free: 256, ..Permits::default() };
        let many = vec![waiting(1); 100];
        let dealt = permits.deal(&many);
        assert_eq!((dealt.iter().sum::<usize>(), permits.free), (64, 192));
        assert_eq!(dealt[..64], [1; 64], "one for each before any gets a second");
        assert_eq!(permits.deal(&many).iter().sum::<usize>(), 0);
        assert_eq!(permits.deal(&vec![waiting(2); 100]).iter().sum::<usize>(), 48);
        assert_eq!(permits.deal(&[waiting(3)]), [4], "what it may have at once");
    }

    #[test]
    fn a_webhook_that_is_quick_may_have_more_calls_at_once() {
        let webhook = WebhookSid::from_bytes([1; 16]);
        let (taken, quick) = (CallOutcome::Taken(200), Duration::from_millis(30));
        let mut paces = Paces::default();
        assert_eq!(paces.at_once(webhook), AT_ONCE);
        paces.note(webhook, &taken, quick);
        assert_eq!(paces.at_once(webhook), AT_ONCE + 1);
        for _ in 0..100 {
            paces.note(webhook, &taken, quick);
        }
        assert_eq!(paces.at_once(webhook), MOST_AT_ONCE);
        for (outcome, took) in [
            (&taken, Duration::from_secs(2)),
            (&CallOutcome::Refused(500), quick),
            (&CallOutcome::Unanswered("timeout".into()), quick),
        ] {
            paces.note(webhook, &taken, quick);
            paces.note(webhook, outcome, took);
            assert_eq!(paces.at_once(webhook), AT_ONCE);
        }
    }

    #[test]
    fn only_so_many_paces_are_remembered() {
        let mut paces = Paces::default();
        for n in 0..3_000_u16 {
            let [high, low] = n.to_be_bytes();
            let mut sid = [0; 16];
            (sid[0], sid[1]) = (high, low);
            paces.note(WebhookSid::from_bytes(sid), &CallOutcome::Taken(200), Duration::ZERO);
        }
        assert!(paces.0.len() <= PACES);
    }

    #[test]
    fn the_calls_that_are_too_many_are_of_the_longest_queues() {
        let queue = |webhook, account: Option<u8>, waiting| Queue {
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

    #[test]
    fn whoever_has_none_gets_one_as_long_as_any_is_free() {
        let mut permits = Permits { free: 3, ..Permits::default() };
        let all: Vec<_> = (1..=4).map(waiting).collect();
        assert_eq!(permits.deal(&all), [1, 1, 1, 0]);
        assert_eq!(permits.free, 0);
        let full = Waiting { room: 0, ..waiting(5) };
        assert_eq!(Permits { free: 9, ..Permits::default() }.deal(&[full]), [0]);
    }

    #[test]
    fn it_is_tried_at_growing_intervals_until_the_deadline() {
        let now = Instant::from_seconds(1_700_000_000);
        let deadline = now + TRIED_FOR;
        let refused = CallOutcome::Refused(500);
        let wait = |attempts, jitter| match after_call(&refused, attempts, now, deadline, jitter) {
            AfterCall::Retry { at } => at.since(now).as_millis(),
            other => panic!("{other:?}"),
        };
        let waits = [0, 1, 2, 9, 10, 40].map(|attempts| wait(attempts, 0));
        assert_eq!(waits, [5_000, 10_000, 20_000, 2_560_000, 3_600_000, 3_600_000]);
        assert_eq!(wait(0, u32::MAX), 4_000);
        let late = deadline - Duration::from_secs(5);
        let after = |outcome: CallOutcome, at| after_call(&outcome, 0, at, deadline, 0);
        assert_eq!(after(CallOutcome::Unanswered("timeout".into()), late), AfterCall::Failed);
        assert_eq!(after(CallOutcome::Taken(204), deadline), AfterCall::Taken { status: 204 });
    }
}
