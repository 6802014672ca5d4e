//! The parameters of an integration.

use countersign_domain::client_url::{ClientUrl, ClientUrls};
use countersign_domain::integration::{
    IntegrationKind, IntegrationSettings, PROMPT_SECONDS, SESSION_SECONDS,
};
use countersign_domain::invalid::Invalid;
use countersign_domain::openid_client::OpenIdClient;
use countersign_domain::service_protection::PresenceList;
use countersign_domain::sites::Sites;
use countersign_domain::source_networks::SourceNetworks;
use countersign_domain::text::FriendlyName;
use countersign_domain::user_mapping::Aliases;

use crate::error::ApiError;
use crate::params::{Params, boolean, integer};

/// Reads the parameters of a new integration.
pub(super) fn read_new(
    params: &Params<'_>,
) -> Result<(IntegrationKind, IntegrationSettings), ApiError> {
    let name = params.required("FriendlyName", FriendlyName::written)?;
    let kind = params.required("Kind", str::parse)?;
    let mut settings = IntegrationSettings::named(name);
    change(params, kind, &mut settings)?;
    Ok((kind, settings))
}

/// Makes the changes that a request asks for.
pub(super) fn change(
    params: &Params<'_>,
    kind: IntegrationKind,
    to: &mut IntegrationSettings,
) -> Result<(), ApiError> {
    if let Some(rule) = params.optional("UserRule", str::parse)? {
        to.users.rule = rule;
    }
    if let Some(aliases) = list(params, "Aliases", Aliases::parse)? {
        to.users.aliases = aliases;
    }
    if let Some(unknown_users) = params.optional("UnknownUsers", str::parse)? {
        to.unknown_users = unknown_users;
    }
    if let Some(presence) = params.optional("Presence", presence)? {
        to.presence = presence;
    }
    if let Some(networks) = list(params, "Networks", SourceNetworks::parse)? {
        to.networks = networks;
    }
    if let Some(seconds) = params.optional("PromptLife", integer(PROMPT_SECONDS))? {
        to.prompt_seconds = seconds;
    }
    let legacy = params.optional("Legacy", boolean)?;
    if let Some(legacy) = of_kind(params, "Legacy", legacy, kind, IntegrationKind::Duo)? {
        to.legacy = legacy;
    }
    let name = "Duo.RedirectUris";
    let uris = list(params, name, ClientUrls::parse)?;
    if let Some(uris) = of_kind(params, name, uris, kind, IntegrationKind::Duo)? {
        to.duo_redirect_uris = uris;
    }
    let mode = params.optional("Radius.Mode", str::parse)?;
    if let Some(mode) = of_kind(params, "Radius.Mode", mode, kind, IntegrationKind::Radius)? {
        to.radius_mode = mode;
    }
    let name = "Radius.MessageAuthenticator";
    let wanted = params.optional(name, str::parse)?;
    if let Some(wanted) = of_kind(params, name, wanted, kind, IntegrationKind::Radius)? {
        to.message_authenticator = wanted;
    }
    let issuers = list(params, "Keycloak.Issuers", ClientUrls::parse)?;
    let only = IntegrationKind::Keycloak;
    if let Some(issuers) = of_kind(params, "Keycloak.Issuers", issuers, kind, only)? {
        to.keycloak_issuers = issuers;
    }
    let only = IntegrationKind::ForwardAuth;
    let sites = list(params, "ForwardAuth.Sites", Sites::parse)?;
    if let Some(sites) = of_kind(params, "ForwardAuth.Sites", sites, kind, only)? {
        to.sites = sites;
    }
    let name = "ForwardAuth.SessionLife";
    let seconds = params.optional(name, integer(SESSION_SECONDS))?;
    if let Some(seconds) = of_kind(params, name, seconds, kind, only)? {
        to.session_seconds = seconds;
    }
    change_openid(params, kind, &mut to.openid)
}

/// Makes the changes to a client of the OpenID provider.
fn change_openid(
    params: &Params<'_>,
    kind: IntegrationKind,
    to: &mut OpenIdClient,
) -> Result<(), ApiError> {
    let only = IntegrationKind::OpenId;
    let uris = list(params, "OpenId.RedirectUris", ClientUrls::parse)?;
    if let Some(uris) = of_kind(params, "OpenId.RedirectUris", uris, kind, only)? {
        to.redirect_uris = uris;
    }
    let algorithm = params.optional("OpenId.IdTokenAlg", str::parse)?;
    if let Some(algorithm) = of_kind(params, "OpenId.IdTokenAlg", algorithm, kind, only)? {
        to.id_token_alg = algorithm;
    }
    let mode = params.optional("OpenId.Ciba", str::parse)?;
    if let Some(mode) = of_kind(params, "OpenId.Ciba", mode, kind, only)? {
        to.ciba = mode;
    }
    let name = "OpenId.NotificationEndpoint";
    let endpoint = params.optional(name, endpoint)?;
    if let Some(endpoint) = of_kind(params, name, endpoint, kind, only)? {
        to.notification_endpoint = endpoint;
    }
    let code = params.optional("OpenId.UserCode", str::parse)?;
    if let Some(code) = of_kind(params, "OpenId.UserCode", code, kind, only)? {
        to.user_code = code;
    }
    Ok(())
}

/// Parses where a client is called; an empty text: nowhere.
fn endpoint(text: &str) -> Result<Option<ClientUrl>, Invalid> {
    if text.is_empty() { Ok(None) } else { ClientUrl::parse(text).map(Some) }
}

/// The value of a parameter that integrations of one kind have, refused for those of another.
fn of_kind<T>(
    params: &Params<'_>,
    name: &'static str,
    value: Option<T>,
    kind: IntegrationKind,
    only: IntegrationKind,
) -> Result<Option<T>, ApiError> {
    if value.is_some() && kind != only {
        let why = format!("is for integrations of the kind {} only", only.as_str());
        return Err(params.bad(name, Invalid(why.into())));
    }
    Ok(value)
}

/// Parses a list; `None` if it is not named. One empty value is the empty list.
fn list<'p, T>(
    params: &'p Params<'_>,
    name: &'static str,
    parse: impl FnOnce(Box<dyn Iterator<Item = &'p str> + 'p>) -> Result<T, Invalid>,
) -> Result<Option<T>, ApiError> {
    let mut values = params.all(name).peekable();
    if values.peek().is_none() {
        return Ok(None);
    }
    let is_empty = params.all(name).eq([""]);
    let values = values.filter(move |_| !is_empty);
    parse(Box::new(values)).map(Some).map_err(|why| params.bad(name, why))
}

/// Parses presence modes; an empty text leaves them to the service.
fn presence(text: &str) -> Result<Option<PresenceList>, Invalid> {
    if text.is_empty() { Ok(None) } else { PresenceList::parse(text).map(Some) }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::rows;

    const EVERYTHING: &str = "FriendlyName=ssh&Kind=duo&UserRule=strip_domain&Aliases=root=alice-0001&Aliases=adm=bob-00001\
                              &UnknownUsers=enrol&Presence=number,code&Networks=192.0.2.0/24&Networks=2001:db8::1&PromptLife=90\
                              &Legacy=true";

    fn read(form: &str) -> Result<(IntegrationKind, IntegrationSettings), ApiError> {
        read_new(&Params::parse(form.as_bytes(), &rows::PARAMETER)?)
    }

    fn update(form: &str, to: &mut IntegrationSettings) {
        let params = Params::parse(form.as_bytes(), &rows::PARAMETER).expect(form);
        change(&params, IntegrationKind::Duo, to).expect(form);
    }

    #[test]
    fn an_absent_parameter_changes_nothing_and_an_empty_list_clears() {
        let (kind, all) = read(EVERYTHING).expect("a form");
        assert_eq!(kind, IntegrationKind::Duo);
        assert_eq!((all.users.aliases.iter().count(), all.networks.iter().count()), (2, 2));
        let mut changed = all.clone();
        update("PromptLife=30", &mut changed);
        assert_eq!(changed, IntegrationSettings { prompt_seconds: 30, ..all });
        update("Aliases=&Networks=&Presence=", &mut changed);
        assert_eq!((changed.users.aliases.iter().count(), changed.networks.is_empty()), (0, true));
        assert_eq!(changed.presence, None);
    }

    #[test]
    fn forward_auth_has_sites_and_a_life_of_sessions() {
        let form = "FriendlyName=a&Kind=forward_auth&ForwardAuth.Sites=https://a.example&ForwardAuth.Sites=https://b.example&ForwardAuth.SessionLife=600";
        let (kind, settings) = read(form).expect("a form");
        assert_eq!(kind, IntegrationKind::ForwardAuth);
        let sites: Vec<_> = settings.sites.iter().collect();
        assert_eq!((sites.len(), settings.session_seconds), (2, 600));
    }

    #[rstest]
    #[case("Kind=duo", 20001)]
    #[case("FriendlyName=a", 20001)]
    #[case("FriendlyName=a&Kind=fax", 60306)]
    #[case("FriendlyName=a&Kind=duo&UserRule=upper", 60306)]
    #[case("FriendlyName=a&Kind=duo&Aliases=ann", 60306)]
    #[case("FriendlyName=a&Kind=duo&Aliases=&Aliases=ann=alice-0001", 60306)]
    #[case("FriendlyName=a&Kind=duo&UnknownUsers=allow", 60306)]
    #[case("FriendlyName=a&Kind=duo&Presence=face", 60306)]
    #[case("FriendlyName=a&Kind=duo&Networks=192.0.2.1/24", 60306)]
    #[case("FriendlyName=a&Kind=duo&PromptLife=9", 60306)]
    #[case("FriendlyName=a&Kind=duo&PromptLife=601", 60306)]
    #[case("FriendlyName=a&Kind=duo&Legacy=maybe", 60306)]
    #[case("FriendlyName=a&Kind=duo&Radius.Mode=wait", 60306)]
    #[case("FriendlyName=a&Kind=radius&Legacy=true", 60306)]
    #[case("FriendlyName=a&Kind=radius&Radius.Mode=push", 60306)]
    #[case("FriendlyName=a&Kind=radius&Radius.MessageAuthenticator=off", 60306)]
    #[case("FriendlyName=a&Kind=duo&OpenId.Ciba=poll", 60306)]
    #[case("FriendlyName=a&Kind=openid&OpenId.Ciba=push", 60306)]
    #[case("FriendlyName=a&Kind=openid&OpenId.IdTokenAlg=none", 60306)]
    #[case("FriendlyName=a&Kind=openid&OpenId.RedirectUris=http://shop.example/cb", 60306)]
    #[case("FriendlyName=a&Kind=duo&Duo.RedirectUris=http://shop.example/cb", 60306)]
    #[case("FriendlyName=a&Kind=openid&Duo.RedirectUris=https://shop.example/cb", 60306)]
    #[case("FriendlyName=a&Kind=openid&OpenId.NotificationEndpoint=shop", 60306)]
    #[case("FriendlyName=a&Kind=openid&OpenId.UserCode=maybe", 60306)]
    #[case("FriendlyName=a&Kind=openid&Keycloak.Issuers=https://sso.example", 60306)]
    #[case("FriendlyName=a&Kind=duo&ForwardAuth.Sites=https://a.example", 60306)]
    #[case("FriendlyName=a&Kind=duo&ForwardAuth.SessionLife=600", 60306)]
    #[case("FriendlyName=a&Kind=forward_auth&ForwardAuth.Sites=a.example", 60306)]
    #[case("FriendlyName=a&Kind=forward_auth&ForwardAuth.SessionLife=299", 60306)]
    #[case("FriendlyName=a&Kind=forward_auth&ForwardAuth.SessionLife=2592001", 60306)]
    fn rejects(#[case] form: &str, #[case] code: u32) {
        assert_eq!(read(form).expect_err(form).code_and_text().0, code);
    }
}
