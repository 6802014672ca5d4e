//! Applications that post until the server is gone, and phones that record their prompts.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use countersign_phone::{Authority, Backoff, Enrolment, Event, Phone, Server, ServerOptions};
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::binary::{ACCOUNT, Binary, TOKEN};

/// A notification that was answered 201.
pub struct Accepted {
    pub sid: String,
    pub ttl: u16,
    pub deadline: SystemTime,
    path: String,
}

/// The applications: one service, some phones.
pub struct Cast {
    pub phones: Vec<Phone>,
    api: Arc<Api>,
}

struct Api {
    client: reqwest::Client,
    base: String,
    service: String,
}

/// Posts under way.
pub struct Posts(Vec<JoinHandle<Vec<Accepted>>>);

impl Posts {
    /// The notifications accepted until the server was gone.
    pub async fn end(self) -> Vec<Accepted> {
        let mut accepted = Vec::new();
        for task in self.0 {
            accepted.extend(task.await.expect("the poster ends by itself"));
        }
        accepted
    }
}

impl Cast {
    pub async fn enrol(server: &Binary, phones: usize) -> Self {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let mut api = Api { client, base: server.base.clone(), service: String::new() };
        let service =
            api.post("/v2/Services", &[("FriendlyName", "crash")]).await.expect("a service");
        api.service = service["sid"].as_str().expect("a SID").to_owned();
        let address = Server::new(&server.base, &ServerOptions::default()).expect("an address");
        let mut cast = Self { phones: Vec::new(), api: Arc::new(api) };
        for number in 0..phones {
            let authority = Authority::Account { sid: ACCOUNT.into(), auth_token: TOKEN.into() };
            let enrolment =
                Enrolment::new(&cast.api.service, format!("person-{number:04}"), authority);
            cast.phones.push(Phone::enrol(&address, &enrolment).await.expect("a phone"));
        }
        cast
    }

    /// One poster for each phone, each until its first failure.
    pub fn post(&self, round: u64) -> Posts {
        Posts(
            self.phones
                .iter()
                .map(|phone| tokio::spawn(Arc::clone(&self.api).keep_posting(phone.clone(), round)))
                .collect(),
        )
    }

    /// "status reason", or `None` if it is not there.
    pub async fn standing(&self, one: &Accepted) -> Option<String> {
        let body = self.api.get(&one.path).await?;
        let word = |member: &str| body[member].as_str().unwrap_or("-").to_owned();
        Some(format!("{} {}", word("status"), word("status_reason")))
    }
}

impl Api {
    async fn keep_posting(self: Arc<Self>, phone: Phone, round: u64) -> Vec<Accepted> {
        let mut accepted = Vec::new();
        let challenges =
            format!("/v2/Services/{}/Entities/{}/Challenges", self.service, phone.identity());
        for number in 0_u64.. {
            let message = format!("round {round}, number {number}");
            let form = [("FactorSid", phone.factor_sid()), ("Details.Message", &message)];
            let Some(challenge) = self.post(&challenges, &form).await else { break };
            let sid = challenge["sid"].as_str().expect("a SID");
            let path = format!("{challenges}/{sid}/Notifications");
            let ttl: u16 = if number % 4 == 3 { 3 } else { 300 };
            let Some(body) = self.post(&path, &[("Ttl", &ttl.to_string())]).await else { break };
            let sid = body["sid"].as_str().expect("a SID").to_owned();
            let deadline = SystemTime::now() + Duration::from_secs(ttl.into());
            accepted.push(Accepted { path: format!("{path}/{sid}"), sid, ttl, deadline });
        }
        accepted
    }

    /// The body of a 201; `None` once the server is gone.
    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Option<Value> {
        let request = self.client.post(format!("{}{path}", self.base)).form(form);
        let answer = request.basic_auth(ACCOUNT, Some(TOKEN)).send().await.ok()?;
        assert_eq!(answer.status(), 201, "{path}: {:?}", answer.text().await);
        answer.json().await.ok()
    }

    async fn get(&self, path: &str) -> Option<Value> {
        let request = self.client.get(format!("{}{path}", self.base));
        let answer = request.basic_auth(ACCOUNT, Some(TOKEN)).send().await.expect("it answers");
        if answer.status() == 404 { None } else { answer.json().await.ok() }
    }
}

/// A prompt that a phone was shown.
#[derive(Debug, Clone)]
pub struct Shown {
    pub notification: String,
    pub expires_at: SystemTime,
    pub read_at: SystemTime,
}

/// All prompts of all phones.
#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<Vec<Shown>>>);

/// A phone that listens until this is dropped.
pub struct Listening(JoinHandle<()>);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Seen {
    pub fn listen(&self, phone: &Phone) -> Listening {
        let quick = Duration::from_millis(20);
        let mut listener =
            phone.listen_with(Backoff { first: quick, most: quick * 10, come_back: quick });
        let seen = self.clone();
        Listening(tokio::spawn(async move {
            while let Ok(event) = listener.next().await {
                if let Event::Prompt(prompt) = event {
                    let read_at = SystemTime::now();
                    let expires_at = prompt.expires_at.into();
                    let shown =
                        Shown { notification: prompt.notification_sid, expires_at, read_at };
                    seen.0.lock().expect("nobody panics").push(shown);
                }
            }
        }))
    }

    pub fn all(&self) -> Vec<Shown> {
        self.0.lock().expect("nobody panics").clone()
    }
}
