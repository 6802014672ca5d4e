//! What is kept for each credential between its pushes: the client with its connections, made once per version, and the
//! circuit before it.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use countersign_domain::ending::ErrorCode;
use countersign_domain::monotonic::Monotonic;
use countersign_domain::outcome::{Attempt, Outcome};
use countersign_domain::time::Instant;
use countersign_domain::world::Clock;

use crate::circuit::{Change, Circuit, Health, Pass};
use crate::metrics::{self, OpenCircuit};

/// A wait for a circuit leaves so much of a push's time for one more try: a credential that is mended meanwhile has a
/// circuit of its own.
const LAST_TRY: Duration = Duration::from_secs(1);
/// What nobody used for so long is forgotten when room is looked for, and its connections with it.
const IDLE: Duration = Duration::from_secs(60 * 60);

/// What is kept for one destination.
pub(crate) struct Ward<T> {
    version: Instant,
    /// For the metrics.
    platform: &'static str,
    inner: OnceLock<T>,
    gate: Mutex<Gate>,
}

/// The circuit, and what is known of it.
#[derive(Default)]
struct Gate {
    circuit: Circuit,
    cause: Cause,
    open: Option<OpenCircuit>,
}

/// Why a circuit opened.
#[derive(Default, Clone)]
struct Cause {
    code: Option<ErrorCode>,
    words: Option<String>,
}

impl<T> Ward<T> {
    fn new(version: Instant, platform: &'static str) -> Self {
        Self { version, platform, inner: OnceLock::new(), gate: Mutex::default() }
    }

    /// What is kept; made by whoever comes first, while others wait for it.
    pub(crate) fn get_or_make(&self, make: impl FnOnce() -> T) -> &T {
        self.inner.get_or_init(make)
    }

    /// Sends a push that ends at `deadline`, if the circuit lets it. `name` is for the log.
    pub(crate) async fn guarded(
        &self,
        clock: &dyn Clock,
        name: &dyn Named,
        deadline: Instant,
        send: impl Future<Output = Attempt> + Send,
    ) -> Attempt {
        // The lock is let go before anything is awaited.
        let admitted = lock(&self.gate).circuit.admit(clock.monotonic());
        let pass = match admitted {
            Ok(pass) => pass,
            Err(until) => return self.refused(time_of_day(clock, until), deadline),
        };
        let attempt = send.await;
        let health = Health::of(&attempt);
        let change = self.note(pass, health, &attempt, clock.monotonic());
        let (code, reason) = (attempt.code.map(|code| code.0), attempt.provider_reason.as_deref());
        match change {
            Change::None => {}
            Change::Opened(until) if health == Health::Broken => {
                let until = time_of_day(clock, until);
                tracing::error!(destination = %name, code, reason, %until, "a push credential is refused; nothing is sent with it for a while");
            }
            Change::Opened(until) => {
                let until = time_of_day(clock, until);
                tracing::warn!(destination = %name, code, reason, %until, "a push service fails; nothing is sent to it for a while");
            }
            Change::Closed => tracing::info!(destination = %name, "a push service works again"),
        }
        attempt
    }

    fn note(&self, pass: Pass, health: Health, attempt: &Attempt, now: Monotonic) -> Change {
        let mut gate = lock(&self.gate);
        if health != Health::Well {
            gate.cause = Cause { code: attempt.code, words: attempt.provider_reason.clone() };
        }
        let change = gate.circuit.report(pass, health, now);
        match change {
            Change::None => {}
            // One that opens again after a probe has been open all the time.
            Change::Opened(_) => {
                gate.open.get_or_insert_with(|| OpenCircuit::new(self.platform));
            }
            Change::Closed => gate.open = None,
        }
        change
    }

    fn refused(&self, until: Instant, deadline: Instant) -> Attempt {
        let Cause { code, words } = lock(&self.gate).cause.clone();
        let words = words.unwrap_or_else(|| "failures".to_owned());
        let words = format!("not sent: circuit open until {until} after: {words}");
        Attempt {
            outcome: Outcome::Later { not_before: Some(until.min(deadline - LAST_TRY)) },
            provider_status: None,
            provider_reason: crate::words::plain(&words),
            code: code.or(Some(ErrorCode::INTERNAL)),
        }
    }
}

/// When the monotonic clock will read `at`, for the record and the database.
fn time_of_day(clock: &dyn Clock, at: Monotonic) -> Instant {
    clock.now() + at.since(clock.monotonic())
}

/// What a log may call a destination.
pub(crate) trait Named: fmt::Display + Sync {}
impl<T: fmt::Display + Sync> Named for T {}

/// The wards of one push service, so many at most.
pub(crate) struct Wards<K, T> {
    platform: &'static str,
    bound: usize,
    held: Mutex<Held<K, T>>,
}

/// Each with when it was last used.
type Held<K, T> = HashMap<K, (Arc<Ward<T>>, Monotonic)>;

impl<K: Hash + Eq + Clone, T> Wards<K, T> {
    /// Room for so many of a platform.
    pub(crate) fn new(platform: &'static str, bound: usize) -> Self {
        metrics::circuits(platform);
        Self { platform, bound, held: Mutex::default() }
    }

    /// The ward of `key`. A new version of what it was made from is a new ward.
    pub(crate) fn of(&self, key: &K, version: Instant, now: Monotonic) -> Arc<Ward<T>> {
        let mut held = lock(&self.held);
        if let Some((ward, used)) = held.get_mut(key)
            // Whoever was told of the older version was told late.
            && ward.version >= version
        {
            *used = now;
            return Arc::clone(ward);
        }
        if held.len() >= self.bound {
            held.retain(|_, (_, used)| now.since(*used) < IDLE);
        }
        if held.len() >= self.bound {
            let oldest = held.iter().min_by_key(|(_, (_, used))| *used);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                held.remove(&oldest);
            }
        }
        let ward = Arc::new(Ward::new(version, self.platform));
        held.insert(key.clone(), (Arc::clone(&ward), now));
        ward
    }
}

/// Nothing here can be left half changed by a panic.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use countersign_testkit::ManualClock;

    use super::*;

    const NOON: Instant = Instant::from_seconds(1_767_268_800);
    const SECOND: Duration = Duration::from_secs(1);
    const START: Monotonic = Monotonic::after_origin(Duration::ZERO);
    /// No push ends before.
    const FAR: Instant = Instant::from_seconds(1_767_300_000);

    #[test]
    fn one_is_made_per_version_and_an_old_one_does_not_come_back() {
        let wards: Wards<u8, u32> = Wards::new("apn", 4);
        let first = wards.of(&1, NOON, START);
        assert_eq!(*first.get_or_make(|| 10), 10);
        assert_eq!(*wards.of(&1, NOON, START).get_or_make(|| 11), 10);
        let second = wards.of(&1, NOON + SECOND, START);
        assert_eq!(*second.get_or_make(|| 20), 20);
        assert!(Arc::ptr_eq(&wards.of(&1, NOON, START), &second));
        assert_eq!(Arc::strong_count(&first), 1, "nobody else holds the old one");
    }

    #[test]
    fn there_are_so_many_and_the_longest_unused_goes_first() {
        let wards: Wards<u8, u32> = Wards::new("apn", 2);
        let at = |key, seconds| wards.of(&key, NOON, START + SECOND * seconds);
        let one = at(1, 0);
        let two = at(2, 1);
        assert!(Arc::ptr_eq(&at(1, 2), &one));
        at(3, 3);
        assert!(Arc::ptr_eq(&at(1, 4), &one));
        assert!(!Arc::ptr_eq(&at(2, 5), &two));
        assert_eq!(lock(&wards.held).len(), 2);
        at(4, 10_000);
        assert_eq!(lock(&wards.held).len(), 1, "all others were idle");
    }

    #[tokio::test]
    async fn an_open_circuit_says_so_without_a_call() {
        let (clock, ward) = (ManualClock::at(NOON), Ward::<()>::new(NOON, "apn"));
        let broken = Attempt {
            outcome: Outcome::Refused { breaks_credential: true },
            provider_status: Some(403),
            provider_reason: Some("InvalidProviderToken".to_owned()),
            code: Some(ErrorCode(52_149)),
        };
        let sent = ward.guarded(&clock, &"test", FAR, async { broken.clone() }).await;
        assert_eq!(sent, broken);
        let call = async { panic!("no call is made") };
        let refused = ward.guarded(&clock, &"test", FAR, call).await;
        let until = NOON + SECOND * 60;
        assert_eq!(refused.outcome, Outcome::Later { not_before: Some(until) });
        assert_eq!((refused.code, refused.provider_status), (Some(ErrorCode(52_149)), None));
        assert_eq!(
            refused.provider_reason.as_deref(),
            Some("not sent: circuit open until 2026-01-01T12:01:00Z after: InvalidProviderToken")
        );
    }

    #[tokio::test]
    async fn what_is_open_is_counted_until_it_closes_or_is_forgotten() {
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        let _here = ::metrics::set_default_local_recorder(&recorder);
        let shown = |open: u8, openings: u8| {
            let text = handle.render();
            for line in [
                format!("countersign_push_circuits_open{{platform=\"fcm\"}} {open}"),
                format!("countersign_push_circuit_openings_total{{platform=\"fcm\"}} {openings}"),
            ] {
                assert!(text.lines().any(|found| found == line), "{line}: {text}");
            }
        };
        let clock = ManualClock::at(NOON);
        let wards: Wards<u8, ()> = Wards::new("fcm", 2);
        shown(0, 0);
        let send = async |ward: &Ward<()>, outcome, status| {
            let attempt =
                Attempt { provider_status: Some(status), ..Attempt::plain(outcome, None) };
            ward.guarded(&clock, &"test", FAR, async { attempt }).await
        };
        let broken = Outcome::Refused { breaks_credential: true };
        let (one, two) = (wards.of(&1, NOON, START), wards.of(&2, NOON, START));
        send(&one, broken, 403).await;
        send(&two, broken, 403).await;
        shown(2, 2);
        clock.advance(SECOND * 60);
        send(&one, broken, 403).await;
        shown(2, 2);
        clock.advance(SECOND * 60);
        send(&one, Outcome::Accepted, 200).await;
        shown(1, 2);
        drop((one, two));
        // The second is mended by its owner: a new version, and a circuit of its own.
        wards.of(&2, NOON + SECOND, START);
        shown(0, 2);
    }
}
