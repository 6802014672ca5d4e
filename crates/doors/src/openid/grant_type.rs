//! The grants of the token endpoint.

/// A way to a sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GrantType {
    /// A code that a browser brought from the sign-in page (RFC 6749 section 4.1).
    AuthorizationCode,
    /// A question that the client asked apart from the person's browser (OpenID CIBA Core 1.0).
    Ciba,
}

impl GrantType {
    /// All grants.
    pub(super) const ALL: [Self; 2] = [Self::AuthorizationCode, Self::Ciba];

    /// The value of `grant_type`.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::Ciba => "urn:openid:params:grant-type:ciba",
        }
    }

    /// The grant of a request; `None` if there is none of that name.
    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grant| grant.as_str() == text)
    }
}
