//! Counts of challenges or pushes as stacked bars, one for each hour or day in UTC.

use std::collections::BTreeMap;

use countersign_domain::summary::{Grain, Measure, within};
use countersign_domain::time::Instant;
use countersign_store::seam::PeriodSummary;

use crate::labels;
use crate::views::Timestamp;

/// The height of a bar's drawing.
const HEIGHT: f64 = 100.0;
/// Every so many hours or days have a label.
const TICK_HOURS: i64 = 6;
const TICK_DAYS: i64 = 7;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A part of a bar: its class, its name, and what it counts. `None` counts what no other part does.
type Part = (&'static str, &'static str, Option<Measure>);

/// The subject of a chart.
#[derive(Clone, Copy)]
pub(crate) struct Subject {
    pub(crate) id: &'static str,
    title: &'static str,
    /// The total of all parts, and its unit in singular and plural.
    whole: (Measure, &'static str, &'static str),
    /// From below.
    parts: &'static [Part],
    /// The measures whose buckets are durations, and what happened within them.
    timed: (&'static [Measure], &'static str),
}

/// Challenges.
pub(crate) const CHALLENGES: Subject = Subject {
    id: "challenges",
    title: "Challenges",
    whole: (Measure::Asked, "challenge", "challenges"),
    parts: &[
        ("approved", "Approved", Some(Measure::Approved)),
        ("denied", "Denied", Some(Measure::Denied)),
        ("unanswered", "Unanswered", Some(Measure::Unanswered)),
        ("elsewhere", "Answered on another device", Some(Measure::Elsewhere)),
        ("open", "Open", None),
    ],
    timed: (&[Measure::Approved, Measure::Denied], "answered"),
};

/// Pushes.
pub(crate) const PUSHES: Subject = Subject {
    id: "pushes",
    title: "Pushes",
    whole: (Measure::Pushed, "push", "pushes"),
    parts: &[
        ("delivered", "Delivered", Some(Measure::Delivered)),
        ("sent", "Sent, or on the way", None),
        ("failed", "Failed", Some(Measure::Failed)),
        ("expired", "Too late", Some(Measure::TooLate)),
        ("cancelled", "No longer needed", Some(Measure::Cancelled)),
    ],
    timed: (&[Measure::Delivered], "delivered"),
};

/// A rectangle of a bar.
pub(crate) struct Piece {
    pub(crate) class: &'static str,
    pub(crate) y: String,
    pub(crate) height: String,
}

/// A period.
pub(crate) struct Column {
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    /// Its name.
    pub(crate) period: String,
    /// Its label on the axis, if it has one.
    pub(crate) tick: Option<String>,
    pub(crate) counts: Vec<u64>,
    pub(crate) pieces: Vec<Piece>,
    /// The counts as a sentence; `None` if all are zero.
    pub(crate) words: Option<String>,
}

/// A part with its sum.
pub(crate) struct Total {
    pub(crate) class: &'static str,
    pub(crate) name: &'static str,
    pub(crate) count: u64,
}

/// A chart.
pub(crate) struct Chart {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) count: u64,
    pub(crate) totals: Vec<Total>,
    /// The subject of the durations.
    pub(crate) timed: &'static str,
    pub(crate) times: Times,
    /// The newest first.
    pub(crate) columns: Vec<Column>,
    /// The largest count of a column.
    pub(crate) highest: u64,
}

/// Durations within which half and 95% of the events happened.
pub(crate) struct Times {
    pub(crate) median: Option<String>,
    pub(crate) p95: Option<String>,
}

impl Times {
    pub(crate) fn of(histogram: &BTreeMap<u32, u64>) -> Self {
        let share = |percent| within(histogram, percent).map(labels::span);
        Self { median: share(50), p95: share(95) }
    }
}

/// Counts by measure, and histograms.
#[derive(Default, Clone)]
pub(crate) struct Sums(BTreeMap<Measure, BTreeMap<u32, u64>>);

impl Sums {
    pub(crate) fn add(&mut self, measure: Measure, bucket: u32, count: u64) {
        *self.0.entry(measure).or_default().entry(bucket).or_default() += count;
    }

    pub(crate) fn of(&self, measure: Measure) -> u64 {
        self.0.get(&measure).map_or(0, |buckets| buckets.values().sum())
    }

    /// The times to an answer.
    pub(crate) fn answers(&self) -> Times {
        Times::of(&self.histogram(CHALLENGES.timed.0))
    }

    /// The times to the receipt of a push.
    pub(crate) fn deliveries(&self) -> Times {
        Times::of(&self.histogram(PUSHES.timed.0))
    }

    fn histogram(&self, measures: &[Measure]) -> BTreeMap<u32, u64> {
        let mut all = BTreeMap::new();
        for (bucket, count) in measures.iter().filter_map(|it| self.0.get(it)).flatten() {
            *all.entry(*bucket).or_default() += count;
        }
        all
    }

    /// The counts of a subject's parts.
    fn parts(&self, subject: Subject) -> Vec<u64> {
        let known = subject.parts.iter().filter_map(|part| part.2).map(|it| self.of(it)).sum();
        let rest = self.of(subject.whole.0).saturating_sub(known);
        subject.parts.iter().map(|part| part.2.map_or(rest, |it| self.of(it))).collect()
    }
}

impl Chart {
    /// The chart of these counts: this many periods from `from` on.
    pub(crate) fn of(
        subject: Subject,
        rows: &[PeriodSummary],
        (grain, from, periods): (Grain, Instant, u32),
    ) -> Self {
        let mut by_period: BTreeMap<Instant, Sums> = BTreeMap::new();
        let mut all = Sums::default();
        for row in rows {
            by_period.entry(row.by.0).or_default().add(row.measure, row.bucket, row.count);
            all.add(row.measure, row.bucket, row.count);
        }
        let counted: Vec<_> = (0..periods)
            .map(|at| {
                let begins_at = from + grain.duration() * at;
                let sums = by_period.remove(&begins_at).unwrap_or_default();
                (begins_at, sums.parts(subject))
            })
            .collect();
        let highest = counted.iter().map(|(_, counts)| counts.iter().sum()).max().unwrap_or(0);
        let newest = counted.len().saturating_sub(1);
        let columns = counted.into_iter().enumerate().rev().map(|(at, (begins_at, counts))| {
            let mut column = Column::of(subject, grain, begins_at, counts, highest);
            // At the edges a label would stick out.
            column.tick = column.tick.filter(|_| at != 0 && at != newest);
            column
        });
        let totals = subject.parts.iter().zip(all.parts(subject));
        let totals: Vec<_> =
            totals.map(|((class, name, _), count)| Total { class, name, count }).collect();
        Self {
            id: subject.id,
            title: subject.title,
            count: totals.iter().map(|total| total.count).sum(),
            timed: subject.timed.1,
            times: Times::of(&all.histogram(subject.timed.0)),
            columns: columns.collect(),
            totals,
            highest,
        }
    }
}

impl Column {
    fn of(
        subject: Subject,
        grain: Grain,
        begins_at: Instant,
        counts: Vec<u64>,
        highest: u64,
    ) -> Self {
        let (from, to) = (Timestamp(begins_at), Timestamp(begins_at + grain.duration()));
        let number = begins_at.as_seconds() / grain.seconds();
        let (period, tick) = match grain {
            Grain::Hour => {
                let (from, to) = (from.minute(), to.minute());
                (format!("{from} to {to}"), (number % TICK_HOURS == 0).then_some(from))
            }
            Grain::Day => (day(from), (number % TICK_DAYS == 0).then(|| day(from))),
        };
        let pieces = draw(subject, &counts, highest);
        let words = sentence(subject, &period, &counts);
        Self { from, to, period, tick, counts, pieces, words }
    }
}

/// `31 Jan`
fn day(at: Timestamp) -> String {
    let text = at.day();
    let number = |range| text.get(range).and_then(|it: &str| it.parse::<usize>().ok()).unwrap_or(1);
    let month = MONTHS.get(number(5..7).saturating_sub(1)).unwrap_or(&"");
    format!("{} {month}", number(8..10))
}

fn sentence(subject: Subject, period: &str, counts: &[u64]) -> Option<String> {
    let (_, one, many) = subject.whole;
    let count: u64 = counts.iter().sum();
    let some = subject.parts.iter().zip(counts).filter(|(_, count)| **count > 0);
    let each: Vec<_> =
        some.map(|((_, name, _), count)| format!("{count} {}", name.to_lowercase())).collect();
    let whole = if count == 1 { one } else { many };
    (count > 0).then(|| format!("{period}: {count} {whole}: {}", each.join(", ")))
}

#[expect(clippy::cast_precision_loss, reason = "a drawing needs no more")]
fn draw(subject: Subject, counts: &[u64], highest: u64) -> Vec<Piece> {
    let scale = |count: u64| count as f64 / highest.max(1) as f64 * HEIGHT;
    let mut pieces = Vec::new();
    let mut below = 0;
    for ((class, ..), count) in subject.parts.iter().zip(counts).filter(|(_, n)| **n > 0) {
        below += count;
        pieces.push(Piece {
            class,
            y: format!("{:.1}", HEIGHT - scale(below)),
            height: format!("{:.1}", scale(*count)),
        });
    }
    pieces
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use countersign_domain::address::Platform;
    use countersign_domain::summary::{CountedPlatform, bucket};
    use countersign_store::seam::SummaryRow;

    use super::*;

    #[test]
    fn bars_are_aligned_to_the_clock_and_count_each_part() {
        let noon = Instant::parse("2026-01-31T12:00:00Z").unwrap();
        let hour = Grain::Hour.duration();
        let row = |ago: u32, measure, millis, count| SummaryRow {
            by: (noon - hour * ago, CountedPlatform::Device(Platform::Apn)),
            measure,
            bucket: bucket(Duration::from_millis(millis)),
            count,
        };
        let rows = [
            row(0, Measure::Asked, 0, 12),
            row(0, Measure::Approved, 4_000, 9),
            row(0, Measure::Denied, 60_000, 1),
            row(2, Measure::Asked, 0, 3),
            row(2, Measure::Unanswered, 0, 3),
            row(2, Measure::Pushed, 0, 2),
        ];
        let chart = Chart::of(CHALLENGES, &rows, (Grain::Hour, noon - hour * 23, 24));
        assert_eq!((chart.count, chart.highest, chart.columns.len()), (15, 12, 24));
        let newest = &chart.columns[0];
        assert_eq!(newest.counts, [9, 1, 0, 0, 2]);
        assert_eq!(
            newest.words.as_deref(),
            Some("12:00 to 13:00: 12 challenges: 9 approved, 1 denied, 2 open")
        );
        assert_eq!(chart.columns[2].counts, [0, 0, 3, 0, 0]);
        assert_eq!(chart.columns[1].words, None);
        let ticks: Vec<_> = chart.columns.iter().filter_map(|it| it.tick.as_deref()).collect();
        assert_eq!(ticks, ["06:00", "00:00", "18:00"]);
        assert_eq!(
            (chart.times.median.as_deref(), chart.times.p95.as_deref()),
            (Some("5.0 s"), Some("60 s"))
        );
        let pushes = Chart::of(PUSHES, &rows, (Grain::Hour, noon - hour * 23, 24));
        assert_eq!((pushes.count, pushes.columns[2].counts[1]), (2, 2));
        assert_eq!(pushes.times.median, None);
    }

    #[test]
    fn days_have_their_names() {
        let from = Instant::parse("2026-01-31T00:00:00Z").unwrap();
        let chart = Chart::of(CHALLENGES, &[], (Grain::Day, from, 2));
        let periods: Vec<_> = chart.columns.iter().map(|column| &*column.period).collect();
        assert_eq!(periods, ["1 Feb", "31 Jan"]);
    }
}
