//! The clients of push services, and what they get from the use cases: opened credentials and VAPID keys.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context as _, anyhow, ensure};
use async_trait::async_trait;
use countersign_bus::Bus;
use countersign_console::Tester;
use countersign_domain::credential::{Credential, CredentialPart};
use countersign_domain::invalid::Invalid;
use countersign_domain::provider_token::{KeyPrint, ProviderToken};
use countersign_domain::secret::Secret;
use countersign_domain::sid::{AccountSid, CredentialSid, ServiceSid};
use countersign_domain::text::{AppId, Message};
use countersign_domain::time::Instant;
use countersign_domain::webhook::Webhook;
use countersign_providers::trial::{Trial, try_credential};
use countersign_providers::webhook::WebhookClient;
use countersign_providers::{
    Allowed, CredentialSource, Guard, Manners, OpenedCredential, OpenedVapid, Outgoing,
    ProviderTokens, Providers, PushParts, SharedToken, TokenKeeper, Unavailable, VapidSource,
    VapidSubject, WebhookKeys,
};
use countersign_verify::CredentialSecrets;
use countersign_verify::Verify;
use countersign_verify::provider_tokens::NewToken;

use crate::config::Config;
use crate::wiring::World;

/// All ways to reach a device, as the configuration has them.
///
/// # Errors
/// A setting of `[outgoing]` that is no use; it is named.
pub fn providers(
    config: &Config,
    world: &World,
    bus: Arc<dyn Bus>,
    verify: &Arc<Verify>,
    apple: Arc<ProviderTokens>,
    guard: Guard,
) -> anyhow::Result<Providers> {
    let keeper = Arc::new(Keeper(Arc::clone(verify)));
    let parts = PushParts {
        credentials: Arc::clone(&keeper) as _,
        apple,
        vapid: keeper,
        outgoing: outgoing(config)?,
        guard,
        clock: Arc::clone(&world.clock),
        entropy: Arc::clone(&world.entropy),
    };
    Providers::with_push(bus, parts).context("the settings of [outgoing] are not right")
}

/// The guard before addresses that tenants and devices chose.
///
/// # Errors
/// A setting of `[outgoing]` that is no use; it is named.
pub(crate) fn guard(config: &Config) -> anyhow::Result<Guard> {
    Guard::new(&outgoing(config)?, Manners::default())
        .context("the settings of [outgoing] are not right")
}

/// The provider tokens of Apple's keys, shared by all servers of the database.
pub fn provider_tokens(verify: &Arc<Verify>) -> Arc<ProviderTokens> {
    Arc::new(ProviderTokens::new(Arc::new(Keeper(Arc::clone(verify)))))
}

/// How others are called.
///
/// # Errors
/// A file that cannot be read, a network that is none; the setting is named.
pub(crate) fn outgoing(config: &Config) -> anyhow::Result<Outgoing> {
    let section = &config.outgoing;
    let default = Outgoing::default();
    let roots = section.roots.iter().map(|path| {
        let shown = path.display();
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("outgoing.roots: cannot read {shown}"))?;
        ensure!(text.contains("-----BEGIN "), "outgoing.roots: {shown} is not PEM");
        Ok(text)
    });
    let allow = section.allow.iter().map(|network| {
        network.parse::<Allowed>().map_err(|why| anyhow!("outgoing.allow: {network} {why}"))
    });
    let name_servers = section.name_servers.iter().map(|server| {
        let alone = || server.parse::<IpAddr>().map(|address| SocketAddr::new(address, 53));
        server.parse().or_else(|_| alone()).with_context(|| {
            format!(
                "outgoing.name_servers: {server} is no address, such as 10.0.0.2 or 10.0.0.2:5353"
            )
        })
    });
    let outgoing = Outgoing {
        apns: section.apns_url.clone().unwrap_or(default.apns),
        // who leads pushes elsewhere does not want some of them to go to Apple all the same
        apns_sandbox: section
            .apns_sandbox_url
            .clone()
            .or_else(|| section.apns_url.clone())
            .unwrap_or(default.apns_sandbox),
        fcm: section.fcm_url.clone().unwrap_or(default.fcm),
        roots: roots.collect::<anyhow::Result<_>>()?,
        proxy: section.proxy.clone(),
        allow: allow.collect::<anyhow::Result<_>>()?,
        name_servers: name_servers.collect::<anyhow::Result<_>>()?,
        vapid_subject: vapid_subject(config)?,
        names: default.names,
    };
    let usable = outgoing.check().and_then(|()| Guard::new(&outgoing, Manners::default()));
    usable.context("the settings of [outgoing] are not right")?;
    Ok(outgoing)
}

/// The contact in VAPID tokens: the one that is set, else the server's own URL if browsers elsewhere can reach it.
fn vapid_subject(config: &Config) -> anyhow::Result<VapidSubject> {
    match (&config.outgoing.vapid_subject, &config.http.public_url) {
        (Some(text), _) => VapidSubject::parse(text)
            .map_err(|why| anyhow!("outgoing.vapid_subject {why}, found \"{text}\"")),
        (None, Some(url)) => {
            let own = VapidSubject::parse(url.as_str()).ok();
            Ok(own.filter(|own| own.fault().is_none()).unwrap_or_default())
        }
        (None, None) => Ok(VapidSubject::Missing),
    }
}

/// Why pushes to browsers of Apple's cannot be sent, and what to do about it; `None` if they can.
///
/// # Errors
/// A setting that is no use.
pub(crate) fn web_push_fault(config: &Config) -> anyhow::Result<Option<String>> {
    let fault = vapid_subject(config)?.fault();
    Ok(fault.map(|fault| {
        format!(
            "Web Push does not reach Safari, on iPhones and Macs: outgoing.vapid_subject {fault}, and Apple refuses every push \
             without a contact of yours. Set it to mailto:you@your-domain or to an https URL of yours"
        )
    }))
}

/// Who calls webhooks.
///
/// # Errors
/// A setting of `[outgoing]` that is no use; it is named.
pub fn webhooks(
    config: &Config,
    world: &World,
    verify: &Arc<Verify>,
) -> anyhow::Result<WebhookClient> {
    let keys = Arc::new(Keeper(Arc::clone(verify)));
    WebhookClient::new(&outgoing(config)?, keys, Arc::clone(&world.clock))
        .context("the settings of [outgoing] are not right")
}

/// Whether a push could be sent with a credential; otherwise the parameter that is no use, and why.
///
/// # Errors
/// It could not.
pub fn check_credential(
    credential: &Credential,
    secrets: &CredentialSecrets,
) -> Result<(), (CredentialPart, Invalid)> {
    countersign_providers::check_credential(&opened(credential, secrets))
        .map_err(|bad| (bad.part, bad.why))
}

/// A credential as a provider takes it.
pub(crate) fn opened(credential: &Credential, secrets: &CredentialSecrets) -> OpenedCredential {
    OpenedCredential {
        sid: credential.sid,
        updated_at: credential.updated_at,
        kind: credential.kind,
        sandbox: credential.sandbox,
        key_id: credential.key_id.clone(),
        team_id: credential.team_id.clone(),
        topic: credential.topic.clone(),
        certificate: secrets.certificate.clone(),
        private_key: secrets.private_key.clone(),
        secret: secrets.secret.clone(),
    }
}

/// Tries credentials for the console: what `countersign push-test` does without `--send`.
pub(crate) struct DryPush {
    pub(crate) verify: Arc<Verify>,
    pub(crate) outgoing: Outgoing,
    /// The one that pushes are sent by.
    pub(crate) guard: Guard,
    /// Those that pushes are sent with.
    pub(crate) apple: Arc<ProviderTokens>,
    pub(crate) world: World,
}

/// A registration token that Google cannot know: what it says of it shows whether it knows us.
const NOBODY: &str = "countersign-tries-a-credential-for-nobody";

#[async_trait]
impl Tester for DryPush {
    async fn try_credential(
        &self,
        credential: &Credential,
        app_id: &str,
    ) -> Result<countersign_console::Finding, String> {
        let found = self.verify.opened_credential(credential.sid).await;
        let found = found.map_err(|_| "The credential cannot be read.".to_owned())?;
        let found = found.ok_or("The credential was removed meanwhile.")?;
        let app_id = if app_id.is_empty() { "com.example.app" } else { app_id };
        let trial = Trial {
            account: credential.account,
            credential: opened(&found.0, &found.1),
            token: Some(NOBODY.to_owned()),
            app_id: AppId::parse(app_id).map_err(|why| format!("The app id {why}."))?,
            message: Message::parse("A test").map_err(|why| why.to_string())?,
            dry: true,
        };
        let (outgoing, clock) = (self.outgoing.clone(), Arc::clone(&self.world.clock));
        let apple = Arc::clone(&self.apple);
        let (guard, entropy) = (&self.guard, &*self.world.entropy);
        let finding = try_credential(trial, outgoing, guard, apple, clock, entropy).await;
        let finding = finding.map_err(|why| format!("It cannot be tried: {why}."))?;
        let attempt = finding.attempt;
        Ok(countersign_console::Finding {
            works: finding.standing.works(),
            conclusion: finding.standing.as_str(),
            status: attempt.provider_status,
            reason: attempt.provider_reason,
            words: finding.words,
        })
    }
}

/// Hands out secrets to those who push.
struct Keeper(Arc<Verify>);

#[async_trait]
impl CredentialSource for Keeper {
    async fn credential(
        &self,
        sid: CredentialSid,
    ) -> Result<Option<Arc<OpenedCredential>>, Unavailable> {
        let found = self.0.opened_credential(sid).await;
        let found = found.map_err(|error| Unavailable(error.to_string()))?;
        Ok(found.map(|found| Arc::new(opened(&found.0, &found.1))))
    }
}

#[async_trait]
impl TokenKeeper for Keeper {
    async fn token(&self, key: KeyPrint) -> Result<Option<SharedToken>, Unavailable> {
        let found = self.0.provider_token(key).await;
        let found = found.map_err(|error| Unavailable(error.to_string()))?;
        Ok(found.map(shared))
    }

    async fn renew(&self, key: KeyPrint, new: SharedToken) -> Result<SharedToken, Unavailable> {
        let SharedToken { version, text, signed_at, forced_at } = new;
        let there =
            self.0.renew_provider_token(NewToken { key, version, signed_at, forced_at }, &text);
        there.await.map(shared).map_err(|error| Unavailable(error.to_string()))
    }
}

fn shared((found, text): (ProviderToken, Secret)) -> SharedToken {
    let ProviderToken { version, signed_at, forced_at, .. } = found;
    SharedToken { version, text, signed_at, forced_at }
}

#[async_trait]
impl VapidSource for Keeper {
    async fn vapid(
        &self,
        account: AccountSid,
        service: ServiceSid,
    ) -> Result<Option<Arc<OpenedVapid>>, Unavailable> {
        let key = self.0.vapid(account, service).await;
        let private_key = key.map_err(|error| Unavailable(error.to_string()))?.private_key;
        // It follows from the master key and the SID: there is one version of it.
        Ok(Some(Arc::new(OpenedVapid { updated_at: Instant::from_seconds(0), private_key })))
    }
}

#[async_trait]
impl WebhookKeys for Keeper {
    async fn webhook_keys(&self, webhook: &Webhook) -> Result<(Secret, Secret), Unavailable> {
        let found = self.0.webhook_keys(webhook.account, webhook.sid).await;
        found.map_err(|error| Unavailable(error.to_string()))
    }
}
