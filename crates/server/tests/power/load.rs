//! Applications that post, and phones that answer, until they are told to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use countersign_phone::{Authority, Enrolment, Phone, Server as Address, ServerOptions, Verdict};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::server::{ACCOUNT, Server, TOKEN};

/// The applications: one service, some phones.
pub struct Cast {
    phones: Vec<Phone>,
    api: Arc<Api>,
}

struct Api {
    client: reqwest::Client,
    base: String,
    service: String,
}

/// The responses so far.
#[derive(Default)]
struct Tally {
    accepted: AtomicUsize,
    refused: AtomicUsize,
    changed: Notify,
    has_ended: AtomicBool,
}

/// Posts under way.
pub struct Posts {
    tally: Arc<Tally>,
    tasks: Vec<JoinHandle<()>>,
}

impl Posts {
    /// Waits until so many more are accepted.
    pub async fn until(&self, more: usize) {
        self.wait(&self.tally.accepted, more).await;
    }

    /// Waits until so many more are refused.
    pub async fn until_refused(&self, more: usize) {
        self.wait(&self.tally.refused, more).await;
    }

    async fn wait(&self, count: &AtomicUsize, more: usize) {
        let wanted = count.load(Ordering::SeqCst) + more;
        loop {
            let changed = self.tally.changed.notified();
            if count.load(Ordering::SeqCst) >= wanted {
                return;
            }
            changed.await;
        }
    }

    pub async fn end(self) {
        self.tally.has_ended.store(true, Ordering::SeqCst);
        for task in self.tasks {
            task.await.expect("the poster ends by itself");
        }
    }
}

impl Cast {
    pub async fn enrol(server: &Server, phones: usize) -> Self {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let mut api = Api { client, base: server.base.clone(), service: String::new() };
        let service = api.post("/v2/Services", &[("FriendlyName", "power")]).await;
        let service = service.expect("a response").expect("a service");
        api.service = service["sid"].as_str().expect("a SID").to_owned();
        let address = Address::new(&server.base, &ServerOptions::default()).expect("an address");
        let mut cast = Self { phones: Vec::new(), api: Arc::new(api) };
        for number in 0..phones {
            let authority = Authority::Account { sid: ACCOUNT.into(), auth_token: TOKEN.into() };
            let enrolment =
                Enrolment::new(&cast.api.service, format!("person-{number:04}"), authority);
            cast.phones.push(Phone::enrol(&address, &enrolment).await.expect("a phone"));
        }
        cast
    }

    /// One poster for each phone.
    pub fn post(&self) -> Posts {
        let tally = Arc::<Tally>::default();
        let post = |phone: &Phone| {
            let (api, phone, tally) = (Arc::clone(&self.api), phone.clone(), Arc::clone(&tally));
            tokio::spawn(async move { api.keep_posting(&phone, &tally).await })
        };
        Posts { tasks: self.phones.iter().map(post).collect(), tally }
    }
}

impl Api {
    async fn keep_posting(&self, phone: &Phone, tally: &Tally) {
        let challenges =
            format!("/v2/Services/{}/Entities/{}/Challenges", self.service, phone.identity());
        for number in 0_u64.. {
            if tally.has_ended.load(Ordering::SeqCst) {
                return;
            }
            let done = self.ask(phone, &challenges, number).await;
            let count = if done.is_some() { &tally.accepted } else { &tally.refused };
            count.fetch_add(1, Ordering::SeqCst);
            tally.changed.notify_waiters();
        }
    }

    /// A challenge, a notification, and for two of three an answer. `None` if one was refused.
    async fn ask(&self, phone: &Phone, challenges: &str, number: u64) -> Option<()> {
        let message = format!("{} asks {number}", phone.identity());
        let form = [("FactorSid", phone.factor_sid()), ("Details.Message", &message)];
        let challenge = self.post(challenges, &form).await??;
        let sid = challenge["sid"].as_str().expect("a SID");
        self.post(&format!("{challenges}/{sid}/Notifications"), &[("Ttl", "300")]).await??;
        match number % 3 {
            0 => phone.answer(sid, Verdict::Approved).await.ok().map(|_| ()),
            1 => phone.answer(sid, Verdict::Denied).await.ok().map(|_| ()),
            _ => Some(()),
        }
    }

    /// The body of a 201; `None` without a response, `Some(None)` for a refusal.
    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Option<Option<Value>> {
        let request = self.client.post(format!("{}{path}", self.base)).form(form);
        let answer = request.basic_auth(ACCOUNT, Some(TOKEN)).send().await.ok()?;
        let status = answer.status().as_u16();
        assert!(status == 201 || status == 503, "{path}: {status} {:?}", answer.text().await);
        if status == 503 { Some(None) } else { answer.json().await.ok().map(Some) }
    }
}
