//! Look-ups at a name server on loopback that never responds for one zone.

use std::collections::HashMap;

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::{RData, Record, rdata};
use reqwest::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinHandle;
use url::Url;

use super::*;
use crate::call_error::CallError;
use crate::guard::resolver::SystemResolver;
use crate::guard::{CallTimeouts, Guard};
use crate::outgoing::{HttpVersion, Outgoing};

/// Responds with 127.0.0.1 for every name, not at all for names below `dead.example`, and NXDOMAIN below `none.example`.
struct NameServer {
    address: SocketAddr,
    asked: Arc<Mutex<HashMap<String, usize>>>,
    serving: JoinHandle<()>,
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl NameServer {
    async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let asked: Arc<Mutex<HashMap<String, usize>>> = Arc::default();
        let noted = Arc::clone(&asked);
        let serving = tokio::spawn(async move {
            let mut bytes = [0; 1_024];
            loop {
                let Ok((length, from)) = socket.recv_from(&mut bytes).await else { return };
                let question = Message::from_vec(&bytes[..length]).unwrap();
                let query = question.queries[0].clone();
                let name = query.name().to_string().to_lowercase();
                *lock(&noted).entry(name.clone()).or_default() += 1;
                if name.ends_with(".dead.example.") {
                    continue;
                }
                let mut answer = question.into_response();
                if name.ends_with(".none.example.") {
                    answer.metadata.response_code = ResponseCode::NXDomain;
                } else if query.query_type() == RecordType::A {
                    let here = RData::A(rdata::A(Ipv4Addr::LOCALHOST));
                    answer.add_answer(Record::from_rdata(query.name().clone(), 60, here));
                }
                socket.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
            }
        });
        Self { address, asked, serving }
    }

    fn names(&self) -> Arc<Dns> {
        Dns::new(&[self.address])
    }

    /// The number of names below a zone that were requested.
    fn asked_below(&self, zone: &str) -> usize {
        lock(&self.asked).keys().filter(|name| name.ends_with(zone)).count()
    }
}

fn account(n: u8) -> AccountSid {
    AccountSid::from_bytes([n; 16])
}

fn here() -> Found {
    Ok(vec![IpAddr::from(Ipv4Addr::LOCALHOST)].into())
}

#[tokio::test]
async fn unresponsive_names_delay_no_other_account() {
    let server = NameServer::start().await;
    let names = server.names();
    let dead: Vec<_> = (0..300)
        .map(|n| {
            let names = Arc::clone(&names);
            tokio::spawn(
                async move { names.prepare(account(1), &format!("{n}.dead.example")).await },
            )
        })
        .collect();
    while server.asked_below(".dead.example.") < LOOK_UPS_PER_ACCOUNT {
        tokio::task::yield_now().await;
    }
    assert_eq!(names.prepare(account(2), "hooks.example").await, Ok(()));
    assert_eq!(names.look_up("hooks.example").await, here());
    assert!(dead.iter().all(|look_up| !look_up.is_finished()));
    assert_eq!(
        server.asked_below(".dead.example."),
        LOOK_UPS_PER_ACCOUNT,
        "the rest wait for a permit"
    );
    for look_up in dead {
        assert_eq!(look_up.await.unwrap(), Err(ResolveError::NoResponse));
    }
}

#[tokio::test]
async fn a_call_proceeds_while_names_of_another_account_are_unresponsive() {
    let server = NameServer::start().await;
    let application = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = application.local_addr().unwrap().port();
    let outgoing = Outgoing {
        allow: vec![format!("127.0.0.1:{port}").parse().unwrap()],
        name_servers: vec![server.address],
        ..Outgoing::default()
    };
    let guard = Guard::new(&outgoing, CallTimeouts::default()).unwrap();
    let url = |name: &str| Url::parse(&format!("http://{name}:{port}/hook")).unwrap();
    let dead: Vec<_> = (0..100)
        .map(|n| {
            let (guard, url) = (guard.clone(), url(&format!("{n}.dead.example")));
            tokio::spawn(async move { guard.prepare(account(1), &url).await })
        })
        .collect();
    while server.asked_below(".dead.example.") < LOOK_UPS_PER_ACCOUNT {
        tokio::task::yield_now().await;
    }
    let hook = url("hooks.example");
    assert_eq!(guard.prepare(account(2), &hook).await, Ok(()));
    let call = guard.request(Method::POST, &hook).unwrap().send();
    let answer = async {
        let (mut stream, _) = application.accept().await.unwrap();
        assert!(stream.read(&mut [0; 1_024]).await.unwrap() > 0);
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    };
    let (answered, ()) = tokio::join!(call, answer);
    assert_eq!(answered.unwrap().status(), 204);
    assert!(dead.iter().all(|look_up| !look_up.is_finished()));
}

#[tokio::test]
async fn concurrent_look_ups_of_a_name_share_one_request() {
    let server = NameServer::start().await;
    let names = server.names();
    let all: Vec<_> = (0..50)
        .map(|_| {
            let names = Arc::clone(&names);
            tokio::spawn(async move { names.look_up("hooks.example").await })
        })
        .collect();
    for look_up in all {
        assert_eq!(look_up.await.unwrap(), here());
    }
    assert_eq!(lock(&server.asked)["hooks.example."], 2, "once for each family");
}

#[tokio::test]
async fn a_failed_look_up_is_remembered() {
    let server = NameServer::start().await;
    let names = server.names();
    for _ in 0..3 {
        assert_eq!(names.look_up("x.none.example").await, Err(ResolveError::NotFound));
    }
    assert_eq!(lock(&server.asked)["x.none.example."], 2);
    assert_eq!(names.look_up("x.dead.example").await, Err(ResolveError::NoResponse));
    let asked = lock(&server.asked)["x.dead.example."];
    assert_eq!(names.prepare(account(1), "x.dead.example").await, Err(ResolveError::NoResponse));
    assert_eq!(lock(&server.asked)["x.dead.example."], asked);
}

#[tokio::test]
async fn localhost_resolves_without_a_server() {
    let names = Dns::new(&[]);
    let found = names.look_up("localhost").await.unwrap();
    assert!(found.iter().all(IpAddr::is_loopback), "{found:?}");
}

#[tokio::test]
async fn look_ups_of_push_services_have_a_deadline() {
    let server = NameServer::start().await;
    let host = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = host.local_addr().unwrap().port();
    let outgoing = Outgoing { resolver: SystemResolver(server.names()), ..Outgoing::default() };
    let client = |name: &str| {
        let base = Url::parse(&format!("http://{name}:{port}")).unwrap();
        let client = outgoing.push_service_client(&base, HttpVersion::Http2, None).unwrap();
        client.post(base)
    };
    let call = tokio::spawn(client("push.example").send());
    host.accept().await.unwrap();
    call.abort();
    let silent = client("push.dead.example").send().await.unwrap_err();
    let words = CallError::new(&silent).text;
    assert_eq!(words, "no connection: the name's servers do not answer");
}
