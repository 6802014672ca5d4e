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

/// The kinds that are made here.
pub(super) const KINDS: [Kind; 2] = [
    Kind {
        kind: IntegrationKind::Duo,
        name: "Duo Auth API",
        key: Some("Integration key"),
        secret: "Secret key",
        way: "Programs that ask Duo, such as login_duo and pam_duo, ask this server at the API hostname.",
    },
    Kind {
        kind: IntegrationKind::Radius,
        name: "RADIUS",
        key: None,
        secret: "Shared secret",
        way: "Gateways ask at radius.address, from the networks that are named here.",
    },
];

/// The words of a kind. One that is made elsewhere has the words of the API.
pub(super) fn kind_of(kind: IntegrationKind) -> Kind {
    let name = kind.as_str();
    let (key, secret) = (Some("Key"), "Secret");
    let way = "Its client is set up with the key and the secret.";
    let other = Kind { kind, name, key, secret, way };
    KINDS.into_iter().find(|it| it.kind == kind).unwrap_or(other)
}
