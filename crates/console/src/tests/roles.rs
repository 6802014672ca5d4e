//! The routes that each role may reach.

use std::collections::BTreeSet;

use countersign_domain::role::Role;
use countersign_domain::session::SessionStage;
use http::{Method, StatusCode};

use super::page::Page;
use super::scene::{Browser, PAGES, Scene};
use crate::access::{ANYBODY, HALF, Needs};
use crate::error::PageError;
use crate::router::{Route, routes};

/// The route's path, with parameters that name nothing.
fn example(route: &Route) -> String {
    let part = |part: &str| match part {
        "{service}" => "VA00000000000000000000000000000000".to_owned(),
        "{identity}" => "nobody-there".to_owned(),
        "{*rest}" => "nothing".to_owned(),
        part if part.starts_with('{') => "0".to_owned(),
        part => part.to_owned(),
    };
    route.path.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// Requests the route, with the form token of a page.
async fn request(browser: &mut Browser, route: &Route, token: &str) -> Page {
    let path = example(route);
    if route.method == Method::GET {
        browser.get(&path).await
    } else {
        browser.post_with(token, "same-origin", &path, &[]).await
    }
}

fn name(route: &Route) -> String {
    format!("{} {}", route.method, route.path)
}

#[test]
fn every_route_is_named_once_and_every_change_needs_a_sign_in() {
    let mut named = BTreeSet::new();
    for route in routes() {
        let name = name(&route);
        assert!(named.insert(name.clone()), "{name}");
        let for_visitors = ["/console/sign-in", "/console/link", "/console/{*rest}"];
        if route.method == Method::POST && !for_visitors.contains(&route.path.as_str()) {
            assert_ne!(route.needs, ANYBODY, "{name}");
        }
    }
}

#[test]
fn a_half_open_session_passes_no_route_that_needs_a_role() {
    let half = SessionStage::Half { prompt: None };
    for route in routes() {
        let judged = route.needs.check(half, Role::Admin);
        let needs_role = matches!(route.needs, Needs::Role(_));
        assert_eq!(judged == Err(PageError::SecondFactor), needs_role, "{}", name(&route));
    }
}

/// Every route as every role, with real operators, and as nobody.
#[tokio::test]
async fn every_route_admits_the_roles_that_cover_its_own_and_no_other() {
    let scene = Scene::new().await;
    for role in [None, Some(Role::Read), Some(Role::Operate), Some(Role::Admin)] {
        let operator = match role {
            Some(role) => Some(scene.operator_with(role.as_str(), role).await),
            None => None,
        };
        for route in routes().into_iter().filter(|route| route.path != "/console/sign-out") {
            let mut browser = match &operator {
                Some(operator) => scene.signed_in(operator).await,
                None => scene.browser(),
            };
            let token = browser.get("/console").await.form_token();
            let page = request(&mut browser, &route, &token).await;
            let name = format!("{} as {role:?}", name(&route));
            let is_sent_away = page.location == "/console/sign-in";
            assert_eq!(is_sent_away, role.is_none() && route.needs != ANYBODY, "{name}");
            let is_refused = page.text.contains("Your role does not allow this");
            let expected = match (route.needs, role) {
                (Needs::Role(needs), Some(role)) => role < needs,
                _ => false,
            };
            assert_eq!(is_refused, expected, "{name}: {}", page.status);
            assert!(!is_refused || page.status == StatusCode::FORBIDDEN, "{name}");
        }
    }
}

/// The route of a path, the one with the fewest parameters if several fit.
fn route_of<'a>(all: &'a [Route], method: &Method, path: &str) -> Option<&'a Route> {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let fits = |route: &&Route| {
        let (parts, given): (Vec<_>, Vec<_>) =
            (route.path.split('/').collect(), path.split('/').collect());
        let fits = |(part, given): (&&str, &&str)| part.starts_with('{') || part == given;
        route.method == *method && parts.len() == given.len() && parts.iter().zip(&given).all(fits)
    };
    all.iter().filter(fits).min_by_key(|route| route.path.matches('{').count())
}

/// The attribute of a tag.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    tag.split_once(&format!(" {name}=\""))?.1.split_once('"').map(|(value, _)| value)
}

/// The `data-role` of a link or form hides it from roles that may not use it.
#[tokio::test]
async fn every_link_and_form_says_the_role_that_its_route_needs() {
    let scene = Scene::new().await;
    let furnished = scene.furnish().await;
    let mut browser = scene.operator().await;
    let service = format!("/console/services/{}", furnished.service.sid);
    let made = [("Kind", "duo"), ("FriendlyName", "ssh"), ("UserRule", "lower")];
    let rest = [("UnknownUsers", "deny"), ("PromptLife", "60")];
    let (list, form) = (format!("{service}/integrations"), [&made[..], &rest[..]].concat());
    let integration = browser.post(&format!("{list}/new"), &list, &form).await.location;
    let operator = scene.operator_with("ada", Role::Operate).await;
    browser.post("/console/api-keys", "/console/api-keys", &[("FriendlyName", "shop")]).await;
    let webhook = format!("/console/webhooks/{}/{}", furnished.service.sid, furnished.webhook.sid);
    let operator = format!("/console/operators/{}", operator.sid);
    let others = [webhook, list, integration, operator, format!("{service}/protection")];
    let pages = PAGES.iter().map(|path| (*path).to_owned());
    let (all, mut seen) = (routes(), 0);
    for page in pages.chain(furnished.pages()).chain(others) {
        let text = browser.get(&page).await.text;
        let main = text.split_once("<main").expect(&page).1;
        for (start, target, method, free) in
            [("<a", "href", Method::GET, None), ("<form", "action", Method::POST, Some("operate"))]
        {
            for tag in main.split(start).skip(1).map(|rest| rest.split('>').next().unwrap()) {
                if method == Method::POST && !tag.contains("method=\"post\"") {
                    continue;
                }
                let path = attribute(tag, target).unwrap_or_default();
                let Some(route) = route_of(&all, &method, path) else { continue };
                let needs = match route.needs {
                    Needs::Role(Role::Read) if method == Method::GET => None,
                    Needs::Role(role) => Some(role.as_str()),
                    _ => continue,
                };
                seen += 1;
                assert_eq!(attribute(tag, "data-role").or(free), needs, "{page}: {tag}");
            }
        }
    }
    assert!(seen > 40, "{seen}");
}

#[tokio::test]
async fn the_token_of_an_account_reaches_every_route() {
    let scene = Scene::new().await;
    let for_visitors =
        [Method::POST.to_string() + " /console/sign-in", "POST /console/link".into()];
    for route in routes().into_iter().filter(|route| route.path != "/console/sign-out") {
        let mut browser = scene.operator().await;
        let token = browser.get("/console").await.form_token();
        let page = request(&mut browser, &route, &token).await;
        let name = name(&route);
        assert_ne!(page.location, "/console/sign-in", "{name}");
        assert_eq!(page.status == StatusCode::FORBIDDEN, for_visitors.contains(&name), "{name}");
        if route.needs == HALF {
            assert_eq!(page.location, "/console", "{name}: nothing is missing");
        }
    }
}

#[tokio::test]
async fn a_role_changes_with_the_next_request() {
    let scene = Scene::new().await;
    let operator = scene.operator_with("ada", Role::Admin).await;
    let mut browser = scene.signed_in(&operator).await;
    let (page, form) = ("/console/services", [("FriendlyName", "Harbour Bank")]);
    assert_eq!(browser.post(page, page, &form).await.status, StatusCode::SEE_OTHER);
    scene.verify().set_operator_role(&operator, Role::Operate).await.unwrap();
    let refused = browser.post(page, page, &form).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    refused.shows("needs the role “admin”, and yours is “operate”");
}
