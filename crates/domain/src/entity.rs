//! An entity: a person, known by the application's name for them.

use crate::sid::{AccountSid, EntitySid, ServiceSid};
use crate::text::{AccountLabel, Identity};
use crate::time::Instant;

/// The entity that a resource belongs to, with its account, service and identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The account.
    pub account: AccountSid,
    /// The service.
    pub service: ServiceSid,
    /// The entity.
    pub entity: EntitySid,
    /// The application's name for the entity, unique in the service.
    pub identity: Identity,
}

/// An entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity {
    /// Its SID, its identity, its service and its account.
    pub owner: Owner,
    /// The text that devices show in place of the identity.
    pub label: Option<AccountLabel>,
    /// When it was created.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
}
