//! Lists, page by page: a client follows the URLs as they stand, forward and back, and misses nothing.

use serde_json::Value;

use crate::support::{Caller, Home, TestApp};

const PUBLIC: &str = "https://verify.example.com/push";

/// A client that was told the public address and reaches the server by another one, as behind a proxy.
async fn follow(caller: &Caller, url: &str) -> Value {
    let path = url.strip_prefix(PUBLIC).unwrap_or_else(|| panic!("{url} is absolute and public"));
    caller.get(path).await.expect(200)
}

fn sids(page: &Value) -> Vec<String> {
    let key = page["meta"]["key"].as_str().expect("a key");
    let items = page[key].as_array().expect("a list");
    items.iter().map(|item| item["sid"].as_str().expect("a SID").to_owned()).collect()
}

/// Follows the pages to the end and back; returns the items.
async fn walk(caller: &Caller, first: &str, size: usize) -> Vec<String> {
    let mut page = caller.get(first).await.expect(200);
    let mut pages = vec![sids(&page)];
    assert_eq!(page["meta"]["previous_page_url"], Value::Null, "{first}");
    while let Some(next) = page["meta"]["next_page_url"].as_str().map(str::to_owned) {
        assert_eq!(pages.last().map(Vec::len), Some(size), "every page but the last is full");
        page = follow(caller, &next).await;
        assert_eq!(page["meta"]["page"], pages.len(), "{next}");
        assert_eq!(page["meta"]["page_size"], size);
        assert_eq!(page["meta"]["url"], *next, "a page knows its own address");
        pages.push(sids(&page));
    }
    for (number, expected) in pages.iter().enumerate().rev().skip(1) {
        let previous = page["meta"]["previous_page_url"].as_str().expect("a way back");
        let previous = previous.to_owned();
        page = follow(caller, &previous).await;
        assert_eq!((&sids(&page), &page["meta"]["page"]), (expected, &number.into()), "{previous}");
    }
    assert_eq!(page["meta"]["previous_page_url"], Value::Null, "{first}");
    let start = follow(caller, page["meta"]["first_page_url"].as_str().expect("a URL")).await;
    assert_eq!(sids(&start), pages[0]);
    pages.concat()
}

#[tokio::test]
async fn every_list_can_be_walked_forward_and_back() {
    let settings = [
        format!("http.public_url={PUBLIC}/"),
        "limits.notifications_per_challenge=0".into(),
        "limits.entities_per_account_per_second=0".into(),
        "limits.push_challenges_in_a_row=0".into(),
    ];
    let app = TestApp::start_with(&settings.each_ref().map(String::as_str)).await;
    let home = Home::furnish(&app, app.api(), "alice-0001").await;
    for number in 0..6 {
        let (name, identity) = (format!("n {number}"), format!("person-{number}"));
        let key = countersign_phone::DeviceKey::generate().unwrap().public_key_base64().unwrap();
        for (path, key_of_list) in home.lists() {
            let form: Vec<(&str, &str)> = match key_of_list {
                "services" => vec![("FriendlyName", &name)],
                "credentials" => vec![("Type", "gcm"), ("FriendlyName", &name)],
                "webhooks" => {
                    let url = ("WebhookUrl", "https://a.example");
                    vec![("FriendlyName", &name), ("EventTypes", "*"), url]
                }
                "integrations" => vec![("FriendlyName", &name), ("Kind", "duo")],
                "entities" => vec![("Identity", &identity)],
                "factors" => vec![
                    ("FriendlyName", &name),
                    ("FactorType", "push"),
                    ("Binding.PublicKey", &key),
                    ("Config.AppId", "a"),
                    ("Config.SdkVersion", "1"),
                    ("Config.NotificationPlatform", "none"),
                ],
                "challenges" => {
                    vec![("FactorSid", home.phone.factor_sid()), ("Details.Message", &name)]
                }
                _ => vec![],
            };
            if !key_of_list.is_empty() {
                home.caller.post(&path, &form).await.expect(201);
            }
        }
    }
    for (path, key) in home.lists() {
        if key.is_empty() {
            continue;
        }
        let whole = sids(&home.caller.get(&format!("{path}?PageSize=1000")).await.expect(200));
        assert!(whole.len() >= 7, "{path}: {}", whole.len());
        for size in [1, 3, 7] {
            let seen = walk(&home.caller, &format!("{path}?PageSize={size}"), size).await;
            assert_eq!(seen, whole, "{path} by {size}");
        }
    }
}

/// The clock of the tests stands still.
#[tokio::test]
async fn items_of_one_millisecond_are_listed_in_the_order_of_their_creation() {
    let app = TestApp::start_with(&[&format!("http.public_url={PUBLIC}")]).await;
    let mut made = vec![app.service.clone()];
    for number in 0..20 {
        let form = [("FriendlyName", &*format!("owls {number}"))];
        made.push(app.api().post("/v2/Services", &form).await.text("sid"));
    }
    assert_eq!(walk(&app.api(), "/v2/Services?PageSize=3", 3).await, made);
}

#[tokio::test]
async fn urls_carry_the_filters_and_no_token_serves_another_list() {
    let settings = format!("http.public_url={PUBLIC}");
    let app = TestApp::start_with(&[&settings, "limits.push_challenges_in_a_row=0"]).await;
    let (phone, other) = (app.enrol_phone("alice-0001").await, app.enrol_phone("alice-0001").await);
    let mut asked = Vec::new();
    for number in 0..5 {
        asked.push(app.challenge(&phone, &format!("number {number}")).await);
        app.challenge(&other, "another device's").await;
    }
    phone.answer(&asked[2], countersign_phone::Verdict::Denied).await.unwrap();
    asked.remove(2);
    asked.reverse();
    let (challenges, factor) = (app.challenges_path(&phone), phone.factor_sid());
    let query = format!("FactorSid={factor}&Status=pending&Order=desc");
    let first = format!("{challenges}?{query}&PageSize=3");
    assert_eq!(walk(&app.api(), &first, 3).await, asked);

    let page = app.api().get(&first).await.expect(200);
    let next = page["meta"]["next_page_url"].as_str().unwrap();
    assert!(
        next.starts_with(&format!("{PUBLIC}{challenges}?{query}&PageSize=3&Page=1&PageToken=")),
        "{next}"
    );
    let token = next.rsplit_once('=').unwrap().1;
    assert!(token.bytes().all(|c| c.is_ascii_alphanumeric()), "nothing to be escaped: {token}");
    for elsewhere in [
        format!("{challenges}?PageToken={token}"),
        format!("{challenges}?FactorSid={factor}&Status=denied&Order=desc&PageToken={token}"),
        format!("{}/Factors?PageToken={token}", app.entity("alice-0001")),
        format!("/v2/Services?PageToken={token}"),
        format!("{challenges}?{query}&PageToken={}", &token[1..]),
    ] {
        assert_eq!(app.api().get(&elsewhere).await.refusal(), (400, 60306), "{elsewhere}");
    }
    let nobody = format!("{challenges}?FactorSid=YF{}", "0".repeat(32));
    let none = app.api().get(&nobody).await.expect(200);
    assert_eq!(none["challenges"], serde_json::json!([]), "of an unknown factor there are none");
}

#[tokio::test]
async fn items_created_and_deleted_between_two_pages_disturb_neither() {
    let settings = format!("http.public_url={PUBLIC}");
    let app = TestApp::start_with(&[&settings]).await;
    let hooks = format!("/v2/Services/{}/Webhooks", app.service);
    let form = [("FriendlyName", "a"), ("EventTypes", "*"), ("WebhookUrl", "https://a.example")];
    let mut made = Vec::new();
    for _ in 0..4 {
        made.push(app.api().post(&hooks, &form).await.text("sid"));
    }
    let page = app.api().get(&format!("{hooks}?PageSize=2")).await.expect(200);
    let next = page["meta"]["next_page_url"].as_str().unwrap();
    // The item that the token names is deleted, and another is created.
    app.api().delete(&format!("{hooks}/{}", made[1])).await.expect(204);
    made.push(app.api().post(&hooks, &form).await.text("sid"));
    let second = follow(&app.api(), next).await;
    assert_eq!(sids(&second), made[2..4]);
    let third = follow(&app.api(), second["meta"]["next_page_url"].as_str().unwrap()).await;
    assert_eq!(sids(&third), made[4..]);
    assert_eq!(third["meta"]["next_page_url"], Value::Null);
}
