//! Push credentials. Their secrets go in and never come out.

use std::sync::Arc;

use countersign_bus::Changed;
use countersign_domain::credential::{Credential, CredentialType};
use countersign_domain::invalid::Invalid;
use countersign_domain::secret::{Sealed, Secret};
use countersign_domain::sid::{AccountSid, CredentialSid};
use countersign_store::seam::{Inserted, Updated};
use countersign_store::{Page, PageQuery, StoreError};
use serde::{Deserialize, Serialize};

use crate::accounts::TRIES;
use crate::security::{self, Event};
use crate::{Answer, Verify, VerifyError, quota};

/// The secret half of a credential; absent means unchanged in an update.
#[derive(Debug, Clone, Default)]
pub struct CredentialSecrets {
    /// APNs: a certificate in PEM.
    pub certificate: Option<Secret>,
    /// APNs: a private key in PEM.
    pub private_key: Option<Secret>,
    /// GCM: an API key.
    pub api_key: Option<Secret>,
    /// FCM: the service account's JSON.
    pub secret: Option<Secret>,
}

impl CredentialSecrets {
    /// These, and what they leave out from `old`.
    fn or(self, old: Self) -> Self {
        Self {
            certificate: self.certificate.or(old.certificate),
            private_key: self.private_key.or(old.private_key),
            api_key: self.api_key.or(old.api_key),
            secret: self.secret.or(old.secret),
        }
    }
}

/// How they lie in the database, once sealed.
#[derive(Serialize, Deserialize)]
struct Stored {
    certificate: Option<String>,
    private_key: Option<String>,
    api_key: Option<String>,
    secret: Option<String>,
}

/// Judges whether a credential could be used, and names the parameter that is no use. It lives where push services are
/// known.
pub type CredentialCheck =
    fn(&Credential, &CredentialSecrets) -> Result<(), (&'static str, Invalid)>;

/// What an operator says of a credential; absent means unchanged in an update.
#[derive(Debug, Clone, Default)]
pub struct CredentialUpdate {
    /// What the operator calls it.
    pub friendly_name: Option<String>,
    /// Apple's test environment.
    pub sandbox: Option<bool>,
    /// Apple's id of the key.
    pub key_id: Option<String>,
    /// Apple's id of the team.
    pub team_id: Option<String>,
    /// The topic, if it is not the factor's app id.
    pub topic: Option<String>,
    /// The secrets.
    pub secrets: CredentialSecrets,
}

impl Verify {
    /// Makes a credential.
    ///
    /// # Errors
    /// [`VerifyError::Parameter`] if no push could be sent with it; [`VerifyError::NotFound`] without the account.
    pub async fn create_credential(
        &self,
        account: AccountSid,
        kind: CredentialType,
        new: CredentialUpdate,
    ) -> Answer<Credential> {
        let now = self.now();
        let sid = CredentialSid::mint(now, &*self.entropy);
        let credential = Credential {
            sid,
            account,
            kind,
            friendly_name: new.friendly_name,
            sandbox: new.sandbox.unwrap_or(false),
            key_id: new.key_id,
            team_id: new.team_id,
            topic: new.topic,
            secrets: self.seal_secrets(sid, &new.secrets),
            created_at: now,
            updated_at: now,
        };
        self.check_credential(&credential, &new.secrets)?;
        let most = self.options.limits.credentials_per_account;
        let _one = self.making.lock().await;
        if let Some(page) = quota(most)
            && self.store.credentials(account, page).await?.items.len() >= most as usize
        {
            return Err(VerifyError::TooManyCredentials(most));
        }
        match self.store.create_credential(&credential).await? {
            Inserted::Done => {
                security::done(Event::CredentialCreated, account, sid);
                Ok(credential)
            }
            Inserted::NoParent => Err(VerifyError::NotFound),
            Inserted::NotUnique | Inserted::TooMany => Err(VerifyError::Conflict),
        }
    }

    /// A credential.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn credential(&self, account: AccountSid, sid: CredentialSid) -> Answer<Credential> {
        let credential = self.store.credential(sid).await?;
        credential.filter(|found| found.account == account).ok_or(VerifyError::NotFound)
    }

    /// A credential with its secrets in the clear, for whoever pushes with it. From memory, at most ten seconds old;
    /// `None` if there is none.
    ///
    /// # Errors
    /// The database failed, or the secrets cannot be opened; [`VerifyError::AccountSuspended`] while the account is.
    pub async fn opened_credential(
        &self,
        sid: CredentialSid,
    ) -> Answer<Option<Arc<(Credential, CredentialSecrets)>>> {
        let read = async {
            let Some(credential) = self.store.credential(sid).await? else { return Ok(None) };
            let secrets = self.open_secrets(&credential)?;
            Ok(Some((credential, secrets)))
        };
        let found = self.credentials.get(sid, self.monotonic(), read).await?;
        if let Some(opened) = &found {
            self.refuse_suspended(opened.0.account).await?;
        }
        Ok(found)
    }

    /// Lists an account's credentials.
    ///
    /// # Errors
    /// The database failed.
    pub async fn credentials(
        &self,
        account: AccountSid,
        page: PageQuery<CredentialSid>,
    ) -> Answer<Page<Credential>> {
        Ok(self.store.credentials(account, page).await?)
    }

    /// Changes a credential.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`]; [`VerifyError::Parameter`] if no push could be sent with what it would be then.
    pub async fn update_credential(
        &self,
        account: AccountSid,
        sid: CredentialSid,
        update: &CredentialUpdate,
    ) -> Answer<Credential> {
        for _ in 0..TRIES {
            let old = self.credential(account, sid).await?;
            let secrets = update.secrets.clone().or(self.open_secrets(&old)?);
            let new = Credential {
                friendly_name: update.friendly_name.clone().or(old.friendly_name),
                sandbox: update.sandbox.unwrap_or(old.sandbox),
                key_id: update.key_id.clone().or(old.key_id),
                team_id: update.team_id.clone().or(old.team_id),
                topic: update.topic.clone().or(old.topic),
                secrets: self.seal_secrets(sid, &secrets),
                updated_at: self.later_than(old.updated_at),
                ..old
            };
            self.check_credential(&new, &secrets)?;
            match self.store.update_credential(&new, old.updated_at).await? {
                Updated::Done => {
                    self.bus.announce(Changed::Credential(sid)).await;
                    security::done(Event::CredentialUpdated, account, sid);
                    return Ok(new);
                }
                Updated::Stale => {}
                Updated::Gone => return Err(VerifyError::NotFound),
            }
        }
        Err(VerifyError::Conflict)
    }

    /// Removes a credential. Services that name it have none from then on.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn delete_credential(&self, account: AccountSid, sid: CredentialSid) -> Answer<()> {
        self.credential(account, sid).await?;
        let was_there = self.store.delete_credential(sid).await?;
        self.bus.announce(Changed::Credential(sid)).await;
        if !was_there {
            return Err(VerifyError::NotFound);
        }
        security::done(Event::CredentialDeleted, account, sid);
        Ok(())
    }

    fn check_credential(&self, credential: &Credential, secrets: &CredentialSecrets) -> Answer<()> {
        (self.credential_check)(credential, secrets)
            .map_err(|(parameter, why)| VerifyError::Parameter(parameter, why))
    }

    fn seal_secrets(&self, sid: CredentialSid, secrets: &CredentialSecrets) -> Sealed {
        let text = |secret: &Option<Secret>| secret.as_ref().map(|it| it.expose().to_owned());
        let stored = Stored {
            certificate: text(&secrets.certificate),
            private_key: text(&secrets.private_key),
            api_key: text(&secrets.api_key),
            secret: text(&secrets.secret),
        };
        let text = serde_json::to_string(&stored).expect("four texts are plain data");
        self.keys.seal(&Secret::new(text), &place(sid), &*self.entropy)
    }

    fn open_secrets(&self, credential: &Credential) -> Result<CredentialSecrets, StoreError> {
        let corrupt = || StoreError::Corrupt(format!("credentials {}", credential.sid));
        let text =
            self.keys.open(&credential.secrets, &place(credential.sid)).map_err(|_| corrupt())?;
        let stored: Stored = serde_json::from_str(text.expose()).map_err(|_| corrupt())?;
        Ok(CredentialSecrets {
            certificate: stored.certificate.map(Secret::new),
            private_key: stored.private_key.map(Secret::new),
            api_key: stored.api_key.map(Secret::new),
            secret: stored.secret.map(Secret::new),
        })
    }
}

fn place(sid: CredentialSid) -> String {
    format!("credentials/{sid}/secrets")
}
