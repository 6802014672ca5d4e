//! Entities: the people of a service.

use countersign_bus::Changed;
use countersign_domain::entity::{Entity, Owner};
use countersign_domain::sid::{AccountSid, EntitySid, ServiceSid};
use countersign_domain::text::Identity;
use countersign_domain::usage::Usage;
use countersign_store::seam::Inserted;
use countersign_store::{Page, PageQuery};

use crate::error::{VerifyError, VerifyResult};
use crate::security::Event;
use crate::verify::Verify;

/// The page size that holds all factors of an entity, which has fewer.
const ALL_DEVICES: u16 = 1_000;

impl Verify {
    /// Creates an entity.
    ///
    /// # Errors
    /// [`VerifyError::EntityExists`], [`VerifyError::TooManyEntities`], [`VerifyError::NotFound`] without the service, and
    /// those of the quotas.
    pub async fn create_entity(
        &self,
        account: AccountSid,
        service: ServiceSid,
        identity: Identity,
    ) -> VerifyResult<Entity> {
        self.service(account, service).await?;
        if !self.rates.allow_entity(account) {
            return Err(VerifyError::TooManyEntities);
        }
        let now = self.now();
        let owner = self.new_owner(account, service, identity);
        let entity = Entity { owner, label: None, created_at: now, updated_at: now };
        let records = [*entity.owner.entity.as_bytes()];
        let reservation = self.quotas.reserve(account, Usage::ENTITY, &records, now)?;
        match self.store.create_entity(&entity).await? {
            Inserted::Done => {
                reservation.keep();
                Ok(entity)
            }
            Inserted::NotUnique | Inserted::TooMany => Err(VerifyError::EntityExists),
            Inserted::NoParent => Err(VerifyError::NotFound),
        }
    }

    /// Returns the entity of an identity.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn entity(
        &self,
        account: AccountSid,
        service: ServiceSid,
        identity: &Identity,
    ) -> VerifyResult<Entity> {
        self.service(account, service).await?;
        self.store.entity(service, identity).await?.ok_or(VerifyError::NotFound)
    }

    /// Lists a service's entities.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`] without the service.
    pub async fn entities(
        &self,
        account: AccountSid,
        service: ServiceSid,
        page: PageQuery<EntitySid>,
    ) -> VerifyResult<Page<Entity>> {
        self.service(account, service).await?;
        Ok(self.store.entities(service, page).await?)
    }

    /// Deletes an entity. Everything below it cannot be reached from now on, and is removed later. Its devices' streams end.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn delete_entity(
        &self,
        account: AccountSid,
        service: ServiceSid,
        identity: &Identity,
    ) -> VerifyResult<()> {
        let entity = self.entity(account, service, identity).await?;
        let devices =
            self.store.factors(entity.owner.entity, PageQuery::first(ALL_DEVICES)).await?;
        let action = self.action(Event::EntityDeleted, account, entity.owner.entity);
        if !action.store().delete_entity(service, identity, self.now()).await? {
            return Err(VerifyError::NotFound);
        }
        self.quotas.record(account, -(Usage::ENTITY + Usage::of_label(entity.label.as_ref())));
        self.handover.happened();
        for factor in devices.items {
            self.bus.dismiss(factor.sid()).await;
        }
        self.bus.announce(Changed::Entity(entity.owner.entity)).await;
        action.done();
        Ok(())
    }

    /// The owner of a new record, with a SID for its entity in case that has to be created.
    pub(crate) fn new_owner(
        &self,
        account: AccountSid,
        service: ServiceSid,
        identity: Identity,
    ) -> Owner {
        Owner { account, service, entity: EntitySid::mint(self.now(), &*self.entropy), identity }
    }
}
