//! Outcomes of notifications within a time span: counted in equal steps and drawn as bars.

use std::time::Duration;

use countersign_domain::ending::NotificationStatus;
use countersign_domain::time::Instant;
use countersign_store::seam::NotificationSummary;

use crate::labels;
use crate::views::Timestamp;

/// The parts of a bar, from below: class and name.
const OUTCOMES: [(&str, &str); 6] = [
    ("delivered", "Delivered"),
    ("sent", "Sent"),
    ("open", "On the way"),
    ("failed", "Failed"),
    ("expired", "Expired"),
    ("cancelled", "Cancelled"),
];

/// Height of the drawing, without the time axis.
const HEIGHT: f64 = 120.0;
const WIDTH: f64 = 600.0;

/// A rectangle of a bar.
pub(crate) struct Piece {
    pub(crate) class: &'static str,
    pub(crate) x: String,
    pub(crate) y: String,
    pub(crate) width: String,
    pub(crate) height: String,
}

/// One time step, as a row of the table.
pub(crate) struct Step {
    pub(crate) from: Timestamp,
    pub(crate) counts: [u32; OUTCOMES.len()],
}

/// Number of notifications with an outcome.
pub(crate) struct Total {
    pub(crate) class: &'static str,
    pub(crate) name: &'static str,
    pub(crate) count: u32,
}

/// The chart of a time span.
pub(crate) struct Chart {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) count: u32,
    pub(crate) totals: Vec<Total>,
    /// Time from creation to the device's acknowledgement: median and 95th percentile.
    pub(crate) median: Option<String>,
    pub(crate) p95: Option<String>,
    pub(crate) pieces: Vec<Piece>,
    pub(crate) steps: Vec<Step>,
    /// The largest count of a step.
    pub(crate) highest: u32,
    /// The content as a sentence.
    pub(crate) words: String,
}

impl Chart {
    /// A chart of the `steps` steps of length `step` before `now`.
    pub(crate) fn of(
        (id, title): (&'static str, &'static str),
        notifications: &[NotificationSummary],
        now: Instant,
        step: Duration,
        steps: u32,
    ) -> Self {
        let begin = now - step * steps;
        let mut counted: Vec<_> = (0..steps)
            .map(|at| Step { from: Timestamp(begin + step * at), counts: [0; OUTCOMES.len()] })
            .collect();
        let mut took = Vec::new();
        for notification in
            notifications.iter().filter(|notification| notification.created_at >= begin)
        {
            let at = notification.created_at.since(begin).as_micros() / step.as_micros();
            let last = counted.len() - 1;
            let at = usize::try_from(at).unwrap_or(last).min(last);
            counted[at].counts[outcome(notification)] += 1;
            if notification
                .ending
                .is_some_and(|ending| ending.status == NotificationStatus::Delivered)
            {
                took.push(notification.updated_at.since(notification.created_at));
            }
        }
        took.sort_unstable();
        let sum = |step: &Step| step.counts.iter().sum::<u32>();
        let highest = counted.iter().map(sum).max().unwrap_or(0);
        let totals: Vec<_> = OUTCOMES
            .iter()
            .enumerate()
            .map(|(at, (class, name))| {
                let count = counted.iter().map(|step| step.counts[at]).sum();
                Total { class, name, count }
            })
            .collect();
        let count = totals.iter().map(|total| total.count).sum();
        let share = |percent: usize| {
            let at = (took.len() * percent).div_ceil(100).checked_sub(1)?;
            took.get(at).map(|took| labels::span(*took))
        };
        let words = sentence(title, count, &totals);
        let pieces = draw(&counted, highest);
        let (median, p95) = (share(50), share(95));
        Self { id, title, count, totals, median, p95, pieces, steps: counted, highest, words }
    }
}

fn outcome(notification: &NotificationSummary) -> usize {
    match notification.ending.map(|ending| ending.status) {
        Some(NotificationStatus::Delivered) => 0,
        Some(NotificationStatus::Sent) => 1,
        None | Some(NotificationStatus::Queued | NotificationStatus::Sending) => 2,
        Some(NotificationStatus::Failed) => 3,
        Some(NotificationStatus::Expired) => 4,
        Some(NotificationStatus::Cancelled) => 5,
    }
}

fn sentence(title: &str, count: u32, totals: &[Total]) -> String {
    if count == 0 {
        return format!("{title}: no push.");
    }
    let some = totals.iter().filter(|total| total.count > 0);
    let each: Vec<_> =
        some.map(|total| format!("{} {}", total.count, total.name.to_lowercase())).collect();
    format!("{title}: {count} pushes, of which {}.", each.join(", "))
}

fn draw(steps: &[Step], highest: u32) -> Vec<Piece> {
    let most = u32::try_from(steps.len()).unwrap_or(1).max(1);
    let room = WIDTH / f64::from(most);
    let mut pieces = Vec::new();
    for (at, step) in (0_u32..).zip(steps) {
        let mut below = 0;
        for ((class, _), count) in OUTCOMES.iter().zip(step.counts).filter(|(_, n)| *n > 0) {
            let scale = |count: u32| f64::from(count) / f64::from(highest.max(1)) * HEIGHT;
            pieces.push(Piece {
                class,
                x: format!("{:.1}", f64::from(at) * room + room * 0.12),
                y: format!("{:.1}", HEIGHT - scale(below + count)),
                width: format!("{:.1}", room * 0.76),
                height: format!("{:.1}", scale(count)),
            });
            below += count;
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use countersign_domain::ending::Ending;

    use super::*;

    #[test]
    fn pushes_are_counted_by_step_and_outcome() {
        let now = Instant::from_seconds(1_700_000_000);
        let notification = |ago: u64, millis: u64, ending| {
            let created_at = now - Duration::from_secs(ago);
            NotificationSummary {
                created_at,
                updated_at: created_at + Duration::from_millis(millis),
                ending,
            }
        };
        let mut notifications: Vec<_> =
            (1..=20).map(|at| notification(10, at * 10, Some(Ending::DELIVERED))).collect();
        notifications.push(notification(70, 0, None));
        notifications.push(notification(130, 0, Some(Ending::EXPIRED)));
        let chart = Chart::of(("x", "Title"), &notifications, now, Duration::from_secs(60), 2);
        assert_eq!(chart.count, 21, "older ones are not counted");
        assert_eq!(chart.steps[0].counts, [0, 0, 1, 0, 0, 0]);
        assert_eq!(chart.steps[1].counts, [20, 0, 0, 0, 0, 0]);
        assert_eq!(
            (chart.median.as_deref(), chart.p95.as_deref()),
            (Some("100 ms"), Some("190 ms"))
        );
        assert_eq!(chart.pieces.len(), 2);
        assert_eq!(chart.words, "Title: 21 pushes, of which 20 delivered, 1 on the way.");
        let empty = Chart::of(("x", "Title"), &[], now, Duration::from_secs(60), 2);
        assert_eq!((empty.median, empty.words.as_str()), (None, "Title: no push."));
    }
}
