//! A server on loopback with a clock that tests move, and a client.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::routing::get;
use axum::serve::ListenerExt as _;
use countersign_bus::{Bus, HandOver, LocalBus, Offer, OfferOutcome, Work, handover::Inbox};
use countersign_domain::device_token::{DeviceToken, DeviceTokenError};
use countersign_domain::factor::Factor;
use countersign_domain::monotonic::Monotonic;
use countersign_domain::sid::{AccountSid, EntitySid, FactorKeySid, FactorSid, ServiceSid};
use countersign_domain::time::Instant;
use countersign_domain::world::{Clock, Sleep};
use countersign_store::StoreError;
use countersign_verify::AuthError;
use countersign_verify::services::ServiceStatus;
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{START, Same, device, service, token};
use crate::socket::admission::{Admission, Bounds};
use crate::socket::{DeviceAuth, OpenSockets, SocketContext, stream, watch_revocations};

/// A clock that stands still until a test moves it.
pub(super) struct HandMoved(Mutex<Hands>);

struct Hands {
    now: Instant,
    passed: Duration,
    sleepers: Vec<(Duration, oneshot::Sender<()>)>,
}

impl HandMoved {
    fn hands(&self) -> MutexGuard<'_, Hands> {
        self.0.lock().unwrap()
    }

    pub(super) fn advance(&self, seconds: u64) {
        let mut hands = self.hands();
        let span = Duration::from_secs(seconds);
        hands.now = hands.now + span;
        hands.passed += span;
        let passed = hands.passed;
        for (_, sleeper) in hands.sleepers.extract_if(.., |(until, _)| *until <= passed) {
            let _ = sleeper.send(());
        }
    }

    /// Sets the time of day without passing time.
    pub(super) fn step(&self, now: Instant) {
        self.hands().now = now;
    }
}

impl Clock for HandMoved {
    fn now(&self) -> Instant {
        self.hands().now
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic::after_origin(self.hands().passed)
    }

    fn sleep_until(&self, at: Instant) -> Sleep {
        self.sleep(at.since(self.now()))
    }

    fn sleep(&self, span: Duration) -> Sleep {
        let mut hands = self.hands();
        if span.is_zero() {
            return Box::pin(std::future::ready(()));
        }
        let at = hands.passed + span;
        hands.sleepers.retain(|(_, sleeper)| !sleeper.is_closed());
        let (sleeper, woken) = oneshot::channel();
        hands.sleepers.push((at, sleeper));
        Box::pin(async move { woken.await.unwrap_or_default() })
    }
}

/// Knows some devices by their keys and accepts every signature.
struct Believing {
    known: HashMap<FactorKeySid, Factor>,
    closed: Closed,
    gone: Gone,
}

/// Factors that may not have a stream.
type Gone = Arc<Mutex<HashSet<FactorSid>>>;

/// Services that are not open.
type Closed = Arc<Mutex<HashMap<ServiceSid, ServiceStatus>>>;

#[async_trait]
impl DeviceAuth for Believing {
    async fn authenticate(
        &self,
        _: Option<IpAddr>,
        token: &str,
        nonce: &str,
    ) -> Result<Factor, AuthError> {
        let token = DeviceToken::parse(token)?;
        let factor = self.known.get(&token.key).cloned().ok_or(DeviceTokenError::Signature)?;
        token.check_nonce(nonce)?;
        Ok(factor)
    }

    fn failed(&self, _: Option<IpAddr>) {}

    async fn standing(
        &self,
        _: AccountSid,
        service: ServiceSid,
    ) -> Result<ServiceStatus, StoreError> {
        let closed = self.closed.lock().unwrap().get(&service).copied();
        Ok(closed.unwrap_or(ServiceStatus::Active))
    }

    async fn not_streamed(
        &self,
        factors: &[(EntitySid, FactorSid)],
    ) -> Result<Vec<FactorSid>, StoreError> {
        let gone = self.gone.lock().unwrap();
        Ok(factors
            .iter()
            .map(|(_, factor)| *factor)
            .filter(|factor| gone.contains(factor))
            .collect())
    }
}

/// A database that does not respond.
#[derive(Default)]
pub(super) struct Hanging {
    /// Notified at every query.
    pub(super) asked: Notify,
}

#[async_trait]
impl DeviceAuth for Hanging {
    async fn authenticate(&self, _: Option<IpAddr>, _: &str, _: &str) -> Result<Factor, AuthError> {
        self.asked.notify_one();
        std::future::pending().await
    }

    fn failed(&self, _: Option<IpAddr>) {}

    async fn standing(&self, _: AccountSid, _: ServiceSid) -> Result<ServiceStatus, StoreError> {
        std::future::pending().await
    }

    async fn not_streamed(
        &self,
        _: &[(EntitySid, FactorSid)],
    ) -> Result<Vec<FactorSid>, StoreError> {
        std::future::pending().await
    }
}

/// A server that knows devices 7 and 8.
pub(super) struct Server {
    pub(super) clock: Arc<HandMoved>,
    pub(super) bus: Arc<LocalBus>,
    pub(super) context: Arc<SocketContext>,
    pub(super) closed: Closed,
    pub(super) gone: Gone,
    engine: Inbox,
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Server {
    pub(super) fn start() -> Self {
        Self::with(Bounds::default())
    }

    pub(super) fn with(bounds: Bounds) -> Self {
        let known = [device(7), device(8)].map(|factor| (factor.key_sid, factor)).into();
        let (closed, gone) = (Closed::default(), Gone::default());
        let auth = Believing { known, closed: closed.clone(), gone: gone.clone() };
        Self::made_of(Arc::new(auth), (closed, gone), bounds)
    }

    pub(super) fn judged_by(auth: Arc<dyn DeviceAuth>, bounds: Bounds) -> Self {
        Self::made_of(auth, Default::default(), bounds)
    }

    fn made_of(auth: Arc<dyn DeviceAuth>, (closed, gone): (Closed, Gone), bounds: Bounds) -> Self {
        let clock = Arc::new(HandMoved(Mutex::new(Hands {
            now: START,
            passed: Duration::ZERO,
            sleepers: Vec::new(),
        })));
        let bus = Arc::new(LocalBus::default());
        let (handover, engine) = HandOver::new(8);
        let context = Arc::new(SocketContext {
            bus: bus.clone(),
            handover,
            clock: clock.clone(),
            entropy: Arc::new(Same(0)),
            auth,
            shutdown: CancellationToken::new(),
            tracker: TaskTracker::new(),
            admission: Admission::new(bounds),
            open_sockets: OpenSockets::default(),
        });
        watch_revocations(&context);
        let path = "/v2/Services/{ServiceSid}/Entities/{Identity}/Factors/{FactorSid}/Stream";
        let routes = Router::new().route(path, get(stream)).with_state(Arc::clone(&context));
        let socket = TcpSocket::new_v4().unwrap();
        // Small, so that the server soon notices a client that does not read.
        socket.set_send_buffer_size(4_096).unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let listener = socket.listen(64).unwrap();
        let address = listener.local_addr().unwrap();
        let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap());
        let service = routes.into_make_service_with_connect_info::<SocketAddr>();
        let serving = tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
        Self { clock, bus, context, closed, gone, engine, address, serving }
    }

    /// Requests the stream of factor `n` and waits for the response.
    pub(super) async fn try_open(&self, n: u8) -> Result<Client, tungstenite::Error> {
        self.try_open_path(&path_of(n)).await
    }

    pub(super) async fn try_open_path(&self, path: &str) -> Result<Client, tungstenite::Error> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        let stream = socket.connect(self.address).await.unwrap();
        let url = format!("ws://{}{path}", self.address);
        let (socket, _) = tokio_tungstenite::client_async(url, stream).await?;
        Ok(Client(socket))
    }

    pub(super) async fn open(&self, n: u8) -> Client {
        self.try_open(n).await.unwrap()
    }

    /// An authenticated client of factor `n`, after the engine has been told.
    pub(super) async fn link(&mut self, n: u8) -> Client {
        let mut client = self.open(n).await;
        let nonce = client.text().await;
        client.say(&token(n, &nonce)).await;
        let linked: serde_json::Value = serde_json::from_str(&client.text().await).unwrap();
        assert_eq!((&linked["type"], &linked["ping_seconds"]), (&"linked".into(), &45.into()));
        assert_eq!(linked["factor_sid"], device(n).sid.to_string());
        let Some(Work::Connected(factor)) = self.engine.work.recv().await else {
            panic!("no word")
        };
        assert_eq!(factor, device(n).sid);
        client
    }

    /// Offers a prompt. The task ends with its reception.
    pub(super) fn offer(&self, offer: Offer) -> JoinHandle<OfferOutcome> {
        let bus = Arc::clone(&self.bus);
        tokio::spawn(async move { bus.offer(offer).await })
    }

    /// Waits until the last socket is closed.
    pub(super) async fn quiet(&self) {
        self.context.tracker.close();
        self.context.tracker.wait().await;
    }
}

pub(super) fn path_of(n: u8) -> String {
    format!("/v2/Services/{}/Entities/alice-0001/Factors/{}/Stream", service(), device(n).sid)
}

/// The client.
pub(super) struct Client(WebSocketStream<TcpStream>);

impl Client {
    async fn next(&mut self) -> Message {
        self.0.next().await.expect("the stream goes on").expect("a message")
    }

    /// The next frame, which must be text.
    pub(super) async fn text(&mut self) -> String {
        match self.next().await {
            Message::Text(text) => text.to_string(),
            other => panic!("{other:?}"),
        }
    }

    /// The next close frame, possibly after a ping. Answers it.
    pub(super) async fn close(mut self) -> (u16, String) {
        let close = loop {
            match self.next().await {
                Message::Ping(_) => {}
                Message::Close(Some(close)) => break close,
                other => panic!("not closed: {other:?}"),
            }
        };
        let _ = self.0.flush().await;
        (close.code.into(), close.reason.to_string())
    }

    pub(super) async fn send(&mut self, message: Message) {
        self.0.send(message).await.unwrap();
    }

    pub(super) async fn say(&mut self, text: &str) {
        self.send(Message::text(text)).await;
    }

    /// Waits until the server has processed everything sent before.
    pub(super) async fn settle(&mut self) {
        self.send(Message::Ping("settled?".into())).await;
        assert!(matches!(self.next().await, Message::Pong(_)));
    }

    /// Waits for a ping of the server and answers it.
    pub(super) async fn pinged(&mut self) {
        assert!(matches!(self.next().await, Message::Ping(_)));
        self.0.flush().await.unwrap();
    }
}
