use std::collections::BTreeSet;

use axum::body::Body;
use bytes::Bytes;
use http::response::Parts;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::{ASSETS, router};

/// Largest size of the page and its files, compressed, in bytes.
const FIRST_LOAD: usize = 60 * 1024;

async fn fetch(path: &str, headers: &[(&str, &str)]) -> (Parts, Bytes) {
    let mut request = Request::builder().uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).expect("a request");
    let Ok(response) = router().oneshot(request).await;
    let (parts, body) = response.into_parts();
    (parts, body.collect().await.expect("a body").to_bytes())
}

fn header<'a>(parts: &'a Parts, name: &str) -> &'a str {
    parts.headers.get(name).map_or("", |value| value.to_str().expect("text"))
}

fn path_of(name: &str) -> String {
    format!("/authenticator/{}/{name}", ASSETS.version())
}

/// The texts between each `from` and the next `to`.
fn between<'a>(text: &'a str, from: &'a str, to: char) -> impl Iterator<Item = &'a str> {
    text.split(from).skip(1).filter_map(move |rest| rest.split(to).next())
}

#[tokio::test]
async fn every_file_that_the_page_names_exists() {
    let (_, page) = fetch("/authenticator", &[]).await;
    let page = String::from_utf8(page.to_vec()).expect("text");
    let named: Vec<&str> = between(&page, "href=\"authenticator/", '"')
        .chain(between(&page, "src=\"authenticator/", '"'))
        .collect();
    assert!(named.len() >= 5, "{named:?}");
    for name in named {
        let (parts, body) = fetch(&format!("/authenticator/{name}"), &[]).await;
        assert_eq!((parts.status, body.is_empty()), (StatusCode::OK, false), "{name}");
    }
    let (_, manifest) = fetch("/authenticator/manifest.webmanifest", &[]).await;
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).expect("JSON");
    for icon in manifest["icons"].as_array().expect("icons") {
        let path = format!("/authenticator/{}", icon["src"].as_str().expect("a path"));
        let (parts, _) = fetch(&path, &[]).await;
        assert_eq!(header(&parts, "content-type"), icon["type"], "{path}");
    }
}

#[test]
fn every_module_exists_and_is_imported() {
    let modules: BTreeSet<&str> = ASSETS
        .files()
        .filter(|(name, _)| name.ends_with(".js") && !matches!(*name, "sw.js" | "app.js"))
        .map(|(name, _)| name)
        .collect();
    let mut imported = BTreeSet::new();
    for (_, asset) in ASSETS.files().filter(|(name, _)| name.ends_with(".js")) {
        let text = std::str::from_utf8(asset.contents()).expect("text");
        imported.extend(between(text, "from \"./", '"'));
        imported.extend(between(text, "import(\"./", '"'));
    }
    assert_eq!(imported, modules);
}

#[tokio::test]
async fn files_with_fixed_names_are_revalidated_and_others_are_cached() {
    for path in ["/authenticator", "/authenticator/sw.js", "/authenticator/manifest.webmanifest"] {
        let (parts, _) = fetch(path, &[]).await;
        assert_eq!(header(&parts, "cache-control"), "no-cache", "{path}");
        let tag = header(&parts, "etag");
        let (again, body) = fetch(path, &[("If-None-Match", tag)]).await;
        assert_eq!((again.status, body.len()), (StatusCode::NOT_MODIFIED, 0), "{path}");
        assert_eq!(header(&again, "etag"), tag);
    }
    let (parts, _) = fetch(&path_of("app.js"), &[]).await;
    assert_eq!(header(&parts, "cache-control"), "public, max-age=31536000, immutable");
    for stale in ["/authenticator/0000000000000000/app.js".to_owned(), path_of("nothing.js")] {
        let (parts, _) = fetch(&stale, &[]).await;
        assert_eq!(parts.status, StatusCode::NOT_FOUND, "{stale}");
        assert_eq!(header(&parts, "cache-control"), "", "{stale}");
    }
    let (parts, _) = fetch("/authenticator/", &[]).await;
    assert_eq!(parts.status, StatusCode::PERMANENT_REDIRECT);
    assert_eq!(header(&parts, "location"), "../authenticator");
}

/// Scripts run under the policy of the document that loads them, so theirs would only fill a first visit.
#[tokio::test]
async fn every_file_that_can_be_a_document_or_a_worker_has_the_policy_and_no_other() {
    for (name, _) in ASSETS.files() {
        let is_fixed = ["index.html", "sw.js", "manifest.webmanifest"].contains(&name);
        let path = match name {
            "index.html" => "/authenticator".to_owned(),
            _ if is_fixed => format!("/authenticator/{name}"),
            _ => path_of(name),
        };
        let (parts, _) = fetch(&path, &[]).await;
        assert_eq!(header(&parts, "x-content-type-options"), "nosniff", "{name}");
        assert_eq!(header(&parts, "cross-origin-resource-policy"), "same-origin", "{name}");
        let has_policy = parts.headers.contains_key("content-security-policy");
        assert_eq!(has_policy, is_fixed || name.ends_with(".svg"), "{name}");
    }
}

#[tokio::test]
async fn the_policy_allows_only_what_is_needed() {
    for path in
        ["/authenticator".to_owned(), "/authenticator/sw.js".to_owned(), path_of("icon.svg")]
    {
        let (parts, _) = fetch(&path, &[]).await;
        let policy = header(&parts, "content-security-policy");
        for rule in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        ] {
            assert!(policy.split("; ").any(|part| part == rule), "{rule}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(header(&parts, "referrer-policy"), "no-referrer");
        assert_eq!(header(&parts, "x-content-type-options"), "nosniff");
        assert_eq!(header(&parts, "cross-origin-opener-policy"), "same-origin");
        assert_eq!(header(&parts, "cross-origin-resource-policy"), "same-origin");
        assert!(header(&parts, "permissions-policy").contains("geolocation=()"));
    }
    let (parts, _) = fetch("/authenticator", &[]).await;
    let permissions = header(&parts, "permissions-policy");
    assert!(permissions.contains("publickey-credentials-get=(self)"), "{permissions}");
    for name in ["app.js", "style.css", "languages/ar.json", "badge.png"] {
        let (parts, _) = fetch(&path_of(name), &[]).await;
        assert_eq!(header(&parts, "referrer-policy"), "no-referrer", "{name}");
        assert_eq!(header(&parts, "x-content-type-options"), "nosniff", "{name}");
        assert_eq!(header(&parts, "cross-origin-resource-policy"), "same-origin", "{name}");
    }
    let (parts, _) = fetch("/authenticator/sw.js", &[]).await;
    assert_eq!(header(&parts, "service-worker-allowed"), "/");
}

#[tokio::test]
async fn the_first_load_is_at_most_sixty_kilobytes() {
    let (parts, plain) = fetch(&path_of("style.css"), &[("Accept-Encoding", "br")]).await;
    assert_eq!(header(&parts, "content-encoding"), "");
    let (parts, packed) =
        fetch(&path_of("style.css"), &[("Accept-Encoding", "br, gzip;q=0.8")]).await;
    assert_eq!(header(&parts, "content-encoding"), "gzip");
    assert_eq!(header(&parts, "vary"), "Accept-Encoding");
    assert!(packed.len() * 2 < plain.len(), "{} of {}", packed.len(), plain.len());
    let (parts, _) = fetch(&path_of("style.css"), &[("Accept-Encoding", "gzip;q=0")]).await;
    assert_eq!(header(&parts, "content-encoding"), "");

    // The page, and all files that its service worker caches: those that are not fetched on demand, with English and another language.
    let size = |is_counted: fn(&str) -> bool| -> Vec<usize> {
        let files = ASSETS.files().filter(|(name, _)| is_counted(name));
        files.map(|(_, asset)| asset.transfer_size()).collect()
    };
    let always = size(|name| !name.starts_with("languages/") && !name.starts_with("qr-"));
    let mut languages = size(|name| name.starts_with("languages/"));
    languages.sort_unstable();
    let all: usize = always.iter().chain(languages.iter().rev().take(2)).sum();
    assert!(all <= FIRST_LOAD, "{all} bytes");
}
