//! Logins that servers accept, and the errors of those that they reject.

use std::fs::write;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use countersign_bus::nats::{Login, NatsError, NatsOptions, SealingKey};
use countersign_bus::{Link, NatsBus};
use countersign_domain::secret::Secret;
use countersign_testkit::{ManualClock, NatsServer, SeededEntropy};
use nkeys::KeyPair;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa};
use serde_json::{Value, json};

use crate::support::{Node, clock_runs, connect, options};

fn password(user: &str, password: &str) -> Login {
    Login::Password { user: user.to_owned(), password: Secret::new(password) }
}

async fn connects(options: &NatsOptions) {
    let node = Node::with(options, &ManualClock::new(), 1).await;
    node.link_is(Link::Up).await;
}

async fn connect_error(options: &NatsOptions) -> NatsError {
    connect(options, &ManualClock::new(), 1).await.err().expect("no connection")
}

#[tokio::test]
async fn a_password_or_a_token_is_checked() {
    for (configuration, right, wrong) in [
        (
            "authorization { user: countersign, password: correct-horse }",
            password("countersign", "correct-horse"),
            password("countersign", "battery-staple"),
        ),
        (
            "authorization { token: correct-horse }",
            Login::Token(Secret::new("correct-horse")),
            Login::Token(Secret::new("battery-staple")),
        ),
    ] {
        let server = NatsServer::start(configuration);
        connects(&NatsOptions { login: right, ..options(&server) }).await;
        for login in [wrong, Login::Anonymous] {
            let error = connect_error(&NatsOptions { login, ..options(&server) }).await;
            assert!(matches!(error, NatsError::Login), "{error:?}");
            assert!(!format!("{error:?} {error}").contains("battery-staple"));
        }
    }
}

#[tokio::test]
async fn an_nkey_is_checked() {
    let ours = KeyPair::new_user();
    let server = NatsServer::start(&format!(
        "authorization {{ users: [ {{ nkey: {} }} ] }}",
        ours.public_key()
    ));
    let login = |key: &KeyPair| Login::Nkey(Secret::new(key.seed().unwrap()));
    connects(&NatsOptions { login: login(&ours), ..options(&server) }).await;
    let others = Login::Nkey(Secret::new("SUNONE"));
    for login in [login(&KeyPair::new_user()), others] {
        let error = connect_error(&NatsOptions { login, ..options(&server) }).await;
        assert!(matches!(error, NatsError::Login), "{error:?}");
    }
}

/// A NATS JWT: claims about `about`, signed by `by`.
fn jwt(by: &KeyPair, about: &KeyPair, claims: &Value) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let header = part(&json!({ "typ": "JWT", "alg": "ed25519-nkey" }));
    let body = part(&json!({
        "jti": "0", "iat": 1, "iss": by.public_key(), "sub": about.public_key(), "name": "test", "nats": claims,
    }));
    let signed = format!("{header}.{body}");
    let signature = BASE64_URL_SAFE_NO_PAD.encode(by.sign(signed.as_bytes()).unwrap());
    format!("{signed}.{signature}")
}

#[tokio::test]
async fn a_credentials_file_is_checked() {
    let (operator, account) = (KeyPair::new_operator(), KeyPair::new_account());
    let unlimited = json!({ "subs": -1, "data": -1, "payload": -1, "conn": -1, "leaf": -1, "imports": -1, "exports": -1 });
    let of_operator = jwt(&operator, &operator, &json!({ "type": "operator", "version": 2 }));
    let of_account =
        jwt(&operator, &account, &json!({ "type": "account", "version": 2, "limits": unlimited }));
    let server = NatsServer::start(&format!(
        "operator: {of_operator}\nresolver: MEMORY\nresolver_preload: {{ {}: {of_account} }}",
        account.public_key()
    ));
    let credentials = |account: &KeyPair| {
        let user = KeyPair::new_user();
        let claims = json!({ "type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1 });
        Login::Credentials(Secret::new(format!(
            "-----BEGIN NATS USER JWT-----\n{}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
            jwt(account, &user, &claims),
            user.seed().unwrap()
        )))
    };
    connects(&NatsOptions { login: credentials(&account), ..options(&server) }).await;
    let stranger = credentials(&KeyPair::new_account());
    let error = connect_error(&NatsOptions { login: stranger, ..options(&server) }).await;
    assert!(matches!(error, NatsError::Login), "{error:?}");
    let none = Login::Credentials(Secret::new("no such thing"));
    let error = connect_error(&NatsOptions { login: none, ..options(&server) }).await;
    assert!(matches!(error, NatsError::Credentials(_)), "{error:?}");
}

#[tokio::test]
async fn permission_for_the_prefix_is_enough() {
    let server = NatsServer::start(
        r#"authorization { users: [
            { user: ours, password: p, permissions: { publish: "test.>", subscribe: "test.>", allow_responses: true } }
            { user: theirs, password: p, permissions: { publish: "else.>", subscribe: "else.>" } }
        ] }"#,
    );
    connects(&NatsOptions { login: password("ours", "p"), ..options(&server) }).await;

    let clock = ManualClock::new();
    let options = NatsOptions { login: password("theirs", "p"), ..options(&server) };
    let probe = NatsBus::probe(&options, Arc::new(clock.clone()), Arc::new(SeededEntropy::new(1)));
    let error = clock_runs(&clock, probe).await.expect_err("the subjects are forbidden");
    assert!(matches!(error, NatsError::Forbidden), "{error:?}");
}

/// The files of a certificate authority and of its certificates.
struct Certificates {
    folder: tempfile::TempDir,
    root: PathBuf,
}

impl Certificates {
    fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority =
            CertifiedIssuer::self_signed(params, rcgen::KeyPair::generate().unwrap()).unwrap();
        let root = folder.path().join("root.pem");
        write(&root, authority.pem()).unwrap();
        for name in ["server", "client"] {
            let key = rcgen::KeyPair::generate().unwrap();
            let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
            let certificate = params.signed_by(&key, &authority).unwrap();
            write(folder.path().join(format!("{name}.pem")), certificate.pem()).unwrap();
            write(folder.path().join(format!("{name}.key")), key.serialize_pem()).unwrap();
        }
        Self { folder, root }
    }
}

#[tokio::test]
async fn a_private_certificate_authority_is_trusted_if_configured() {
    let Certificates { folder, root } = Certificates::make();
    let server = NatsServer::start_in(
        folder,
        r#"tls { cert_file: "FOLDER/server.pem", key_file: "FOLDER/server.key" }"#,
    );
    let plain = options(&server);
    let tls_only = vec![server.url().replace("nats://", "tls://")];
    let trusted = NatsOptions { roots: vec![root], ..plain.clone() };
    connects(&trusted).await;
    connects(&NatsOptions { servers: tls_only.clone(), ..trusted }).await;

    let error = connect_error(&plain).await;
    assert!(matches!(&error, NatsError::Tls(why) if why.contains("certificate")), "{error:?}");
    let others = Certificates::make();
    let error = connect_error(&NatsOptions { roots: vec![others.root], ..plain }).await;
    assert!(matches!(&error, NatsError::Tls(why) if why.contains("certificate")), "{error:?}");
}

#[tokio::test]
async fn a_tls_url_refuses_a_plain_server() {
    let server = NatsServer::start("");
    let servers = vec![server.url().replace("nats://", "tls://")];
    let error = connect_error(&NatsOptions { servers, ..options(&server) }).await;
    assert!(matches!(error, NatsError::Tls(_)), "{error:?}");
}

#[tokio::test]
async fn a_client_certificate_is_presented() {
    let Certificates { folder, root } = Certificates::make();
    let (chain, key) = (folder.path().join("client.pem"), folder.path().join("client.key"));
    let server = NatsServer::start_in(
        folder,
        r#"tls { cert_file: "FOLDER/server.pem", key_file: "FOLDER/server.key", ca_file: "FOLDER/root.pem", verify: true }"#,
    );
    let without = NatsOptions { roots: vec![root], ..options(&server) };
    connects(&NatsOptions { certificate: Some((chain, key)), ..without.clone() }).await;
    let error = connect_error(&without).await;
    assert!(matches!(error, NatsError::Tls(_)), "{error:?}");
}

#[tokio::test]
async fn a_malformed_url_is_rejected() {
    let server = NatsServer::start("");
    let servers = vec!["nats://a b".to_owned()];
    let error = connect_error(&NatsOptions { servers, ..options(&server) }).await;
    assert!(matches!(error, NatsError::Address), "{error:?}");
}

#[tokio::test]
async fn a_server_without_no_responders_is_too_old() {
    use std::io::{BufRead as _, BufReader, Write as _};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("nats://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let said = r#"INFO {"server_id":"x","version":"2.1.9","host":"127.0.0.1","port":1,"max_payload":1048576,"proto":1,"go":"go1","headers":false}"#;
        write!(stream, "{said}\r\n").unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap()).lines();
        for line in lines.map_while(Result::ok) {
            if line.starts_with("PING") {
                stream.write_all(b"PONG\r\n").unwrap();
            }
        }
    });
    let options = NatsOptions {
        servers: vec![url],
        prefix: "test".to_owned(),
        login: Login::Anonymous,
        roots: Vec::new(),
        certificate: None,
        key: SealingKey::new(&[7; 32]),
    };
    let error = connect_error(&options).await;
    assert!(matches!(&error, NatsError::TooOld(version) if version == "2.1.9"), "{error:?}");
}
