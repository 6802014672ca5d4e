//! Every bound of every parameter: the largest allowed value is accepted; one more is refused by name and changes nothing.

mod tables;

use self::tables::{all, field};
use crate::support::{Home, TestApp};

#[tokio::test]
async fn one_beyond_any_bound_is_refused_by_name_and_leaves_nothing() {
    let app = TestApp::start().await;
    let home = Home::furnish(&app, app.api(), "alice-0001").await;
    let before = home.inventory().await;
    for table in all(&home) {
        for (name, _, bad, code) in &table.rows {
            let reply = table.send(&home.caller, name, bad).await;
            assert_eq!(reply.refusal(), (400, *code), "{} {name}={bad}: {reply:?}", table.path);
            let named = format!("Invalid parameter: {name}");
            let message = if *code == 60314 { "Factors binding format is invalid" } else { &named };
            assert_eq!(reply.body["message"], message);
            assert_eq!(reply.body["details"]["parameter"], *name);
        }
        assert_eq!(home.inventory().await, before, "{}", table.path);
    }
}

#[tokio::test]
async fn the_largest_allowed_values_are_accepted() {
    let limits = [
        "limits.notifications_per_challenge=0",
        "limits.entities_per_account_per_second=0",
        "limits.push_challenges_in_a_row=0",
    ];
    let app = TestApp::start_with(&limits).await;
    let home = Home::furnish(&app, app.api(), "alice-0001").await;
    for table in all(&home) {
        for (name, good, _, _) in &table.rows {
            let reply = table.send(&home.caller, name, good).await;
            assert_eq!(reply.status, table.good, "{} {name}={good}: {reply:?}", table.path);
        }
    }
}

#[tokio::test]
async fn a_list_may_hold_twenty_fields_and_a_page_a_thousand_items() {
    let app = TestApp::start().await;
    let home = Home::furnish(&app, app.api(), "alice-0001").await;
    let challenges = format!("{}/Challenges", home.entity_path());
    let one = field(36, 128);
    for (fields, expected) in [(20, 201), (21, 400)] {
        let mut form = vec![("FactorSid", home.phone.factor_sid()), ("Details.Message", "Log in?")];
        form.extend(vec![("Details.Fields", one.as_str()); fields]);
        assert_eq!(home.caller.post(&challenges, &form).await.status, expected);
    }
    let before = home.inventory().await;
    for (query, expected) in [
        ("PageSize=1000", None),
        ("PageSize=1001", Some(20007)),
        ("PageSize=99999999999999999999", Some(20007)),
        ("PageSize=0", Some(20001)),
        ("PageSize=-1", Some(20001)),
        ("PageSize=ten", Some(20001)),
        ("Page=4294967295", Some(20001)),
        ("Page=4294967296", Some(60306)),
        ("PageToken=nonsense", Some(60306)),
        ("PageSize=5&PageSize=5", Some(60306)),
    ] {
        for (path, key) in home.lists() {
            if key.is_empty() {
                continue;
            }
            let reply = home.caller.get(&format!("{path}?{query}")).await;
            let refusal = expected.map(|code| (400, code));
            assert_eq!((reply.status != 200).then(|| reply.refusal()), refusal, "{path}?{query}");
        }
    }
    for query in ["Order=DESC", "Order=up", "Status=open", "FactorSid=YF1"] {
        let reply = home.caller.get(&format!("{challenges}?{query}")).await;
        assert_eq!(reply.refusal(), (400, 60306), "{query}");
    }
    assert_eq!(home.inventory().await, before);
}
