//! Authenticates devices, and tells which may keep their streams.

use std::net::IpAddr;

use async_trait::async_trait;
use countersign_domain::factor::Factor;
use countersign_domain::sid::{AccountSid, EntitySid, FactorSid, ServiceSid};
use countersign_store::StoreError;
use countersign_verify::services::ServiceStatus;
use countersign_verify::{AuthError, Verify};

/// Authenticates devices.
#[async_trait]
pub trait DeviceAuth: Send + Sync {
    /// Checks everything about a token but the path. `from` is the address of the device.
    ///
    /// # Errors
    /// The first check that fails. It counts against the address.
    async fn authenticate(
        &self,
        from: Option<IpAddr>,
        token: &str,
        nonce: &str,
    ) -> Result<Factor, AuthError>;

    /// Counts a first message that is no token against its address.
    fn failed(&self, from: Option<IpAddr>);

    /// Whether a service and its account may still have streams.
    ///
    /// # Errors
    /// The database failed.
    async fn standing(
        &self,
        account: AccountSid,
        service: ServiceSid,
    ) -> Result<ServiceStatus, StoreError>;

    /// The subset of these factors that may not have a stream.
    ///
    /// # Errors
    /// The database failed.
    async fn not_streamed(
        &self,
        factors: &[(EntitySid, FactorSid)],
    ) -> Result<Vec<FactorSid>, StoreError>;
}

#[async_trait]
impl DeviceAuth for Verify {
    async fn authenticate(
        &self,
        from: Option<IpAddr>,
        token: &str,
        nonce: &str,
    ) -> Result<Factor, AuthError> {
        self.authenticate_stream(from, token, nonce).await
    }

    fn failed(&self, from: Option<IpAddr>) {
        self.stream_failed(from);
    }

    async fn standing(
        &self,
        account: AccountSid,
        service: ServiceSid,
    ) -> Result<ServiceStatus, StoreError> {
        self.service_status(account, service).await
    }

    async fn not_streamed(
        &self,
        factors: &[(EntitySid, FactorSid)],
    ) -> Result<Vec<FactorSid>, StoreError> {
        self.not_streamed(factors).await
    }
}
