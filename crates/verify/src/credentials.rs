//! Push credentials. Their secrets are written and never returned to a client.

use std::sync::Arc;

use countersign_bus::Changed;
use countersign_domain::credential::{Credential, CredentialType};
use countersign_domain::secret::{Sealed, Secret};
use countersign_domain::sid::{AccountSid, CredentialSid};
use countersign_store::seam::{Inserted, Updated};
use countersign_store::{Page, PageQuery, StoreError};
use serde::{Deserialize, Serialize};

use crate::credential_secrets::CredentialSecrets;
use crate::error::{VerifyError, VerifyResult};
use crate::parameter::Parameter;
use crate::security::Event;
use crate::verify::{MAX_TRIES, Verify, page_up_to};

/// The secrets as they are stored, sealed as one JSON document.
#[derive(Serialize, Deserialize)]
struct StoredSecrets {
    certificate: Option<String>,
    private_key: Option<String>,
    api_key: Option<String>,
    secret: Option<String>,
}

/// The settings of a credential; `None` means unchanged in an update.
#[derive(Debug, Clone, Default)]
pub struct CredentialUpdate {
    /// A name for the operator's use.
    pub friendly_name: Option<String>,
    /// Whether it is for Apple's sandbox environment.
    pub sandbox: Option<bool>,
    /// Apple's id of the key.
    pub key_id: Option<String>,
    /// Apple's id of the team.
    pub team_id: Option<String>,
    /// The topic, if it differs from the factor's app id.
    pub topic: Option<String>,
    /// The secrets.
    pub secrets: CredentialSecrets,
}

impl Verify {
    /// Creates a credential.
    ///
    /// # Errors
    /// [`VerifyError::Parameter`] if no push could be sent with it; [`VerifyError::TooManyCredentials`];
    /// [`VerifyError::NotFound`] without the account.
    pub async fn create_credential(
        &self,
        account: AccountSid,
        kind: CredentialType,
        new: CredentialUpdate,
    ) -> VerifyResult<Credential> {
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
        let most = self.settings.limits.credentials_per_account;
        let _lock = self.creating.lock().await;
        if let Some(page) = page_up_to(most)
            && self.store.credentials(account, page).await?.items.len() >= most as usize
        {
            return Err(VerifyError::TooManyCredentials(most));
        }
        let action = self.action(Event::CredentialCreated, account, sid);
        match action.store().create_credential(&credential).await? {
            Inserted::Done => {
                action.done();
                Ok(credential)
            }
            Inserted::NoParent => Err(VerifyError::NotFound),
            Inserted::NotUnique | Inserted::TooMany => Err(VerifyError::Conflict),
        }
    }

    /// Returns a credential.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn credential(
        &self,
        account: AccountSid,
        sid: CredentialSid,
    ) -> VerifyResult<Credential> {
        let credential = self.store.credential(sid).await?;
        credential.filter(|found| found.account == account).ok_or(VerifyError::NotFound)
    }

    /// Returns a credential with its secrets in the clear, for the provider that pushes with it. Cached for at most ten seconds;
    /// `None` if it does not exist.
    ///
    /// # Errors
    /// The database failed, or the secrets cannot be opened; [`VerifyError::AccountSuspended`] while the account is.
    pub async fn opened_credential(
        &self,
        sid: CredentialSid,
    ) -> VerifyResult<Option<Arc<(Credential, CredentialSecrets)>>> {
        let read = async {
            let Some(credential) = self.store.credential(sid).await? else { return Ok(None) };
            let secrets = self.open_secrets(&credential).await?;
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
    ) -> VerifyResult<Page<Credential>> {
        Ok(self.store.credentials(account, page).await?)
    }

    /// Changes a credential.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`]; [`VerifyError::Parameter`] if no push could be sent with the changed credential.
    pub async fn update_credential(
        &self,
        account: AccountSid,
        sid: CredentialSid,
        update: &CredentialUpdate,
    ) -> VerifyResult<Credential> {
        let action = self.action(Event::CredentialUpdated, account, sid);
        for _ in 0..MAX_TRIES {
            let old = self.credential(account, sid).await?;
            let secrets = update.secrets.clone().or(self.open_secrets(&old).await?);
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
            match action.store().update_credential(&new, old.updated_at).await? {
                Updated::Done => {
                    self.bus.announce(Changed::Credential(sid)).await;
                    action.done();
                    return Ok(new);
                }
                Updated::Stale => {}
                Updated::NotFound => return Err(VerifyError::NotFound),
            }
        }
        Err(VerifyError::Conflict)
    }

    /// Deletes a credential. Pushes of services that name it fail from then on.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn delete_credential(
        &self,
        account: AccountSid,
        sid: CredentialSid,
    ) -> VerifyResult<()> {
        self.credential(account, sid).await?;
        let action = self.action(Event::CredentialDeleted, account, sid);
        let was_there = action.store().delete_credential(sid).await?;
        self.bus.announce(Changed::Credential(sid)).await;
        if !was_there {
            return Err(VerifyError::NotFound);
        }
        action.done();
        Ok(())
    }

    fn check_credential(
        &self,
        credential: &Credential,
        secrets: &CredentialSecrets,
    ) -> VerifyResult<()> {
        (self.credential_check)(credential, secrets)
            .map_err(|(part, why)| VerifyError::Parameter(Parameter::Credential(part), why))
    }

    fn seal_secrets(&self, sid: CredentialSid, secrets: &CredentialSecrets) -> Sealed {
        let text = |secret: &Option<Secret>| secret.as_ref().map(|it| it.expose().to_owned());
        let stored = StoredSecrets {
            certificate: text(&secrets.certificate),
            private_key: text(&secrets.private_key),
            api_key: text(&secrets.api_key),
            secret: text(&secrets.secret),
        };
        let text = serde_json::to_string(&stored).expect("four texts are plain data");
        self.keys.seal(&Secret::new(text), &seal_context(sid), &*self.entropy)
    }

    async fn open_secrets(&self, credential: &Credential) -> Result<CredentialSecrets, StoreError> {
        let corrupt = || StoreError::Corrupt(format!("credentials {}", credential.sid));
        let context = seal_context(credential.sid);
        let text = self.open_stored(&credential.secrets, &context).await?;
        let stored: StoredSecrets = serde_json::from_str(text.expose()).map_err(|_| corrupt())?;
        Ok(CredentialSecrets {
            certificate: stored.certificate.map(Secret::new),
            private_key: stored.private_key.map(Secret::new),
            api_key: stored.api_key.map(Secret::new),
            secret: stored.secret.map(Secret::new),
        })
    }
}

pub(crate) fn seal_context(sid: CredentialSid) -> String {
    format!("credentials/{sid}/secrets")
}
