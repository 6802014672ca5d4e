//! The mapping from user names, as an integration's client gives them, to identities.

use std::collections::BTreeMap;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use crate::invalid::Invalid;
use crate::sid::ServiceSid;
use crate::text::{Identity, bounded};

/// The largest number of aliases of a mapping.
pub const MAX_ALIASES: usize = 100;

/// The longest user name, in characters.
const MAX_NAME: usize = 256;

/// How a user name becomes an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserRule {
    /// SHA-256 of the service's SID and the name in lower case, in hexadecimal digits: any name has an identity.
    #[default]
    Hashed,
    /// The name itself, which must have the form of an identity.
    Exact,
    /// The name in lower case, which must have the form of an identity.
    Lower,
    /// As hashed, of the name without its domain: `CORP\ann` and `ann@corp.example` are `ann`.
    StripDomain,
}

impl UserRule {
    const ALL: [Self; 4] = [Self::Hashed, Self::Exact, Self::Lower, Self::StripDomain];

    /// The word in requests, in responses and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hashed => "hashed",
            Self::Exact => "exact",
            Self::Lower => "lower",
            Self::StripDomain => "strip_domain",
        }
    }
}

impl FromStr for UserRule {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::ALL
            .into_iter()
            .find(|rule| rule.as_str() == text)
            .ok_or(Invalid::because("must be hashed, exact, lower or strip_domain"))
    }
}

/// User names with identities of their own, by the name in lower case. They come before the rule. Stored as a list of pairs, since a
/// list is replaced whole.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<(String, Identity)>", into = "Vec<(String, Identity)>")]
pub struct Aliases(BTreeMap<String, Identity>);

impl From<Vec<(String, Identity)>> for Aliases {
    fn from(pairs: Vec<(String, Identity)>) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl From<Aliases> for Vec<(String, Identity)> {
    fn from(aliases: Aliases) -> Self {
        aliases.0.into_iter().collect()
    }
}

impl Aliases {
    /// Parses texts of the form `name=identity`.
    ///
    /// # Errors
    /// A text has another form, a name is given twice, or there are too many.
    pub fn parse<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Self, Invalid> {
        let mut all = BTreeMap::new();
        for text in texts {
            let (name, identity) = text
                .rsplit_once('=')
                .ok_or(Invalid::because("must have the form name=identity"))?;
            let identity = Identity::parse(identity)?;
            if all.insert(checked(name)?.to_lowercase(), identity).is_some() {
                return Err(Invalid::because("must name each user once"));
            }
            if all.len() > MAX_ALIASES {
                return Err(Invalid::because("must name at most 100 users"));
            }
        }
        Ok(Self(all))
    }

    /// The names in lower case, in their order, with their identities.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Identity)> {
        self.0.iter().map(|(name, identity)| (name.as_str(), identity))
    }
}

/// The mapping of an integration.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UserMapping {
    /// How a name becomes an identity.
    #[serde(default)]
    pub rule: UserRule,
    /// Names with identities of their own.
    #[serde(default)]
    pub aliases: Aliases,
}

impl UserMapping {
    /// The identity of a user name in a service.
    ///
    /// # Errors
    /// The name is empty, too long, or holds control characters; or the rule makes no identity of it.
    pub fn identity(&self, service: ServiceSid, user_name: &str) -> Result<Identity, Invalid> {
        let lower = checked(user_name)?.to_lowercase();
        if let Some(identity) = self.aliases.0.get(&lower) {
            return Ok(identity.clone());
        }
        match self.rule {
            UserRule::Hashed => hashed(service, &lower),
            UserRule::Exact => Identity::parse(user_name),
            UserRule::Lower => Identity::parse(lower),
            UserRule::StripDomain => hashed(service, checked(without_domain(&lower))?),
        }
    }
}

impl UserMapping {
    /// The name by which a person is told to what a sign-in protects: one for all the forms that their client may write it in.
    pub fn canonical_name(&self, user_name: &str) -> String {
        let lower = user_name.to_lowercase();
        match self.rule {
            _ if self.aliases.0.contains_key(&lower) => lower,
            UserRule::Hashed | UserRule::Lower => lower,
            UserRule::Exact => user_name.to_owned(),
            UserRule::StripDomain => without_domain(&lower).to_owned(),
        }
    }
}

/// The name, if it has the form of one.
fn checked(name: &str) -> Result<&str, Invalid> {
    bounded(name, 1, MAX_NAME)?;
    if name.chars().any(char::is_control) {
        return Err(Invalid::because("must not hold control characters"));
    }
    Ok(name)
}

fn hashed(service: ServiceSid, name: &str) -> Result<Identity, Invalid> {
    let sum = digest(&SHA256, format!("{service}{name}").as_bytes());
    Identity::parse(HEXLOWER.encode(sum.as_ref()))
}

/// The name between a backslash and an `@`.
fn without_domain(name: &str) -> &str {
    let name = name.rsplit_once('\\').map_or(name, |(_, name)| name);
    name.split_once('@').map_or(name, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: ServiceSid = ServiceSid::from_bytes([1; 16]);

    fn identity(rule: UserRule, name: &str) -> Result<String, Invalid> {
        let mapping = UserMapping { rule, aliases: Aliases::default() };
        mapping.identity(SERVICE, name).map(|identity| identity.to_string())
    }

    #[test]
    fn any_name_has_a_hashed_identity_whatever_its_case() {
        let ann = identity(UserRule::Hashed, "Ann").unwrap();
        assert_eq!(ann, "7993b66618e344a1b062dbf082dc0965e0873d320bf15990533f3e525b76f9ad");
        assert_eq!(identity(UserRule::Hashed, "ann").unwrap(), ann);
        assert_ne!(identity(UserRule::Hashed, "ann@corp.example").unwrap(), ann);
        let other = UserMapping::default().identity(ServiceSid::from_bytes([2; 16]), "ann");
        assert_ne!(other.unwrap().to_string(), ann, "another service");
        assert!(identity(UserRule::Hashed, "Zoë Ångström").is_ok());
    }

    #[test]
    fn a_domain_is_stripped_in_front_and_behind() {
        let ann = identity(UserRule::Hashed, "ann").unwrap();
        for name in ["ann", "ANN@corp.example", "CORP\\Ann", "corp.example\\ann@corp.example"] {
            assert_eq!(identity(UserRule::StripDomain, name).unwrap(), ann, "{name}");
        }
        for nobody in ["@corp.example", "CORP\\", "CORP\\@corp.example"] {
            assert!(identity(UserRule::StripDomain, nobody).is_err(), "{nobody}");
        }
    }

    #[test]
    fn an_unhashed_name_must_be_an_identity() {
        assert_eq!(identity(UserRule::Exact, "Alice-0001").unwrap(), "Alice-0001");
        assert_eq!(identity(UserRule::Lower, "Alice-0001").unwrap(), "alice-0001");
        for rule in [UserRule::Exact, UserRule::Lower] {
            assert!(identity(rule, "ann").is_err());
            assert!(identity(rule, "alice@example.com").is_err());
        }
    }

    #[test]
    fn a_person_is_told_by_one_name_however_it_was_written() {
        let aliases = Aliases::parse(["Root@corp=alice-0001"].into_iter()).unwrap();
        let name =
            |rule, name: &str| UserMapping { rule, aliases: aliases.clone() }.canonical_name(name);
        assert_eq!(name(UserRule::Hashed, "ANN@corp"), "ann@corp");
        assert_eq!(name(UserRule::Lower, "Alice-0001"), "alice-0001");
        assert_eq!(name(UserRule::Exact, "Alice-0001"), "Alice-0001");
        for written in ["Ann", "ann@evil.example", "CORP\\ANN"] {
            assert_eq!(name(UserRule::StripDomain, written), "ann");
        }
        for rule in UserRule::ALL {
            assert_eq!(name(rule, "ROOT@corp"), "root@corp", "an alias is a name of its own");
        }
    }

    #[test]
    fn names_are_bounded_and_hold_no_control_characters() {
        for rule in UserRule::ALL {
            for wrong in ["", "ann\n0001-0001", "ann\0-0001-0001", &"a".repeat(257)] {
                assert!(identity(rule, wrong).is_err(), "{rule:?} {wrong:?}");
            }
            assert_eq!(rule.as_str().parse(), Ok(rule));
            assert_eq!(serde_json::to_value(rule).unwrap(), rule.as_str());
        }
        assert!(identity(UserRule::Hashed, &"ä".repeat(256)).is_ok());
    }

    #[test]
    fn an_alias_comes_before_the_rule() {
        let aliases = Aliases::parse(["Root=alice-0001", "a=b=bob-00001"].into_iter()).unwrap();
        for rule in UserRule::ALL {
            let mapping = UserMapping { rule, aliases: aliases.clone() };
            assert_eq!(mapping.identity(SERVICE, "ROOT").unwrap().as_str(), "alice-0001");
            assert_eq!(mapping.identity(SERVICE, "a=b").unwrap().as_str(), "bob-00001");
        }
        for wrong in
            [&["root"][..], &["=alice-0001"], &["ann=ann"], &["a=alice-0001", "A=bob-00001"]]
        {
            assert!(Aliases::parse(wrong.iter().copied()).is_err(), "{wrong:?}");
        }
        let many: Vec<_> = (0..=MAX_ALIASES).map(|n| format!("user{n}=alice-0001")).collect();
        assert!(Aliases::parse(many.iter().map(String::as_str)).is_err());
        assert!(Aliases::parse(many[1..].iter().map(String::as_str)).is_ok());
    }
}
