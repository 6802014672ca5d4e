//! The settings that integrations of one kind have: their fields, how they are read, and how they are shown.

use countersign_domain::client_url::{ClientUrl, ClientUrls};
use countersign_domain::integration::{IntegrationKind, IntegrationSettings, SESSION_SECONDS};
use countersign_domain::invalid::Invalid;
use countersign_domain::openid_client::OpenIdClient;
use countersign_domain::sites::Sites;

use crate::fields::{Field, Refusal};
use crate::form::Form;

/// The values of the fields: from the form that was sent, otherwise from the settings.
pub(super) struct Values<'a> {
    pub(super) form: &'a Form,
    pub(super) settings: Option<&'a IntegrationSettings>,
}

impl Values<'_> {
    pub(super) fn text(
        &self,
        name: &str,
        setting: impl Fn(&IntegrationSettings) -> String,
    ) -> String {
        let setting = || self.settings.map(setting).unwrap_or_default();
        self.form.given(name).map_or_else(setting, str::to_owned)
    }
}

/// The lines of a text that are not empty.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

/// A rule for whole numbers within these bounds.
pub(super) fn seconds(
    within: std::ops::RangeInclusive<u32>,
) -> impl Fn(&str) -> Result<u32, Invalid> {
    move |text| {
        let seconds = text.parse().ok().filter(|seconds| within.contains(seconds));
        let (least, most) = (within.start(), within.end());
        seconds
            .ok_or_else(|| Invalid(format!("must be a whole number from {least} to {most}").into()))
    }
}

/// The fields of a kind.
pub(super) fn fields(kind: IntegrationKind, values: &Values<'_>) -> Vec<Field> {
    match kind {
        IntegrationKind::Duo => duo(values),
        IntegrationKind::Radius => radius(values),
        IntegrationKind::OpenId => openid(values),
        IntegrationKind::Keycloak => keycloak(values),
        IntegrationKind::ForwardAuth => forward_auth(values),
    }
}

fn duo(values: &Values<'_>) -> Vec<Field> {
    let legacy = values.text("Legacy", |it| it.legacy.to_string());
    let uris = values.text("Duo.RedirectUris", |it| written(it.duo_redirect_uris.iter()));
    vec![
        Field::text("Legacy", "Signatures without a date", legacy)
            .choose_of(&[("false", "are refused"), ("true", "are accepted: they can be replayed")])
            .hint("Debian 12’s login_duo and pam_duo send no date."),
        Field::area("Duo.RedirectUris", "Redirect URIs of Universal Prompt", uris)
            .hint("One a line, such as https://portal.example/duo. Empty: it is off."),
    ]
}

fn radius(values: &Values<'_>) -> Vec<Field> {
    let mode = values.text("Radius.Mode", |it| it.radius_mode.as_str().to_owned());
    let name = "Radius.MessageAuthenticator";
    let wanted = values.text(name, |it| it.message_authenticator.as_str().to_owned());
    vec![
        Field::text("Radius.Mode", "The answer", mode).choose_of(&[
            ("wait", "comes when the person has answered"),
            ("challenge", "is a challenge at once, and the client asks again"),
        ]),
        Field::text(name, "Message-Authenticator", wanted).choose_of(&[
            ("required", "required"),
            ("optional", "optional, for clients that send none"),
        ]),
    ]
}

fn openid(values: &Values<'_>) -> Vec<Field> {
    let text =
        |name, setting: fn(&OpenIdClient) -> String| values.text(name, |it| setting(&it.openid));
    let uris = text("OpenId.RedirectUris", |it| written(it.redirect_uris.iter()));
    let algorithm = text("OpenId.IdTokenAlg", |it| it.id_token_alg.as_str().to_owned());
    let mode = text("OpenId.Ciba", |it| it.ciba.as_str().to_owned());
    let endpoint = text("OpenId.NotificationEndpoint", endpoint);
    let code = text("OpenId.UserCode", |it| it.user_code.as_str().to_owned());
    vec![
        Field::text("OpenId.Ciba", "Questions by CIBA", mode)
            .choose_of(&[
                ("off", "may not be asked"),
                ("poll", "are asked, and the client fetches the answer"),
                ("ping", "are asked, and the client is called when there is an answer"),
            ])
            .hint("The client asks for a person whose browser is elsewhere."),
        Field::text("OpenId.NotificationEndpoint", "Where the client is called", endpoint)
            .hint("An https URL, such as https://shop.example/ciba. Only for calls."),
        Field::text("OpenId.UserCode", "A code of the person’s authenticator app", code).choose_of(
            &[("off", "is not asked for"), ("required", "must come with each question by CIBA")],
        ),
        Field::text("OpenId.IdTokenAlg", "ID tokens are signed with", algorithm).choose_of(&[
            ("RS256", "RS256, which every client can check"),
            ("ES256", "ES256, which is smaller"),
        ]),
        Field::area("OpenId.RedirectUris", "Redirect URIs", uris)
            .hint("One a line, such as https://shop.example/cb. They are compared byte for byte."),
    ]
}

fn keycloak(values: &Values<'_>) -> Vec<Field> {
    let issuers = values.text("Keycloak.Issuers", |it| written(it.keycloak_issuers.iter()));
    vec![Field::area("Keycloak.Issuers", "Issuers of the realms that ask", issuers).hint(
        "One a line, byte for byte as the realm’s metadata says, such as https://sso.example/realms/main. Answers go there.",
    )]
}

fn forward_auth(values: &Values<'_>) -> Vec<Field> {
    let sites = values.text("ForwardAuth.Sites", |it| written(it.sites.iter()));
    let life = values.text("ForwardAuth.SessionLife", |it| it.session_seconds.to_string());
    let (least, most) = (SESSION_SECONDS.start(), SESSION_SECONDS.end());
    vec![
        Field::area("ForwardAuth.Sites", "Sites that it protects", sites)
            .hint("One a line, by scheme, host and port, such as https://wiki.example.com."),
        Field::number("ForwardAuth.SessionLife", "Seconds that a browser stays signed in", life)
            .hint(format!(
                "{least} to {most}. A shorter time also ends the sessions that there are."
            )),
    ]
}

/// Changes the settings of a kind, by the API's rules.
pub(super) fn change(
    kind: IntegrationKind,
    form: &Form,
    settings: &mut IntegrationSettings,
) -> Result<(), Refusal> {
    match kind {
        IntegrationKind::Duo => {
            settings.legacy = form.text("Legacy") == "true";
            settings.duo_redirect_uris =
                form.read("Duo.RedirectUris", |text| ClientUrls::parse(lines(text)))?;
        }
        IntegrationKind::Radius => {
            settings.radius_mode = form.read("Radius.Mode", str::parse)?;
            settings.message_authenticator =
                form.read("Radius.MessageAuthenticator", str::parse)?;
        }
        IntegrationKind::OpenId => {
            settings.openid = OpenIdClient {
                redirect_uris: form
                    .read("OpenId.RedirectUris", |text| ClientUrls::parse(lines(text)))?,
                id_token_alg: form.read("OpenId.IdTokenAlg", str::parse)?,
                ciba: form.read("OpenId.Ciba", str::parse)?,
                notification_endpoint: form
                    .read_given("OpenId.NotificationEndpoint", ClientUrl::parse)?,
                user_code: form.read("OpenId.UserCode", str::parse)?,
            };
        }
        IntegrationKind::Keycloak => {
            settings.keycloak_issuers =
                form.read("Keycloak.Issuers", |text| ClientUrls::parse(lines(text)))?;
        }
        IntegrationKind::ForwardAuth => {
            settings.sites = form.read("ForwardAuth.Sites", |text| Sites::parse(lines(text)))?;
            settings.session_seconds =
                form.read("ForwardAuth.SessionLife", seconds(SESSION_SECONDS))?;
        }
    }
    Ok(())
}

/// The settings of a kind, as names and values.
pub(super) fn rules(
    kind: IntegrationKind,
    settings: &IntegrationSettings,
) -> Vec<(&'static str, String)> {
    match kind {
        IntegrationKind::Duo => {
            let legacy = if settings.legacy { "accepted" } else { "refused" };
            vec![
                ("Signatures without a date", legacy.to_owned()),
                ("Redirect URIs of Universal Prompt", listed(settings.duo_redirect_uris.iter())),
            ]
        }
        IntegrationKind::Radius => vec![
            ("The answer", settings.radius_mode.as_str().to_owned()),
            ("Message-Authenticator", settings.message_authenticator.as_str().to_owned()),
        ],
        IntegrationKind::OpenId => {
            let client = &settings.openid;
            vec![
                ("Questions by CIBA", client.ciba.as_str().to_owned()),
                ("Where the client is called", or_none(endpoint(client))),
                ("A code of the person’s authenticator app", client.user_code.as_str().to_owned()),
                ("ID tokens are signed with", client.id_token_alg.as_str().to_owned()),
                ("Redirect URIs", listed(client.redirect_uris.iter())),
            ]
        }
        IntegrationKind::Keycloak => {
            vec![("Issuers of the realms that ask", listed(settings.keycloak_issuers.iter()))]
        }
        IntegrationKind::ForwardAuth => vec![
            ("Sites that it protects", listed(settings.sites.iter())),
            ("Seconds that a browser stays signed in", settings.session_seconds.to_string()),
        ],
    }
}

fn endpoint(client: &OpenIdClient) -> String {
    client.notification_endpoint.as_ref().map(|it| it.as_str().to_owned()).unwrap_or_default()
}

fn written<'a>(all: impl Iterator<Item = &'a str>) -> String {
    all.map(|it| format!("{it}\n")).collect()
}

fn listed<'a>(all: impl Iterator<Item = &'a str>) -> String {
    or_none(all.collect::<Vec<_>>().join(", "))
}

fn or_none(text: String) -> String {
    if text.is_empty() { "none".to_owned() } else { text }
}
