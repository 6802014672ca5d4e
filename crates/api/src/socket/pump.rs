//! Runs the conversation on a socket: moves frames and time, and decides nothing.

use std::future::{Future, pending};
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use bytes::Bytes;
use countersign_bus::{Attachment, Detached};
use countersign_domain::factor::Factor;
use countersign_domain::monotonic::Monotonic;
use countersign_domain::sid::FactorSid;
use countersign_domain::world::{Clock, Sleep, random};
use countersign_verify::security;
use tokio::select;

use super::admission::{LinkedPermit, UnauthenticatedPermit};
use super::close::{Close, End};
use super::context::SocketContext;
use super::greeting::{Claim, Greeting};
use super::now::Now;
use super::protocol::{self, LONGEST_LIFE, Linked, Received};
use super::socket_entry::SocketEntry;
use super::transport::Transport;

/// Time for the database to authenticate a device.
const CHECK_WITHIN: Duration = Duration::from_secs(10);
/// Time for a device to answer a close frame.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);
/// Largest reduction of a lifetime in milliseconds, so that devices that connect together do not disconnect together.
const SPREAD_MILLIS: u32 = 5 * 60 * 1_000;

/// An authenticated device that can receive offers.
struct AttachedDevice {
    factor: FactorSid,
    linked: Linked,
    first: String,
    attachment: Attachment,
    /// Held while the device is connected.
    _permit: LinkedPermit,
    entry: SocketEntry,
}

/// Runs one socket, from the nonce to the close frame.
pub(super) async fn hold(
    socket: WebSocket,
    claim: Claim,
    permit: UnauthenticatedPermit,
    context: Arc<SocketContext>,
) {
    let mut transport = Transport::new(socket);
    // Boxed, and so freed after the authentication: an idle socket keeps only what it uses.
    let origin = permit.origin();
    let authenticated = authenticate(&mut transport, claim, permit, &context);
    let authenticated = Box::pin(security::from(origin, authenticated)).await;
    let end = match authenticated {
        Ok(device) => converse(&mut transport, device, &context).await,
        Err(end) => end,
    };
    Box::pin(close(&mut transport, end, &*context.clock)).await;
}

async fn authenticate(
    transport: &mut Transport,
    claim: Claim,
    permit: UnauthenticatedPermit,
    context: &Arc<SocketContext>,
) -> Result<Box<AttachedDevice>, End> {
    let greeting = Greeting::new(&*context.entropy, context.clock.monotonic());
    transport.send(Message::text(greeting.nonce()));
    let device = identify(transport, &greeting, permit.counted_as(), context).await?;
    let now = Now::of(&*context.clock);
    let factor = Greeting::admit(&claim, &device, now)?;

    let permit = permit.link().ok_or(Close::OVERLOADED)?;
    // Attaches first: deliveries that are parked from here on are seen by `connected`, or find the device attached.
    let attachment = context.bus.attach(factor, now.at).await.ok_or(Close::TOO_OFTEN)?;
    // Entered after attaching: earlier deletions are found by the check below, later ones by the list.
    let entry = SocketEntry::enter(context, &device.owner, factor);
    if !entry.may_stay().await {
        return Err(entry.dismissal().await.into());
    }
    let (linked, first) = Linked::begin(factor, now, life(context));
    Ok(Box::new(AttachedDevice { factor, linked, first, attachment, _permit: permit, entry }))
}

/// Waits for the token and has it checked.
async fn identify(
    transport: &mut Transport,
    greeting: &Greeting,
    from: Option<IpAddr>,
    context: &SocketContext,
) -> Result<Factor, End> {
    let mut shutdown = pin!(context.shutdown.cancelled());
    let clock = &*context.clock;
    let until = |at: Monotonic| clock.sleep(at.since(clock.monotonic()));
    let mut alarm = until(greeting.deadline());
    loop {
        let event = select! {
            event = transport.next() => event,
            () = &mut shutdown => return Err(Close::STOPPING.into()),
            () = &mut alarm => {
                greeting.tick(Now::of(clock))?;
                alarm = until(greeting.deadline());
                continue;
            }
        };
        let Some(received) = event.received() else { continue };
        match received {
            // A text message is counted when its token is checked.
            Received::Text(_) | Received::Beat | Received::Farewell | Received::Silence => {}
            Received::Binary | Received::TooLarge | Received::NotUtf8 | Received::Violation => {
                context.auth.failed(from);
            }
        }
        let Some(token) = greeting.receive(received, Now::of(clock))? else { continue };
        let late = clock.sleep(CHECK_WITHIN);
        let checked = select! {
            checked = context.auth.authenticate(from, token, greeting.nonce()) => checked,
            () = &mut shutdown => return Err(Close::STOPPING.into()),
            () = late => return Err(Close::OVERLOADED.into()),
        };
        return checked.map_err(|fault| Close::after(fault, clock.now()).into());
    }
}

/// The lifetime of this connection.
fn life(context: &SocketContext) -> Duration {
    let drawn = u32::from_be_bytes(random(&*context.entropy)) % SPREAD_MILLIS;
    LONGEST_LIFE - Duration::from_millis(drawn.into())
}

/// A timer for a deadline. Reset only for an earlier deadline: most deadlines are those of acks, which arrive long before.
struct Alarm {
    at: Monotonic,
    sleep: Sleep,
}

impl Alarm {
    fn new(clock: &dyn Clock, at: Monotonic) -> Self {
        Self { at, sleep: clock.sleep(at.since(clock.monotonic())) }
    }
}

async fn converse(
    transport: &mut Transport,
    device: Box<AttachedDevice>,
    context: &SocketContext,
) -> End {
    let AttachedDevice { factor, mut linked, first, mut attachment, _permit, entry } = *device;
    transport.send(Message::text(first));
    // Runs beside the conversation, because the engine may be waiting for a frame that is not written yet.
    let handover = context.handover.clone();
    let mut announcing: Option<Pin<Box<dyn Future<Output = ()> + Send>>> =
        Some(Box::pin(async move { handover.connected(factor).await }));
    let clock = &*context.clock;
    let mut shutdown = pin!(context.shutdown.cancelled());
    let mut alarm = Alarm::new(clock, linked.deadline());
    let mut is_attached = true;
    loop {
        if linked.deadline() < alarm.at {
            alarm = Alarm::new(clock, linked.deadline());
        }
        let mut is_dismissed = false;
        let went_on = select! {
            event = transport.next() => match event.received() {
                None => {
                    linked.written(clock.monotonic());
                    Ok(())
                }
                Some(received) => linked.receive(received, clock.monotonic()),
            },
            message = attachment.messages.recv(), if is_attached && linked.has_room() => {
                is_attached = message.is_some();
                let frame = message.and_then(|it| linked.take(*it, Now::of(clock)));
                if let Some(frame) = frame {
                    transport.send(Message::text(frame));
                }
                Ok(())
            }
            () = &mut alarm.sleep => {
                let ticked = linked.tick(clock.monotonic());
                alarm = Alarm::new(clock, linked.deadline());
                ticked.map(|is_ping_due| if is_ping_due {
                    transport.send(Message::Ping(Bytes::new()));
                })
            }
            parting = &mut attachment.detached => {
                is_dismissed = parting == Ok(Detached::Dismissed);
                Err(protocol::parted(parting.ok()).into())
            }
            () = &mut shutdown => Err(Close::STOPPING.into()),
            () = finished(&mut announcing) => {
                announcing = None;
                Ok(())
            }
        };
        if is_dismissed {
            return Box::pin(entry.dismissal()).await.into();
        }
        if let Err(end) = went_on {
            return end;
        }
    }
}

/// Waits for a future that may already be finished.
async fn finished(future: &mut Option<Pin<Box<dyn Future<Output = ()> + Send>>>) {
    match future {
        Some(future) => future.await,
        None => pending().await,
    }
}

/// Sends a close frame and waits briefly for the device's: cutting the connection at once may lose the reason.
async fn close(transport: &mut Transport, end: End, clock: &dyn Clock) {
    match end {
        End::Lost => return,
        End::Left => {}
        End::Close(Close { code, reason }) => {
            tracing::debug!(code, "a device stream is closed");
            transport
                .send(Message::Close(Some(CloseFrame { code, reason: reason.as_ref().into() })));
        }
    }
    let mut patience = clock.sleep(CLOSE_WITHIN);
    loop {
        select! {
            event = transport.next() => if event.is_final() { return },
            () = &mut patience => return,
        }
    }
}
