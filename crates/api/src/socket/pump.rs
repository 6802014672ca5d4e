//! Moves bytes and time between a socket and the conversation, and decides nothing.

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

use super::admission::{Guest, Stranger};
use super::close::{Close, End};
use super::greeting::{Claim, Greeting};
use super::protocol::{self, Heard, LONGEST_LIFE, Linked};
use super::residents::{Resident, Residents};
use super::transport::Transport;
use super::{Now, SocketParts};

/// How long the database may take to say who a device is.
const CHECK_WITHIN: Duration = Duration::from_secs(10);
/// How long a device may take to answer our goodbye.
const GOODBYE_WITHIN: Duration = Duration::from_secs(2);
/// By how much some lives are shorter than the longest, so that devices that came together do not leave together.
const SPREAD_MILLIS: u32 = 5 * 60 * 1_000;

/// A device that is known, and findable.
struct Arrival {
    factor: FactorSid,
    linked: Linked,
    first: String,
    attachment: Attachment,
    /// Held as long as the device stays.
    _guest: Guest,
    resident: Resident,
}

/// Holds one socket, from the nonce to the goodbye.
pub(super) async fn hold(
    socket: WebSocket,
    claim: Claim,
    stranger: Stranger,
    parts: Arc<SocketParts>,
) {
    let mut transport = Transport::new(socket);
    // Boxed, and so gone when the device is linked: an idle socket pays for what it uses.
    let origin = stranger.origin();
    let greeted = greet(&mut transport, claim, stranger, &parts);
    let greeted = Box::pin(security::from(origin, greeted)).await;
    let end = match greeted {
        Ok(arrival) => converse(&mut transport, arrival, &parts).await,
        Err(end) => end,
    };
    Box::pin(part(&mut transport, end, &*parts.clock)).await;
}

async fn greet(
    transport: &mut Transport,
    claim: Claim,
    stranger: Stranger,
    parts: &Arc<SocketParts>,
) -> Result<Box<Arrival>, End> {
    let greeting = Greeting::new(&*parts.entropy, parts.clock.monotonic());
    transport.send(Message::text(greeting.nonce()));
    let device = identify(transport, &greeting, stranger.counted_as(), parts).await?;
    let now = Now::of(&*parts.clock);
    let factor = Greeting::admit(&claim, &device, now)?;

    let guest = stranger.link().ok_or(Close::OVERLOADED)?;
    // Findable first: whatever is parked from here on is seen by those who look after `connected`, or finds us.
    let attachment = parts.bus.attach(factor, now.at).await.ok_or(Close::TOO_OFTEN)?;
    // Entered only now: of what was deleted before, the check below tells, and of what is deleted later, the list.
    let resident = Residents::enter(parts, &device.owner, factor);
    if !resident.is_welcome().await {
        return Err(resident.dismissal().await.into());
    }
    let (linked, first) = Linked::begin(factor, now, life(parts));
    Ok(Box::new(Arrival { factor, linked, first, attachment, _guest: guest, resident }))
}

/// Waits for the token, and has it checked.
async fn identify(
    transport: &mut Transport,
    greeting: &Greeting,
    from: Option<IpAddr>,
    parts: &SocketParts,
) -> Result<Factor, End> {
    let mut shutdown = pin!(parts.shutdown.cancelled());
    let clock = &*parts.clock;
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
        let Some(heard) = event.heard() else { continue };
        match heard {
            // A text is counted where it is judged.
            Heard::Text(_) | Heard::Beat | Heard::Farewell | Heard::Silence => {}
            Heard::Binary | Heard::TooLarge | Heard::NotUtf8 | Heard::Violation => {
                parts.auth.failed(from);
            }
        }
        let Some(token) = greeting.hear(heard, Now::of(clock))? else { continue };
        let late = clock.sleep(CHECK_WITHIN);
        let checked = select! {
            checked = parts.auth.authenticate(from, token, greeting.nonce()) => checked,
            () = &mut shutdown => return Err(Close::STOPPING.into()),
            () = late => return Err(Close::OVERLOADED.into()),
        };
        return checked.map_err(|fault| Close::after(fault, clock.now()).into());
    }
}

/// How long this connection may last.
fn life(parts: &SocketParts) -> Duration {
    let drawn = u32::from_be_bytes(random(&*parts.entropy)) % SPREAD_MILLIS;
    LONGEST_LIFE - Duration::from_millis(drawn.into())
}

/// An instant to wait for. Set anew only for an earlier one: most waits are for acks, which come long before.
struct Alarm {
    at: Monotonic,
    sleep: Sleep,
}

impl Alarm {
    fn new(clock: &dyn Clock, at: Monotonic) -> Self {
        Self { at, sleep: clock.sleep(at.since(clock.monotonic())) }
    }
}

async fn converse(transport: &mut Transport, arrival: Box<Arrival>, parts: &SocketParts) -> End {
    let Arrival { factor, mut linked, first, mut attachment, _guest, resident } = *arrival;
    transport.send(Message::text(first));
    // Beside the conversation, not before it: the engine may be waiting for what we have yet to write.
    let handover = parts.handover.clone();
    let mut announcing: Option<Pin<Box<dyn Future<Output = ()> + Send>>> =
        Some(Box::pin(async move { handover.connected(factor).await }));
    let clock = &*parts.clock;
    let mut shutdown = pin!(parts.shutdown.cancelled());
    let mut alarm = Alarm::new(clock, linked.deadline());
    let mut is_offered = true;
    loop {
        if linked.deadline() < alarm.at {
            alarm = Alarm::new(clock, linked.deadline());
        }
        let mut is_dismissed = false;
        let went_on = select! {
            event = transport.next() => match event.heard() {
                None => {
                    linked.written(clock.monotonic());
                    Ok(())
                }
                Some(heard) => linked.hear(heard, clock.monotonic()),
            },
            pending = attachment.offers.recv(), if is_offered && linked.has_room() => {
                is_offered = pending.is_some();
                let frame = pending.and_then(|pending| linked.offer(*pending, Now::of(clock)));
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
            return Box::pin(resident.dismissal()).await.into();
        }
        if let Err(end) = went_on {
            return end;
        }
    }
}

/// Waits for a future that may not be there any more.
async fn finished(future: &mut Option<Pin<Box<dyn Future<Output = ()> + Send>>>) {
    match future {
        Some(future) => future.await,
        None => pending().await,
    }
}

/// Says goodbye, and waits a moment for the device to do so too: a connection that is cut at once may lose the reason.
async fn part(transport: &mut Transport, end: End, clock: &dyn Clock) {
    match end {
        End::Lost => return,
        End::Left => {}
        End::Close(Close { code, reason }) => {
            tracing::debug!(code, "a device stream is closed");
            transport
                .send(Message::Close(Some(CloseFrame { code, reason: reason.as_ref().into() })));
        }
    }
    let mut patience = clock.sleep(GOODBYE_WITHIN);
    loop {
        select! {
            event = transport.next() => if event.is_final() { return },
            () = &mut patience => return,
        }
    }
}
