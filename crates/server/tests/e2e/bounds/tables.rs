//! Every parameter, with the largest allowed value and one that is one beyond.

use countersign_phone::DeviceKey;

use crate::support::{Caller, Home, Reply};

/// A parameter, the largest allowed value, one that is too large, and the code of its refusal.
pub type Row = (&'static str, String, String, i64);

fn row(name: &'static str, good: impl Into<String>, bad: impl Into<String>, code: i64) -> Row {
    (name, good.into(), bad.into(), code)
}

fn long(name: &'static str, most: usize, code: i64) -> Row {
    // Characters, not bytes.
    row(name, "é".repeat(most), "é".repeat(most + 1), code)
}

/// A JSON object of that many characters.
fn map(characters: usize) -> String {
    format!(r#"{{"a":"{}"}}"#, "é".repeat(characters - 8))
}

pub fn field(label: usize, value: usize) -> String {
    format!(r#"{{"label":"{}","value":"{}"}}"#, "é".repeat(label), "é".repeat(value))
}

/// One call that makes or changes something: the path, a form that is right, and the rows to try in it.
pub struct Table {
    pub path: String,
    form: Vec<(&'static str, String)>,
    pub rows: Vec<Row>,
    /// The status of a success.
    pub good: u16,
}

fn table(path: String, form: &[(&'static str, &str)], rows: Vec<Row>) -> Table {
    let form = form.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Table { path, form, rows, good: 201 }
}

impl Table {
    /// The same rows for an update, without those that only a creation may name.
    fn for_update(&self, path: String, only_new: &[&str]) -> Self {
        let rows = self.rows.iter().filter(|row| !only_new.contains(&row.0)).cloned().collect();
        Self { path, form: Vec::new(), rows, good: 200 }
    }

    /// Makes the call with this value of the parameter and valid values of all others.
    pub async fn send(&self, caller: &Caller, name: &str, value: &str) -> Reply {
        let fresh_key;
        let mut form: Vec<(&str, &str)> =
            self.form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        if form.iter().any(|(name, _)| *name == "Binding.PublicKey") {
            fresh_key =
                DeviceKey::generate().and_then(|key| key.public_key_base64()).unwrap_or_default();
            form.retain(|(name, _)| *name != "Binding.PublicKey");
            form.push(("Binding.PublicKey", &fresh_key));
        }
        form.retain(|(has, _)| *has != name);
        form.push((name, value));
        caller.post(&self.path, &form).await
    }
}

fn service(path: &str) -> Table {
    let sid = |prefix: &str, digits: usize| format!("{prefix}{}", "a".repeat(digits));
    let flags = ["LookupEnabled", "Psd2Enabled", "CustomCodeEnabled", "Push.IncludeDate"];
    let mut rows = vec![
        long("FriendlyName", 32, 60200),
        row("FriendlyName", "Owl Bank_EU-1234", "Owl Bank 12345", 60200),
        row("FriendlyName", "x", "", 60200),
        row("CodeLength", "4", "3", 60200),
        row("CodeLength", "10", "11", 60200),
        row("Totp.TimeStep", "20", "19", 60200),
        row("Totp.TimeStep", "60", "61", 60200),
        row("Totp.CodeLength", "3", "2", 60200),
        row("Totp.CodeLength", "8", "9", 60200),
        row("Totp.Skew", "2", "3", 60200),
        long("Totp.Issuer", 256, 60200),
        long("TtsName", 256, 60200),
        row("Push.ApnCredentialSid", "", sid("CR", 32), 60200),
        row("Push.FcmCredentialSid", "", sid("CR", 31), 60200),
        row("DefaultTemplateSid", sid("HJ", 32), sid("HJ", 33), 60200),
        row("Whatsapp.MsgServiceSid", sid("MG", 32), sid("HJ", 32), 60200),
        row("Passkeys.UserVerification", "required", "maybe", 60200),
    ];
    rows.extend(flags.map(|flag| row(flag, "True", "1", 60200)));
    table(path.to_owned(), &[("FriendlyName", "owl")], rows)
}

fn factor(path: String) -> Table {
    let form = [
        ("FriendlyName", "phone"),
        ("FactorType", "push"),
        ("Binding.PublicKey", ""),
        ("Config.AppId", "com.example.app"),
        ("Config.SdkVersion", "1.0"),
        ("Config.NotificationPlatform", "fcm"),
        ("Config.NotificationToken", "fcm-token:0123456789abcdef0123456789"),
    ];
    let rows = vec![
        long("FriendlyName", 64, 60306),
        row("FriendlyName", "x", "", 60306),
        long("Config.AppId", 100, 60306),
        long("Config.SdkVersion", 64, 60306),
        row("Config.NotificationToken", "t".repeat(32), "t".repeat(31), 60306),
        row("Config.NotificationToken", "t".repeat(255), "t".repeat(256), 60306),
        row("Config.NotificationPlatform", "none", "pigeon", 60306),
        row("FactorType", "push", "sms", 60306),
        row("Binding.Alg", "ES256", "ES384", 60314),
        row("Metadata", map(1_024), map(1_025), 60306),
        row("Metadata", "{}", r#"{"a":1}"#, 60306),
    ];
    table(path, &form, rows)
}

/// The test clock starts at noon of 2026-01-01.
fn challenge(path: String, factor: &str) -> Table {
    let form = [("FactorSid", factor), ("Details.Message", "Log in?")];
    let rows = vec![
        long("Details.Message", 256, 60306),
        row("Details.Message", "x", "", 60306),
        row("Details.Fields", field(36, 0), field(37, 0), 60306),
        row("Details.Fields", field(0, 128), field(0, 129), 60306),
        row("Details.Fields", field(1, 1), r#"{"label":"a"}"#, 60306),
        row("HiddenDetails", map(1_024), map(1_025), 60306),
        row("HiddenDetails", "{}", "[]", 60306),
        row("HiddenDetails", r#"{"a":"b"}"#, r#"{"a":{"b":"c"}}"#, 60306),
        row("ExpirationDate", "2026-01-01T13:00:00Z", "2026-01-01T13:00:01Z", 60306),
        row("ExpirationDate", "2026-01-01T12:00:01Z", "2026-01-01T12:00:00Z", 60306),
        row("ExpirationDate", "2026-01-01T13:30:00.5+01:00", "in an hour", 60306),
        row("FactorSid", factor, format!("{factor}0"), 60306),
    ];
    table(path, &form, rows)
}

fn webhook(path: String) -> Table {
    let url = |length: usize| format!("https://a.example/{}", "x".repeat(length - 18));
    let form =
        [("FriendlyName", "a"), ("EventTypes", "*"), ("WebhookUrl", "https://a.example/hook")];
    let rows = vec![
        long("FriendlyName", 64, 60306),
        row("WebhookUrl", url(2_048), url(2_049), 60306),
        row("WebhookUrl", "http://a.example", "http://ann@a.example", 60306),
        row("WebhookUrl", "https://a.example", "ftp://a.example", 60306),
        row("EventTypes", "challenge.denied", "challenge.eaten", 60306),
        row("Status", "disabled", "off", 60306),
        row("Version", "v1", "v3", 60306),
    ];
    table(path, &form, rows)
}

fn integration(path: String) -> Table {
    let rows = vec![
        long("FriendlyName", 64, 60306),
        row("UserRule", "lower", "upper", 60306),
        row("Aliases", "root=alice-0001", "root", 60306),
        row("UnknownUsers", "enrol", "allow", 60306),
        row("Presence", "number,code", "code,face", 60306),
        row("Networks", "192.0.2.0/24", "192.0.2.1/24", 60306),
        row("PromptLife", "10", "9", 60306),
        row("PromptLife", "600", "601", 60306),
        row("Legacy", "true", "yes", 60306),
    ];
    table(path, &[("FriendlyName", "a"), ("Kind", "duo")], rows)
}

fn credential(path: &str) -> Table {
    let rows = vec![
        long("FriendlyName", 64, 60300),
        long("KeyId", 64, 60300),
        long("TeamId", 64, 60300),
        long("Topic", 256, 60300),
        row("Sandbox", "true", "maybe", 60300),
        row("Type", "gcm", "wns", 60300),
    ];
    // The secrets of this type are stored and not used, so any text within the bounds is valid.
    table(path.to_owned(), &[("Type", "gcm")], rows)
}

fn access_token(path: String) -> Table {
    let rows = vec![
        row("Identity", "x".repeat(8), "x".repeat(7), 60305),
        row("Identity", "x".repeat(64), "x".repeat(65), 60305),
        row("FactorType", "push", "totp", 60305),
        long("FactorFriendlyName", 64, 60305),
        row("Ttl", "60", "59", 60305),
        row("Ttl", "300", "301", 60305),
    ];
    table(path, &[("Identity", "alice-0001"), ("FactorType", "push")], rows)
}

pub fn all(home: &Home) -> Vec<Table> {
    let (service_path, entity) = (home.service_path(), home.entity_path());
    let services = service("/v2/Services");
    let factors = factor(format!("{entity}/Factors"));
    let webhooks = webhook(format!("{service_path}/Webhooks"));
    let integrations = integration(format!("{service_path}/Integrations"));
    let credentials = credential("/v1/Credentials");
    let identities = vec![
        row("Identity", "x".repeat(8), "x".repeat(7), 60306),
        row("Identity", "x".repeat(64), "x".repeat(65), 60306),
        row("Identity", "With-Dash-1", "with_line", 60306),
    ];
    let ttls = vec![
        row("Ttl", "0", "-1", 60300),
        row("Ttl", "300", "301", 60300),
        row("Ttl", "1", "", 60300),
        row("Ttl", "2", "2.0", 60300),
        row("Ttl", "3", "+3", 60300),
        row("Ttl", "4", "99999999999999999999", 60300),
    ];
    let only_new = ["FactorType", "Binding.Alg", "Metadata", "Config.NotificationPlatform"];
    // Its factor uses the stream, which ignores push tokens.
    let no_token: Vec<&str> = [&only_new[..], &["Config.NotificationToken"]].concat();
    vec![
        services.for_update(service_path.clone(), &[]),
        factors.for_update(home.factor_path(), &no_token),
        webhooks.for_update(home.webhook_path(), &[]),
        integrations.for_update(home.integration_path(), &[]),
        credentials.for_update(home.credential_path(), &["Type"]),
        table(format!("{service_path}/Entities"), &[], identities),
        challenge(format!("{entity}/Challenges"), home.phone.factor_sid()),
        table(format!("{}/Notifications", home.challenge_path()), &[], ttls),
        access_token(format!("{service_path}/AccessTokens")),
        Table {
            path: home.challenge_path(),
            form: Vec::new(),
            rows: vec![
                row("Metadata", map(1_024), map(1_025), 60306),
                row("Metadata", "{}", "null", 60306),
            ],
            good: 200,
        },
        services,
        factors,
        webhooks,
        integrations,
        credentials,
    ]
}
