//! A delivery: the work that a notification still causes. `docs/understand/states.md` shows its states.

use std::time::Duration;

use crate::address::Platform;
use crate::ending::Ending;
use crate::node::NodeId;
use crate::sid::{ChallengeSid, EntitySid, FactorSid, NotificationSid};
use crate::time::Instant;

/// The default length of a lease. A device has 10 s to acknowledge a push, and the deliveries of a dead node are taken over within
/// 15 s.
pub const LEASE: Duration = Duration::from_secs(14);

/// A delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// The notification that it delivers. A notification has one delivery.
    pub notification: NotificationSid,
    /// The challenge that is pushed.
    pub challenge: ChallengeSid,
    /// The device that it is for.
    pub factor: FactorSid,
    /// The entity that has the device.
    pub entity: EntitySid,
    /// The instant from which no attempt may start.
    pub deadline: Instant,
    /// `Ttl=0`: a single attempt, and no row in the database that could cause another.
    pub once: bool,
    /// The number of attempts so far.
    pub attempts: u32,
}

/// The state of a delivery in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// Any node may lease it at that instant or later.
    Due {
        /// The time of the next attempt.
        at: Instant,
    },
    /// A node works on it.
    Leased {
        /// The node.
        node: NodeId,
        /// When other nodes may take it over.
        until: Instant,
        /// Whether it was written to the device's stream and is not acknowledged yet.
        written: bool,
    },
    /// It waits for the device to connect.
    Parked,
}

/// The right to work on a delivery until an instant. The instant identifies the lease: a lease that was lost and taken again is
/// another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The delivery.
    pub delivery: Delivery,
    /// The node that holds the lease.
    pub node: NodeId,
    /// When the lease ends.
    pub until: Instant,
}

/// The state in which a delivery is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitialState {
    /// Leased by the node that accepted the request, whose dispatcher has reserved a permit for it.
    Leased {
        /// When the lease ends.
        until: Instant,
    },
    /// Due at once: the dispatcher had no free permit.
    Due,
    /// Parked: the device is not present.
    Parked,
    /// `Ttl=0`: no row; only the dispatcher knows of it.
    Immediate,
    /// Ended without an attempt.
    Ended(Ending),
}

/// A notification that is about to be stored, with its delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewNotification {
    /// The delivery, without attempts.
    pub delivery: Delivery,
    /// Whether the challenge caused it by being opened.
    pub automatic: bool,
    /// The TTL that was asked for, in seconds.
    pub ttl: u16,
    /// When it is created.
    pub created_at: Instant,
    /// The node that creates it.
    pub node: NodeId,
    /// The factor's platform, which the initial state was chosen for.
    pub platform: Platform,
    /// The state in which its delivery is created.
    pub initial_state: InitialState,
}

impl NewNotification {
    /// The lease to hand to the dispatcher after the commit; `None` if this node does not hold one.
    pub fn lease(&self) -> Option<Lease> {
        let until = match self.initial_state {
            InitialState::Leased { until } => until,
            InitialState::Immediate => self.delivery.deadline,
            InitialState::Due | InitialState::Parked | InitialState::Ended(_) => return None,
        };
        Some(Lease { delivery: self.delivery, node: self.node, until })
    }
}
