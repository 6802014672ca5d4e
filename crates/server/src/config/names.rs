//! The names of settings and of their environment variables.

use std::sync::LazyLock;

use serde_json::Value;

use super::settings::Config;

/// The prefix of all environment variables of this server.
pub(super) const PREFIX: &str = "COUNTERSIGN_";

/// Variables that are read elsewhere and are no settings.
const OTHERS: [&str; 8] = [
    "COUNTERSIGN_ACCOUNT_SID",
    "COUNTERSIGN_AUTH_TOKEN",
    "COUNTERSIGN_AUTH_TOKEN_FILE",
    "COUNTERSIGN_CONFIG",
    "COUNTERSIGN_MASTER_KEY",
    "COUNTERSIGN_MASTER_KEY_FILE",
    "COUNTERSIGN_MASTER_KEY_COMMAND",
    "COUNTERSIGN_PHONE_AUTH_TOKEN",
];

static KEYS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut keys = Vec::new();
    let defaults = serde_json::to_value(Config::default()).unwrap_or_default();
    collect(&defaults, "", &mut keys);
    keys
});

fn collect(value: &Value, name: &str, keys: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (member, value) in members {
                let dot = if name.is_empty() { "" } else { "." };
                collect(value, &format!("{name}{dot}{member}"), keys);
            }
        }
        _ => keys.push(name.to_owned()),
    }
}

/// The names of all settings, such as `http.listen`.
pub fn keys() -> &'static [String] {
    &KEYS
}

/// Whether there is a setting of that name.
pub(super) fn is_key(name: &str) -> bool {
    keys().iter().any(|key| key == name)
}

/// Whether there is a section of that name.
pub(super) fn is_section(name: &str) -> bool {
    keys().iter().any(|key| key.split_once('.').is_some_and(|(section, _)| section == name))
}

/// The environment variable of a setting.
pub fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.to_ascii_uppercase().replace('.', "__"))
}

/// The kind of an environment variable.
pub(super) enum VariableKind {
    /// A setting.
    Setting(&'static str),
    /// A variable that is read elsewhere, or belongs to another program.
    Other,
    /// An unknown name: mistyped, or of another release.
    Unknown,
}

/// The kind of a variable whose name begins with [`PREFIX`].
pub(super) fn kind_of(name: &str, value: &str) -> VariableKind {
    if let Some(key) = keys().iter().find(|key| variable(key) == name) {
        VariableKind::Setting(key)
    } else if OTHERS.contains(&name) || is_service_link(name, value) {
        VariableKind::Other
    } else {
        VariableKind::Unknown
    }
}

/// Whether Kubernetes sets a variable for a service named `countersign` or `countersign-…`.
fn is_service_link(name: &str, value: &str) -> bool {
    let words: Vec<&str> = name.split('_').collect();
    let is_number = |word: &str| word.parse::<u16>().is_ok();
    let is_protocol = |word: &str| matches!(word, "TCP" | "UDP" | "SCTP");
    let is_url = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    match words[..] {
        [.., "SERVICE", "HOST"] => true,
        [.., "PORT"] if is_url => true,
        [.., "PORT", number, protocol] if is_url => is_number(number) && is_protocol(protocol),
        [.., "PORT", number, protocol, "PROTO" | "PORT" | "ADDR"] => {
            is_number(number) && is_protocol(protocol)
        }
        _ => words.windows(2).any(|pair| pair == ["SERVICE", "PORT"]),
    }
}

/// The setting that a mistyped name probably means.
pub(super) fn nearest_key(name: &str) -> Option<&'static str> {
    nearest(name, keys().iter().map(String::as_str))
}

/// The variable that a mistyped name probably means.
pub(super) fn nearest_variable(name: &str) -> Option<String> {
    let settings: Vec<String> = keys().iter().map(|key| variable(key)).collect();
    let known = settings.iter().map(String::as_str).chain(OTHERS);
    let bare = |name: &str| name.strip_prefix(PREFIX).unwrap_or(name).to_owned();
    let bares: Vec<String> = known.map(bare).collect();
    let found = nearest(&bare(name), bares.iter().map(String::as_str))?;
    Some(format!("{PREFIX}{found}"))
}

/// The nearest known name: the shortest that begins or ends with `name`, or one that differs in at most a third of
/// its letters.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let is_half = |known: &&str| {
        let before = known.strip_suffix(name);
        let after = known.strip_prefix(name);
        before.is_some_and(|rest| rest.ends_with(['.', '_']))
            || after.is_some_and(|rest| rest.starts_with('_'))
    };
    if let Some(whole) = known.clone().filter(is_half).min_by_key(|known| known.len()) {
        return Some(whole);
    }
    let distances = known.map(|known| (strsim::osa_distance(name, known), known));
    let (distance, nearest) = distances.min()?;
    (distance * 3 <= name.chars().count()).then_some(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_a_name_and_a_variable() {
        assert!(is_key("http.listen") && is_key("data_dir") && is_key("database.url"));
        assert!(is_key("limits.push_factors_per_entity") && is_key("outgoing.proxy"));
        assert!(!is_key("http") && is_section("http") && !is_section("data_dir"));
        assert_eq!(variable("database.tls_ca"), "COUNTERSIGN_DATABASE__TLS_CA");
    }

    #[test]
    fn kubernetes_variables_of_a_service_are_ignored() {
        for (name, value) in [
            ("COUNTERSIGN_PORT", "tcp://10.96.0.7:8080"),
            ("COUNTERSIGN_SERVICE_HOST", "10.96.0.7"),
            ("COUNTERSIGN_SERVICE_PORT", "8080"),
            ("COUNTERSIGN_SERVICE_PORT_HTTP", "8080"),
            ("COUNTERSIGN_SERVICE_PORT_WEB_TLS", "8443"),
            ("COUNTERSIGN_PORT_8080_TCP", "tcp://10.96.0.7:8080"),
            ("COUNTERSIGN_PORT_8080_TCP_PROTO", "tcp"),
            ("COUNTERSIGN_PORT_8080_TCP_PORT", "8080"),
            ("COUNTERSIGN_PORT_53_UDP_ADDR", "10.96.0.7"),
            ("COUNTERSIGN_ADMIN_PORT", "tcp://10.96.0.8:9090"),
            ("COUNTERSIGN_ADMIN_SERVICE_HOST", "10.96.0.8"),
            ("COUNTERSIGN_ADMIN_PORT_9090_SCTP_ADDR", "10.96.0.8"),
        ] {
            assert!(matches!(kind_of(name, value), VariableKind::Other), "{name}");
        }
        for (name, value) in [
            ("COUNTERSIGN_PORT", "8080"),
            ("COUNTERSIGN_HTTP_LISTEN", "127.0.0.1:80"),
            ("COUNTERSIGN_HTTP__NONSENSE", "1"),
        ] {
            assert!(matches!(kind_of(name, value), VariableKind::Unknown), "{name}");
        }
        let key = kind_of("COUNTERSIGN_LOG__FILTER", "tcp://x");
        assert!(matches!(key, VariableKind::Setting("log.filter")));
    }

    #[test]
    fn a_mistyped_name_finds_its_probable_meaning() {
        for (mistyped, meant) in [
            ("http.lisen", Some("http.listen")),
            ("http.insecure", Some("http.insecure_http")),
            ("public_url", Some("http.public_url")),
            ("filter", Some("log.filter")),
            ("nonsense", None),
        ] {
            assert_eq!(nearest_key(mistyped), meant, "{mistyped}");
        }
        for (mistyped, meant) in [
            ("COUNTERSIGN_HTTP_LISTEN", "COUNTERSIGN_HTTP__LISTEN"),
            ("COUNTERSIGN_DATABASE_URL", "COUNTERSIGN_DATABASE__URL"),
            ("COUNTERSIGN_PUBLIC_URL", "COUNTERSIGN_HTTP__PUBLIC_URL"),
            ("COUNTERSIGN_MASTERKEY_FILE", "COUNTERSIGN_MASTER_KEY_FILE"),
            ("COUNTERSIGN_AUTHTOKEN", "COUNTERSIGN_AUTH_TOKEN"),
        ] {
            assert_eq!(nearest_variable(mistyped).as_deref(), Some(meant), "{mistyped}");
        }
        assert_eq!(nearest_variable("COUNTERSIGN_XYZZY"), None);
    }
}
