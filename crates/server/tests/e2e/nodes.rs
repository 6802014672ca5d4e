//! Two nodes over one database, with NATS between them: every caller may use either node.

use std::sync::Arc;
use std::time::Duration;

use countersign_bus::Link;
use countersign_domain::world::Clock as _;
use countersign_phone::{
    Authority, Challenge, Enrolment, Phone, PhoneError, ServerOptions, Told, Verdict,
};
use countersign_server::wiring::Server;
use countersign_standins::CommonOptions;
use countersign_standins::webhook::Webhook;
use countersign_testkit::NatsServer;
use tokio::task::JoinSet;

use crate::challenge_groups::challenge_of;
use crate::support::{Caller, TestApp};

struct Stage {
    nats: NatsServer,
    /// The node that the application uses.
    app: TestApp,
    /// The other node.
    there: Server,
}

impl Stage {
    async fn set() -> Self {
        let nats = NatsServer::start("");
        let bus = format!("bus.nats={}", nats.url());
        let app = TestApp::start_with(&[&bus, "outgoing.allow=127.0.0.0/8"]).await;
        let there = app.other_node().await;
        Self { nats, app, there }
    }

    /// A phone that uses a node.
    async fn enrol(&self, identity: &str, at: &Server) -> Phone {
        let authority = Authority::AccessToken(self.app.access_token(identity).await);
        let enrolment = Enrolment::new(&self.app.service, identity, authority);
        let server = self.app.phone_server_at(at.address);
        Phone::enrol(&server, &enrolment).await.expect("the phone enrols")
    }

    /// A phone of the other node, redirected to the application's node.
    fn moved(&self, phone: &Phone) -> Phone {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("phone.json");
        phone.save(&file).expect("it is saved");
        let saved = std::fs::read_to_string(&file).expect("it was saved");
        let (there, here) = (self.there.address.to_string(), self.app.address().to_string());
        std::fs::write(&file, saved.replace(&there, &here)).expect("it is saved");
        let clock = self.app.clock.clone();
        let local_time = Some(Arc::new(move || clock.now().as_seconds()) as _);
        Phone::load(&file, &ServerOptions { local_time, ..ServerOptions::default() })
            .expect("the same phone")
    }

    /// The application, using the other node.
    fn api_there(&self) -> Caller {
        Caller { base: format!("http://{}", self.there.address), ..self.app.api() }
    }

    async fn links_are(&self, wanted: Link) {
        for server in [self.app.server(), &self.there] {
            let mut link = server.bus.link().expect("a bus between nodes");
            link.wait_for(|link| *link == wanted).await.expect("the bus lives");
        }
    }

    /// The readiness of both nodes.
    async fn readiness(&self) -> [String; 2] {
        let here = self.app.api().get("/readyz").await.expect(200);
        let there = self.api_there().get("/readyz").await.expect(200);
        [here, there].map(|body| format!("{} {}", body["status"], body["bus"]).replace('"', ""))
    }
}

#[tokio::test]
async fn a_push_reaches_a_device_at_another_node() {
    let stage = Stage::set().await;
    let phone = stage.enrol("alice-0001", &stage.there).await;
    let mut stream = phone.connect().await.unwrap();
    let challenge = stage.app.challenge(&phone, "Log in?").await;
    assert_eq!(stream.next_prompt().await.unwrap().challenge_sid, challenge);
    stage.app.deliver_everything().await;
    assert_eq!(stage.app.standing(&phone, &challenge).await, ["delivered -"]);

    let now = stage.app.notify(&phone, &challenge, 0).await;
    assert_eq!(stream.next_prompt().await.unwrap().notification_sid, now["sid"].as_str().unwrap());
    stage.app.deliver_everything().await;
    assert_eq!(stage.app.standing(&phone, &challenge).await, ["delivered -", "delivered -"]);
}

#[tokio::test]
async fn a_prompt_at_one_node_ends_with_the_answer_at_another() {
    let stage = Stage::set().await;
    let there = stage.enrol("alice-0001", &stage.there).await;
    let here = stage.app.enrol_phone("alice-0001").await;
    let mut stream = there.connect().await.unwrap();
    let form = [("Devices", "all"), ("Details.Message", "Log in?")];
    let group = stage.app.api().post(&stage.app.challenges_path(&here), &form).await.expect(201);
    let prompt = stream.next_prompt().await.unwrap();
    here.answer(&challenge_of(&group, &here), Verdict::Denied).await.unwrap();
    let Told::Ended(ended) = stream.next().await.unwrap() else { panic!("a prompt") };
    assert_eq!(ended.challenge_sid, prompt.challenge_sid);
    assert_eq!(ended.reason, "answered_elsewhere");
}

#[tokio::test]
async fn a_long_poll_at_one_node_ends_with_the_answer_at_another() {
    let stage = Stage::set().await;
    let phone = stage.enrol("alice-0001", &stage.there).await;
    let challenge = stage.app.challenge(&phone, "Log in?").await;
    let path = format!("{}/{challenge}?WaitSeconds=50", stage.app.challenges_path(&phone));
    let application = stage.app.api();
    let waiting = stage.app.begin(async move { application.get(&path).await }).await;
    phone.answer(&challenge, Verdict::Approved).await.unwrap();
    assert_eq!(waiting.await.unwrap().expect(200)["status"], "approved");
}

#[tokio::test]
async fn a_device_that_moves_to_another_node_leaves_the_first() {
    let stage = Stage::set().await;
    let phone = stage.enrol("alice-0001", &stage.there).await;
    let mut older = phone.connect().await.unwrap();
    stage.app.clock.advance(Duration::from_secs(1));
    let phone = stage.moved(&phone);
    let mut newer = phone.connect().await.unwrap();
    let end = older.next_prompt().await;
    assert!(matches!(&end, Err(PhoneError::Closed(closed)) if closed.code == 4409), "{end:?}");
    let challenge = stage.app.challenge(&phone, "Log in?").await;
    assert_eq!(newer.next_prompt().await.unwrap().challenge_sid, challenge);
}

#[tokio::test]
async fn a_change_at_one_node_reaches_the_cache_of_another() {
    let stage = Stage::set().await;
    let service = format!("/v2/Services/{}", stage.app.service);
    let entities = format!("{service}/Entities");
    assert_eq!(stage.app.api().get(&entities).await.status, 200);
    assert_eq!(stage.api_there().delete(&service).await.status, 204);
    // The clock stands still, so cached entries never expire by it.
    while stage.app.api().get(&entities).await.status != 404 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn without_nats_pushes_are_slower_and_none_is_lost() {
    let mut stage = Stage::set().await;
    assert_eq!(stage.readiness().await, ["ready connected", "ready connected"]);
    let phone = stage.enrol("alice-0001", &stage.there).await;
    let mut stream = phone.connect().await.unwrap();
    stage.nats.kill();
    stage.links_are(Link::Down).await;
    assert_eq!(stage.readiness().await, ["ready disconnected", "ready disconnected"]);

    let challenge = stage.app.challenge(&phone, "Log in?").await;
    let prompt = async { stream.next_prompt().await.unwrap().challenge_sid };
    let mut prompt = std::pin::pin!(prompt);
    let asked = stage.app.clock.clone();
    let found = loop {
        tokio::select! {
            biased;
            prompt = &mut prompt => break prompt,
            () = tokio::task::yield_now() => asked.advance(Duration::from_micros(200)),
        }
    };
    assert_eq!(found, challenge);
    stage.there.engine.idle().await;
    assert_eq!(stage.app.standing(&phone, &challenge).await, ["delivered -"]);

    stage.nats.start_again();
    stage.links_are(Link::Up).await;
    assert_eq!(stage.readiness().await, ["ready connected", "ready connected"]);
}

#[tokio::test]
async fn pushes_parked_without_nats_are_found_when_it_is_back() {
    let mut stage = Stage::set().await;
    let phone = stage.enrol("alice-0001", &stage.there).await;
    let mut stream = phone.connect().await.unwrap();
    stage.nats.kill();
    stage.links_are(Link::Down).await;
    // The node looks when the phone connects and when the link breaks; no round has seen what is parked after that.
    stage.there.engine.signals().wait_for(|counts| counts.replayed >= 2).await;
    let challenge = stage.app.challenge(&phone, "Log in?").await;
    stage.app.deliver_everything().await;
    assert_eq!(stage.app.standing(&phone, &challenge).await, ["queued device_offline"]);

    // The clock stands still: no interval passes.
    stage.nats.start_again();
    assert_eq!(stream.next_prompt().await.unwrap().challenge_sid, challenge);
    stage.there.engine.idle().await;
    assert_eq!(stage.app.standing(&phone, &challenge).await, ["delivered -"]);
}

/// Answers, again if the server is too busy. Returns the challenge, unless another answer came first.
async fn answer(phone: &Phone, asked: Challenge, verdict: Verdict) -> Option<String> {
    loop {
        let Err(refused) = phone.send_answer(&asked, verdict).await else {
            return Some(asked.sid);
        };
        let refused = refused.to_string();
        if !refused.contains("20503") {
            let is_late = refused.contains("60322") || refused.contains("60323");
            assert!(is_late, "{refused}");
            return None;
        }
    }
}

/// Each of the devices answers over and over, at both nodes.
#[tokio::test]
async fn of_200_racing_answers_to_a_group_at_two_nodes_one_wins() {
    let stage = Stage::set().await;
    let (app, identity) = (&stage.app, "alice-0001");
    let ear = Webhook::start(None, CommonOptions::default()).await.expect("it listens");
    let hook = format!("{}/hook", ear.url());
    let mut form = vec![("FriendlyName", "audit"), ("WebhookUrl", &*hook)];
    for event in ["challenge.approved", "challenge.denied", "challenge.expired"] {
        form.push(("EventTypes", event));
    }
    app.api().post(&format!("/v2/Services/{}/Webhooks", app.service), &form).await.expect(201);
    let mut phones = Vec::new();
    for _ in 0..10 {
        let there = stage.enrol(identity, &stage.there).await;
        let here = stage.moved(&there);
        phones.push([there, here]);
    }
    let path = format!("{}/Challenges", app.entity(identity));
    let form = [("Devices", "all"), ("Details.Message", "Log in?")];
    let group = app.api().post(&path, &form).await.expect(201);
    let url =
        format!("{}/ChallengeGroups/{}", app.entity(identity), group["sid"].as_str().unwrap());
    let (application, path) = (app.api(), format!("{url}?WaitSeconds=50"));
    let waiting = app.begin(async move { application.get(&path).await }).await;
    // Half of the devices hold their streams at each node, and each has its prompt.
    let mut streams = Vec::new();
    for (number, [there, here]) in phones.iter().enumerate() {
        let mut stream = if number % 2 == 0 { there } else { here }.connect().await.unwrap();
        let prompt = stream.next_prompt().await.unwrap();
        assert_eq!(prompt.challenge_sid, challenge_of(&group, there));
        streams.push((prompt.challenge_sid, stream));
    }
    let mut prompts = Vec::new();
    for [there, _] in &phones {
        prompts.push(there.challenge(&challenge_of(&group, there)).await.unwrap());
    }
    let mut answers = JoinSet::new();
    for ([there, here], asked) in phones.iter().zip(&prompts) {
        for number in 0..20 {
            let phone = if number % 2 == 0 { there } else { here }.clone();
            let verdict = if number % 3 == 0 { Verdict::Denied } else { Verdict::Approved };
            let asked = asked.clone();
            answers.spawn(async move { answer(&phone, asked, verdict).await });
        }
    }
    let answers = answers.join_all().await;
    assert_eq!(answers.len(), 200);
    let winners: Vec<_> = answers.into_iter().flatten().collect();
    let shown = waiting.await.unwrap().expect(200);
    let winner = shown["answer"]["challenge_sid"].as_str().expect("a winner");
    // The first answer may have been stored by a request that the server called too busy.
    assert!(winners.len() <= 1 && winners.iter().all(|it| it == winner), "{winners:?}");
    let count = |status: &str| {
        let all = shown["challenges"].as_array().unwrap().iter();
        all.filter(|one| one["status"] == status).count()
    };
    assert_eq!((count("expired"), count(shown["status"].as_str().unwrap())), (9, 1));
    for (challenge, stream) in &mut streams {
        if *challenge == winner {
            continue;
        }
        let Told::Ended(ended) = stream.next().await.unwrap() else { panic!("a prompt") };
        assert_eq!((&ended.challenge_sid, &*ended.reason), (&*challenge, "answered_elsewhere"));
    }
    let there = stage.api_there().get(&url).await.expect(200);
    assert_eq!((&there["status"], &there["answer"]), (&shown["status"], &shown["answer"]));

    // A later event shows that the race caused one event only. Either node may have made the call: one that is still on its way
    // when its time is over is made again.
    ear.events().wait_for(1).await;
    app.deliver_everything().await;
    stage.there.engine.idle().await;
    app.pass(Duration::from_secs(600)).await;
    let last = app.challenge(&phones[0][0], "Log in?").await;
    phones[0][0].answer(&last, Verdict::Approved).await.unwrap();
    app.pass(Duration::from_secs(1)).await;
    let told: Vec<_> = ear.events().wait_for(2).await;
    let told: Vec<_> = told.iter().map(|event| event.field("challenge_sid")).collect();
    assert_eq!(told, [winner, &last]);
}
