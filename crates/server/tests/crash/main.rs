//! `kill -9` at random moments, while applications post and phones listen and answer.
//!
//! All of them note what they were told, and a checker judges it: what was answered 201 is there and ends as it must, the first answer
//! counts, and no prompt was shown after its TTL. A push that arrives twice is allowed after a crash; how many do is printed.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::disallowed_methods,
    reason = "a test with a real process uses the real clock"
)]

mod binary;
#[path = "../common/ledger.rs"]
mod ledger;
#[path = "../common/load.rs"]
mod load;
#[path = "../common/patience.rs"]
mod patience;
#[path = "../common/phones.rs"]
mod phones;

use std::time::Duration;

use countersign_phone::{Authority, Enrolment, Phone, Server, ServerOptions};

use crate::binary::Binary;
use crate::load::{ACCOUNT, Accepted, Api, TOKEN};
use crate::phones::Seen;

const ROUNDS: u64 = 20;
/// Challenges of each round before the kill, however slow the machine is.
const ACCEPTED: usize = 6;
/// After each kill the newest challenges are looked at.
const LOOKED_AT: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_answered_201_is_lost() {
    let seed = std::env::var("CRASH_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| u64::from(std::process::id()) ^ 0x5eed_0000);
    println!("CRASH_SEED={seed} repeats the moments of the kills");
    let mut moments = fastrand(seed);
    let mut server = Binary::start().await;
    let api = Api::new(vec![server.base.clone()]);
    let phones = enrol(&server, &api, 8).await;
    let mut accepted: Vec<Accepted> = Vec::new();
    let mut seen = Seen::new(api.history.clone());
    phones.iter().step_by(2).for_each(|phone| seen.listen(phone));

    for _ in 0..ROUNDS {
        let load = api.load(&phones, Duration::ZERO);
        load.more(ACCEPTED).await;
        let moment = Duration::from_millis(20 + moments() % 400);
        tokio::time::sleep(moment).await;
        server.kill();
        accepted.extend(load.stop().await);
        server.restart().await;
        for one in accepted.iter().rev().take(LOOKED_AT) {
            ledger::look(0, one, &api).await;
        }
    }
    phones.iter().skip(1).step_by(2).for_each(|phone| seen.listen(phone));
    let told = ledger::settle(&accepted, &api, &seen).await;
    println!("{ROUNDS} kills: {told}");
    assert!(accepted.len() > 100, "the load was no load: {}", accepted.len());
}

async fn enrol(server: &Binary, api: &Api, number: usize) -> Vec<Phone> {
    let service = api.post(0, "/v2/Services", &[("FriendlyName", "crash")]).await;
    let service = service.expect("a service")["sid"].as_str().expect("a SID").to_owned();
    let address = Server::new(&server.base, &ServerOptions::default()).expect("an address");
    let mut phones = Vec::new();
    for number in 0..number {
        let authority = Authority::Account { sid: ACCOUNT.into(), auth_token: TOKEN.into() };
        let enrolment = Enrolment::new(&service, format!("person-{number:04}"), authority);
        phones.push(Phone::enrol(&address, &enrolment).await.expect("a phone"));
    }
    phones
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
