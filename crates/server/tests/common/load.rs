//! Applications that post to all nodes until they are told to stop, and devices that answer. They note what they are told.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use countersign_domain::challenge::Verdict;
use countersign_domain::sid::ChallengeSid;
use countersign_domain::time;
use countersign_phone::{Phone, PhoneError};
use countersign_testkit::history::{History, Known, Reply};
use futures_util::future::join_all;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::patience::until;

pub const ACCOUNT: &str = "AC00000000000000000000000000000001";
pub const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// Of so many challenges, one is answered.
const ANSWERED: usize = 4;
/// Of so many challenges, one is pushed more often than the limit allows.
const PUSHED_TOO_OFTEN: usize = 16;
/// Notifications that an application may add to a challenge.
pub const NOTIFICATIONS: usize = 3;
/// "Challenge already responded"
const ALREADY_ANSWERED: i64 = 60322;
/// "Too many notifications"
const TOO_MANY: u16 = 429;

/// A client of all nodes.
#[derive(Clone)]
pub struct Api {
    pub client: reqwest::Client,
    pub bases: Vec<String>,
    pub history: History,
}

/// A challenge that was answered 201.
pub struct Accepted {
    pub sid: ChallengeSid,
    pub path: String,
    /// Whether a device has sent answers.
    pub is_answered: bool,
    /// When each request was sent, and when its 201 had come.
    pub moments: Vec<(Instant, Instant)>,
}

/// Posts under way.
pub struct Load {
    stop: CancellationToken,
    accepted: Arc<AtomicUsize>,
    posting: JoinSet<Vec<Accepted>>,
}

impl Api {
    pub fn new(bases: Vec<String>) -> Self {
        Self { client: client(), bases, history: History::default() }
    }

    /// Sends a GET to a node. `None`: no response, or 503.
    pub async fn get(&self, node: usize, path: &str) -> Option<(u16, Value)> {
        let base = &self.bases[node % self.bases.len()];
        self.send(self.client.get(format!("{base}{path}"))).await
    }

    /// Sends a POST to a node; the body of its 201. `None`: no response, or 503.
    pub async fn post(&self, node: usize, path: &str, form: &[(&str, &str)]) -> Option<Value> {
        let base = &self.bases[node % self.bases.len()];
        let (status, body) =
            self.send(self.client.post(format!("{base}{path}")).form(form)).await?;
        assert_eq!(status, 201, "{path}: {body}");
        Some(body)
    }

    /// Sends a request. `None`: no response, or 503.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Option<(u16, Value)> {
        let answer = request.basic_auth(ACCOUNT, Some(TOKEN)).send().await.ok()?;
        let status = answer.status().as_u16();
        // A broken response counts as none; a 503 promises nothing.
        let body = answer.json().await.ok()?;
        (status != 503).then_some((status, body))
    }

    /// Posts for each phone, to one node after another, with a pause between posts.
    pub fn load(&self, phones: &[Phone], pause: Duration) -> Load {
        let (stop, accepted) = (CancellationToken::new(), Arc::new(AtomicUsize::new(0)));
        let mut posting = JoinSet::new();
        for (number, phone) in phones.iter().enumerate() {
            let (api, count) = (self.clone(), Arc::clone(&accepted));
            posting.spawn(api.keep_posting(phone.clone(), number, pause, stop.clone(), count));
        }
        Load { stop, accepted, posting }
    }

    async fn keep_posting(
        self,
        phone: Phone,
        first: usize,
        pause: Duration,
        stop: CancellationToken,
        count: Arc<AtomicUsize>,
    ) -> Vec<Accepted> {
        let mut accepted = Vec::new();
        for number in 0.. {
            let before = accepted.len();
            if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                return accepted;
            }
            accepted.extend(self.challenge(&phone, first + number).await);
            count.fetch_add(accepted.len() - before, Ordering::Relaxed);
        }
        unreachable!("numbers do not end")
    }

    /// Opens a challenge, has it pushed again at the next node, and sometimes answered.
    async fn challenge(&self, phone: &Phone, number: usize) -> Option<Accepted> {
        let challenges = challenges_path(phone);
        let form = [("FactorSid", phone.factor_sid()), ("Details.Message", "Log in?")];
        let (asked, moment) = (now(), Instant::now());
        let challenge = self.post(number, &challenges, &form).await?;
        let sid: ChallengeSid = challenge["sid"].as_str()?.parse().expect("a SID");
        self.history.note(asked, now(), Known::Opened(sid));
        let path = format!("{challenges}/{sid}");
        let moments = vec![(moment, Instant::now())];
        let is_answered = number.is_multiple_of(ANSWERED);
        let mut accepted = Accepted { sid, path, is_answered, moments };
        if number.is_multiple_of(PUSHED_TOO_OFTEN) {
            let pushes = (0..=NOTIFICATIONS).map(|push| self.push(&accepted, number + push));
            join_all(pushes).await;
        } else {
            let pushed = self.push(&accepted, number + 1).await;
            accepted.moments.extend(pushed);
        }
        if is_answered {
            self.answer_twice(phone, &accepted, number + 2).await;
        }
        Some(accepted)
    }

    /// Has a challenge pushed; when, if it was answered 201.
    async fn push(&self, one: &Accepted, node: usize) -> Option<(Instant, Instant)> {
        let ttl = if node.is_multiple_of(4) { "3" } else { "300" };
        let (asked, moment) = (now(), Instant::now());
        let base = &self.bases[node % self.bases.len()];
        let request = self.client.post(format!("{base}{}/Notifications", one.path));
        let (status, body) = self.send(request.form(&[("Ttl", ttl)])).await?;
        if status == TOO_MANY {
            return None;
        }
        assert_eq!(status, 201, "{}: {body}", one.path);
        let sid = body["sid"].as_str()?.parse().expect("a SID");
        self.history.note(asked, now(), Known::Notified(one.sid, sid));
        Some((moment, Instant::now()))
    }

    /// Approves and denies a challenge at the same time, and reads at a node what became of it.
    async fn answer_twice(&self, phone: &Phone, one: &Accepted, node: usize) {
        let Ok(asked) = phone.challenge(&one.sid.to_string()).await else { return };
        let answer = async |verdict: Verdict, sent: countersign_phone::Verdict| {
            let began = now();
            let reply = match phone.send_answer(&asked, sent).await {
                Ok(()) => Reply::Taken,
                Err(PhoneError::Api(error)) if error.code == ALREADY_ANSWERED => Reply::Refused,
                Err(_) => Reply::Unknown,
            };
            self.history.note(began, now(), Known::Answer(one.sid, verdict, reply));
        };
        tokio::join!(
            answer(Verdict::Approved, countersign_phone::Verdict::Approved),
            answer(Verdict::Denied, countersign_phone::Verdict::Denied)
        );
        let began = now();
        if let Some((200, body)) = self.get(node, &one.path).await {
            let status = body["status"].as_str().and_then(|status| status.parse().ok());
            self.history.note(began, now(), Known::Read(one.sid, status));
        }
    }
}

impl Load {
    /// Waits until so many challenges more were accepted.
    pub async fn more(&self, challenges: usize) {
        let wanted = self.accepted.load(Ordering::Relaxed) + challenges;
        let reached = async || (self.accepted.load(Ordering::Relaxed) >= wanted).then_some(());
        until("challenges are accepted", reached).await;
    }

    /// Stops; returns the accepted challenges.
    pub async fn stop(self) -> Vec<Accepted> {
        self.stop.cancel();
        self.posting.join_all().await.into_iter().flatten().collect()
    }
}

pub fn challenges_path(phone: &Phone) -> String {
    let (service, identity) = (phone.service_sid(), phone.identity());
    format!("/v2/Services/{service}/Entities/{identity}/Challenges")
}

/// The time by this machine's clock.
pub fn now() -> time::Instant {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a year after 1970");
    time::Instant::from_micros(i64::try_from(since.as_micros()).expect("a year before 9999"))
}

/// A time of a server.
pub fn instant(at: jiff::Timestamp) -> time::Instant {
    time::Instant::from_micros(at.as_microsecond())
}

/// A client without certificates: none is needed.
pub fn client() -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy().tls_certs_only([]);
    builder.timeout(Duration::from_secs(5)).build().expect("a client")
}
