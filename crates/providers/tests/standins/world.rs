//! The providers and the stand-ins, with one manual clock for both.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_bus::LocalBus;
use countersign_domain::address::{Address, Platform};
use countersign_domain::credential::CredentialType;
use countersign_domain::outcome::Attempt;
use countersign_domain::prompt_manner::PromptManner;
use countersign_domain::prospect::{Push, Target};
use countersign_domain::secret::Secret;
use countersign_domain::service_protection::UserVerification;
use countersign_domain::sid::{
    AccountSid, ChallengeSid, CredentialSid, FactorSid, NotificationSid, ServiceSid,
};
use countersign_domain::text::{AppId, Message};
use countersign_domain::world::{Clock as _, random};
use countersign_providers::{
    CallTimeouts, CredentialSource, Guard, OpenedCredential, OpenedVapid, Outgoing, Providers,
    PushParts, Unavailable, VapidSource, new_vapid_key,
};
use countersign_standins::{CommonOptions, Faults, Options, Running, run};
use countersign_testkit::{ManualClock, SeededEntropy};

/// The app that the first key of the stand-in for Apple may push to.
const APP: &str = "com.example.owlbank";

pub(crate) struct World {
    pub(crate) providers: Providers,
    pub(crate) others: Running,
    pub(crate) clock: ManualClock,
    pub(crate) vapid_public_key: String,
    entropy: SeededEntropy,
}

struct Source {
    apn: Arc<OpenedCredential>,
    fcm: Arc<OpenedCredential>,
    vapid: Arc<OpenedVapid>,
}

#[async_trait]
impl CredentialSource for Source {
    async fn credential(
        &self,
        sid: CredentialSid,
    ) -> Result<Option<Arc<OpenedCredential>>, Unavailable> {
        Ok([&self.apn, &self.fcm].into_iter().find(|credential| credential.sid == sid).cloned())
    }
}

#[async_trait]
impl VapidSource for Source {
    async fn vapid(
        &self,
        _: AccountSid,
        _: ServiceSid,
    ) -> Result<Option<Arc<OpenedVapid>>, Unavailable> {
        Ok(Some(Arc::clone(&self.vapid)))
    }
}

fn sid(kind: CredentialType) -> CredentialSid {
    CredentialSid::from_bytes([if kind == CredentialType::Apn { 1 } else { 2 }; 16])
}

impl World {
    pub(crate) async fn start(faults: Faults) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let clock = ManualClock::new();
        let now = {
            let clock = clock.clone();
            Arc::new(move || clock.now().as_seconds())
        };
        let common = CommonOptions { faults, now, ..CommonOptions::default() };
        let others =
            run(Options { common, ..Options::default() }).await.expect("the stand-ins start");
        let new = |kind| OpenedCredential {
            sid: sid(kind),
            updated_at: clock.now(),
            kind,
            sandbox: false,
            key_id: None,
            team_id: None,
            topic: None,
            certificate: None,
            private_key: None,
            secret: None,
        };
        let key = others.apns.key();
        let vapid = new_vapid_key();
        let source = Arc::new(Source {
            apn: Arc::new(OpenedCredential {
                key_id: Some(key.key_id.clone()),
                team_id: Some(key.team_id.clone()),
                private_key: Some(Secret::new(key.pem.clone())),
                ..new(CredentialType::Apn)
            }),
            fcm: Arc::new(OpenedCredential {
                secret: Some(Secret::new(others.fcm.service_account().to_string())),
                ..new(CredentialType::Fcm)
            }),
            vapid: Arc::new(OpenedVapid {
                updated_at: clock.now(),
                private_key: vapid.private_key,
            }),
        });
        let outgoing = Outgoing {
            apns: others.apns.url().parse().expect("it is well formed"),
            apns_sandbox: others.apns.url().parse().expect("it is well formed"),
            fcm: others.fcm.url().parse().expect("it is well formed"),
            roots: vec![others.authority.pem().to_owned()],
            allow: vec!["127.0.0.0/8".parse().expect("it is well formed")],
            ..Outgoing::default()
        };
        let entropy = SeededEntropy::new(7);
        let parts = PushParts {
            credentials: Arc::clone(&source) as _,
            apple: Arc::default(),
            vapid: source,
            guard: Guard::new(&outgoing, CallTimeouts::default()).expect("the settings are good"),
            outgoing,
            clock: Arc::new(clock.clone()),
            entropy: Arc::new(entropy.clone()),
        };
        let providers = Providers::with_push(Arc::new(LocalBus::default()), parts)
            .expect("the settings are good");
        Self { providers, others, clock, vapid_public_key: vapid.public_key, entropy }
    }

    /// A push to a device, of a new challenge.
    pub(crate) fn push(&self, platform: Platform, token: &str) -> Push {
        let kind = match platform {
            Platform::Apn => CredentialType::Apn,
            _ => CredentialType::Fcm,
        };
        Push {
            notification: NotificationSid::from_bytes(random(&self.entropy)),
            challenge: ChallengeSid::from_bytes(random(&self.entropy)),
            factor: FactorSid::from_bytes(random(&self.entropy)),
            message: Message::parse("Login to Owl Bank?").expect("a message"),
            manner: PromptManner::default(),
            target: Target {
                account: AccountSid::from_bytes([1; 16]),
                service: ServiceSid::from_bytes([2; 16]),
                address: Address::new(platform, Some(token), true).expect("an address"),
                app_id: AppId::parse(APP).expect("an app id"),
                credential: Some(sid(kind)),
                user_verification: UserVerification::None,
            },
            expires_at: self.clock.now() + Duration::from_secs(300),
            once: false,
        }
    }

    /// A push to an iPhone.
    pub(crate) fn apn(&self, letter: char) -> Push {
        self.push(Platform::Apn, &letter.to_string().repeat(64))
    }

    /// Makes one attempt.
    pub(crate) async fn send(&self, push: &Push) -> Attempt {
        self.providers.for_platform(push.target.address.platform()).send(push).await
    }
}
