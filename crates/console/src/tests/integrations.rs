//! Integrations, from the form to the secret that is shown once.

use countersign_domain::integration::{
    IntegrationKind, MessageAuthenticator, RadiusMode, UnknownUsers,
};
use countersign_domain::role::Role;
use countersign_domain::user_mapping::UserRule;
use countersign_store::PageQuery;
use http::StatusCode;

use super::page::Page;
use super::scene::Scene;

/// A whole form of an integration, by RADIUS if `networks` are of one.
const FORM: [(&str, &str); 9] = [
    ("Kind", "radius"),
    ("FriendlyName", "Office VPN"),
    ("UserRule", "strip_domain"),
    ("Aliases", "root=alice-0001\r\n\r\nadm=bob-00001"),
    ("UnknownUsers", "enrol"),
    ("Presence", "number, code"),
    ("PromptLife", "90"),
    ("Radius.Mode", "challenge"),
    ("Radius.MessageAuthenticator", "optional"),
];

fn with<'a>(changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let kept = FORM.into_iter().filter(|(name, _)| changes.iter().all(|(known, _)| known != name));
    kept.chain(changes.iter().copied()).collect()
}

/// The secret on a page.
fn secret(page: &Page) -> Option<&str> {
    Some(page.text.split_once("class=\"secret\">")?.1.split_once('<')?.0)
}

#[tokio::test]
async fn an_integration_is_made_changed_rotated_and_deleted() {
    let scene = Scene::new().await;
    let service = scene.service().await;
    let mut browser = scene.operator().await;
    let list = format!("/console/services/{}/integrations", service.sid);
    browser.get(&format!("/console/services/{}", service.sid)).await.shows(&list);
    browser.get(&list).await.shows("There is no integration.");
    let new = format!("{list}/new?Kind=radius");
    browser.get(&new).await.shows("RADIUS clients are known by them");

    let page = browser.post(&new, &list, &with(&[])).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    page.shows("<a href=\"#Networks\">Networks that requests may come from is required");
    page.shows("adm=bob-00001");
    let networks = with(&[("Networks", "192.0.2.0/24\n2001:db8::1")]);
    let sent = browser.post(&new, &list, &networks).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text);
    let page = browser.get(&sent.location).await;
    page.shows("The integration is made.");
    let first = secret(&page).unwrap().to_owned();
    assert_eq!(first.len(), 32);
    let path = sent.location.split('?').next().unwrap().to_owned();
    assert_eq!(secret(&browser.get(&path).await), None, "only after it was made");

    let page = PageQuery::first(10);
    let made = scene.verify().integrations(scene.account, service.sid, page).await.unwrap();
    let settings = &made.items[0].settings;
    assert_eq!(made.items[0].kind, IntegrationKind::Radius);
    assert_eq!(
        (settings.users.rule, settings.unknown_users),
        (UserRule::StripDomain, UnknownUsers::Enrol)
    );
    assert_eq!((settings.users.aliases.iter().count(), settings.networks.iter().count()), (2, 2));
    assert_eq!((settings.prompt_seconds, settings.radius_mode), (90, RadiusMode::Challenge));
    assert_eq!(settings.message_authenticator, MessageAuthenticator::Optional);

    let edit = format!("{path}/edit");
    browser.get(&edit).await.shows("value=\"Office VPN\"");
    let wrong = with(&[("Networks", "192.0.2.0/24"), ("PromptLife", "9")]);
    browser.post(&edit, &edit, &wrong).await.shows("must be a whole number from 10 to 600");
    let right = with(&[("Networks", "192.0.2.0/24"), ("FriendlyName", "VPN"), ("Presence", "")]);
    let saved = browser.post(&edit, &edit, &right).await;
    let page = browser.get(&saved.location).await;
    page.shows("The integration is saved.");
    page.shows("as the service says");

    browser.get(&format!("{path}?user=ROOT")).await.shows(">alice-0001</a>");
    let rotate = format!("{path}/secret");
    browser.get(&rotate).await.shows("The old secret stops working");
    let sent = browser.post(&rotate, &rotate, &[]).await;
    assert_ne!(secret(&browser.get(&sent.location).await).unwrap(), first);

    let delete = format!("{path}/delete");
    let sent = browser.post(&delete, &delete, &[]).await;
    browser.get(&sent.location).await.shows("The integration is deleted.");
    assert_eq!(browser.get(&path).await.status, StatusCode::NOT_FOUND);
}

/// How an integration of a kind is made.
struct Making {
    kind: &'static str,
    /// A form that lacks what the kind needs, or has a wrong value.
    some: &'static [(&'static str, &'static str)],
    /// The message beside that field.
    wrong: &'static str,
    /// The rest of the form.
    rest: &'static [(&'static str, &'static str)],
    /// What its page then shows.
    shown: &'static [&'static str],
}

const MAKINGS: [Making; 4] = [
    Making {
        kind: "duo",
        some: &[("Legacy", "true"), ("Duo.RedirectUris", "http://portal.example/duo")],
        wrong: "<a href=\"#Duo.RedirectUris\">Redirect URIs of Universal Prompt must be",
        rest: &[("Duo.RedirectUris", "https://portal.example/duo\r\nhttps://portal.example/tv")],
        shown: &[">accepted</bdi>", ">https://portal.example/duo, https://portal.example/tv</bdi>"],
    },
    Making {
        kind: "openid",
        some: &[
            ("OpenId.Ciba", "ping"),
            ("OpenId.IdTokenAlg", "ES256"),
            ("OpenId.UserCode", "required"),
        ],
        wrong: "<a href=\"#OpenId.NotificationEndpoint\">Where the client is called is required",
        rest: &[
            ("OpenId.NotificationEndpoint", "https://shop.example/ciba"),
            ("OpenId.RedirectUris", "https://shop.example/cb\r\n\r\nhttps://shop.example/tv"),
        ],
        shown: &[
            "<dt>Issuer</dt><dd><code>https://verify.example.com/openid/VA",
            "<dt>Client ID</dt><dd><code>DI",
            ">ping</bdi>",
            ">https://shop.example/ciba</bdi>",
            ">required</bdi>",
            ">ES256</bdi>",
            ">https://shop.example/cb, https://shop.example/tv</bdi>",
        ],
    },
    Making {
        kind: "keycloak",
        some: &[],
        wrong: "<a href=\"#Keycloak.Issuers\">Issuers of the realms that ask is required",
        rest: &[("Keycloak.Issuers", "https://sso.example/realms/main")],
        shown: &[
            "<code>https://verify.example.com/keycloak/DI",
            "/ciba?secret=</code>",
            ">https://sso.example/realms/main</bdi>",
        ],
    },
    Making {
        kind: "forward_auth",
        some: &[("ForwardAuth.SessionLife", "600")],
        wrong: "<a href=\"#ForwardAuth.Sites\">Sites that it protects is required",
        rest: &[("ForwardAuth.Sites", "https://wiki.example.com")],
        shown: &[
            "<code>https://verify.example.com/forward-auth/DI",
            ">https://wiki.example.com</bdi>",
            ">600</bdi>",
        ],
    },
];

#[tokio::test]
async fn every_kind_is_made_and_changed_with_all_its_settings() {
    let scene = Scene::at("https://verify.example.com").await;
    let service = scene.service().await;
    let mut browser = scene.operator().await;
    let list = format!("/console/services/{}/integrations", service.sid);
    for Making { kind, some, wrong, rest, shown } in MAKINGS {
        let new = format!("{list}/new?Kind={kind}");
        let mut form = with(&[("Kind", kind)]);
        form.extend(some);
        let page = browser.post(&new, &list, &form).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{kind}");
        page.shows(wrong);
        form.retain(|(name, _)| rest.iter().all(|(right, _)| right != name));
        form.extend(rest);
        let sent = browser.post(&new, &list, &form).await;
        assert_eq!(sent.status, StatusCode::SEE_OTHER, "{kind}: {}", sent.text);
        let made = browser.get(&sent.location).await;
        assert_eq!(secret(&made).map(str::len), Some(40), "{kind}");
        let path = sent.location.split('?').next().unwrap().to_owned();
        // The form holds what is stored, so what it sends unchanged changes nothing.
        let edit = format!("{path}/edit");
        let page = browser.get(&edit).await;
        for (_, value) in some.iter().chain(rest).filter(|field| form.contains(field)) {
            page.shows(value.split("\r\n").next().unwrap());
        }
        let saved = browser.post(&edit, &edit, &form).await;
        let page = browser.get(&saved.location).await;
        page.shows("The integration is saved.");
        for text in shown {
            made.shows(text);
            page.shows(text);
        }
    }
}

#[tokio::test]
async fn a_client_of_the_duo_api_is_told_hostname_and_key() {
    let scene = Scene::at("https://verify.example.com:8443").await;
    let service = scene.service().await;
    let mut browser = scene.operator().await;
    let list = format!("/console/services/{}/integrations", service.sid);
    let form = with(&[("Kind", "duo"), ("Legacy", "true")]);
    let sent = browser.post(&format!("{list}/new"), &list, &form).await;
    let page = browser.get(&sent.location).await;
    page.shows("<dt>API hostname</dt><dd><code>verify.example.com:8443</code>");
    page.shows("<dt>Integration key</dt><dd><code>DI");
    assert_eq!(secret(&page).map(str::len), Some(40));
    page.shows("<dt>Signatures without a date</dt><dd><bdi lang=\"\">accepted</bdi>");
}

#[tokio::test]
async fn an_integration_of_another_account_is_unknown_and_a_reader_sees_no_secret() {
    let scene = Scene::new().await;
    let service = scene.service().await;
    let list = format!("/console/services/{}/integrations", service.sid);
    let mut browser = scene.operator().await;
    let form = with(&[("Kind", "duo")]);
    let made = browser.post(&format!("{list}/new"), &list, &form).await.location;
    let path = made.split('?').next().unwrap();
    let (stranger, token) = scene.verify().create_account("stranger").await.unwrap();
    let mut browser = scene.browser();
    browser.sign_in(&stranger.sid.to_string(), token.expose()).await;
    for path in [list.as_str(), path, &format!("{path}/edit"), &format!("{path}/secret")] {
        assert_eq!(browser.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    let reader = scene.operator_with("ada", Role::Read).await;
    let mut browser = scene.signed_in(&reader).await;
    let page = browser.get(&made).await;
    assert_eq!((page.status, secret(&page)), (StatusCode::OK, None));
}
