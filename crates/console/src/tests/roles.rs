//! What each role may reach.

use std::collections::BTreeSet;

use countersign_domain::role::Role;
use http::{Method, StatusCode};

use super::scene::Scene;
use crate::access::{ANYBODY, Needs};
use crate::error::PageError;
use crate::router::routes;

/// A path of a route, with parameters that name nothing.
fn example(path: &str) -> String {
    let part = |part: &str| match part {
        "{service}" => "VA00000000000000000000000000000000".to_owned(),
        "{identity}" => "nobody-there".to_owned(),
        "{*rest}" => "nothing".to_owned(),
        part if part.starts_with('{') => "0".to_owned(),
        part => part.to_owned(),
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

#[test]
fn every_route_is_named_once_and_every_change_needs_a_role() {
    let mut named = BTreeSet::new();
    for route in routes() {
        let name = format!("{} {}", route.method, route.path);
        assert!(named.insert(name.clone()), "{name}");
        let is_for_visitors = ["/console/sign-in", "/console/{*rest}"].contains(&&*route.path);
        if route.method == Method::POST && !is_for_visitors {
            assert_ne!(route.needs, ANYBODY, "{name}");
        }
    }
}

#[test]
fn every_route_admits_the_roles_that_cover_its_own_and_no_other() {
    for route in routes() {
        for role in Role::ALL {
            let judged = route.needs.check(role);
            let expected = match route.needs {
                Needs::Role(needs) if role < needs => Err(PageError::Role { needs, role }),
                Needs::Nothing | Needs::Role(_) => Ok(()),
            };
            assert_eq!(judged, expected, "{} {} as {role}", route.method, route.path);
        }
    }
}

#[tokio::test]
async fn no_route_that_needs_a_role_answers_a_visitor() {
    let scene = Scene::new().await;
    for route in routes() {
        let (mut browser, path) = (scene.browser(), example(&route.path));
        let page = if route.method == Method::GET {
            browser.get(&path).await
        } else {
            browser.post_with("", "same-origin", &path, &[]).await
        };
        let name = format!("{} {path}", route.method);
        let is_sent_away = page.location == "/console/sign-in";
        assert_eq!(is_sent_away, route.needs != ANYBODY, "{name}: {}", page.status);
    }
}

#[tokio::test]
async fn the_token_of_an_account_reaches_every_route() {
    let scene = Scene::new().await;
    for route in routes().into_iter().filter(|route| route.path != "/console/sign-out") {
        let (mut browser, path) = (scene.operator().await, example(&route.path));
        let token = browser.get("/console").await.form_token();
        let page = if route.method == Method::GET {
            browser.get(&path).await
        } else {
            browser.post_with(&token, "same-origin", &path, &[]).await
        };
        let name = format!("{} {path}", route.method);
        assert_ne!(page.location, "/console/sign-in", "{name}");
        let is_form_of_visitors = route.path == "/console/sign-in" && route.method == Method::POST;
        assert_eq!(page.status == StatusCode::FORBIDDEN, is_form_of_visitors, "{name}");
    }
}
