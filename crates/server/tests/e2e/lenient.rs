//! Values from outside are accepted in every spelling that has one meaning.

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{self, KeySize};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::KeyPair;
use serde_json::{Value, json};

use crate::support::TestApp;

/// A parameter, the form around it, spellings of one value, and texts that are refused.
struct Row {
    path: String,
    form: Vec<(&'static str, String)>,
    parameter: &'static str,
    spellings: Vec<String>,
    wrong: Vec<String>,
    /// The code of the refusal.
    code: i64,
    /// The member of the response that shows the value, if there is one, and how it is shown.
    shown: Option<(&'static str, String)>,
}

fn owned(form: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    form.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
}

fn texts<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(str::to_owned).to_vec()
}

/// PEM as it stands in files, environment variables and forms.
fn pem_spellings(pem: &str) -> Vec<String> {
    let pem = pem.replace("\r\n", "\n");
    vec![
        pem.clone(),
        pem.trim_end().to_owned(),
        pem.replace('\n', "\r\n"),
        pem.replace('\n', "\\n"),
        pem.replace('\n', "\\r\\n"),
        pem.replace('\n', " "),
        pem.replace('\n', ""),
        format!("\u{feff}{pem}"),
        format!("\n  {}\n\n", pem.replace('\n', "\n  ")),
        format!("\"{}\"", pem.replace('\n', "\\n")),
    ]
}

/// The lines between the first and the last.
fn body(pem: &str) -> String {
    let lines = pem.lines().filter(|line| !line.contains("-----"));
    lines.collect::<Vec<_>>().join("\n")
}

/// A public key as SubjectPublicKeyInfo.
fn public_der(pair: &KeyPair) -> Vec<u8> {
    STANDARD.decode(body(&pair.public_key_pem()).replace(['\r', '\n'], "")).expect("base64")
}

const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGE";

fn totp(factors: &str) -> Row {
    Row {
        path: factors.to_owned(),
        form: owned(&[("FriendlyName", "codes"), ("FactorType", "totp")]),
        parameter: "Binding.Secret",
        spellings: vec![
            SECRET.to_owned(),
            SECRET.to_lowercase(),
            "gezd gnbv gy3t qojq gezd gnbv gy3t qojq ge".to_owned(),
            "GEZD-GNBV-GY3T-QOJQ-GEZD-GNBV-GY3T-QOJQ-GE".to_owned(),
            format!("{SECRET}======"),
            format!(" {SECRET}\r\n"),
        ],
        // 128 bits are 26 characters
        wrong: texts([&SECRET[..24], "GEZDGNBV", "not base32!", "----", &"A".repeat(257)]),
        code: 60314,
        shown: Some(("/binding/secret", SECRET.to_owned())),
    }
}

fn device_key(factors: &str) -> Row {
    let pair = KeyPair::generate().expect("a key");
    let pem = pair.public_key_pem();
    let der = public_der(&pair);
    let mut spellings = pem_spellings(&pem);
    spellings.extend([
        STANDARD.encode(&der),
        URL_SAFE_NO_PAD.encode(&der),
        STANDARD.encode(&der).trim_end_matches('=').to_owned(),
        body(&pem),
        format!("{}\n", STANDARD.encode(&der)),
    ]);
    let mut form = owned(&[("FriendlyName", "phone"), ("FactorType", "push")]);
    form.extend(owned(&[("Config.AppId", "com.example.owl"), ("Config.SdkVersion", "1")]));
    form.extend(owned(&[("Config.NotificationPlatform", "none")]));
    let wrong = vec!["MFkw".to_owned(), STANDARD.encode(&der[1..]), pem.replace("END", "OND")];
    let parameter = "Binding.PublicKey";
    Row { path: factors.to_owned(), form, parameter, spellings, wrong, code: 60314, shown: None }
}

/// A factor's address.
fn address(factors: &str, platform: &str, spellings: Vec<String>, wrong: Vec<String>) -> Row {
    let pair = KeyPair::generate().expect("a key");
    let mut form = owned(&[("FriendlyName", "phone"), ("FactorType", "push")]);
    form.extend(owned(&[("Config.AppId", "com.example.owl"), ("Config.SdkVersion", "1")]));
    form.extend(owned(&[("Config.NotificationPlatform", platform)]));
    form.push(("Binding.PublicKey", STANDARD.encode(public_der(&pair))));
    let (path, parameter) = (factors.to_owned(), "Config.NotificationToken");
    Row { path, form, parameter, spellings, wrong, code: 60306, shown: None }
}

fn subscription(point: &str, auth: &str) -> String {
    let keys = json!({ "p256dh": point, "auth": auth });
    json!({ "endpoint": "https://push.example.net/x", "keys": keys }).to_string()
}

fn addresses(factors: &str) -> Vec<Row> {
    let pair = KeyPair::generate().expect("a key");
    let der = public_der(&pair);
    let (point, auth) = (&der[26..], [0xfb; 16]);
    let url = (URL_SAFE_NO_PAD.encode(point), URL_SAFE_NO_PAD.encode(auth));
    let standard = (STANDARD.encode(point), STANDARD.encode(auth));
    let subscriptions = vec![
        subscription(&url.0, &url.1),
        subscription(&standard.0, &standard.1),
        subscription(&url.0, &standard.1),
        subscription(standard.0.trim_end_matches('='), &format!("{}==", url.1)),
    ];
    let cut = vec![subscription(&url.0[4..], &url.1), subscription(&url.0, "AAAA")];
    let token = "00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0";
    let printed = token.as_bytes().chunks(8).map(String::from_utf8_lossy).collect::<Vec<_>>();
    let apple = vec![
        token.to_owned(),
        token.to_uppercase(),
        format!("<{}>", printed.join(" ")),
        format!(" {token}\n"),
    ];
    let google = vec!["a:b_c-".repeat(9), format!("{}\n", "a:b_c-".repeat(9))];
    vec![
        address(factors, "webpush", subscriptions, cut),
        address(factors, "apn", apple, vec![format!("{token}x"), "<>".to_owned()]),
        address(factors, "fcm", google, vec![" ".repeat(40)]),
    ]
}

fn credentials() -> Vec<Row> {
    let path = || "/v1/Credentials".to_owned();
    let pair = KeyPair::generate().expect("a key");
    let p8 = pair.serialize_pem();
    let apple = |without: &str| {
        let all = [
            ("Type", "apn"),
            ("PrivateKey", &*p8),
            ("KeyId", "ABCDE12345"),
            ("TeamId", "TEAM567890"),
        ];
        let mut all = owned(&all);
        all.retain(|(name, _)| *name != without);
        all
    };
    let row = |form, parameter, spellings, wrong| Row {
        path: path(),
        form,
        parameter,
        spellings,
        wrong,
        code: 60300,
        shown: None,
    };
    let mut keys = pem_spellings(&p8);
    keys.extend([body(&p8), body(&p8).replace('\n', "\\n"), body(&p8).replace('\n', "")]);
    let ids =
        texts(["ABCDE12345", " ABCDE12345", "ABCDE12345\r\n", "ABCDE 12345", "\u{feff}ABCDE12345"]);

    let params = rcgen::CertificateParams::new(["owl".to_owned()]).expect("names");
    let certificate = params.self_signed(&pair).expect("a certificate").pem();
    let with_certificate = owned(&[("Type", "apn"), ("PrivateKey", &p8)]);

    let rsa = rsa::KeyPair::generate(KeySize::Rsa2048).expect("a key");
    let rsa: Pkcs8V1Der<'_> = rsa.as_der().expect("PKCS#8");
    let rsa = STANDARD.encode(rsa.as_ref());
    let rsa = format!("-----BEGIN PRIVATE KEY-----\n{rsa}\n-----END PRIVATE KEY-----\n");
    let account = |key: &str| -> Value {
        json!({
            "type": "service_account",
            "project_id": "owlbank",
            "private_key": key,
            "client_email": "push@owlbank.iam.gserviceaccount.com",
        })
    };
    let json = account(&rsa).to_string();
    let pretty = serde_json::to_string_pretty(&account(&rsa)).expect("JSON");
    let accounts = vec![
        json.clone(),
        format!("\u{feff}{json}\r\n"),
        pretty.replace('\n', "\r\n"),
        STANDARD.encode(&json),
        account(&rsa.replace('\n', "\\n")).to_string(),
        account(&rsa.replace('\n', "\r\n")).to_string(),
    ];
    vec![
        row(
            apple("PrivateKey"),
            "PrivateKey",
            keys,
            texts(["AAEC", "-----BEGIN PRIVATE KEY-----"]),
        ),
        row(apple("KeyId"), "KeyId", ids.clone(), texts(["ABCDE", "ABCDE1234567"])),
        row(apple("TeamId"), "TeamId", ids, texts(["TEAM-67890"])),
        row(with_certificate, "Certificate", pem_spellings(&certificate), texts(["AAEC"])),
        row(owned(&[("Type", "fcm")]), "Secret", accounts, texts(["AAAA:server-key", "{}"])),
    ]
}

#[tokio::test]
async fn every_spelling_with_one_meaning_is_accepted() {
    let app = TestApp::start().await;
    let api = app.api();
    let factors = |row: usize| format!("{}/Factors", app.entity(&format!("person-{row:04}")));
    let mut rows = vec![totp(""), device_key("")];
    rows.extend(addresses(""));
    rows.extend(credentials());
    for (number, row) in rows.iter().enumerate() {
        for (turn, (text, is_right)) in (row.spellings.iter().map(|text| (text, true)))
            .chain(row.wrong.iter().map(|text| (text, false)))
            .enumerate()
        {
            // Only one factor of an entity may have a key.
            let path =
                if row.path.is_empty() { factors(number * 100 + turn) } else { row.path.clone() };
            let mut form: Vec<_> = row.form.iter().map(|(name, value)| (*name, &**value)).collect();
            form.push((row.parameter, text));
            let reply = api.post(&path, &form).await;
            if !is_right {
                assert_eq!(reply.refusal(), (400, row.code), "{}: {text:?}", row.parameter);
                continue;
            }
            assert_eq!(reply.status, 201, "{}: {text:?}: {}", row.parameter, reply.body);
            if let Some((member, value)) = &row.shown {
                assert_eq!(reply.body.pointer(member), Some(&json!(value)), "{text:?}");
            }
        }
    }
}
