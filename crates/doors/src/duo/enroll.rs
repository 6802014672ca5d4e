//! `enroll` and `enroll_status`: a link by which a person enrols a device, and what became of it.

use countersign_domain::access_token::TTL;
use countersign_domain::factor::{AnyFactor, FactorStatus};
use countersign_domain::integration::UnknownUsers;
use countersign_domain::invitation::Invitation;
use countersign_domain::sid::AccessTokenSid;
use countersign_domain::text::Identity;
use countersign_domain::time::Instant;
use countersign_store::PageQuery;
use countersign_verify::access_tokens::NewAccessToken;
use countersign_verify::{VerifyError, VerifyResult};

use super::answer::Status;
use super::document::{Document, Value};
use super::door::DuoDoor;
use super::failure::Failure;
use super::signed::Signed;
use super::transaction::Transaction;
use super::user::refusal;

/// A link for a person, and what the client knows it by.
pub(super) struct Invited {
    pub(super) link: String,
    sid: AccessTokenSid,
    until: Instant,
}

/// Makes a link.
///
/// # Errors
/// The database cannot be reached.
pub(super) async fn invite(
    door: &DuoDoor,
    signed: &Signed,
    identity: Identity,
) -> Result<Result<Invited, Status>, Failure> {
    match try_to_invite(door, signed, identity, *TTL.end()).await {
        Ok(invited) => Ok(Ok(invited)),
        Err(error) => refusal(&error).map(Err),
    }
}

async fn try_to_invite(
    door: &DuoDoor,
    signed: &Signed,
    identity: Identity,
    ttl: u16,
) -> VerifyResult<Invited> {
    let (account, service) = signed.place();
    let new = NewAccessToken { identity, factor_friendly_name: None, account_label: None, ttl };
    let (token, text) = door.verify.create_access_token(account, service, new).await?;
    let push_key = door.verify.web_push_key(account, service).await?;
    let invitation = Invitation {
        service: &service.to_string(),
        identity: token.identity.as_str(),
        token: text.expose(),
        push_key: &push_key,
    };
    let link = invitation.link(&door.public_url);
    Ok(Invited { link, sid: token.sid, until: token.expires_at() })
}

/// Makes a link for a user whom the service does not know.
///
/// # Errors
/// The integration enrols no unknown users, the person is known or can have no identity, or the database cannot be reached.
pub(super) async fn answer(door: &DuoDoor, signed: &Signed) -> Result<Document, Failure> {
    if signed.settings().unknown_users != UnknownUsers::Enrol {
        return Err(Failure::NotPermitted);
    }
    let name = match signed.parameters.text("username")? {
        Some(name) => name.to_owned(),
        // An identity may have dashes and no underscores.
        None => door.verify.nonce().replace('_', "-"),
    };
    let identity = signed.identity_of(&name).map_err(|_| Failure::Invalid("username"))?;
    let (account, service) = signed.place();
    match door.verify.entity(account, service, &identity).await {
        Ok(_) => return Err(Failure::Invalid("username")),
        Err(VerifyError::NotFound) => {}
        Err(error) => return Err(failure(&error)),
    }
    let ttl = match signed.parameters.text("valid_secs")? {
        Some(text) => text.parse::<u64>().map_err(|_| Failure::Invalid("valid_secs"))?,
        None => u64::MAX,
    };
    let ttl = u16::try_from(ttl).unwrap_or(u16::MAX).clamp(*TTL.start(), *TTL.end());
    let invited = try_to_invite(door, signed, identity.clone(), ttl).await;
    let invited = invited.map_err(|error| failure(&error))?;
    let code = signed.name(&Transaction::Invited(identity.clone(), invited.sid));
    Ok(Document::default()
        .with("activation_barcode", invited.link.clone())
        .with("activation_code", code)
        .with("activation_url", invited.link)
        .with("expiration", invited.until.as_seconds())
        .with("user_id", identity.to_string())
        .with("username", name))
}

/// Answers what became of a link.
///
/// # Errors
/// A parameter is missing, or the database cannot be reached.
pub(super) async fn status(door: &DuoDoor, signed: &Signed) -> Result<Value, Failure> {
    let (user, code) =
        (signed.parameters.required("user_id")?, signed.parameters.required("activation_code")?);
    let invited = match Transaction::read(code, &signed.opened.secret) {
        Some(Transaction::Invited(identity, sid)) if identity.as_str() == user => (identity, sid),
        _ => return Ok("invalid".into()),
    };
    let (account, service) = signed.place();
    let (identity, sid) = invited;
    match door.verify.factors(account, service, &identity, PageQuery::first(1_000)).await {
        Ok(page) if page.items.iter().any(is_verified) => return Ok("success".into()),
        Ok(_) | Err(VerifyError::NotFound) => {}
        Err(error) => return Err(failure(&error)),
    }
    match door.verify.access_token(account, service, sid).await {
        Ok(_) => Ok("waiting".into()),
        Err(VerifyError::NotFound) => Ok("invalid".into()),
        Err(error) => Err(failure(&error)),
    }
}

fn is_verified(factor: &AnyFactor) -> bool {
    match factor {
        AnyFactor::Push(factor) => factor.status == FactorStatus::Verified,
        AnyFactor::Totp(factor) => factor.status == FactorStatus::Verified,
    }
}

/// Nobody logs in by these calls, so what is refused is a failure.
fn failure(error: &VerifyError) -> Failure {
    match refusal(error) {
        Ok(_) => Failure::NotPermitted,
        Err(failure) => failure,
    }
}
