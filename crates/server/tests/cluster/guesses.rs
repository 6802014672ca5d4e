//! A guesser who answers at three nodes at the same time gets no more tries than allowed.

use countersign_phone::{Authority, Enrolment, Phone, PhoneError, Presence, Server, ServerOptions};
use countersign_testkit::postgres::TestDatabase;
use tokio::task::JoinSet;

use crate::load::challenges_path;
use crate::node::{ACCOUNT, TOKEN};
use crate::races::moved;
use crate::stage::Stage;

/// Challenges of each mode.
const ROUNDS: usize = 12;
/// Guesses at once, at each node.
const GUESSES: usize = 6;
/// "Presence verification failed"
const WRONG: i64 = 60324;
/// "Challenge already responded"
const ANSWERED: i64 = 60322;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guesser_at_three_nodes_gets_no_more_tries_than_allowed() {
    let database = TestDatabase::new();
    let stage = Stage::set(&database.url(), 3).await;
    let authority = Authority::Account { sid: ACCOUNT.into(), auth_token: TOKEN.into() };
    let enrolment = Enrolment {
        takes_numbers: true,
        ..Enrolment::new(&stage.service, "alice-0001", authority)
    };
    let server = Server::new(&stage.nodes[0].base(), &ServerOptions::default());
    let phone = Phone::enrol(&server.expect("an address"), &enrolment).await.expect("a phone");
    let base = |node: usize| stage.nodes[node].base();
    let phones =
        [phone.clone(), moved(&phone, &base(0), &base(1)), moved(&phone, &base(0), &base(2))];
    for round in 0..ROUNDS {
        for (mode, tries) in [("number", 2), ("pick", 1)] {
            let (sid, answer) = ask(&stage, &phone, mode, round).await;
            let results = guess(&phones, &sid, &answer).await;
            let counted = results.iter().filter(|code| **code == WRONG).count();
            assert_eq!(counted, tries, "{mode}, round {round}: {results:?}");
            let late = results.iter().filter(|code| **code == ANSWERED).count();
            assert_eq!(late, results.len() - tries, "{mode}, round {round}: {results:?}");
            assert_eq!(stored(&database, &sid), format!("denied {tries}"), "{mode}, round {round}");
        }
    }
}

/// Opens a challenge at one node; returns its SID and its number, read at another.
async fn ask(stage: &Stage, phone: &Phone, mode: &str, round: usize) -> (String, String) {
    let challenges = challenges_path(phone);
    let form =
        [("FactorSid", phone.factor_sid()), ("Details.Message", "Log in?"), ("Presence", mode)];
    let challenge = stage.api.post(round % 3, &challenges, &form).await.expect("201");
    let sid = challenge["sid"].as_str().expect("a SID").to_owned();
    let path = format!("{challenges}/{sid}/Presence");
    let (_, presence) = stage.api.get((round + 1) % 3, &path).await.expect("it answers");
    let answer = presence["answer"].as_str().map(str::to_owned);
    (sid, answer.unwrap_or_else(|| panic!("a number: {presence}")))
}

/// Sends wrong numbers at all nodes at once; returns the codes of the refusals.
async fn guess(phones: &[Phone], sid: &str, answer: &str) -> Vec<i64> {
    let asked = phones[0].challenge(sid).await.expect("a challenge");
    let options: Vec<_> = match asked.presence.as_ref().expect("a presence") {
        Presence::Number => (10..=99).map(|number: u8| number.to_string()).collect(),
        Presence::Pick(options) => options.clone(),
    };
    let wrong: Vec<_> = options.into_iter().filter(|option| option != answer).collect();
    let mut guesses = JoinSet::new();
    for (number, phone) in phones.iter().enumerate() {
        for guess in 0..GUESSES {
            let (phone, asked) = (phone.clone(), asked.clone());
            let wrong = wrong[(number * GUESSES + guess) % wrong.len()].clone();
            guesses.spawn(async move {
                match phone.send_number(&asked, &wrong).await {
                    Err(PhoneError::Api(refusal)) => refusal.code,
                    other => panic!("a wrong number is refused, not {other:?}"),
                }
            });
        }
    }
    guesses.join_all().await
}

/// The state of a challenge and the tries counted, as the database has them.
fn stored(database: &TestDatabase, sid: &str) -> String {
    let id = sid.trim_start_matches("YC");
    let sql = format!(
        "SELECT state || ' ' || json_array_length(presence::json->'wrong') FROM challenges WHERE sid = '{id}'"
    );
    database.psql(&sql).trim().to_owned()
}
