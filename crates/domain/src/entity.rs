//! An entity: a person, under the application's name for them.

use crate::sid::{AccountSid, EntitySid, ServiceSid};
use crate::text::Identity;
use crate::time::Instant;

/// Where an entity stands: it names whose a factor or a challenge is, on every answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The account.
    pub account: AccountSid,
    /// The service in it.
    pub service: ServiceSid,
    /// The entity in that.
    pub entity: EntitySid,
    /// The application's name for the entity; unique in the service.
    pub identity: Identity,
}

/// An entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity {
    /// Its place, its SID and its identity.
    pub owner: Owner,
    /// When it was made.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
}
