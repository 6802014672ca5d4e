//! Against a name server of our own, on loopback, that never answers for one zone.

use std::collections::HashMap;

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::{RData, Record, rdata};
use reqwest::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinHandle;
use url::Url;

use super::*;
use crate::guard::resolver::SystemNames;
use crate::guard::{Guard, Manners};
use crate::outgoing::{Fault, Outgoing, Speaks};

/// Answers 127.0.0.1 for every name, but nothing for those below `dead.example`, and that there are none below
/// `none.example`.
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

    fn names(&self) -> Arc<Names> {
        Names::new(&[self.address])
    }

    /// How many names below a zone it was asked for.
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
async fn names_that_are_never_answered_hold_nobody_else_up() {
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
    while server.asked_below(".dead.example.") < AT_ONCE {
        tokio::task::yield_now().await;
    }
    assert_eq!(names.prepare(account(2), "hooks.example").await, Ok(()));
    assert_eq!(names.look_up("hooks.example").await, here());
    assert!(dead.iter().all(|look_up| !look_up.is_finished()));
    assert_eq!(server.asked_below(".dead.example."), AT_ONCE, "the rest wait for their turn");
    for look_up in dead {
        assert_eq!(look_up.await.unwrap(), Err(Unresolved::Silent));
    }
}

#[tokio::test]
async fn a_call_goes_through_while_the_names_of_another_account_are_silent() {
    let server = NameServer::start().await;
    let application = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = application.local_addr().unwrap().port();
    let outgoing = Outgoing {
        allow: vec![format!("127.0.0.1:{port}").parse().unwrap()],
        name_servers: vec![server.address],
        ..Outgoing::default()
    };
    let guard = Guard::new(&outgoing, Manners::default()).unwrap();
    let url = |name: &str| Url::parse(&format!("http://{name}:{port}/hook")).unwrap();
    let dead: Vec<_> = (0..100)
        .map(|n| {
            let (guard, url) = (guard.clone(), url(&format!("{n}.dead.example")));
            tokio::spawn(async move { guard.prepare(account(1), &url).await })
        })
        .collect();
    while server.asked_below(".dead.example.") < AT_ONCE {
        tokio::task::yield_now().await;
    }
    let hook = url("hooks.example");
    assert_eq!(guard.prepare(account(2), &hook).await, Ok(()));
    let call = guard.call(Method::POST, &hook).unwrap().send();
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
async fn a_name_is_asked_for_once_however_many_wait_for_it() {
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
async fn what_failed_is_not_asked_for_again_at_once() {
    let server = NameServer::start().await;
    let names = server.names();
    for _ in 0..3 {
        assert_eq!(names.look_up("x.none.example").await, Err(Unresolved::Unknown));
    }
    assert_eq!(lock(&server.asked)["x.none.example."], 2);
    assert_eq!(names.look_up("x.dead.example").await, Err(Unresolved::Silent));
    let asked = lock(&server.asked)["x.dead.example."];
    assert_eq!(names.prepare(account(1), "x.dead.example").await, Err(Unresolved::Silent));
    assert_eq!(lock(&server.asked)["x.dead.example."], asked);
}

#[tokio::test]
async fn this_machine_is_found_without_a_server() {
    let names = Names::new(&[]);
    let found = names.look_up("localhost").await.unwrap();
    assert!(found.iter().all(IpAddr::is_loopback), "{found:?}");
}

#[tokio::test]
async fn the_names_of_push_services_are_asked_for_with_a_deadline() {
    let server = NameServer::start().await;
    let host = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = host.local_addr().unwrap().port();
    let outgoing = Outgoing { names: SystemNames(server.names()), ..Outgoing::default() };
    let client = |name: &str| {
        let base = Url::parse(&format!("http://{name}:{port}")).unwrap();
        let client = outgoing.vendor(&base, Speaks::Http2, None).unwrap();
        client.post(base)
    };
    let call = tokio::spawn(client("push.example").send());
    host.accept().await.unwrap();
    call.abort();
    let silent = client("push.dead.example").send().await.unwrap_err();
    let words = Fault::new(&silent).words;
    assert_eq!(words, "no connection: the name's servers do not answer");
}
