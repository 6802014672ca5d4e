//! The caller of a request.

use countersign_domain::client_network::ClientNetwork;
use countersign_domain::entity::Owner;
use countersign_domain::factor::Factor;
use countersign_domain::sid::{AccessTokenSid, AccountSid, ServiceSid};
use countersign_domain::text::Identity;

use crate::error::{VerifyError, VerifyResult};

/// A caller whose credentials are good.
#[derive(Debug, Clone)]
pub enum Caller {
    /// An application, with its account's token or an API key.
    Application(AccountSid),
    /// A device that holds an access token.
    Enrolling(OpenedAccessToken),
    /// A device that signs with its factor's key.
    Device(Box<Factor>),
}

/// An access token that this server made and that has not expired. Whether it was used is judged by the enrolment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedAccessToken {
    /// Its SID.
    pub sid: AccessTokenSid,
    /// The account that made it.
    pub account: AccountSid,
    /// The service that it is for.
    pub service: ServiceSid,
    /// The entity that it is for.
    pub identity: Identity,
    /// The network that it was presented from, if known. A spent token counts there as a failed credential.
    pub(crate) from: Option<ClientNetwork>,
}

impl Caller {
    /// The account that the caller belongs to.
    pub fn account(&self) -> AccountSid {
        match self {
            Self::Application(account) => *account,
            Self::Enrolling(token) => token.account,
            Self::Device(factor) => factor.owner.account,
        }
    }

    /// The account, for use cases that only applications may call.
    ///
    /// # Errors
    /// [`VerifyError::Forbidden`] for devices.
    pub fn application(&self) -> VerifyResult<AccountSid> {
        match self {
            Self::Application(account) => Ok(*account),
            Self::Enrolling(_) | Self::Device(_) => Err(VerifyError::Forbidden),
        }
    }
}

/// Refuses a device on a path that is not its own factor's. Judged from the factor alone, so that a device cannot find out what
/// else exists.
///
/// # Errors
/// [`VerifyError::Forbidden`].
pub(crate) fn check_own_path(
    owner: &Owner,
    service: ServiceSid,
    identity: &Identity,
) -> VerifyResult<()> {
    if owner.service == service && owner.identity == *identity {
        Ok(())
    } else {
        Err(VerifyError::Forbidden)
    }
}
