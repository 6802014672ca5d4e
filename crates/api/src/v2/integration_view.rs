//! An integration, as callers see it.

use std::collections::BTreeMap;

use countersign_domain::client_url::ClientUrl;
use countersign_domain::integration::{Integration, IntegrationKind};
use countersign_domain::service_protection::{PresenceList, PresenceMode};
use countersign_domain::sid::{AccountSid, IntegrationSid, ServiceSid};
use countersign_domain::text::{FriendlyName, Identity};
use countersign_domain::time::Instant;
use countersign_verify::OpenedIntegration;
use serde::Serialize;

use crate::urls::PublicUrl;

#[derive(Serialize)]
struct RadiusView {
    mode: &'static str,
    message_authenticator: &'static str,
}

#[derive(Serialize)]
struct OpenIdView<'a> {
    issuer: String,
    redirect_uris: Vec<&'a str>,
    id_token_alg: &'static str,
    ciba: &'static str,
    notification_endpoint: Option<&'a str>,
    user_code: &'static str,
}

impl<'a> OpenIdView<'a> {
    fn of(integration: &'a Integration, base: &PublicUrl) -> Self {
        let client = &integration.settings.openid;
        Self {
            issuer: format!("{}/openid/{}", base.as_str(), integration.service),
            redirect_uris: client.redirect_uris.iter().collect(),
            id_token_alg: client.id_token_alg.as_str(),
            ciba: client.ciba.as_str(),
            notification_endpoint: client.notification_endpoint.as_ref().map(ClientUrl::as_str),
            user_code: client.user_code.as_str(),
        }
    }
}

#[derive(Serialize)]
struct KeycloakView<'a> {
    issuers: Vec<&'a str>,
}

#[derive(Serialize)]
struct ForwardAuthView<'a> {
    sites: Vec<&'a str>,
    session_life: u32,
}

#[derive(Serialize)]
struct Links {
    secret: String,
    identity: String,
}

#[derive(Serialize)]
pub(super) struct IntegrationView<'a> {
    sid: IntegrationSid,
    account_sid: AccountSid,
    service_sid: ServiceSid,
    kind: &'static str,
    friendly_name: &'a FriendlyName,
    key: &'a str,
    user_rule: &'static str,
    aliases: BTreeMap<&'a str, &'a Identity>,
    unknown_users: &'static str,
    /// Empty: as the service says.
    presence: Vec<&'static str>,
    /// Empty: any.
    networks: Vec<String>,
    prompt_life: u32,
    legacy: Option<bool>,
    duo_redirect_uris: Option<Vec<&'a str>>,
    radius: Option<RadiusView>,
    openid: Option<OpenIdView<'a>>,
    keycloak: Option<KeycloakView<'a>>,
    forward_auth: Option<ForwardAuthView<'a>>,
    date_created: Instant,
    date_updated: Instant,
    url: String,
    links: Links,
}

impl<'a> IntegrationView<'a> {
    pub(super) fn of(integration: &'a Integration, base: &PublicUrl) -> Self {
        let settings = &integration.settings;
        let presence = settings.presence.iter().flat_map(PresenceList::modes);
        let url = format!("{}/Integrations/{}", base.service(integration.service), integration.sid);
        Self {
            sid: integration.sid,
            account_sid: integration.account,
            service_sid: integration.service,
            kind: integration.kind.as_str(),
            friendly_name: &settings.friendly_name,
            key: integration.key.as_str(),
            user_rule: settings.users.rule.as_str(),
            aliases: settings.users.aliases.iter().collect(),
            unknown_users: settings.unknown_users.as_str(),
            presence: presence.copied().map(PresenceMode::as_str).collect(),
            networks: settings.networks.iter().map(ToString::to_string).collect(),
            prompt_life: settings.prompt_seconds,
            legacy: (integration.kind == IntegrationKind::Duo).then_some(settings.legacy),
            duo_redirect_uris: (integration.kind == IntegrationKind::Duo)
                .then(|| settings.duo_redirect_uris.iter().collect()),
            radius: (integration.kind == IntegrationKind::Radius).then(|| RadiusView {
                mode: settings.radius_mode.as_str(),
                message_authenticator: settings.message_authenticator.as_str(),
            }),
            openid: (integration.kind == IntegrationKind::OpenId)
                .then(|| OpenIdView::of(integration, base)),
            keycloak: (integration.kind == IntegrationKind::Keycloak)
                .then(|| KeycloakView { issuers: settings.keycloak_issuers.iter().collect() }),
            forward_auth: (integration.kind == IntegrationKind::ForwardAuth).then(|| {
                let sites = settings.sites.iter().collect();
                ForwardAuthView { sites, session_life: settings.session_seconds }
            }),
            date_created: integration.created_at,
            date_updated: integration.updated_at,
            links: Links { secret: format!("{url}/Secret"), identity: format!("{url}/Identity") },
            url,
        }
    }
}

/// A new integration, with the secret that is shown once.
#[derive(Serialize)]
pub(super) struct NewIntegrationView<'a> {
    #[serde(flatten)]
    integration: IntegrationView<'a>,
    secret: &'a str,
}

impl<'a> NewIntegrationView<'a> {
    pub(super) fn of(made: &'a OpenedIntegration, base: &PublicUrl) -> Self {
        let integration = IntegrationView::of(&made.integration, base);
        Self { integration, secret: made.secret.expose() }
    }
}

/// The secret after a rotation.
#[derive(Serialize)]
pub(super) struct SecretView<'a> {
    sid: IntegrationSid,
    key: &'a str,
    secret: &'a str,
}

impl<'a> SecretView<'a> {
    pub(super) fn of(rotated: &'a OpenedIntegration) -> Self {
        let Integration { sid, key, .. } = &rotated.integration;
        Self { sid: *sid, key: key.as_str(), secret: rotated.secret.expose() }
    }
}

#[cfg(test)]
mod tests {
    use countersign_domain::integration::IntegrationSettings;
    use countersign_domain::secret::{Sealed, Secret};
    use countersign_domain::source_networks::SourceNetworks;
    use countersign_domain::user_mapping::{Aliases, UserMapping, UserRule};

    use super::super::integrations::IdentityView;
    use super::*;
    use crate::tests::{at, base, owner};

    fn opened(kind: IntegrationKind) -> OpenedIntegration {
        let aliases = Aliases::parse(["root=alice-0001"].into_iter()).expect("aliases");
        let networks = SourceNetworks::parse(["192.0.2.0/24", "2001:db8::1"].into_iter());
        let name = FriendlyName::parse("ssh").expect("a name");
        let integration = Integration {
            sid: "IG00000000000000000000000000000001".parse().expect("a SID"),
            account: owner().account,
            service: owner().service,
            kind,
            key: "DIXYZV6YM8IFYVWBINCA".parse().expect("a key"),
            secret: Sealed::from_bytes(vec![1]),
            settings: IntegrationSettings {
                users: UserMapping { rule: UserRule::Hashed, aliases },
                presence: Some(PresenceList::parse("number,code").expect("modes")),
                networks: networks.expect("networks"),
                ..IntegrationSettings::named(name)
            },
            created_at: at(),
            updated_at: at(),
        };
        OpenedIntegration {
            integration,
            secret: Secret::new("yWHSMhWucAcp7qvuH3HWTaSaKABs8Gaddiv1NIRo"),
        }
    }

    #[test]
    fn fetched() {
        let opened = opened(IntegrationKind::Radius);
        insta::assert_json_snapshot!(IntegrationView::of(&opened.integration, &base()));
    }

    #[test]
    fn created() {
        insta::assert_json_snapshot!(NewIntegrationView::of(
            &opened(IntegrationKind::Duo),
            &base()
        ));
    }

    #[test]
    fn openid() {
        let opened = opened(IntegrationKind::OpenId);
        insta::assert_json_snapshot!(IntegrationView::of(&opened.integration, &base()));
    }

    #[test]
    fn rotated() {
        insta::assert_json_snapshot!(SecretView::of(&opened(IntegrationKind::Duo)));
    }

    #[test]
    fn identity() {
        let integration = opened(IntegrationKind::Duo).integration;
        let identity = integration.identity("root").expect("an identity");
        insta::assert_json_snapshot!(IdentityView::of(&integration, "root", identity));
    }
}
