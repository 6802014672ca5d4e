//! Nodes, their database and NATS, and their clients.

use std::time::Duration;

use countersign_phone::{Authority, Enrolment, Phone, Server, ServerOptions};
use countersign_testkit::NatsServer;

use crate::front::Front;
use crate::load::{ACCOUNT, Api, Load, TOKEN};
use crate::node::Node;
use crate::phones::Seen;
use crate::until;

/// How long a patient client waits.
const LONG: Duration = Duration::from_secs(60);

pub const MASTER_KEY: &str = "abababababababababababababababababababababababababababababababab";

/// A client for responses that come late, but come.
pub fn patient_client() -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy().tls_certs_only([]);
    builder.timeout(LONG).build().expect("a client")
}

/// Running nodes of one database, with NATS between them and a front before them.
pub struct Stage {
    pub nodes: Vec<Node>,
    pub nats: NatsServer,
    pub api: Api,
    pub front: Front,
    pub service: String,
    pub seen: Seen,
}

impl Stage {
    pub async fn set(database: &str, nodes: usize) -> Self {
        Self::set_with(database, nodes, |_| ()).await
    }

    /// With a change to each node before it starts.
    pub async fn set_with(database: &str, nodes: usize, make_ready: impl Fn(&mut Node)) -> Self {
        let nats = NatsServer::start("");
        let node = || Node::new(database, &nats.url(), MASTER_KEY).with_account();
        let mut nodes: Vec<_> = std::iter::repeat_with(node).take(nodes).collect();
        nodes.iter_mut().for_each(make_ready);
        nodes.iter_mut().for_each(Node::begin);
        for node in &mut nodes {
            node.is_ready().await;
        }
        let api = Api::new(nodes.iter().map(Node::base).collect());
        let front = Front::start(nodes.iter().map(|node| node.address).collect()).await;
        let form = [("FriendlyName", "cluster")];
        let service = until("a service", async || api.post(0, "/v2/Services", &form).await).await;
        let service = service["sid"].as_str().expect("a SID").to_owned();
        let seen = Seen::new(api.history.clone());
        Self { nodes, nats, api, front, service, seen }
    }

    /// Where every request is answered, however busy the machine is.
    pub async fn patient(database: &str, nodes: usize, make_ready: impl Fn(&mut Node)) -> Self {
        let make_ready = |node: &mut Node| {
            node.with_setting("database.timeout_seconds=60");
            make_ready(node);
        };
        let mut stage = Self::set_with(database, nodes, make_ready).await;
        stage.api.client = patient_client();
        stage
    }

    /// Posts for each phone, with pauses: the machine runs the servers too.
    pub fn load(&self, phones: &[Phone]) -> Load {
        self.api.load(phones, Duration::from_millis(60))
    }

    /// A phone that reaches whichever node the front chooses.
    pub async fn phone(&self, identity: &str) -> Phone {
        self.phone_at(identity, &format!("http://{}", self.front.address)).await
    }

    pub async fn phone_at(&self, identity: &str, base: &str) -> Phone {
        let authority = Authority::Account { sid: ACCOUNT.into(), auth_token: TOKEN.into() };
        let enrolment = Enrolment::new(&self.service, identity, authority);
        let server = Server::new(base, &ServerOptions::default()).expect("an address");
        Phone::enrol(&server, &enrolment).await.expect("a phone")
    }

    /// Phones that listen, spread over the nodes.
    pub async fn listening_phones(&mut self, number: usize) -> Vec<Phone> {
        let mut phones = Vec::new();
        for number in 0..number {
            let phone = self.phone(&format!("person-{number:04}")).await;
            self.seen.listen(&phone);
            phones.push(phone);
        }
        phones
    }
}
