//! The calls of the protocol: their paths, methods and formats.

use http::Method;

use super::failure::Failure;

/// The format of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// JSON.
    Json,
    /// BSON, which clients before 2019 read.
    Bson,
}

/// The two versions of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `/auth/v2`.
    V2,
    /// `/rest/v1`, older, in either format.
    Rest(Format),
}

impl Dialect {
    /// The format of responses.
    pub(crate) const fn format(self) -> Format {
        match self {
            Self::V2 => Format::Json,
            Self::Rest(format) => format,
        }
    }
}

/// The action that a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// The server's time. Needs no signature.
    Ping,
    /// Whether the credentials are good.
    Check,
    /// A picture, of which there is none.
    Logo,
    /// How a person can be asked.
    Preauth,
    /// To ask a person.
    Auth,
    /// The outcome of an `auth`.
    Status,
    /// A link by which a person enrols a device.
    Enroll,
    /// The outcome of an `enroll`.
    EnrollStatus,
}

impl Action {
    const fn method(self) -> Method {
        match self {
            Self::Ping | Self::Check | Self::Logo | Self::Status => Method::GET,
            Self::Preauth | Self::Auth | Self::Enroll | Self::EnrollStatus => Method::POST,
        }
    }
}

/// A call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Call {
    /// The action.
    pub(crate) action: Action,
    /// In which version of the protocol.
    pub(crate) dialect: Dialect,
}

/// The dialect of a path, also if it names no call.
pub(crate) fn dialect_of(path: &str) -> Dialect {
    if !path.starts_with("/rest/") {
        Dialect::V2
    } else if path.ends_with(".bson") {
        Dialect::Rest(Format::Bson)
    } else {
        Dialect::Rest(Format::Json)
    }
}

impl Call {
    /// The call with this method and this path.
    ///
    /// # Errors
    /// [`Failure::NothingThere`], [`Failure::Method`].
    pub(crate) fn of(method: &Method, path: &str) -> Result<Self, Failure> {
        let dialect = dialect_of(path);
        let action = match dialect {
            Dialect::V2 => match path.strip_prefix("/auth/v2/") {
                Some("ping") => Some(Action::Ping),
                Some("check") => Some(Action::Check),
                Some("logo") => Some(Action::Logo),
                Some("preauth") => Some(Action::Preauth),
                Some("auth") => Some(Action::Auth),
                Some("auth_status") => Some(Action::Status),
                Some("enroll") => Some(Action::Enroll),
                Some("enroll_status") => Some(Action::EnrollStatus),
                _ => None,
            },
            Dialect::Rest(_) => {
                let name = path.strip_prefix("/rest/v1/").and_then(|name| name.split_once('.'));
                match name {
                    Some(("preauth", "bson" | "json")) => Some(Action::Preauth),
                    Some(("auth", "bson" | "json")) => Some(Action::Auth),
                    Some(("status", "bson" | "json")) => Some(Action::Status),
                    _ => None,
                }
            }
        };
        let action = action.ok_or(Failure::NothingThere)?;
        if action.method() == *method { Ok(Self { action, dialect }) } else { Err(Failure::Method) }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const JSON: Dialect = Dialect::Rest(Format::Json);
    const BSON: Dialect = Dialect::Rest(Format::Bson);

    #[rstest]
    #[case("GET", "/auth/v2/ping", Ok((Action::Ping, Dialect::V2)))]
    #[case("GET", "/auth/v2/logo", Ok((Action::Logo, Dialect::V2)))]
    #[case("POST", "/auth/v2/auth", Ok((Action::Auth, Dialect::V2)))]
    #[case("GET", "/auth/v2/auth_status", Ok((Action::Status, Dialect::V2)))]
    #[case("POST", "/rest/v1/preauth.bson", Ok((Action::Preauth, BSON)))]
    #[case("POST", "/rest/v1/auth.json", Ok((Action::Auth, JSON)))]
    #[case("GET", "/rest/v1/status.json", Ok((Action::Status, JSON)))]
    #[case("POST", "/auth/v2/ping", Err(Failure::Method))]
    #[case("GET", "/rest/v1/auth.bson", Err(Failure::Method))]
    #[case("GET", "/auth/v2/", Err(Failure::NothingThere))]
    #[case("GET", "/auth/v2/auth_status/", Err(Failure::NothingThere))]
    #[case("GET", "/rest/v1/status", Err(Failure::NothingThere))]
    #[case("GET", "/rest/v1/status.xml", Err(Failure::NothingThere))]
    #[case("GET", "/rest/v1/ping.json", Err(Failure::NothingThere))]
    fn a_path_names_a_call(
        #[case] method: Method,
        #[case] path: &str,
        #[case] expected: Result<(Action, Dialect), Failure>,
    ) {
        let call = Call::of(&method, path).map(|call| (call.action, call.dialect));
        assert_eq!(call, expected);
    }
}
