//! Who may reach a route: nobody without the role that it needs.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use countersign_domain::role::Role;
use http::Method;

use crate::error::PageError;
use crate::kept_form::KeptForm;
use crate::session::Operator;
use crate::state::SharedConsole;

/// What a route asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Nothing: for visitors who are not signed in.
    Nothing,
    /// An operator with this role, or one that covers it.
    Role(Role),
}

/// For visitors who are not signed in.
pub(crate) const ANYBODY: Needs = Needs::Nothing;
/// Shows something of the account.
pub(crate) const READ: Needs = Needs::Role(Role::Read);
/// The daily work.
pub(crate) const OPERATE: Needs = Needs::Role(Role::Operate);
/// Changes what the account consists of.
pub(crate) const ADMIN: Needs = Needs::Role(Role::Admin);

impl Needs {
    /// # Errors
    /// The role that is missing.
    pub(crate) fn check(self, role: Role) -> Result<(), PageError> {
        match self {
            Self::Role(needs) if !role.covers(needs) => Err(PageError::Role { needs, role }),
            Self::Nothing | Self::Role(_) => Ok(()),
        }
    }
}

/// Lets a request through to its handler if the operator has the role. Only the handlers behind it can extract an [`Operator`].
pub(crate) async fn admit(
    State((console, needs)): State<(SharedConsole, Needs)>,
    mut request: Request,
    next: Next,
) -> Result<Response, PageError> {
    if needs != Needs::Nothing {
        let asked = Operator::asking(request.headers(), request.extensions(), &console).await;
        if matches!(asked, Err(PageError::SignedOut)) && request.method() == Method::POST {
            return Err(KeptForm::or_signed_out(request).await);
        }
        let operator = asked?;
        needs.check(operator.role())?;
        request.extensions_mut().insert(operator);
    }
    Ok(next.run(request).await)
}
