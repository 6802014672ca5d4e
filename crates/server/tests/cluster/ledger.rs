//! Accounts for every 201.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use serde_json::Value;

use crate::load::{Accepted, Api};
use crate::phones::Seen;
use crate::until;

/// A prompt that was on its way when its time ran out may be read this much later, on a busy machine.
const ON_ITS_WAY: Duration = Duration::from_secs(1);

/// Waits until every accepted notification has ended, and checks how; returns a summary to print.
pub async fn settle(accepted: &[Accepted], api: &Api, seen: &Seen) -> String {
    let ends = stream::iter(accepted.iter().enumerate());
    let ends = ends.map(|(number, one)| end(number, one, api)).buffer_unordered(8);
    let ends: Vec<Vec<End>> = ends.collect().await;

    let mut outcomes = BTreeMap::<String, usize>::new();
    for challenge in &ends {
        for (place, end) in challenge.iter().enumerate() {
            let newer = &challenge[place + 1..];
            let is_good = match end.standing.as_str() {
                "delivered -" => true,
                "cancelled superseded" => newer.iter().any(|end| end.standing == "delivered -"),
                // A try that fails within the last second is the last.
                "expired -" | "expired device_offline" | "expired not_attempted" => {
                    end.ended_at + 1 >= end.deadline
                }
                _ => false,
            };
            assert!(
                is_good,
                "of {}, ending at {} with a deadline of {}: {}",
                end.standing, end.ended_at, end.deadline, end.body
            );
            *outcomes.entry(end.standing.clone()).or_default() += 1;
        }
    }
    assert!(outcomes.contains_key("delivered -"), "{outcomes:?}");

    let delivered = ends.iter().flatten().filter(|end| end.standing == "delivered -");
    let delivered: HashSet<_> = delivered.map(|end| end.sid.as_str()).collect();
    // A phone acknowledges a prompt before it records it.
    let prompts = until("delivered prompts were shown", async || {
        let prompts = seen.all();
        let shown: HashSet<_> = prompts.iter().map(|shown| shown.notification.as_str()).collect();
        delivered.is_subset(&shown).then_some(prompts)
    })
    .await;
    let late: Vec<_> = prompts.iter().filter(|p| p.read_at > p.expires_at + ON_ITS_WAY).collect();
    assert!(late.is_empty(), "shown after their TTL: {late:?}");
    let distinct: HashSet<_> = prompts.iter().map(|prompt| &prompt.notification).collect();
    let posts: usize = accepted.iter().map(|one| one.moments.len()).sum();
    let twice = prompts.len() - distinct.len();
    format!("{posts} times 201: {outcomes:?}; {} prompts, {twice} of them twice", prompts.len())
}

/// How a notification ended.
struct End {
    sid: String,
    /// As the API tells it.
    body: Value,
    /// "status reason"
    standing: String,
    /// By the server's clock, in whole seconds.
    ended_at: i64,
    /// The end of its TTL, by the server's clock, in whole seconds.
    deadline: i64,
}

/// All notifications of a challenge, the automatic one first, once all have ended.
async fn end(number: usize, one: &Accepted, api: &Api) -> Vec<End> {
    let path = format!("{}/Notifications?PageSize=100", one.path);
    let mut asked = number;
    until(&format!("{} ends", one.path), async || {
        asked += 1;
        let (status, body) = api.get(asked, &path).await?;
        assert_eq!(status, 200, "{} was answered 201: {body}", one.path);
        let ends: Vec<_> = body["notifications"].as_array()?.iter().map(of).collect();
        let listed: HashSet<_> = ends.iter().map(|end| end.sid.as_str()).collect();
        for sid in &one.notifications {
            assert!(listed.contains(sid.as_str()), "{sid} was answered 201");
        }
        assert_eq!(body["notifications"][0]["automatic"], true, "{body}");
        let is_open = |end: &End| {
            ["queued", "sending", "sent"].iter().any(|open| end.standing.starts_with(open))
        };
        (!ends.iter().any(is_open)).then_some(ends)
    })
    .await
}

fn of(notification: &Value) -> End {
    let word = |member: &str| notification[member].as_str().unwrap_or("-").to_owned();
    let second = |member: &str| {
        let at: jiff::Timestamp = word(member).parse().expect("a date");
        at.as_second()
    };
    let ttl = notification["ttl"].as_i64().expect("seconds");
    End {
        sid: word("sid"),
        body: notification.clone(),
        standing: format!("{} {}", word("status"), word("status_reason")),
        ended_at: second("date_updated"),
        deadline: second("date_created") + ttl,
    }
}
