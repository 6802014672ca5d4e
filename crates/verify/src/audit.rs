//! The audit trail: the entries of the security log that people at the console cause, kept in the database.

use std::sync::Arc;

use countersign_domain::audit::{AuditEntry, MAX_ENTRIES};
use countersign_domain::sid::{AccountSid, AuditSid};
use countersign_store::{Page, PageQuery};

use crate::error::VerifyResult;
use crate::security::{self, Acting, Event};
use crate::sessions::Session;
use crate::verify::Verify;

impl Verify {
    /// Runs an action of a person at the console and keeps what it wrote to the security log. An action that writes nothing is an
    /// entry itself: `action` is its route, and `refusal` tells from the outcome why it was refused, if it was. A trail that
    /// cannot be written stops no action: the security log has it.
    pub async fn audited<T>(
        &self,
        session: &Session,
        action: &str,
        work: impl Future<Output = T>,
        refusal: impl FnOnce(&T) -> Option<&'static str>,
    ) -> T {
        let acting = Arc::new(Acting::new(session.who.name()));
        let work = async {
            let outcome = work.await;
            if acting.is_empty() {
                match refusal(&outcome) {
                    None => security::done(Event::ConsoleAction, session.account, action),
                    Some(why) => {
                        let (event, account) = (Event::ConsoleAction, session.account);
                        security::refused(event, account, Some(&action), &why);
                    }
                }
            }
            outcome
        };
        let outcome = security::acting(Arc::clone(&acting), work).await;
        self.keep(session.account, &acting).await;
        outcome
    }

    /// Writes an event of a session itself, such as its beginning, to the security log and to the audit trail.
    pub(crate) async fn audit(&self, session: &Session, event: Event, subject: &str) {
        let acting = Arc::new(Acting::new(session.who.name()));
        let write = async { security::done(event, session.account, subject) };
        security::acting(Arc::clone(&acting), write).await;
        self.keep(session.account, &acting).await;
    }

    async fn keep(&self, account: AccountSid, acting: &Acting) {
        let (at, address) = (self.now(), security::origin().address);
        let entry = |noted: security::Noted| AuditEntry {
            sid: AuditSid::mint(at, &*self.entropy),
            account,
            at,
            actor: acting.name().to_owned(),
            event: noted.event.as_str().to_owned(),
            subject: noted.subject,
            refusal: noted.refusal,
            address,
        };
        let entries: Vec<_> = acting.take().into_iter().map(entry).collect();
        if entries.is_empty() {
            return;
        }
        if let Err(error) = self.store.add_audit_entries(entries, MAX_ENTRIES).await {
            tracing::error!(%error, "the audit trail cannot be written: {error}");
        }
    }

    /// Lists the audit trail of an account.
    ///
    /// # Errors
    /// The database failed.
    pub async fn audit_entries(
        &self,
        account: AccountSid,
        page: PageQuery<AuditSid>,
    ) -> VerifyResult<Page<AuditEntry>> {
        Ok(self.store.audit_entries(account, page).await?)
    }
}
