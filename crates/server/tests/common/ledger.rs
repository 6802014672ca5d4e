//! Accounts for every 201: waits for its end, and has the checker judge the whole history.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use countersign_domain::ending::{NotificationStatus, StatusReason};
use countersign_testkit::history::{Bounds, Known, Listed, judge};
use futures_util::{StreamExt as _, stream};
use serde_json::Value;

use crate::load::{Accepted, Api, NOTIFICATIONS, instant, now};
use crate::patience::until;
use crate::phones::Seen;

/// A prompt that was on its way at its deadline may be read this much later, on a busy machine.
const BOUNDS: Bounds = Bounds { on_its_way: Duration::from_secs(5), notifications: NOTIFICATIONS };

/// Waits until every notification of the accepted challenges has ended, and judges the history; returns a summary to print.
pub async fn settle(accepted: &[Accepted], api: &Api, seen: &Seen) -> String {
    let ends = stream::iter(accepted.iter().enumerate());
    let ends = ends.map(|(number, one)| end(number, one, api)).buffer_unordered(8);
    let ends: Vec<Vec<Listed>> = ends.collect().await;
    let mut outcomes = BTreeMap::<String, usize>::new();
    for end in ends.iter().flatten() {
        let reason = end.reason.map_or("-", StatusReason::as_str);
        *outcomes.entry(format!("{} {reason}", end.status.as_str())).or_default() += 1;
    }
    assert!(outcomes.contains_key("delivered -"), "{outcomes:?}");

    // Of an answered challenge a push counts as delivered when the device has read the challenge.
    let waiting = accepted.iter().zip(&ends).filter(|(one, _)| !one.is_answered);
    let delivered: HashSet<_> = waiting
        .flat_map(|(_, ends)| ends)
        .filter(|end| end.status == NotificationStatus::Delivered)
        .map(|end| end.sid)
        .collect();
    // A phone acknowledges a prompt before it records it.
    let prompts = until("delivered prompts were shown", async || {
        let prompts = seen.all();
        let shown: HashSet<_> = prompts.iter().copied().collect();
        delivered.is_subset(&shown).then_some(prompts)
    })
    .await;

    let entries = api.history.entries();
    let broken: Vec<_> = judge(&entries, BOUNDS).iter().map(ToString::to_string).collect();
    assert!(broken.is_empty(), "of {} responses: {broken:#?}", entries.len());
    let distinct: HashSet<_> = prompts.iter().collect();
    let posts: usize = accepted.iter().map(|one| one.moments.len()).sum();
    let twice = prompts.len() - distinct.len();
    format!(
        "{posts} times 201, {} responses judged: {outcomes:?}; {} prompts, {twice} of them twice",
        entries.len(),
        prompts.len()
    )
}

/// All notifications of a challenge, the automatic one first, once all have ended.
async fn end(number: usize, one: &Accepted, api: &Api) -> Vec<Listed> {
    let mut node = number;
    until(&format!("{} ends", one.path), async || {
        node += 1;
        let list = look(node, one, api).await?;
        let is_open = |listed: &Listed| match listed.status {
            NotificationStatus::Queued | NotificationStatus::Sending => true,
            // An answer can overtake the acknowledgement.
            NotificationStatus::Sent => !one.is_answered,
            _ => false,
        };
        (!list.iter().any(is_open)).then_some(list)
    })
    .await
}

/// Reads the notifications of a challenge at a node, and notes them. `None`: no response, or there is no such challenge.
pub async fn look(node: usize, one: &Accepted, api: &Api) -> Option<Vec<Listed>> {
    let asked = now();
    let (status, body) = api.get(node, &format!("{}/Notifications?PageSize=100", one.path)).await?;
    let list = match status {
        200 => Some(body["notifications"].as_array()?.iter().map(listed).collect()),
        404 => None,
        _ => panic!("{}: {status} {body}", one.path),
    };
    api.history.note(asked, now(), Known::Listed(one.sid, list.clone()));
    list
}

fn listed(notification: &Value) -> Listed {
    let word = |member: &str| notification[member].as_str();
    let at = |member: &str| instant(word(member).expect("a date").parse().expect("a date"));
    let ttl = notification["ttl"].as_u64().expect("seconds");
    Listed {
        sid: word("sid").expect("a SID").parse().expect("a SID"),
        automatic: notification["automatic"].as_bool().expect("a member of ours"),
        status: word("status").and_then(NotificationStatus::from_word).expect("a status"),
        reason: word("status_reason").map(|word| StatusReason::from_word(word).expect("a reason")),
        updated_at: at("date_updated"),
        deadline: at("date_created") + Duration::from_secs(ttl),
    }
}
