//! Rows into the words of the domain. For each kind of row: its columns, in order, and the function that reads them.

use countersign_domain::access_token::AccessToken;
use countersign_domain::account::{Account, ApiKey, AuthToken};
use countersign_domain::address::Address;
use countersign_domain::challenge::{
    Challenge, ChallengeLifecycle, ChallengeState, Details, Verdict,
};
use countersign_domain::credential::Credential;
use countersign_domain::entity::{Entity, Owner};
use countersign_domain::factor::{Factor, FactorStatus};
use countersign_domain::key::DeviceKey;
use countersign_domain::secret::{Sealed, SecretHash};
use countersign_domain::service::Service;
use countersign_domain::sid::{
    AccessTokenSid, AccountSid, ApiKeySid, ChallengeSid, CredentialSid, EntitySid, FactorKeySid,
    FactorSid, ServiceSid, WebhookSid,
};
use countersign_domain::text::{AppId, FriendlyName, Identity, Message, SdkVersion, StringMap};
use countersign_domain::time::Instant;
use countersign_domain::totp::{TotpConfig, TotpFactor};
use countersign_domain::webhook::{Webhook, WebhookUrl};

use crate::cells::Cells;
use crate::trouble::Trouble;

macro_rules! account_columns {
    () => {
        "sid, friendly_name, primary_sealed, primary_hash, secondary_sealed, secondary_hash, suspended_at, \
         created_at, updated_at"
    };
}
pub(crate) use account_columns;

pub(crate) fn account(mut cells: Cells<'_>) -> Result<Account, Trouble> {
    Ok(Account {
        sid: cells.make(AccountSid::from_bytes)?,
        friendly_name: cells.take()?,
        primary: AuthToken {
            sealed: cells.make(Sealed::from_bytes)?,
            hash: cells.make(SecretHash)?,
        },
        secondary: match (cells.take()?, cells.take::<Option<_>>()?) {
            (Some(sealed), Some(hash)) => {
                Some(AuthToken { sealed: Sealed::from_bytes(sealed), hash: SecretHash(hash) })
            }
            (None, None) => None,
            _ => return Err(cells.senseless()),
        },
        suspended_at: cells.make(|at: Option<i64>| at.map(Instant::from_micros))?,
        created_at: cells.make(Instant::from_micros)?,
        updated_at: cells.make(Instant::from_micros)?,
    })
}

macro_rules! api_key_columns {
    () => {
        "sid, account_sid, friendly_name, hash, created_at"
    };
}
pub(crate) use api_key_columns;

pub(crate) fn api_key(mut cells: Cells<'_>) -> Result<ApiKey, Trouble> {
    Ok(ApiKey {
        sid: cells.make(ApiKeySid::from_bytes)?,
        account: cells.make(AccountSid::from_bytes)?,
        friendly_name: cells.take()?,
        hash: cells.make(SecretHash)?,
        created_at: cells.make(Instant::from_micros)?,
    })
}

macro_rules! credential_columns {
    () => {
        "sid, account_sid, kind, friendly_name, sandbox, key_id, team_id, topic, secrets, created_at, updated_at"
    };
}
pub(crate) use credential_columns;

pub(crate) fn credential(mut cells: Cells<'_>) -> Result<Credential, Trouble> {
    Ok(Credential {
        sid: cells.make(CredentialSid::from_bytes)?,
        account: cells.make(AccountSid::from_bytes)?,
        kind: cells.parse(|word| word.parse().ok())?,
        friendly_name: cells.take()?,
        sandbox: cells.take()?,
        key_id: cells.take()?,
        team_id: cells.take()?,
        topic: cells.take()?,
        secrets: cells.make(Sealed::from_bytes)?,
        created_at: cells.make(Instant::from_micros)?,
        updated_at: cells.make(Instant::from_micros)?,
    })
}

macro_rules! service_columns {
    () => {
        "sid, account_sid, settings, created_at, updated_at"
    };
}
pub(crate) use service_columns;

pub(crate) fn service(mut cells: Cells<'_>) -> Result<Service, Trouble> {
    Ok(Service {
        sid: cells.make(ServiceSid::from_bytes)?,
        account: cells.make(AccountSid::from_bytes)?,
        settings: cells.parse(|text| serde_json::from_str(text).ok())?,
        created_at: cells.make(Instant::from_micros)?,
        updated_at: cells.make(Instant::from_micros)?,
    })
}

macro_rules! webhook_columns {
    () => {
        "w.sid, w.account_sid, w.service_sid, w.friendly_name, w.event_types, w.url, w.enabled, w.version, \
         w.created_at, w.updated_at"
    };
}
pub(crate) use webhook_columns;

pub(crate) fn webhook(mut cells: Cells<'_>) -> Result<Webhook, Trouble> {
    webhook_of(&mut cells)
}

/// A webhook; its cells may be followed by others.
pub(crate) fn webhook_of(cells: &mut Cells<'_>) -> Result<Webhook, Trouble> {
    Ok(Webhook {
        sid: cells.make(WebhookSid::from_bytes)?,
        account: cells.make(AccountSid::from_bytes)?,
        service: cells.make(ServiceSid::from_bytes)?,
        friendly_name: cells.parse(|text| FriendlyName::parse(text).ok())?,
        event_types: cells.parse(|words| {
            // those of a newer release are for its nodes
            Some(words.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect())
        })?,
        url: cells.parse(|text| WebhookUrl::from_stored(text).ok())?,
        enabled: cells.take()?,
        version: cells.parse(|word| word.parse().ok())?,
        created_at: cells.make(Instant::from_micros)?,
        updated_at: cells.make(Instant::from_micros)?,
    })
}

macro_rules! access_token_columns {
    () => {
        "t.sid, t.account_sid, t.service_sid, t.identity, t.factor_type, t.factor_friendly_name, t.ttl, t.created_at"
    };
}
pub(crate) use access_token_columns;

pub(crate) fn access_token(mut cells: Cells<'_>) -> Result<AccessToken, Trouble> {
    Ok(AccessToken {
        sid: cells.make(AccessTokenSid::from_bytes)?,
        account: cells.make(AccountSid::from_bytes)?,
        service: cells.make(ServiceSid::from_bytes)?,
        identity: cells.parse(|text| Identity::parse(text).ok())?,
        factor_type: cells.parse(|word| word.parse().ok())?,
        factor_friendly_name: cells.parse_if_any(|text| FriendlyName::parse(text).ok())?,
        ttl: cells.take()?,
        created_at: cells.make(Instant::from_micros)?,
    })
}

fn owner(cells: &mut Cells<'_>) -> Result<Owner, Trouble> {
    Ok(Owner {
        account: cells.make(AccountSid::from_bytes)?,
        service: cells.make(ServiceSid::from_bytes)?,
        entity: cells.make(EntitySid::from_bytes)?,
        identity: cells.parse(|text| Identity::parse(text).ok())?,
    })
}

macro_rules! entity_columns {
    () => {
        "e.account_sid, e.service_sid, e.sid, e.identity, e.created_at, e.updated_at"
    };
}
pub(crate) use entity_columns;

pub(crate) fn entity(mut cells: Cells<'_>) -> Result<Entity, Trouble> {
    Ok(Entity {
        owner: owner(&mut cells)?,
        created_at: cells.make(Instant::from_micros)?,
        updated_at: cells.make(Instant::from_micros)?,
    })
}

macro_rules! factor_columns {
    () => {
        "f.sid, f.account_sid, f.service_sid, f.entity_sid, f.identity, f.friendly_name, f.status, f.public_key, \
         f.key_sid, f.app_id, f.sdk_version, f.platform, f.token, f.metadata, f.created_at, f.updated_at"
    };
}
pub(crate) use factor_columns;

pub(crate) fn factor(mut cells: Cells<'_>) -> Result<Factor, Trouble> {
    Ok(Factor {
        sid: cells.make(FactorSid::from_bytes)?,
        owner: owner(&mut cells)?,
        friendly_name: cells.parse(|text| FriendlyName::parse(text).ok())?,
        status: cells.parse(factor_status)?,
        key: cells.make(DeviceKey::from_stored)?,
        key_sid: cells.make(FactorKeySid::from_bytes)?,
        app_id: cells.parse(|text| AppId::parse(text).ok())?,
        sdk_version: cells.parse(|text| SdkVersion::parse(text).ok())?,
        address: address(&mut cells)?,
        metadata: cells.parse_if_any(|text| StringMap::from_stored(text).ok())?,
        created_at: cells.make(Instant::from_micros)?,
        updated_at: cells.make(Instant::from_micros)?,
    })
}

macro_rules! totp_factor_columns {
    () => {
        "f.sid, f.account_sid, f.service_sid, f.entity_sid, f.identity, f.friendly_name, f.status, f.secret, f.alg, \
         f.time_step, f.skew, f.code_length, f.last_step, f.created_at, f.updated_at"
    };
}
pub(crate) use totp_factor_columns;

pub(crate) fn totp_factor(mut cells: Cells<'_>) -> Result<TotpFactor, Trouble> {
    Ok(TotpFactor {
        sid: cells.make(FactorSid::from_bytes)?,
        owner: owner(&mut cells)?,
        friendly_name: cells.parse(|text| FriendlyName::parse(text).ok())?,
        status: cells.parse(factor_status)?,
        secret: cells.make(Sealed::from_bytes)?,
        config: TotpConfig {
            alg: cells.parse(|word| word.parse().ok())?,
            time_step: cells.take()?,
            skew: cells.take()?,
            code_length: cells.take()?,
        },
        last_step: cells.make(|step: Option<i64>| step.and_then(|step| step.try_into().ok()))?,
        created_at: cells.make(Instant::from_micros)?,
        updated_at: cells.make(Instant::from_micros)?,
    })
}

fn factor_status(word: &str) -> Option<FactorStatus> {
    [FactorStatus::Unverified, FactorStatus::Verified]
        .into_iter()
        .find(|status| status.as_str() == word)
}

/// Two cells: the platform and the token.
pub(crate) fn address(cells: &mut Cells<'_>) -> Result<Address, Trouble> {
    let platform = cells.parse(|word| word.parse().ok())?;
    Ok(Address::from_stored(platform, cells.take()?))
}

macro_rules! challenge_columns {
    () => {
        "c.sid, c.account_sid, c.service_sid, c.entity_sid, c.identity, c.factor_sid, c.factor_type, c.message, \
         c.fields, c.date, c.hidden_details, c.metadata, c.state, c.answered_at, c.created_at, c.updated_at, \
         c.expires_at"
    };
}
pub(crate) use challenge_columns;

/// A challenge; its cells may be followed by those of its factor.
pub(crate) fn challenge(cells: &mut Cells<'_>) -> Result<Challenge, Trouble> {
    Ok(Challenge {
        sid: cells.make(ChallengeSid::from_bytes)?,
        owner: owner(cells)?,
        factor: cells.make(FactorSid::from_bytes)?,
        factor_type: cells.parse(|word| word.parse().ok())?,
        details: Details {
            message: cells.parse(|text| {
                if text.is_empty() { Some(None) } else { Message::parse(text).ok().map(Some) }
            })?,
            fields: cells.parse(|text| serde_json::from_str(text).ok())?,
            date: cells.make(|at: Option<i64>| at.map(Instant::from_micros))?,
        },
        hidden_details: cells.parse_if_any(|text| StringMap::from_stored(text).ok())?,
        metadata: cells.parse_if_any(|text| StringMap::from_stored(text).ok())?,
        state: challenge_state(cells)?,
        created_at: cells.make(Instant::from_micros)?,
        updated_at: cells.make(Instant::from_micros)?,
        expires_at: cells.make(Instant::from_micros)?,
    })
}

/// Two cells: the word and, but for `pending`, when it was answered.
pub(crate) fn challenge_state(cells: &mut Cells<'_>) -> Result<ChallengeState, Trouble> {
    let verdict = cells.parse(|word| match word {
        "pending" => Some(None),
        "approved" => Some(Some(Verdict::Approved)),
        "denied" => Some(Some(Verdict::Denied)),
        _ => None,
    })?;
    match (verdict, cells.take::<Option<i64>>()?) {
        (None, None) => Ok(ChallengeState::Pending),
        (Some(verdict), Some(at)) => {
            Ok(ChallengeState::Answered { verdict, at: Instant::from_micros(at) })
        }
        _ => Err(cells.senseless()),
    }
}

/// Those two cells and when it expires.
pub(crate) fn standing(cells: &mut Cells<'_>) -> Result<ChallengeLifecycle, Trouble> {
    let state = challenge_state(cells)?;
    Ok(ChallengeLifecycle { state, expires_at: cells.make(Instant::from_micros)? })
}
