//! The roles that routes need: nobody reaches a route without its role.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use countersign_domain::role::Role;
use countersign_domain::session::SessionStage;
use http::Method;

use crate::error::PageError;
use crate::kept_form;
use crate::session::Operator;
use crate::state::SharedConsole;

/// The role that a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Nothing: for visitors who are not signed in.
    Nothing,
    /// A sign-in whose second factor may be missing.
    FirstFactor,
    /// An operator with this role, or one that covers it.
    Role(Role),
}

/// For visitors who are not signed in.
pub(crate) const ANYBODY: Needs = Needs::Nothing;
/// For operators whose second factor may be missing.
pub(crate) const HALF: Needs = Needs::FirstFactor;
/// Shows something of the account, or concerns the operator's own session.
pub(crate) const READ: Needs = Needs::Role(Role::Read);
/// The daily work.
pub(crate) const OPERATE: Needs = Needs::Role(Role::Operate);
/// Changes what the account consists of.
pub(crate) const ADMIN: Needs = Needs::Role(Role::Admin);

impl Needs {
    /// # Errors
    /// The second factor or the role is missing.
    pub(crate) fn check(self, stage: SessionStage, role: Role) -> Result<(), PageError> {
        match self {
            Self::Nothing | Self::FirstFactor => Ok(()),
            Self::Role(_) if stage != SessionStage::Open => Err(PageError::SecondFactor),
            Self::Role(needs) if role.covers(needs) => Ok(()),
            Self::Role(needs) => Err(PageError::Role { needs, role }),
        }
    }
}

/// A route as [`admit`] sees it: the role that it needs, its method and its path.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) console: SharedConsole,
    pub(crate) needs: Needs,
    pub(crate) method: Method,
    pub(crate) path: String,
}

/// Lets a request through to its handler if the operator has the role. Only the handlers behind it can extract an [`Operator`].
/// Records an operator's actions in the audit trail, refused ones included.
pub(crate) async fn admit(
    State(gate): State<Gate>,
    mut request: Request,
    next: Next,
) -> Result<Response, PageError> {
    let Gate { console, needs, method, path } = gate;
    if needs == Needs::Nothing {
        return Ok(next.run(request).await);
    }
    let asked = Operator::asking(request.headers(), request.extensions(), &console).await;
    if matches!(asked, Err(PageError::SignedOut)) && method == Method::POST {
        return Err(kept_form::or_signed_out(request).await);
    }
    let operator = asked?;
    let (stage, role) = (operator.session.stage, operator.role());
    if method == Method::GET || stage != SessionStage::Open {
        needs.check(stage, role)?;
        request.extensions_mut().insert(operator);
        return Ok(next.run(request).await);
    }
    let session = operator.session.clone();
    let work = async move {
        needs.check(stage, role)?;
        request.extensions_mut().insert(operator);
        Ok(next.run(request).await)
    };
    let action = format!("{method} {path}");
    console.verify.audited(&session, &action, work, refusal).await
}

fn refusal(outcome: &Result<Response, PageError>) -> Option<&'static str> {
    match outcome {
        Err(error) => Some(error.refusal()),
        Ok(response) => match response.extensions().get::<PageError>() {
            Some(error) => Some(error.refusal()),
            None if response.status().is_client_error() => Some("the form is not valid"),
            None => None,
        },
    }
}
