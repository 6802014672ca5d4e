//! Applications that post to all nodes until they are told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use countersign_phone::Phone;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::node::{ACCOUNT, TOKEN, client};
use crate::until;

/// The pause between posts of one application: the machine runs the servers too.
const BREATH: Duration = Duration::from_millis(60);

/// A client of all nodes.
#[derive(Clone)]
pub struct Api {
    client: reqwest::Client,
    pub bases: Vec<String>,
}

/// A challenge that was answered 201, and the notifications of it that were.
pub struct Accepted {
    pub path: String,
    pub notifications: Vec<String>,
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
        Self { client: client(), bases }
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

    async fn send(&self, request: reqwest::RequestBuilder) -> Option<(u16, Value)> {
        let answer = request.basic_auth(ACCOUNT, Some(TOKEN)).send().await.ok()?;
        let status = answer.status().as_u16();
        // A broken response counts as none; a 503 promises nothing.
        let body = answer.json().await.ok()?;
        (status != 503).then_some((status, body))
    }

    /// Posts for each phone, to one node after another.
    pub fn load(&self, phones: &[Phone]) -> Load {
        let (stop, accepted) = (CancellationToken::new(), Arc::new(AtomicUsize::new(0)));
        let mut posting = JoinSet::new();
        for (number, phone) in phones.iter().enumerate() {
            let (api, count) = (self.clone(), Arc::clone(&accepted));
            posting.spawn(api.keep_posting(phone.clone(), number, stop.clone(), count));
        }
        Load { stop, accepted, posting }
    }

    async fn keep_posting(
        self,
        phone: Phone,
        first: usize,
        stop: CancellationToken,
        count: Arc<AtomicUsize>,
    ) -> Vec<Accepted> {
        let mut accepted = Vec::new();
        for number in 0.. {
            let before = accepted.len();
            if stop.run_until_cancelled(tokio::time::sleep(BREATH)).await.is_none() {
                return accepted;
            }
            accepted.extend(self.challenge(&phone, first + number).await);
            count.fetch_add(accepted.len() - before, Ordering::Relaxed);
        }
        unreachable!("numbers do not end")
    }

    /// Opens a challenge and has it pushed again, at the next node.
    async fn challenge(&self, phone: &Phone, number: usize) -> Option<Accepted> {
        let challenges = challenges_path(phone);
        let form = [("FactorSid", phone.factor_sid()), ("Details.Message", "Log in?")];
        let mut moments = Vec::new();
        let asked = Instant::now();
        let challenge = self.post(number, &challenges, &form).await?;
        moments.push((asked, Instant::now()));
        let path = format!("{challenges}/{}", challenge["sid"].as_str().expect("a SID"));

        let ttl = if number % 4 == 3 { "3" } else { "300" };
        let again = format!("{path}/Notifications");
        let asked = Instant::now();
        let pushed = self.post(number + 1, &again, &[("Ttl", ttl)]).await;
        let notifications = pushed.map(|body| {
            moments.push((asked, Instant::now()));
            body["sid"].as_str().expect("a SID").to_owned()
        });
        Some(Accepted { path, notifications: notifications.into_iter().collect(), moments })
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

/// How long after `since` a 201 came whose request was sent after it.
pub fn first_after(accepted: &[Accepted], since: Instant) -> Option<Duration> {
    let moments = accepted.iter().flat_map(|one| &one.moments);
    let after = moments.filter(|(asked, _)| *asked > since).map(|(_, answered)| *answered - since);
    after.min()
}
