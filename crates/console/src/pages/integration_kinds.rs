//! The kinds of integrations, in the words of their clients.

use countersign_domain::integration::IntegrationKind;

/// A kind of integration, in the words of its clients.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    pub(super) kind: IntegrationKind,
    pub(super) name: &'static str,
    /// The name of the key in the client's settings; `None` if it has no such setting.
    pub(super) key: Option<&'static str>,
    /// The name of the secret in the client's settings.
    pub(super) secret: &'static str,
    /// How its client asks.
    pub(super) way: &'static str,
}

/// All kinds.
pub(super) const KINDS: [Kind; 5] = [DUO, RADIUS, OPENID, KEYCLOAK, FORWARD_AUTH];

const DUO: Kind = Kind {
    kind: IntegrationKind::Duo,
    name: "Duo Auth API",
    key: Some("Integration key"),
    secret: "Secret key",
    way: "Programs that ask Duo, such as login_duo and pam_duo, ask this server at the API hostname.",
};

const RADIUS: Kind = Kind {
    kind: IntegrationKind::Radius,
    name: "RADIUS",
    key: None,
    secret: "Shared secret",
    way: "Gateways ask at radius.address, from the networks that are named here.",
};

const OPENID: Kind = Kind {
    kind: IntegrationKind::OpenId,
    name: "OpenID Connect",
    key: Some("Client ID"),
    secret: "Client secret",
    way: "Clients find all else at the issuer, by discovery.",
};

const KEYCLOAK: Kind = Kind {
    kind: IntegrationKind::Keycloak,
    name: "Keycloak",
    key: None,
    secret: "Secret",
    way: "Keycloak is started with the URI of this channel, which ends with the secret.",
};

const FORWARD_AUTH: Kind = Kind {
    kind: IntegrationKind::ForwardAuth,
    name: "forward-auth",
    key: None,
    secret: "Secret, which no web server needs",
    way: "nginx, Caddy or Traefik ask before each request whether its browser is signed in. A new secret ends all sessions.",
};

/// The words of a kind.
pub(super) const fn kind_of(kind: IntegrationKind) -> Kind {
    match kind {
        IntegrationKind::Duo => DUO,
        IntegrationKind::Radius => RADIUS,
        IntegrationKind::OpenId => OPENID,
        IntegrationKind::Keycloak => KEYCLOAK,
        IntegrationKind::ForwardAuth => FORWARD_AUTH,
    }
}
