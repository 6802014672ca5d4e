//! Two answers to one challenge, at two nodes, at the same time.

use countersign_phone::{Phone, PhoneError, ServerOptions, Verdict};
use countersign_testkit::postgres::TestDatabase;

use crate::load::challenges_path;
use crate::stage::Stage;

const RACES: usize = 200;
/// "Challenge already responded"
const ANSWERED: i64 = 60322;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_answers_at_two_nodes_exactly_one_wins() {
    let database = TestDatabase::new();
    let stage = Stage::patient(&database.url(), 2, |_| ()).await;
    let here = stage.phone_at("alice-0001", &stage.nodes[0].base()).await;
    let there = moved(&here, &stage.nodes[0].base(), &stage.nodes[1].base());
    let challenges = challenges_path(&here);
    let form = [("FactorSid", here.factor_sid()), ("Details.Message", "Log in?")];

    let mut approved = 0;
    for race in 0..RACES {
        let challenge = stage.api.post(race, &challenges, &form).await.expect("201");
        let sid = challenge["sid"].as_str().expect("a SID");
        let (asked, asked_there) = tokio::join!(here.challenge(sid), there.challenge(sid));
        let (asked, asked_there) = (asked.expect("read"), asked_there.expect("read"));
        let (yes, no) = tokio::join!(
            here.send_answer(&asked, Verdict::Approved),
            there.send_answer(&asked_there, Verdict::Denied)
        );
        let winner = match (&yes, &no) {
            (Ok(()), Err(PhoneError::Api(refusal))) => {
                assert_eq!(refusal.code, ANSWERED, "{refusal}");
                Verdict::Approved
            }
            (Err(PhoneError::Api(refusal)), Ok(())) => {
                assert_eq!(refusal.code, ANSWERED, "{refusal}");
                Verdict::Denied
            }
            _ => panic!("race {race}: {yes:?} and {no:?}"),
        };
        approved += usize::from(winner == Verdict::Approved);
        for node in 0..2 {
            let path = format!("{challenges}/{sid}");
            let (_, body) = stage.api.get(node, &path).await.expect("it answers");
            assert_eq!(body["status"], winner.as_str(), "race {race}, node {node}");
        }
    }
    println!("{RACES} races: {approved} approved, {} denied", RACES - approved);
}

/// The same phone, using another node.
pub fn moved(phone: &Phone, from: &str, to: &str) -> Phone {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("phone.json");
    phone.save(&file).expect("it is saved");
    let saved = std::fs::read_to_string(&file).expect("it was saved");
    assert!(saved.contains(from), "{from}");
    std::fs::write(&file, saved.replace(from, to)).expect("it is saved");
    Phone::load(&file, &ServerOptions::default()).expect("the same phone")
}
