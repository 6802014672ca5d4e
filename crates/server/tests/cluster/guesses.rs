//! At three nodes at the same time a guesser gets no more tries, and a bomber no more prompts, than allowed.

use countersign_phone::{Authority, Enrolment, Phone, PhoneError, Presence, Server, ServerOptions};
use countersign_testkit::postgres::TestDatabase;
use tokio::task::JoinSet;

use crate::load::{ACCOUNT, Api, TOKEN, challenges_path};
use crate::races::moved;
use crate::stage::Stage;
use crate::until;

/// Challenges of each mode.
const ROUNDS: usize = 12;
/// Guesses at once, at each node.
const GUESSES: usize = 6;
/// Prompts that a bomber asks for at once, at each node.
const BOMBS: usize = 20;
/// `limits.push_challenges_in_a_row`, as by default.
const IN_A_ROW: usize = 5;
/// "Presence verification failed"
const WRONG: i64 = 60324;
/// "Challenge already responded"
const ANSWERED: i64 = 60322;

impl Api {
    /// Sends a POST to a node; its status. `None`: no response, or 503.
    pub async fn status_of_post(
        &self,
        node: usize,
        path: &str,
        form: &[(&str, &str)],
    ) -> Option<u16> {
        let base = &self.bases[node % self.bases.len()];
        let request = self.client.post(format!("{base}{path}")).form(form);
        Some(self.send(request).await?.0)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guesser_at_three_nodes_gets_no_more_tries_than_allowed() {
    let database = TestDatabase::new();
    let stage = Stage::patient(&database.url(), 3, |_| ()).await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bomber_at_three_nodes_reaches_a_person_five_times_and_nobody_else() {
    let database = TestDatabase::new();
    let limit = format!("limits.push_challenges_in_a_row={IN_A_ROW}");
    let mut stage = Stage::patient(&database.url(), 3, |node| node.with_setting(&limit)).await;
    let phones = stage.listening_phones(2).await;
    let (victim, neighbour) = (challenges_path(&phones[0]), challenges_path(&phones[1]));
    let mut bombs = JoinSet::new();
    for number in 0..3 * BOMBS {
        let (api, path, phone) = (stage.api.clone(), victim.clone(), phones[0].clone());
        bombs.spawn(async move {
            let form = [("FactorSid", phone.factor_sid()), ("Details.Message", "Log in?")];
            loop {
                if let Some(status) = api.status_of_post(number, &path, &form).await {
                    break status;
                }
            }
        });
    }
    let statuses = bombs.join_all().await;
    let stored = statuses.iter().filter(|status| **status == 201).count();
    assert_eq!(stored, IN_A_ROW, "{statuses:?}");
    assert!(statuses.iter().all(|status| [201, 429].contains(status)), "{statuses:?}");

    // The neighbour is asked as if nothing had happened, and a prompt that comes after them all shows that no other does.
    let form = [("FactorSid", phones[1].factor_sid()), ("Details.Message", "Log in?")];
    stage.api.post(0, &neighbour, &form).await.expect("201");
    until("the prompts of both", async || (stage.seen.all().len() > IN_A_ROW).then_some(())).await;
    let rows = database.psql("SELECT count(*) FROM notifications");
    assert_eq!(rows.trim(), (IN_A_ROW + 1).to_string());
    let mut shown = stage.seen.all();
    shown.sort_unstable();
    shown.dedup();
    assert_eq!(shown.len(), IN_A_ROW + 1);
}
