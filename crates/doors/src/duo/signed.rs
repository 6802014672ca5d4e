//! A request whose signature is right.

use std::sync::Arc;

use countersign_domain::integration::IntegrationSettings;
use countersign_domain::invalid::Invalid;
use countersign_domain::sid::{AccountSid, ServiceSid};
use countersign_domain::text::Identity;
use countersign_verify::OpenedIntegration;
use countersign_verify::concurrency::RequestPermit;

use super::call::Dialect;
use super::failure::Failure;
use super::parameters::Parameters;
use super::transaction::Transaction;

/// A request of an integration.
pub(super) struct Signed {
    /// The integration, with the secret that it shares with its client.
    pub(super) opened: Arc<OpenedIntegration>,
    /// The version of the protocol.
    pub(super) dialect: Dialect,
    /// The parameters of the request.
    pub(super) parameters: Parameters,
    /// Identifies the request: its key and signature, if a date is signed.
    pub(super) fingerprint: Option<String>,
    /// The place of the request among those in progress.
    pub(super) permit: Option<Arc<RequestPermit>>,
}

impl Signed {
    /// The account and the service of the integration.
    pub(super) fn place(&self) -> (AccountSid, ServiceSid) {
        (self.opened.integration.account, self.opened.integration.service)
    }

    /// The settings of the integration.
    pub(super) fn settings(&self) -> &IntegrationSettings {
        &self.opened.integration.settings
    }

    /// The name that the client has for the person, to show.
    ///
    /// # Errors
    /// The request names nobody, or two people.
    pub(super) fn user_name(&self) -> Result<&str, Failure> {
        match self.dialect {
            Dialect::V2 => match self.parameters.text("user_id")? {
                Some(id) => Ok(id),
                None => self.parameters.required("username"),
            },
            Dialect::Rest(_) => self.parameters.required("user"),
        }
    }

    /// The identity of that name; an error for a name that nobody can have.
    ///
    /// # Errors
    /// As [`user_name`](Self::user_name).
    pub(super) fn identity(&self) -> Result<Result<Identity, Invalid>, Failure> {
        let name = self.user_name()?;
        let is_id = self.dialect == Dialect::V2 && self.parameters.text("user_id")?.is_some();
        Ok(if is_id { Identity::parse(name) } else { self.identity_of(name) })
    }

    /// The identity of a user name.
    ///
    /// # Errors
    /// Nobody can have the name.
    pub(super) fn identity_of(&self, name: &str) -> Result<Identity, Invalid> {
        self.opened.integration.identity(name)
    }

    /// The client's name of a transaction.
    pub(super) fn name(&self, transaction: &Transaction) -> String {
        transaction.name(&self.opened.secret)
    }

    /// The transaction that a parameter names, if it is given.
    ///
    /// # Errors
    /// This server gave the client no such name.
    pub(super) fn transaction(&self, name: &'static str) -> Result<Option<Transaction>, Failure> {
        let Some(text) = self.parameters.text(name)? else { return Ok(None) };
        let read = Transaction::read(text, &self.opened.secret);
        read.map(Some).ok_or(Failure::Invalid(name))
    }
}
