//! `countersign integrations`: works beside a running server, which applies changes within ten seconds.

use anyhow::{anyhow, bail, ensure};
use countersign_domain::client_url::{ClientUrl, ClientUrls};
use countersign_domain::integration::{
    Integration, IntegrationKind, IntegrationPart, IntegrationSettings,
};
use countersign_domain::openid_client::OpenIdClient;
use countersign_domain::service_protection::{PresenceList, PresenceMode};
use countersign_domain::sid::{AccountSid, ServiceSid};
use countersign_domain::sites::Sites;
use countersign_domain::source_networks::SourceNetworks;
use countersign_domain::user_mapping::Aliases;
use countersign_verify::{OpenedIntegration, Verify, VerifyError};
use serde_json::{Value, json};

use super::beside;
use super::lists::{PAGE, accounts, all, owner, print};
use crate::cli::{IntegrationFlags as Flags, Integrations, Listing, WhichIntegration as Which};
use crate::config::Config;

pub(super) async fn run(config: &Config, command: Integrations) -> anyhow::Result<()> {
    let (verify, _) = beside::open(config).await?;
    match command {
        Integrations::List { account, service, listing } => {
            list(&verify, account, service, listing).await?;
        }
        Integrations::Show { which, user, listing } => show(&verify, which, user, listing).await?,
        Integrations::Create { service, kind, name, settings: flags, listing } => {
            let mut settings = IntegrationSettings::named(name);
            change(&flags, kind, &mut settings)?;
            let account = owner(&verify, service).await?;
            let made = verify.create_integration(account, service, kind, settings).await?;
            print_secret(&made, listing);
        }
        Integrations::Update { which, name, settings: flags, listing } => {
            let account = owner(&verify, which.service).await?;
            let edit = |kind: IntegrationKind, settings: &mut IntegrationSettings| {
                if let Some(name) = &name {
                    settings.friendly_name = name.clone();
                }
                change(&flags, kind, settings)
            };
            let changed =
                verify.update_integration(account, which.service, which.integration, edit);
            let changed = changed.await.map_err(|error| not_there(error, which))?;
            print(listing, || line(&changed), || members(&changed));
        }
        Integrations::Rotate { which, listing } => {
            let account = owner(&verify, which.service).await?;
            let Which { integration: sid, service } = which;
            let rotated = verify.rotate_integration_secret(account, service, sid).await;
            print_secret(&rotated.map_err(|error| not_there(error.into(), which))?, listing);
            eprintln!(
                "The previous secret stops working; a running server knows within ten seconds."
            );
        }
        Integrations::Delete { which } => {
            let account = owner(&verify, which.service).await?;
            let Which { integration: sid, service } = which;
            let deleted = verify.delete_integration(account, service, sid).await;
            deleted.map_err(|error| not_there(error.into(), which))?;
            eprintln!("{sid} is deleted; a running server knows within ten seconds.");
        }
    }
    Ok(())
}

fn not_there(error: anyhow::Error, which: Which) -> anyhow::Error {
    match error.downcast_ref() {
        Some(VerifyError::NotFound) => {
            anyhow!("there is no {} in {}", which.integration, which.service)
        }
        _ => error,
    }
}

async fn list(
    verify: &Verify,
    account: Option<AccountSid>,
    service: Option<ServiceSid>,
    listing: Listing,
) -> anyhow::Result<()> {
    let mut found = 0;
    for account in accounts(verify, account, service).await? {
        let services = match service {
            Some(service) => vec![service],
            None => {
                let all = all(PAGE, |page| verify.services(account, page), |it| it.sid).await?;
                all.iter().map(|service| service.sid).collect()
            }
        };
        for service in services {
            let read = |page| verify.integrations(account, service, page);
            for integration in all(PAGE, read, |it| it.sid).await? {
                found += 1;
                print(listing, || line(&integration), || members(&integration));
            }
        }
    }
    if found == 0 {
        eprintln!("There are no integrations: countersign integrations create makes one.");
    }
    Ok(())
}

async fn show(
    verify: &Verify,
    which: Which,
    user: Option<String>,
    listing: Listing,
) -> anyhow::Result<()> {
    let account = owner(verify, which.service).await?;
    let found = verify.integration(account, which.service, which.integration).await;
    let integration = found.map_err(|error| not_there(error.into(), which))?;
    let Some(user) = user else {
        print(listing, || details(&integration), || members(&integration));
        return Ok(());
    };
    let identity = integration.identity(&user).map_err(|why| anyhow!("--user {why}"))?;
    let json = || json!({"user_name": user, "identity": identity});
    print(listing, || identity.to_string(), json);
    Ok(())
}

/// Makes the changes that the flags ask for.
fn change(
    flags: &Flags,
    kind: IntegrationKind,
    to: &mut IntegrationSettings,
) -> anyhow::Result<()> {
    let only = |flag: &str, wanted: IntegrationKind, is_given: bool| {
        let kinds = wanted.as_str();
        ensure!(
            !is_given || kind == wanted,
            "--{flag} is for integrations of the kind {kinds} only"
        );
        Ok(())
    };
    only("legacy", IntegrationKind::Duo, flags.legacy.is_some())?;
    only("radius-mode", IntegrationKind::Radius, flags.radius_mode.is_some())?;
    let is_given = flags.message_authenticator.is_some();
    only("message-authenticator", IntegrationKind::Radius, is_given)?;
    let openid = IntegrationKind::OpenId;
    only("id-token-alg", openid, flags.id_token_alg.is_some())?;
    only("ciba", openid, flags.ciba.is_some())?;
    only("notification-endpoint", openid, flags.notification_endpoint.is_some())?;
    only("user-code", openid, flags.user_code.is_some())?;
    only("issuer", IntegrationKind::Keycloak, !flags.issuers.is_empty())?;
    change_redirect_uris(flags, kind, to)?;
    change_openid(flags, &mut to.openid)?;
    if let Some(issuers) = given(&flags.issuers) {
        to.keycloak_issuers =
            ClientUrls::parse(issuers).map_err(|why| anyhow!("--issuer {why}"))?;
    }
    only("site", IntegrationKind::ForwardAuth, !flags.sites.is_empty())?;
    only("session-life", IntegrationKind::ForwardAuth, flags.session_life.is_some())?;
    if let Some(aliases) = given(&flags.aliases) {
        to.users.aliases = Aliases::parse(aliases).map_err(|why| anyhow!("--alias {why}"))?;
    }
    if let Some(networks) = given(&flags.networks) {
        to.networks = SourceNetworks::parse(networks).map_err(|why| anyhow!("--network {why}"))?;
    }
    if let Some(sites) = given(&flags.sites) {
        to.sites = Sites::parse(sites).map_err(|why| anyhow!("--site {why}"))?;
    }
    if let Some(presence) = &flags.presence {
        let parse = |text: &String| PresenceList::parse(text);
        let list = Some(presence).filter(|text| !text.is_empty()).map(parse).transpose();
        to.presence = list.map_err(|why| anyhow!("--presence {why}"))?;
    }
    to.users.rule = flags.user_rule.unwrap_or(to.users.rule);
    to.unknown_users = flags.unknown_users.unwrap_or(to.unknown_users);
    to.prompt_seconds = flags.prompt_life.unwrap_or(to.prompt_seconds);
    to.legacy = flags.legacy.unwrap_or(to.legacy);
    to.radius_mode = flags.radius_mode.unwrap_or(to.radius_mode);
    to.message_authenticator = flags.message_authenticator.unwrap_or(to.message_authenticator);
    to.session_seconds = flags.session_life.unwrap_or(to.session_seconds);
    to.check(kind).map_err(|(part, why)| match part {
        IntegrationPart::Networks => anyhow!("--network {why}"),
        IntegrationPart::NotificationEndpoint => anyhow!("--notification-endpoint {why}"),
        IntegrationPart::KeycloakIssuers => anyhow!("--issuer {why}"),
        IntegrationPart::Sites => anyhow!("--site {why}"),
    })
}

/// Changes the addresses to which browsers may be led back.
fn change_redirect_uris(
    flags: &Flags,
    kind: IntegrationKind,
    to: &mut IntegrationSettings,
) -> anyhow::Result<()> {
    let Some(uris) = given(&flags.redirect_uris) else { return Ok(()) };
    let of_kind = match kind {
        IntegrationKind::OpenId => &mut to.openid.redirect_uris,
        IntegrationKind::Duo => &mut to.duo_redirect_uris,
        _ => bail!("--redirect-uri is for integrations of the kinds openid and duo only"),
    };
    *of_kind = ClientUrls::parse(uris).map_err(|why| anyhow!("--redirect-uri {why}"))?;
    Ok(())
}

/// Makes the changes to a client of the OpenID provider.
fn change_openid(flags: &Flags, to: &mut OpenIdClient) -> anyhow::Result<()> {
    if let Some(url) = &flags.notification_endpoint {
        let parse = |text: &String| ClientUrl::parse(text);
        let endpoint = Some(url).filter(|text| !text.is_empty()).map(parse).transpose();
        to.notification_endpoint =
            endpoint.map_err(|why| anyhow!("--notification-endpoint {why}"))?;
    }
    to.id_token_alg = flags.id_token_alg.unwrap_or(to.id_token_alg);
    to.ciba = flags.ciba.unwrap_or(to.ciba);
    to.user_code = flags.user_code.unwrap_or(to.user_code);
    Ok(())
}

/// The values of a flag that was given; one empty value is none.
fn given(values: &[String]) -> Option<impl Iterator<Item = &str>> {
    let is_empty = values == [""];
    (!values.is_empty()).then(|| values.iter().map(String::as_str).filter(move |_| !is_empty))
}

fn print_secret(opened: &OpenedIntegration, listing: Listing) {
    let (sid, key) = (opened.integration.sid, opened.integration.key);
    let secret = opened.secret.expose();
    let human = || format!("integration_sid={sid}\nkey={key}\nsecret={secret}");
    print(
        listing,
        human,
        || json!({"sid": sid.to_string(), "key": key.as_str(), "secret": secret}),
    );
}

fn line(integration: &Integration) -> String {
    let Integration { sid, kind, key, service, created_at, settings, .. } = integration;
    format!("{sid}  {}  {key}  {created_at}  {service}  {}", kind.as_str(), settings.friendly_name)
}

/// A line for each property.
fn details(integration: &Integration) -> String {
    let Value::Object(members) = members(integration) else { return String::new() };
    let lines = members.iter().map(|(name, value)| match value {
        Value::String(text) => format!("{name}={text}"),
        other => format!("{name}={other}"),
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn members(integration: &Integration) -> Value {
    let settings = &integration.settings;
    let aliases: serde_json::Map<_, _> =
        settings.users.aliases.iter().map(|(name, who)| (name.to_owned(), json!(who))).collect();
    let modes = settings.presence.iter().flat_map(PresenceList::modes);
    let presence: Vec<_> = modes.copied().map(PresenceMode::as_str).collect();
    let networks: Vec<_> = settings.networks.iter().map(ToString::to_string).collect();
    let is_radius = integration.kind == IntegrationKind::Radius;
    let openid = Some(&settings.openid).filter(|_| integration.kind == IntegrationKind::OpenId);
    let redirect_uris = match integration.kind {
        IntegrationKind::Duo => Some(&settings.duo_redirect_uris),
        _ => openid.map(|it| &it.redirect_uris),
    };
    let is_keycloak = integration.kind == IntegrationKind::Keycloak;
    let is_forward = integration.kind == IntegrationKind::ForwardAuth;
    json!({
        "sid": integration.sid.to_string(),
        "account_sid": integration.account.to_string(),
        "service_sid": integration.service.to_string(),
        "kind": integration.kind.as_str(),
        "friendly_name": settings.friendly_name,
        "key": integration.key.as_str(),
        "user_rule": settings.users.rule.as_str(),
        "aliases": aliases,
        "unknown_users": settings.unknown_users.as_str(),
        "presence": presence,
        "networks": networks,
        "prompt_life": settings.prompt_seconds,
        "legacy": (integration.kind == IntegrationKind::Duo).then_some(settings.legacy),
        "radius_mode": is_radius.then(|| settings.radius_mode.as_str()),
        "message_authenticator": is_radius.then(|| settings.message_authenticator.as_str()),
        "redirect_uris": redirect_uris.map(|uris| uris.iter().collect::<Vec<_>>()),
        "id_token_alg": openid.map(|it| it.id_token_alg.as_str()),
        "ciba": openid.map(|it| it.ciba.as_str()),
        "notification_endpoint": openid.and_then(|it| Some(it.notification_endpoint.as_ref()?.as_str())),
        "user_code": openid.map(|it| it.user_code.as_str()),
        "issuers": is_keycloak.then(|| settings.keycloak_issuers.iter().collect::<Vec<_>>()),
        "sites": is_forward.then(|| settings.sites.iter().collect::<Vec<_>>()),
        "session_life": is_forward.then_some(settings.session_seconds),
        "date_created": integration.created_at,
        "date_updated": integration.updated_at,
    })
}
