use super::*;
use crate::fixtures;

fn why(credential: &OpenedCredential) -> (CredentialPart, String) {
    let bad = check_credential(credential).expect_err("it is no use");
    (bad.part, bad.why.to_string())
}

#[test]
fn a_p8_key_requires_two_ids() {
    let good = fixtures::p8_credential();
    assert_eq!(check_credential(&good), Ok(()));
    let one_line = fixtures::p256_pem().replace('\n', "");
    let good = OpenedCredential { private_key: Some(Secret::new(one_line)), ..good };
    assert_eq!(check_credential(&good), Ok(()));

    let id = |id: &str| Some(id.to_owned());
    for (wrong, part) in [
        (OpenedCredential { key_id: None, ..good.clone() }, CredentialPart::KeyId),
        (OpenedCredential { team_id: None, ..good.clone() }, CredentialPart::TeamId),
        (OpenedCredential { key_id: id("short"), ..good.clone() }, CredentialPart::KeyId),
        (OpenedCredential { team_id: id("TEAM 23456"), ..good.clone() }, CredentialPart::TeamId),
        (OpenedCredential { topic: id("owl bank"), ..good.clone() }, CredentialPart::Topic),
        (OpenedCredential { private_key: None, ..good.clone() }, CredentialPart::PrivateKey),
    ] {
        assert_eq!(why(&wrong).0, part);
    }
    let rsa = Some(Secret::new(fixtures::rsa_pem()));
    let (part, why) = why(&OpenedCredential { private_key: rsa, ..good });
    assert_eq!(part, CredentialPart::PrivateKey);
    assert!(why.contains("P-256"), "{why}");
}

#[test]
fn a_certificate_requires_its_own_key() {
    let good = fixtures::certificate_credential();
    assert_eq!(check_credential(&good), Ok(()));
    let joined = |secret: &Option<Secret>| {
        secret.as_ref().map(|secret| Secret::new(secret.expose().replace('\n', "")))
    };
    let one_line = OpenedCredential {
        certificate: joined(&good.certificate),
        private_key: joined(&good.private_key),
        ..good.clone()
    };
    assert_eq!(check_credential(&one_line), Ok(()));

    let another = Some(Secret::new(fixtures::p256_pem()));
    let (part, words) = why(&OpenedCredential { private_key: another, ..good.clone() });
    assert_eq!(
        (part, words.as_str()),
        (CredentialPart::PrivateKey, "must be the certificate's own key")
    );
    let garbage = || Some(Secret::new("-----BEGIN CERTIFICATE-----AAEC-----END CERTIFICATE-----"));
    let (part, _) = why(&OpenedCredential { certificate: garbage(), ..good.clone() });
    assert_eq!(part, CredentialPart::Certificate);
    let (part, _) = why(&OpenedCredential { private_key: garbage(), ..good.clone() });
    assert_eq!(part, CredentialPart::PrivateKey);
    assert_eq!(why(&OpenedCredential { certificate: None, ..good }).0, CredentialPart::Certificate);
}

#[test]
fn a_service_account_requires_all_members() {
    let uri = "https://oauth2.googleapis.com/token";
    let good = fixtures::fcm_credential(uri);
    assert_eq!(check_credential(&good), Ok(()));
    assert_eq!(fcm(&good).unwrap().token_uri.as_str(), uri);

    let text = good.secret.as_ref().unwrap().expose().to_owned();
    for (from, to, words) in [
        ("project_id", "x", "project_id"),
        ("client_email", "x", "client_email"),
        ("\"private_key\"", "\"x\"", "private_key"),
        ("PRIVATE KEY", "PUBLIC KEY", "PKCS#8"),
        ("https://oauth2", "oauth2", "token_uri"),
        ("{", "AAAA", "server keys"),
    ] {
        let secret = Some(Secret::new(text.replace(from, to)));
        let (part, why) = why(&OpenedCredential { secret, ..good.clone() });
        assert_eq!(part, CredentialPart::Secret);
        assert!(why.contains(words), "{why}");
    }
    assert_eq!(why(&OpenedCredential { secret: None, ..good }).0, CredentialPart::Secret);
}

#[test]
fn no_error_repeats_a_secret() {
    let mut wrong = fixtures::p8_credential();
    wrong.private_key = Some(Secret::new("hunter2 is my key"));
    let bad = check_credential(&wrong).unwrap_err();
    assert!(!bad.to_string().contains("hunter2"));
    assert!(!format!("{bad:?} {wrong:?}").contains("hunter2"));
}
