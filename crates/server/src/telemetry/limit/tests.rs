use std::io;

use countersign_testkit::ManualClock;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;

use super::*;

/// The lines that were written.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Page {
    fn lines(&self) -> usize {
        self.0.lock().unwrap().iter().filter(|byte| **byte == b'\n').count()
    }
}

impl io::Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Page {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn stage(play: impl FnOnce(&Limit, &Page, &ManualClock)) {
    let (clock, page) = (ManualClock::new(), Page::default());
    let limit = Limit::new(Arc::new(clock.clone()));
    let lines = tracing_subscriber::fmt::layer().with_writer(page.clone());
    let lines = LimitedLayer { lines, limit: limit.clone() };
    let subscriber = tracing_subscriber::registry().with(lines);
    tracing::subscriber::with_default(subscriber, || play(&limit, &page, &clock));
}

fn refuse(address: &str) {
    let address: IpAddr = address.parse().unwrap();
    tracing::warn!(target: TARGET, event = "credentials", address = %address, "refused");
}

#[test]
fn a_fault_that_repeats_is_written_five_times_in_ten_seconds_and_the_rest_is_counted() {
    stage(|limit, page, clock| {
        let fail = |number: u32| tracing::error!(number, "a write failed");
        (0..100).for_each(fail);
        tracing::error!("another fault");
        assert_eq!(page.lines(), 6);
        assert_eq!(limit.take_suppressed(false), []);
        clock.advance(Duration::from_secs(10));
        let suppressed = limit.take_suppressed(false);
        assert_eq!(suppressed.iter().map(|kind| kind.lines).collect::<Vec<_>>(), [95]);
        let said = suppressed[0].to_string();
        assert!(said.starts_with("95 more lines were suppressed: "), "{said}");
        assert!(said.ends_with("a write failed"), "{said}");
        assert_eq!(limit.take_suppressed(true), [], "each causes one event");
        fail(0);
        assert_eq!(page.lines(), 7, "a new window");
    });
}

#[test]
fn lines_below_warn_are_not_limited() {
    stage(|_, page, _| {
        (0..100).for_each(|number| tracing::info!(number, "a step"));
        assert_eq!(page.lines(), 100);
    });
}

#[test]
fn the_security_log_is_bounded_by_event_and_address() {
    stage(|limit, page, _| {
        (0..100).for_each(|_| refuse("192.0.2.1"));
        assert_eq!(page.lines(), 10);
        (0..100).for_each(|number| refuse(&format!("2001:db8::{number:x}")));
        assert_eq!(page.lines(), 20, "one network of 64 bits");
        refuse("192.0.2.2");
        assert_eq!(page.lines(), 21);
        let suppressed = limit.take_suppressed(true);
        assert_eq!(suppressed.iter().map(|kind| kind.lines).collect::<Vec<_>>(), [90, 90]);
        assert!(
            suppressed.iter().any(|kind| kind.words.contains("address=192.0.2.1")),
            "{suppressed:?}"
        );
    });
}

#[test]
fn strangers_at_many_addresses_share_one_bound() {
    stage(|limit, page, _| {
        for network in 0..20_000_u32 {
            refuse(&format!("2001:db8:{:x}:{:x}::1", network >> 8, network & 0xff));
        }
        assert_eq!(page.lines(), 300);
        assert!(limit.windows().len() <= KINDS_MAX + 2);
        let suppressed = limit.take_suppressed(true);
        assert!(suppressed.len() <= REPORTED_MAX + 1, "{suppressed:?}");
    });
}
