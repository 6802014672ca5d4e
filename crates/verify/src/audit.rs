//! The audit trail: the entries of the security log that people at the console cause, kept in the database.
//!
//! The command of an action stores its entry. Refusals, and actions that store nothing, are entered afterwards.

use std::fmt::Display;
use std::sync::Arc;

use countersign_domain::audit::{AuditEntry, MAX_ENTRIES};
use countersign_domain::sid::{AccountSid, AuditSid};
use countersign_store::{Page, PageQuery, Store};

use crate::error::VerifyResult;
use crate::security::{self, Acting, Event};
use crate::sessions::Session;
use crate::verify::Verify;

/// An action of a use case, under its name in the security log. If a person at the console acts, the command that is given to
/// [`Action::store`] stores the entry of the audit trail in its own transaction.
pub(crate) struct Action {
    store: Arc<dyn Store>,
    /// What is logged; `None` for an action that only the audit trail of the console names.
    line: Option<(Event, Option<AccountSid>, String)>,
    by: Option<Arc<Acting>>,
}

impl Action {
    /// The database, for the command that does it.
    pub(crate) fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Logs that the command was done.
    pub(crate) fn done(self) {
        match (self.line, self.by) {
            (Some((event, account, subject)), Some(by)) => {
                security::done_with_entry(event, account, &subject, &by);
            }
            (Some((event, account, subject)), None) => security::done(event, account, subject),
            (None, _) => {}
        }
    }
}

impl Verify {
    /// Begins an action on `subject`.
    pub(crate) fn action(
        &self,
        event: Event,
        account: impl Into<Option<AccountSid>>,
        subject: impl Display,
    ) -> Action {
        self.action_by(security::person(), event, account.into(), subject.to_string())
    }

    /// Begins an action without a name: it is logged only if a person at the console acts, under the route of the request.
    pub(crate) fn unnamed_action(&self) -> Action {
        match security::person() {
            None => Action { store: Arc::clone(&self.store), line: None, by: None },
            Some(by) => {
                let (account, route) = (by.account, by.route.clone());
                self.action_by(Some(by), Event::ConsoleAction, Some(account), route)
            }
        }
    }

    /// Begins an action on a session itself, such as its opening.
    pub(crate) fn action_of(&self, session: &Session, event: Event, subject: String) -> Action {
        let by = Arc::new(Acting::new(session.account, session.who.name(), ""));
        self.action_by(Some(by), event, Some(session.account), subject)
    }

    fn action_by(
        &self,
        by: Option<Arc<Acting>>,
        event: Event,
        account: Option<AccountSid>,
        subject: String,
    ) -> Action {
        let store = by.as_ref().map_or_else(
            || Arc::clone(&self.store),
            |by| self.store.audited(self.entry(by, event, Some(subject.clone()), None)),
        );
        Action { store, line: Some((event, account, subject)), by }
    }

    fn entry(
        &self,
        by: &Acting,
        event: Event,
        subject: Option<String>,
        refusal: Option<String>,
    ) -> AuditEntry {
        let at = self.now();
        AuditEntry {
            sid: AuditSid::mint(at, &*self.entropy),
            account: by.account,
            at,
            actor: by.name.clone(),
            event: event.as_str().to_owned(),
            subject,
            refusal,
            address: security::origin().address,
        }
    }

    /// Runs a request of a person at the console. Actions store their entries themselves; what else was written to the security log is
    /// entered afterwards, and the route of a request without any entry, with why it was refused, which `refusal` tells from the
    /// outcome. A trail that cannot be written then stops nothing: the security log has it.
    pub async fn audited<T>(
        &self,
        session: &Session,
        route: &str,
        work: impl Future<Output = T>,
        refusal: impl FnOnce(&T) -> Option<&'static str>,
    ) -> T {
        let acting = Arc::new(Acting::new(session.account, session.who.name(), route));
        let work = async {
            let outcome = work.await;
            if acting.is_empty() {
                match refusal(&outcome) {
                    None => security::done(Event::ConsoleAction, session.account, route),
                    Some(why) => {
                        let (event, account) = (Event::ConsoleAction, session.account);
                        security::refused(event, account, Some(&route), &why);
                    }
                }
            }
            outcome
        };
        let outcome = security::acting(Arc::clone(&acting), work).await;
        self.keep(&acting).await;
        outcome
    }

    async fn keep(&self, acting: &Acting) {
        let entry =
            |noted: security::Noted| self.entry(acting, noted.event, noted.subject, noted.refusal);
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
