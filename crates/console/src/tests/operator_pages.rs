//! The pages on which an admin adds, changes and removes operators.

use countersign_domain::role::Role;
use http::StatusCode;

use super::scene::Scene;

const LIST: &str = "/console/operators";

/// The link on a page.
fn link(text: &str) -> Option<&str> {
    Some(text.split_once("id=\"link\" value=\"")?.1.split_once('"')?.0)
}

#[tokio::test]
async fn an_operator_is_added_by_a_link_that_is_shown_once_and_signs_in_once() {
    let scene = Scene::new().await;
    let mut browser = scene.operator().await;
    browser.get(LIST).await.shows("There is no operator.");
    let page = browser.post(LIST, LIST, &[("Name", "a b"), ("Role", "read")]).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    page.shows("<a href=\"#Name\">Name of the new operator must hold only letters");
    let form = [("Name", "Ada@example.com"), ("Role", "operate")];
    let made = browser.post(LIST, LIST, &form).await;
    let page = browser.get(&made.location).await;
    page.shows("The operator is added.");
    let link = link(&page.text).unwrap().replace("http://127.0.0.1:8080", "");
    let path = made.location.split('?').next().unwrap();
    assert_eq!(self::link(&browser.get(path).await.text), None, "only after it was made");
    browser.get(LIST).await.shows("ada@example.com");
    browser.post(LIST, LIST, &form).await.shows("is the name of another operator");

    let key = link.split_once("key=").unwrap().1;
    for is_first in [true, false] {
        let mut ada = scene.browser();
        let entered = ada.post(&link, "/console/link", &[("key", key)]).await;
        assert_eq!(
            ada.get("/console").await.status == StatusCode::OK,
            is_first,
            "{}",
            entered.text
        );
    }
    browser.get(path).await.shows("End all sessions");
    browser.get("/console/audit").await.shows("operator.created");
}

#[tokio::test]
async fn an_operator_gets_another_role_and_link_loses_sessions_and_is_removed() {
    let scene = Scene::new().await;
    let mut browser = scene.operator().await;
    let ada = scene.operator_with("ada", Role::Read).await;
    let mut hers = scene.signed_in(&ada).await;
    let path = format!("{LIST}/{}", ada.sid);
    let role = browser.post(&path, &format!("{path}/role"), &[("Role", "operate")]).await;
    browser.get(&role.location).await.shows("The role is changed.");
    hers.get("/console/enrol").await.shows("(operate)");
    let made = browser.post(&path, &format!("{path}/link"), &[]).await;
    assert!(link(&browser.get(&made.location).await.text).is_some());
    let ended = browser.post(&path, &format!("{path}/sessions/end"), &[]).await;
    browser.get(&ended.location).await.shows("ada is not signed in.");
    assert_eq!(hers.get("/console").await.location, "/console/sign-in");
    let remove = format!("{path}/remove");
    browser.get(&remove).await.shows("Their actions stay in the audit trail.");
    let removed = browser.post(&remove, &remove, &[]).await;
    browser.get(&removed.location).await.shows("The operator is removed.");
    assert_eq!(browser.get(&path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_admin_cannot_lose_the_own_role_and_knows_no_operator_of_another_account() {
    let scene = Scene::new().await;
    let boss = scene.operator_with("boss", Role::Admin).await;
    let mut browser = scene.signed_in(&boss).await;
    let path = format!("{LIST}/{}", boss.sid);
    browser.get(&path).await.shows("This is you, with the role admin.");
    for (to, form) in [("role", vec![("Role", "read")]), ("remove", vec![])] {
        let page = browser.post(&path, &format!("{path}/{to}"), &form).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{to}");
        page.shows("Another admin can do this to you");
    }
    let (stranger, token) = scene.verify().create_account("stranger").await.unwrap();
    let mut browser = scene.browser();
    browser.sign_in(&stranger.sid.to_string(), token.expose()).await;
    assert_eq!(browser.get(&path).await.status, StatusCode::NOT_FOUND);
    browser.get(LIST).await.hides("boss");
}
