//! The socket: takes datagrams, finds their client, and answers each at most once.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use countersign_domain::integration::IntegrationKind;
use countersign_verify::security::{self, Event, Origin, Via};
use metrics::counter;
use tokio::net::UdpSocket;
use tokio_util::task::TaskTracker;

use super::clients::{ClientError, find};
use super::door::{Client, RadiusDoor};
use super::packet::{MOST, Packet, code};
use super::request::{AccessRequest, Unusable};
use super::response::Response;

/// How long the socket rests after an error.
const REST: Duration = Duration::from_millis(100);

/// The outcome of a datagram: the label of a metric, and the response.
type Outcome = (&'static str, Option<Bytes>);

impl RadiusDoor {
    /// Answers datagrams until the server stops, and then ends what is being worked on.
    pub async fn serve(self: Arc<Self>, socket: UdpSocket) {
        let (socket, tasks) = (Arc::new(socket), TaskTracker::new());
        let mut buffer = vec![0; MOST + 1];
        loop {
            let received = tokio::select! {
                biased;
                () = self.shutdown.cancelled() => break,
                received = socket.recv_from(&mut buffer) => received,
            };
            let (length, from) = match received {
                Ok(received) => received,
                Err(error) => {
                    tracing::warn!(%error, "a RADIUS request could not be received");
                    self.clock.sleep(REST).await;
                    continue;
                }
            };
            let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
                count("busy");
                continue;
            };
            let (door, socket) = (Arc::clone(&self), Arc::clone(&socket));
            let datagram = Bytes::copy_from_slice(&buffer[..length]);
            tasks.spawn(async move {
                let origin = Origin { address: Some(from.ip()), via: Via::Radius };
                let answer = door.answer(&datagram, from);
                let (outcome, response) = security::from(origin, answer).await;
                count(outcome);
                if let Some(response) = response
                    && let Err(error) = socket.send_to(&response, from).await
                {
                    tracing::warn!(%error, "a RADIUS response could not be sent");
                }
                drop(permit);
            });
        }
        tasks.close();
        tasks.wait().await;
    }

    async fn answer(&self, datagram: &[u8], from: SocketAddr) -> Outcome {
        let packet = match Packet::parse(datagram) {
            Ok(packet) if matches!(packet.code, code::ACCESS_REQUEST | code::STATUS_SERVER) => {
                packet
            }
            Ok(_) | Err(_) => return ignored("malformed", from, &"it is no request"),
        };
        let clients = match self.verify.opened_integrations(IntegrationKind::Radius).await {
            Ok(clients) => clients,
            Err(error) => return ignored("unavailable", from, &error),
        };
        let client = match find(&clients, from.ip(), &packet) {
            Ok(found) => Client(Arc::clone(found)),
            Err(why) => return refused(why.outcome(), None, &why),
        };
        match self.verify.is_integration_usable(&client.0).await {
            Ok(true) => {}
            Ok(false) => {
                let why = "the account or the service of its integration is closed";
                return refused(ClientError::Unknown.outcome(), Some(&client), &why);
            }
            Err(error) => return ignored("unavailable", from, &error),
        }
        let secret = client.secret().expose().as_bytes();
        if packet.code == code::STATUS_SERVER {
            return ("alive", Some(Response::accept().seal(&packet, secret)));
        }
        let fingerprint = (from, packet.id, packet.authenticator);
        let place = Arc::new(OnceLock::new());
        let entry = self.remembered.entry(fingerprint).or_insert_with(|| Arc::clone(&place));
        if !Arc::ptr_eq(entry.value(), &place) {
            // While the first is worked on nothing is sent: its response answers this one too.
            return ("repeated", entry.value().get().cloned());
        }
        let outcome = self.answer_first(&packet, from, &client).await;
        match &outcome.1 {
            Some(response) => drop(place.set(response.clone())),
            // It may be asked again.
            None => self.remembered.invalidate(&fingerprint),
        }
        outcome
    }

    /// Answers a request that was not there before.
    async fn answer_first(
        &self,
        packet: &Packet<'_>,
        from: SocketAddr,
        client: &Client,
    ) -> Outcome {
        let Some(_run) = self.running.begin(client.0.integration.sid) else {
            return ignored("busy", from, &"its integration has too many requests");
        };
        if !self.verify.allows_request(client.0.integration.account) {
            return ignored("busy", from, &"its account makes too many requests");
        }
        let secret = client.secret().expose().as_bytes();
        let response = match AccessRequest::read(packet, secret) {
            Ok(request) => self.login(client, &request).await,
            Err(Unusable::Refused(why)) => Ok(Response::reject(why)),
            Err(Unusable::WrongSecret) => {
                let why = "its password is no text: the secrets may differ";
                return refused(ClientError::Wrong.outcome(), Some(client), &why);
            }
            Err(Unusable::Ignored(why)) => return ignored("malformed", from, &why),
        };
        match response {
            Ok(response) => (response.outcome(), Some(response.seal(packet, secret))),
            Err(why) => ignored("unavailable", from, &why),
        }
    }
}

fn count(outcome: &'static str) {
    counter!("countersign_radius_requests_total", "outcome" => outcome).increment(1);
}

/// Leaves a request without a response, because its client is not known or not authentic.
fn refused(outcome: &'static str, client: Option<&Client>, why: &dyn std::fmt::Display) -> Outcome {
    let integration = client.map(|client| &client.0.integration);
    let sid = integration.map(|integration| integration.sid);
    let subject = sid.as_ref().map(|sid| sid as &dyn std::fmt::Display);
    security::refused(Event::Credentials, integration.map(|it| it.account), subject, why);
    (outcome, None)
}

/// Leaves a request without a response for another reason.
fn ignored(outcome: &'static str, from: SocketAddr, why: &dyn std::fmt::Display) -> Outcome {
    tracing::warn!(address = %from.ip(), outcome, "a RADIUS request is not answered: {why}");
    (outcome, None)
}
