//! Fixtures: valid values with defaults, of which a test changes what it needs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use countersign_domain::access_token::{AccessToken, DEFAULT_TTL};
use countersign_domain::account::{Account, ApiKey, AuthToken};
use countersign_domain::address::{Address, Platform};
use countersign_domain::backchannel::{BackchannelHandle, BackchannelRequest, GRACE};
use countersign_domain::challenge::{Challenge, ChallengeState, DEFAULT_LIFETIME, Details, Field};
use countersign_domain::credential::{Credential, CredentialType};
use countersign_domain::delivery::{Delivery, InitialState, NewNotification};
use countersign_domain::entity::{Entity, Owner};
use countersign_domain::factor::{Factor, FactorStatus, FactorType};
use countersign_domain::integration::{
    Integration, IntegrationKey, IntegrationKind, IntegrationSettings,
};
use countersign_domain::jws_key::JwsAlgorithm;
use countersign_domain::node::NodeId;
use countersign_domain::notification;
use countersign_domain::secret::{Sealed, SecretHash};
use countersign_domain::service::{Service, ServiceSettings};
use countersign_domain::sid::{
    AccessTokenSid, AccountSid, ApiKeySid, ChallengeGroupSid, ChallengeSid, CredentialSid,
    EntitySid, FactorKeySid, FactorSid, IntegrationSid, NotificationSid, ServiceSid, WebhookSid,
};
use countersign_domain::signing_key::SigningKey;
use countersign_domain::text::StringMap;
use countersign_domain::text::{AppId, FriendlyName, Identity, Message, SdkVersion, ServiceName};
use countersign_domain::time::Instant;
use countersign_domain::totp::{TotpAlg, TotpConfig, TotpFactor};
use countersign_domain::webhook::{EventType, Webhook, WebhookUrl, WebhookVersion};
use countersign_domain::world::{Clock, random};

use crate::clock::ManualClock;
use crate::entropy::SeededEntropy;
use crate::keys::device_key;

/// Creates values at the instant of its clock, with SIDs from its entropy.
#[derive(Debug, Clone)]
pub struct Fixtures {
    /// The clock of `created_at` members.
    pub clock: ManualClock,
    /// The source of SIDs.
    pub entropy: SeededEntropy,
    /// The node that creates the values.
    pub node: NodeId,
    keys: Arc<AtomicUsize>,
}

impl Fixtures {
    /// Equal seeds create equal values.
    pub fn new(seed: u64) -> Self {
        let entropy = SeededEntropy::new(seed);
        Self {
            clock: ManualClock::new(),
            node: NodeId(random(&entropy)),
            entropy,
            keys: Arc::default(),
        }
    }

    /// The present instant.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Another process.
    pub fn other_node(&self) -> NodeId {
        NodeId(random(&self.entropy))
    }

    /// An auth token, whose sealed text cannot be opened.
    pub fn auth_token(&self) -> AuthToken {
        AuthToken {
            sealed: Sealed::from_bytes(random::<60>(&self.entropy).to_vec()),
            hash: SecretHash(random(&self.entropy)),
        }
    }

    /// An account with a primary token.
    pub fn account(&self) -> Account {
        Account {
            sid: AccountSid::mint(self.now(), &self.entropy),
            friendly_name: "Owl Bank".to_owned(),
            primary: self.auth_token(),
            secondary: None,
            suspended_at: None,
            created_at: self.now(),
            updated_at: self.now(),
        }
    }

    /// An API key.
    pub fn api_key(&self, account: &Account) -> ApiKey {
        ApiKey {
            sid: ApiKeySid::mint(self.now(), &self.entropy),
            account: account.sid,
            friendly_name: "backend".to_owned(),
            hash: SecretHash(random(&self.entropy)),
            created_at: self.now(),
        }
    }

    /// A service without credentials.
    pub fn service(&self, account: &Account) -> Service {
        Service {
            sid: ServiceSid::mint(self.now(), &self.entropy),
            account: account.sid,
            settings: ServiceSettings::named(valid(ServiceName::parse("Owl Bank"))),
            created_at: self.now(),
            updated_at: self.now(),
        }
    }

    /// A credential for FCM.
    pub fn credential(&self, account: &Account) -> Credential {
        Credential {
            sid: CredentialSid::mint(self.now(), &self.entropy),
            account: account.sid,
            kind: CredentialType::Fcm,
            friendly_name: Some("the app".to_owned()),
            sandbox: false,
            key_id: None,
            team_id: None,
            topic: None,
            secrets: Sealed::from_bytes(random::<60>(&self.entropy).to_vec()),
            created_at: self.now(),
            updated_at: self.now(),
        }
    }

    /// A webhook for answers.
    pub fn webhook(&self, service: &Service) -> Webhook {
        Webhook {
            sid: WebhookSid::mint(self.now(), &self.entropy),
            account: service.account,
            service: service.sid,
            friendly_name: valid(FriendlyName::parse("audit")),
            event_types: vec![EventType::ChallengeApproved, EventType::ChallengeDenied],
            url: valid(WebhookUrl::parse("https://owlbank.example.com/hook")),
            enabled: true,
            version: WebhookVersion::V2,
            created_at: self.now(),
            updated_at: self.now(),
        }
    }

    /// An integration of an ssh server.
    pub fn integration(&self, service: &Service) -> Integration {
        Integration {
            sid: IntegrationSid::mint(self.now(), &self.entropy),
            account: service.account,
            service: service.sid,
            kind: IntegrationKind::Duo,
            key: IntegrationKey::draw(&self.entropy),
            secret: Sealed::from_bytes(random::<69>(&self.entropy).to_vec()),
            settings: IntegrationSettings::named(valid(FriendlyName::parse("ssh"))),
            created_at: self.now(),
            updated_at: self.now(),
        }
    }

    /// A request whose client is called, and the first challenge of its group, for which it is.
    pub fn backchannel(&self, challenge: Challenge) -> (BackchannelRequest, Challenge) {
        let (owner, group) = (&challenge.owner, ChallengeGroupSid::of_first(challenge.sid));
        let request = BackchannelRequest {
            id: BackchannelHandle::draw(&self.entropy).id(),
            account: owner.account,
            service: owner.service,
            integration: IntegrationSid::mint(self.now(), &self.entropy),
            identity: owner.identity.clone(),
            group,
            created_at: self.now(),
            deadline: challenge.expires_at + GRACE,
            redeemed_at: None,
            call: Some(Sealed::from_bytes(random::<69>(&self.entropy).to_vec())),
        };
        (request, Challenge { group: Some(group), ..challenge })
    }

    /// The first key of an algorithm. It is sealed by nobody.
    pub fn signing_key(&self, algorithm: JwsAlgorithm) -> SigningKey {
        let key = Sealed::from_bytes(random::<69>(&self.entropy).to_vec());
        SigningKey { algorithm, version: 1, key, created_at: self.now() }
    }

    /// A token for one push factor of `identity`.
    pub fn access_token(&self, service: &Service, identity: &Identity) -> AccessToken {
        AccessToken {
            sid: AccessTokenSid::mint(self.now(), &self.entropy),
            account: service.account,
            service: service.sid,
            identity: identity.clone(),
            factor_type: FactorType::Push,
            factor_friendly_name: None,
            account_label: None,
            ttl: DEFAULT_TTL,
            created_at: self.now(),
            used_at: None,
        }
    }

    /// An unused identity.
    pub fn identity(&self) -> Identity {
        valid(Identity::parse(format!("person-{:016x}", self.entropy.next())))
    }

    /// An entity of that identity.
    pub fn entity(&self, service: &Service, identity: &Identity) -> Entity {
        Entity {
            owner: Owner {
                account: service.account,
                service: service.sid,
                entity: EntitySid::mint(self.now(), &self.entropy),
                identity: identity.clone(),
            },
            label: None,
            created_at: self.now(),
            updated_at: self.now(),
        }
    }

    /// A verified factor on the stream. There are twelve public keys, used in turn.
    pub fn factor(&self, owner: &Owner) -> Factor {
        Factor {
            sid: FactorSid::mint(FactorType::Push, self.now(), &self.entropy),
            owner: owner.clone(),
            friendly_name: valid(FriendlyName::parse("Ann's phone")),
            status: FactorStatus::Verified,
            key: device_key(self.keys.fetch_add(1, Ordering::Relaxed)),
            key_sid: FactorKeySid::mint(self.now(), &self.entropy),
            app_id: valid(AppId::parse("com.example.owlbank")),
            sdk_version: valid(SdkVersion::parse("1.3.0")),
            address: Address::from_stored(Platform::Stream, None),
            takes_numbers: false,
            metadata: StringMap::parse(r#"{"model":"Pixel"}"#).ok(),
            created_at: self.now(),
            updated_at: self.now(),
        }
    }

    /// A verified factor with codes of six digits, whose sealed secret cannot be opened.
    pub fn totp_factor(&self, owner: &Owner) -> TotpFactor {
        TotpFactor {
            sid: FactorSid::mint(FactorType::Totp, self.now(), &self.entropy),
            owner: owner.clone(),
            friendly_name: valid(FriendlyName::parse("Ann's codes")),
            status: FactorStatus::Verified,
            secret: Sealed::from_bytes(random::<60>(&self.entropy).to_vec()),
            config: TotpConfig { alg: TotpAlg::Sha1, time_step: 30, skew: 1, code_length: 6 },
            last_step: None,
            created_at: self.now(),
            updated_at: self.now(),
        }
    }

    /// An address at FCM.
    pub fn fcm_address(&self) -> Address {
        Address::from_stored(Platform::Fcm, Some(format!("{:040x}", self.entropy.next())))
    }

    /// A pending challenge of five minutes.
    pub fn challenge(&self, factor: &Factor) -> Challenge {
        Challenge {
            sid: ChallengeSid::mint(FactorType::Push, self.now(), &self.entropy),
            owner: factor.owner.clone(),
            factor: factor.sid,
            group: None,
            factor_type: FactorType::Push,
            details: Details {
                message: Some(valid(Message::parse("Log in from Lisbon?"))),
                fields: vec![Field { label: "IP".to_owned(), value: "192.0.2.7".to_owned() }],
                date: Some(self.now()),
            },
            hidden_details: StringMap::parse(r#"{"ip":"192.0.2.7"}"#).ok(),
            metadata: None,
            is_quiet: false,
            presence: None,
            state: ChallengeState::Pending,
            created_at: self.now(),
            updated_at: self.now(),
            expires_at: (self.now() + DEFAULT_LIFETIME).whole_seconds(),
        }
    }

    /// A pending challenge of five minutes that a code answers.
    pub fn code_challenge(&self, factor: &TotpFactor) -> Challenge {
        Challenge {
            sid: ChallengeSid::mint(FactorType::Totp, self.now(), &self.entropy),
            owner: factor.owner.clone(),
            factor: factor.sid,
            group: None,
            factor_type: FactorType::Totp,
            details: Details { message: None, fields: Vec::new(), date: None },
            hidden_details: None,
            metadata: None,
            is_quiet: false,
            presence: None,
            state: ChallengeState::Pending,
            created_at: self.now(),
            updated_at: self.now(),
            expires_at: (self.now() + DEFAULT_LIFETIME).whole_seconds(),
        }
    }

    /// A notification that was asked for, and its delivery.
    pub fn notification(
        &self,
        challenge: &Challenge,
        ttl: u16,
        birth: InitialState,
    ) -> NewNotification {
        NewNotification {
            delivery: Delivery {
                notification: NotificationSid::mint(self.now(), &self.entropy),
                challenge: challenge.sid,
                factor: challenge.factor,
                entity: challenge.owner.entity,
                deadline: notification::deadline(self.now(), ttl, challenge.expires_at),
                once: ttl == 0,
                attempts: 0,
            },
            automatic: false,
            ttl,
            created_at: self.now(),
            node: self.node,
            platform: Platform::Stream,
            initial_state: birth,
        }
    }

    /// The automatic notification of a challenge, leased for 30 s.
    pub fn automatic(&self, challenge: &Challenge) -> NewNotification {
        let ttl = notification::automatic_ttl(challenge);
        let until = self.now() + Duration::from_secs(30);
        let new = self.notification(challenge, ttl, InitialState::Leased { until });
        NewNotification { automatic: true, ..new }
    }
}

/// Unwraps a default, which must be valid.
fn valid<T, E: std::fmt::Display>(made: Result<T, E>) -> T {
    made.unwrap_or_else(|error| panic!("a default is invalid: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_create_equal_values() {
        let account = |seed| Fixtures::new(seed).account();
        assert_eq!(account(1), account(1));
        assert_ne!(account(1), account(2));
    }
}
