//! Pages: tokens, limits and the `meta` block.

use axum::extract::FromRequestParts as _;
use countersign_domain::sid::{ChallengeSid, ServiceSid};
use countersign_store::{Order, Page, Side};
use http::Request;
use http_body_util::BodyExt as _;
use proptest::prelude::*;
use rstest::rstest;
use serde_json::Value;

use super::base;
use crate::body::Query;
use crate::error::ApiError;
use crate::paging::Paging;

const LIST: &str = "/v2/Services/VA1/Entities/ann-smith/Challenges";

async fn read(uri: &str, status: Option<&str>) -> Result<Paging<ChallengeSid>, ApiError> {
    let (mut parts, ()) = Request::get(uri).body(()).expect("a URI").into_parts();
    let Ok(query) = Query::from_request_parts(&mut parts, &()).await;
    let filters = [("Status", status.map(str::to_owned)), ("Order", None)];
    Paging::read(&query, &query.params()?, Order::Ascending, &filters)
}

async fn reply(paging: &Paging<ChallengeSid>, items: Vec<ChallengeSid>, more: bool) -> Value {
    let page = Page { items, has_previous: paging.query.cursor.is_some(), has_next: more };
    let response = paging.reply(&base(), "challenges", &page, |sid| *sid, |sid| *sid);
    let body = response.expect("a reply").into_body().collect().await.expect("a body");
    serde_json::from_slice(&body.to_bytes()).expect("JSON")
}

const fn sid(number: u8) -> ChallengeSid {
    let mut bytes = [0; 16];
    bytes[0] = 3;
    bytes[15] = number;
    ChallengeSid::from_bytes(bytes)
}

/// Path and query of a URL of this server.
fn path_of(url: &Value) -> &str {
    url.as_str().expect("a URL").strip_prefix(base().as_str()).expect("a URL of this server")
}

#[tokio::test]
async fn an_empty_list_looks_as_documented() {
    let paging = read(LIST, None).await.expect("a page");
    insta::assert_json_snapshot!(reply(&paging, Vec::new(), false).await);
}

#[tokio::test]
async fn urls_keep_size_and_filters_in_both_directions() {
    let first = read(&format!("{LIST}?PageSize=2&Status=pending"), Some("pending")).await;
    let first = reply(&first.expect("a page"), vec![sid(1), sid(2)], true).await;
    insta::assert_json_snapshot!("first", first);

    let next = path_of(&first["meta"]["next_page_url"]);
    let second = read(next, Some("pending")).await.expect("the next page");
    let cursor = second.query.cursor.expect("a cursor");
    assert_eq!((cursor.sid, cursor.side, second.query.size), (sid(2), Side::After, 2));
    let second = reply(&second, vec![sid(3)], false).await;
    insta::assert_json_snapshot!("second", second);

    let previous = path_of(&second["meta"]["previous_page_url"]);
    let back = read(previous, Some("pending")).await.expect("the page before");
    let cursor = back.query.cursor.expect("a cursor");
    assert_eq!((cursor.sid, cursor.side), (sid(3), Side::Before));
}

#[tokio::test]
async fn a_token_is_valid_only_for_its_list_and_filters() {
    let first = read(LIST, None).await.expect("a page");
    let first = reply(&first, vec![sid(1)], true).await;
    let next = path_of(&first["meta"]["next_page_url"]);
    assert!(read(next, None).await.is_ok());
    let other_size = next.replace("PageSize=50", "PageSize=7").replace("PageToken", "pageToken");
    assert!(read(&other_size, None).await.is_ok());
    assert_eq!(read(next, Some("pending")).await.expect_err("a filter").code_and_text().0, 60306);
    let other_list = next.replace("ann-smith", "bob-smith");
    assert_eq!(read(&other_list, None).await.expect_err("a list").code_and_text().0, 60306);
    let other_kind = next.replace("YC", "YF");
    assert_eq!(read(&other_kind, None).await.expect_err("a kind").code_and_text().0, 60306);
}

#[rstest]
#[case("", None)]
#[case("PageSize=1000&Page=0&PageToken=", None)]
#[case("PageSize=1000&Page=3&PageToken=", Some(20001))]
#[case("Page=1", Some(20001))]
#[case("PageSize=1001", Some(20007))]
#[case("PageSize=99999999999", Some(20007))]
#[case("PageSize=0", Some(20001))]
#[case("PageSize=", Some(20001))]
#[case("PageSize=ten", Some(20001))]
#[case("PageSize=-1", Some(20001))]
#[case("PageSize=1&pagesize=1", Some(60306))]
#[case("Page=-1", Some(60306))]
#[case("PageToken=x", Some(60306))]
#[case("PageToken=%C3%BC%C3%BC%C3%BC%C3%BC%C3%BC", Some(60306))]
#[tokio::test]
async fn checks_its_parameters(#[case] query: &str, #[case] code: Option<u32>) {
    let error = read(&format!("{LIST}?{query}"), None).await.err();
    assert_eq!(error.map(|error| error.code_and_text().0), code);
}

proptest! {
    #[test]
    fn any_sid_round_trips_unescaped(bytes: [u8; 16], list: String, after: bool) {
        let side = if after { Side::After } else { Side::Before };
        let sid = ServiceSid::from_bytes(bytes);
        let token = crate::paging::print_token(side, sid, &list);
        prop_assert!(token.bytes().all(|c| c.is_ascii_alphanumeric()));
        let cursor = crate::paging::parse_token::<ServiceSid>(&token, &list).expect("ours");
        prop_assert_eq!((cursor.sid, cursor.side), (sid, side));
    }

    #[test]
    fn any_text_is_a_token_or_not(token: String, list: String) {
        prop_assert!(crate::paging::parse_token::<ServiceSid>(&token, &list).is_none());
    }
}

/// A page of items whose views have this number of bytes.
async fn reply_of(paging: &Paging<ChallengeSid>, items: u8, bytes: usize) -> Value {
    let page = Page { items: (0..items).map(sid).collect(), has_previous: false, has_next: false };
    let view = |sid: &ChallengeSid| format!("{sid}{}", "x".repeat(bytes));
    let response = paging.reply(&base(), "challenges", &page, |sid| *sid, view);
    let body = response.expect("a reply").into_body().collect().await.expect("a body");
    serde_json::from_slice(&body.to_bytes()).expect("JSON")
}

#[tokio::test]
async fn a_page_of_large_items_ends_early() {
    let paging = read(&format!("{LIST}?PageSize=50"), None).await.expect("a page");
    let all = reply_of(&paging, 10, 10_000).await;
    assert_eq!(all["challenges"].as_array().map(Vec::len), Some(10));
    assert_eq!(all["meta"]["next_page_url"], Value::Null);

    let page = reply_of(&paging, 10, 200_000).await;
    assert_eq!(page["challenges"].as_array().map(Vec::len), Some(5), "at most 1 MiB");
    assert_eq!(page["meta"]["page_size"], 50);
    let next = read(path_of(&page["meta"]["next_page_url"]), None).await.expect("a page");
    let cursor = next.query.cursor.expect("a token");
    assert_eq!((cursor.sid, cursor.side), (sid(4), Side::After));

    let one = reply_of(&paging, 3, 3_000_000).await;
    assert_eq!(one["challenges"].as_array().map(Vec::len), Some(1), "at least one item");
}

#[tokio::test]
async fn a_page_of_large_items_before_a_cursor_keeps_the_nearest() {
    let paging = read(LIST, None).await.expect("a page");
    let page = Page { items: vec![sid(20)], has_previous: true, has_next: false };
    let here = paging.reply(&base(), "challenges", &page, |sid| *sid, |sid| *sid);
    let body = here.expect("a reply").into_body().collect().await.expect("a body").to_bytes();
    let here: Value = serde_json::from_slice(&body).expect("JSON");
    let back = read(path_of(&here["meta"]["previous_page_url"]), None).await.expect("a page");
    let page = reply_of(&back, 10, 200_000).await;
    let shown: Vec<_> = page["challenges"].as_array().expect("a list").iter().collect();
    assert_eq!(shown.len(), 5);
    assert!(shown[4].as_str().is_some_and(|text| text.starts_with(&sid(9).to_string())));
    let further = read(path_of(&page["meta"]["previous_page_url"]), None).await.expect("a page");
    let cursor = further.query.cursor.expect("a token");
    assert_eq!((cursor.sid, cursor.side), (sid(5), Side::Before));
    assert_eq!(page["meta"]["next_page_url"], Value::Null, "the store decides");
}
