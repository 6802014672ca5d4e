//! `kill -9` at random moments, while applications post and phones listen.
//!
//! Afterwards every notification that was answered 201 is there; every one whose TTL still runs is delivered; none was
//! shown after its TTL. A push that arrives twice is allowed after a crash; how many do is printed.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::disallowed_methods,
    reason = "a test with a real process uses the real clock"
)]

mod binary;
mod load;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use crate::binary::Binary;
use crate::load::{Accepted, Cast, Seen};

const ROUNDS: u64 = 20;
/// A prompt that was on its way when its time ran out may be read this much later, on a busy machine.
const ON_ITS_WAY: Duration = Duration::from_secs(1);
/// The most time for the remaining pushes once every phone is back. A passing test ends with the last push.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_answered_201_is_lost() {
    let seed = std::env::var("CRASH_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| u64::from(std::process::id()) ^ 0x5eed_0000);
    println!("CRASH_SEED={seed} repeats the moments of the kills");
    let mut moments = fastrand(seed);
    let mut server = Binary::start().await;
    let cast = Cast::enrol(&server, 8).await;
    let mut accepted: Vec<Accepted> = Vec::new();
    let seen = Seen::default();
    let listeners: Vec<_> = cast.phones.iter().step_by(2).map(|phone| seen.listen(phone)).collect();

    for round in 0..ROUNDS {
        let posts = cast.post(round);
        let moment = Duration::from_millis(20 + moments() % 400);
        tokio::time::sleep(moment).await;
        server.kill();
        accepted.extend(posts.end().await);
        server.restart().await;
        for one in accepted.iter().rev().take(200) {
            assert!(
                cast.standing(one).await.is_some(),
                "round {round}: {} was answered 201",
                one.sid
            );
        }
    }

    let everyone: Vec<_> =
        cast.phones.iter().skip(1).step_by(2).map(|phone| seen.listen(phone)).collect();
    let until = Instant::now() + PATIENCE;
    let mut outcomes = std::collections::BTreeMap::<String, usize>::new();
    for one in &accepted {
        let standing = loop {
            let standing = cast.standing(one).await.expect("it is there");
            let is_open = standing.starts_with("queued") || standing.starts_with("sending");
            if !is_open || Instant::now() > until {
                break standing;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let is_good = match standing.as_str() {
            "delivered -" | "cancelled superseded" => true,
            // The phone or the server was away until the deadline.
            "expired -" | "expired device_offline" | "expired not_attempted" => {
                one.deadline <= std::time::SystemTime::now()
            }
            _ => false,
        };
        assert!(is_good, "{} of ttl {} ended as {standing}", one.sid, one.ttl);
        *outcomes.entry(standing).or_default() += 1;
    }
    drop((listeners, everyone));

    let prompts = seen.all();
    let late: Vec<_> = prompts.iter().filter(|p| p.read_at > p.expires_at + ON_ITS_WAY).collect();
    assert!(late.is_empty(), "shown after their TTL: {late:?}");
    let distinct: HashSet<_> = prompts.iter().map(|prompt| &prompt.notification).collect();
    println!(
        "{ROUNDS} kills, {} accepted: {outcomes:?}; {} prompts, {} of them twice",
        accepted.len(),
        prompts.len(),
        prompts.len() - distinct.len()
    );
    assert!(accepted.len() > 100, "the load was no load: {}", accepted.len());
    assert!(outcomes.contains_key("delivered -"));
}

/// Pseudo-random numbers that repeat with their seed (SplitMix64).
fn fastrand(mut state: u64) -> impl FnMut() -> u64 {
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
