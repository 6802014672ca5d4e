use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const MILLI: Duration = Duration::from_millis(1);

fn challenge(state: CountedState, pushes: Vec<CountedPush>) -> CountedChallenge {
    let created_at = Instant::from_seconds(1_700_000_000);
    CountedChallenge {
        account: AccountSid::from_bytes([1; 16]),
        service: ServiceSid::from_bytes([2; 16]),
        platform: CountedPlatform::Device(Platform::Apn),
        created_at,
        expires_at: created_at + Duration::from_secs(300),
        state,
        pushes,
    }
}

fn all(challenge: &CountedChallenge) -> BTreeMap<(Grain, Measure, u32), u64> {
    let mut sums = BTreeMap::new();
    for stage in Stage::ALL {
        for (key, n) in count(std::slice::from_ref(challenge), stage) {
            *sums.entry((key.grain, key.measure, key.bucket)).or_default() += n;
        }
    }
    sums
}

fn states() -> impl Strategy<Value = (u64, u8)> {
    (0..3_600_000_u64, 0..4_u8)
}

proptest! {
    #[test]
    fn each_event_is_counted_in_exactly_one_stage((after, kind) in states(), push in states()) {
        let begin = challenge(CountedState::Unanswered, Vec::new()).created_at;
        let at = begin + MILLI * u32::try_from(after).unwrap();
        let (state, measure) = match kind {
            0 => (CountedState::Unanswered, Measure::Unanswered),
            1 => (CountedState::Answered(Verdict::Approved, at), Measure::Approved),
            2 => (CountedState::Answered(Verdict::Denied, at), Measure::Denied),
            _ => (CountedState::Elsewhere(at), Measure::Elsewhere),
        };
        let ended = begin + MILLI * u32::try_from(push.0).unwrap();
        let (status, end) = [
            (NotificationStatus::Delivered, Some(Measure::Delivered)),
            (NotificationStatus::Failed, Some(Measure::Failed)),
            (NotificationStatus::Expired, Some(Measure::TooLate)),
            (NotificationStatus::Sent, None),
        ][usize::from(push.1)];
        let one = CountedPush { created_at: begin, updated_at: ended, ending: Some((status, None)) };
        let sums = all(&challenge(state, vec![one]));
        for grain in Grain::ALL {
            let of = |measure| {
                sums.iter().filter(|(key, _)| (key.0, key.1) == (grain, measure)).map(|(_, n)| n).sum::<u64>()
            };
            for measure in [Measure::Asked, Measure::Pushed, measure] {
                prop_assert_eq!(of(measure), 1);
            }
            if let Some(end) = end {
                prop_assert_eq!(of(end), 1);
            }
            let total: u64 = Measure::ALL.into_iter().map(of).sum();
            prop_assert_eq!(total, 3 + u64::from(end.is_some()));
        }
    }

    #[test]
    fn nothing_that_happens_after_a_stage_changes_what_it_counts(after in 0..3_600_000_u64) {
        let open = challenge(CountedState::Unanswered, Vec::new());
        let at = open.created_at + MILLI * u32::try_from(after).unwrap();
        let answered = challenge(CountedState::Answered(Verdict::Approved, at), Vec::new());
        for stage in Stage::ALL.into_iter().filter(|stage| !stage.is_last()) {
            // The challenge is read at this age, when the answer was not given yet.
            let read = open.created_at + stage.reached_at();
            if at >= read && open.expires_at >= read {
                let of = |it| count(std::slice::from_ref(it), stage);
                prop_assert_eq!(of(&open), of(&answered));
            }
        }
    }

    #[test]
    fn a_bucket_holds_what_took_no_longer_than_its_bound(millis in 0..4_000_000_u64) {
        let took = Duration::from_millis(millis);
        let bound = within(&BTreeMap::from([(bucket(took), 1)]), 100);
        prop_assert_eq!(bound.is_none(), took > OVER - Duration::from_secs(15 * 60));
        prop_assert!(bound.is_none_or(|bound| took <= bound));
    }
}

#[test]
fn a_push_that_a_stopped_server_left_open_is_counted_as_too_late_in_the_end() {
    let begin = challenge(CountedState::Unanswered, Vec::new()).created_at;
    let open = CountedPush { created_at: begin, updated_at: begin, ending: None };
    let sums = all(&challenge(CountedState::Unanswered, vec![open]));
    assert_eq!(sums[&(Grain::Hour, Measure::TooLate, 0)], 1);
    // The server ended it hours later, before the last stage.
    let ended_at = begin + Duration::from_secs(9_000);
    let late = CountedPush {
        updated_at: ended_at,
        ending: Some((NotificationStatus::Expired, None)),
        ..open
    };
    assert_eq!(all(&challenge(CountedState::Unanswered, vec![late])), sums);
}

#[test]
fn shares_of_a_histogram_are_bounds_of_its_buckets() {
    let of = |millis| bucket(Duration::from_millis(millis));
    let histogram = BTreeMap::from([(of(40), 10), (of(900), 9), (of(8_000), 1)]);
    let millis = |percent| within(&histogram, percent).map(|it| it.as_millis());
    assert_eq!((millis(50), millis(95), millis(100)), (Some(50), Some(1_000), Some(10_000)));
    assert_eq!(within(&BTreeMap::new(), 50), None);
}

#[test]
fn periods_are_aligned_to_utc() {
    let at = Instant::parse("2026-01-31T12:34:56Z").unwrap();
    assert_eq!(Grain::Hour.begin(at).to_string(), "2026-01-31T12:00:00Z");
    assert_eq!(Grain::Day.begin(at).to_string(), "2026-01-31T00:00:00Z");
}
