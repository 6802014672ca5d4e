//! The second factor of operators: a prompt of this server on a device of theirs, with a number that the console shows.
//!
//! The devices belong to a service of their own, in an account of their own that nobody has a token of: who may enrol devices in
//! the account of the console must not be able to enrol one for an operator.

use std::time::Duration;

use countersign_domain::access_token::{AccessToken, TTL};
use countersign_domain::challenge::{ChallengeStatus, Field};
use countersign_domain::challenge_group::ChallengeGroup;
use countersign_domain::factor::{AnyFactor, FactorStatus};
use countersign_domain::operator::Operator;
use countersign_domain::presence::{PresenceNumber, PresenceProof};
use countersign_domain::presence_choice::PresenceWish;
use countersign_domain::service::{Service, ServiceSettings};
use countersign_domain::service_protection::PresenceList;
use countersign_domain::session::SessionStage;
use countersign_domain::sid::{AccountSid, OperatorSid, ServiceSid};
use countersign_domain::text::{AccountLabel, FriendlyName, Identity, Message, ServiceName};
use countersign_domain::time::Instant;
use countersign_store::PageQuery;

use crate::access_tokens::NewAccessToken;
use crate::challenge_groups::Devices;
use crate::challenges::NewChallenge;
use crate::error::{VerifyError, VerifyResult};
use crate::security::{self, Event};
use crate::sessions::{Session, Who};
use crate::verify::Verify;

/// How long a prompt can be answered.
const PROMPT_LIFETIME: Duration = Duration::from_secs(120);
/// Devices of an operator that are read. The limits of a person are lower.
const MAX_DEVICES: u16 = 100;
/// The name of the service, which the device shows.
const SERVICE: &str = "Countersign console";
/// The name of its account.
const ACCOUNT: &str = "devices of operators";

/// The event that a half-open session waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecondFactor {
    /// The operator has no device yet, and enrols one.
    NoDevice,
    /// The operator has a device, which was not asked yet, or whose prompt has ended: how.
    Unasked(Option<ChallengeStatus>),
    /// A prompt waits for its answer.
    Asked {
        /// The number that the device asks for.
        number: Option<PresenceNumber>,
        /// When the prompt expires.
        until: Instant,
    },
    /// The prompt was approved.
    Approved,
}

/// An operator's identity in the service.
fn identity(operator: OperatorSid) -> Identity {
    Identity::parse(operator.to_string()).expect("a SID has the form of an identity")
}

/// The operator of a half-open session, and its prompt.
fn half_open(session: &Session) -> VerifyResult<(OperatorSid, &str)> {
    match (&session.who, session.stage) {
        (Who::Operator(sid, name), SessionStage::Half { .. }) => Ok((*sid, name.as_str())),
        _ => Err(VerifyError::NotFound),
    }
}

impl Verify {
    /// Returns what a half-open session waits for.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`] if the session is not half-open.
    pub async fn second_factor(&self, session: &Session) -> VerifyResult<SecondFactor> {
        let (operator, _) = half_open(session)?;
        if !self.has_device(operator).await? {
            return Ok(SecondFactor::NoDevice);
        }
        let Some(group) = self.prompt_of(session).await? else {
            return Ok(SecondFactor::Unasked(None));
        };
        Ok(match group.status(self.time().await?) {
            ChallengeStatus::Pending => {
                SecondFactor::Asked { number: number_of(&group), until: group.first().expires_at }
            }
            ChallengeStatus::Approved => SecondFactor::Approved,
            ended => SecondFactor::Unasked(Some(ended)),
        })
    }

    /// Invites a device, if the operator has none, and returns the access token that enrols it. An operator who has a device signs
    /// in with it: only the command line can forget it.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`] if the session is not half-open; [`VerifyError::Conflict`] if the operator has a device.
    pub async fn invite_device(&self, session: &Session) -> VerifyResult<AccessToken> {
        let (operator, name) = half_open(session)?;
        if self.has_device(operator).await? {
            return Err(VerifyError::Conflict);
        }
        let (account, service) = self.operators_home().await?;
        let new = NewAccessToken {
            identity: identity(operator),
            factor_friendly_name: FriendlyName::parse(name).ok(),
            account_label: AccountLabel::parse(name).ok(),
            ttl: *TTL.end(),
        };
        let action = self.action_of(session, Event::SecondFactorInvited, operator.to_string());
        self.invite_by(action, account, service, new).await
    }

    /// Sends a prompt to all devices of the operator, unless one waits already.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`] if the session is not half-open or the operator has no device; those of
    /// [`Verify::create_challenge_group`].
    pub async fn ask_second_factor(&self, session: &Session) -> VerifyResult<()> {
        let (operator, name) = half_open(session)?;
        match self.second_factor(session).await? {
            SecondFactor::Asked { .. } | SecondFactor::Approved => return Ok(()),
            SecondFactor::NoDevice => return Err(VerifyError::NotFound),
            SecondFactor::Unasked(_) => {}
        }
        let (account, service) = self.operators_home().await?;
        let message = format!("Sign in to the console as {name}?");
        let address = session.address.map(|address| Field {
            label: "From".to_owned(),
            value: address.to_canonical().to_string(),
        });
        let new = NewChallenge {
            expires_at: Some(self.time().await? + PROMPT_LIFETIME),
            message: Some(Message::parse(message).expect("a name is short")),
            fields: address.into_iter().collect(),
            hidden_details: None,
            code: None,
            presence: PresenceWish {
                modes: Some(PresenceList::parse("number").expect("it is a mode")),
                ..PresenceWish::default()
            },
        };
        let (identity, devices) = (identity(operator), Devices::All);
        let group =
            self.create_challenge_group(account, service, &identity, &devices, &new).await?;
        let action = self.action_of(session, Event::SecondFactorAsked, operator.to_string());
        if !action.store().prompt_session(session.id, group.sid()).await? {
            return Err(VerifyError::NotFound);
        }
        action.done();
        Ok(())
    }

    /// Opens a half-open session whose prompt was approved. Returns whether it is open now.
    ///
    /// # Errors
    /// The database failed.
    pub async fn complete_sign_in(&self, session: &Session) -> VerifyResult<bool> {
        let SessionStage::Half { prompt: Some(prompt) } = session.stage else { return Ok(false) };
        if self.second_factor(session).await? != SecondFactor::Approved {
            return Ok(false);
        }
        let until = self.time().await? + self.settings.sessions.max;
        let action = self.action_of(session, Event::SignIn, session.who.subject(session.account));
        let completed = action.store().complete_session(session.id, prompt, until).await?;
        if completed {
            action.done();
        }
        Ok(completed)
    }

    /// Forgets the devices of an operator, who enrols one at the next sign-in. Returns whether there were any.
    ///
    /// # Errors
    /// The database failed.
    pub async fn forget_devices(&self, operator: &Operator) -> VerifyResult<bool> {
        let (account, service) = self.keys.operators_home();
        match self.delete_entity(account, service, &identity(operator.sid)).await {
            Ok(()) => {
                security::done(Event::SecondFactorForgotten, operator.account, operator.sid);
                Ok(true)
            }
            Err(VerifyError::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether an account is the one that holds the devices of operators.
    pub fn is_home_of_devices(&self, account: AccountSid) -> bool {
        self.keys.operators_home().0 == account
    }

    async fn prompt_of(&self, session: &Session) -> VerifyResult<Option<ChallengeGroup>> {
        let SessionStage::Half { prompt: Some(prompt) } = session.stage else { return Ok(None) };
        let (operator, _) = half_open(session)?;
        let (account, service) = self.keys.operators_home();
        match self.challenge_group(account, service, &identity(operator), prompt).await {
            Err(VerifyError::NotFound) => Ok(None),
            found => found.map(Some),
        }
    }

    async fn has_device(&self, operator: OperatorSid) -> VerifyResult<bool> {
        let (account, service) = self.keys.operators_home();
        let page = PageQuery::first(MAX_DEVICES);
        let devices = match self.factors(account, service, &identity(operator), page).await {
            Err(VerifyError::NotFound) => return Ok(false),
            found => found?.items,
        };
        let is_verified = |device: &AnyFactor| match device {
            AnyFactor::Push(device) => device.status == FactorStatus::Verified,
            AnyFactor::Totp(_) => false,
        };
        Ok(devices.iter().any(is_verified))
    }

    /// The account and the service of operators' devices, which are created when they are first needed. Nobody learns the token of
    /// the account.
    async fn operators_home(&self) -> VerifyResult<(AccountSid, ServiceSid)> {
        let (account, service) = self.keys.operators_home();
        if self.store.service(service).await?.is_some() {
            return Ok((account, service));
        }
        let now = self.now();
        let home = self.new_account(account, ACCOUNT, &self.fresh_secret());
        let name = ServiceName::parse(SERVICE).expect("it is short");
        let settings = ServiceSettings::named(name);
        let service_of =
            Service { sid: service, account, settings, created_at: now, updated_at: now };
        // Two nodes may do so at once: then the second finds both.
        self.store.create_account(&home).await?;
        self.store.create_service(&service_of).await?;
        self.accounts.forget(&account);
        self.services.forget(&service);
        Ok((account, service))
    }
}

/// The number that the devices ask for: the same for all of them.
fn number_of(group: &ChallengeGroup) -> Option<PresenceNumber> {
    match group.first().presence.as_deref()?.proof {
        PresenceProof::Number { answer } | PresenceProof::Pick { answer, .. } => Some(answer),
        PresenceProof::Code { .. } => None,
    }
}
