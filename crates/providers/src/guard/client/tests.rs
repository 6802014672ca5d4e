use super::*;
use crate::guard::guard_error;

fn guard(allow: &[&str]) -> Guard {
    let allow = allow.iter().map(|net| net.parse().unwrap()).collect();
    Guard::new(&Outgoing { allow, ..Outgoing::default() }, CallTimeouts::default()).unwrap()
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

#[test]
fn a_literal_address_is_judged_in_every_spelling() {
    let guard = guard(&[]);
    for spelling in [
        "127.0.0.1",
        "127.1",
        "127.0.0.1.",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "%31%32%37.0.0.1",
        "１２７.0.0.1",
        "127。0。0。1",
        "0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "10.0.0.1",
        "192.168.0.1",
        "172.20.0.1",
        "100.100.100.200",
        "224.0.0.1",
        "255.255.255.255",
    ] {
        let url = url(&format!("https://{spelling}:8443/x"));
        assert_eq!(guard.check(&url), Err(GuardError::Address), "{spelling}");
        assert!(guard.request(Method::POST, &url).is_err(), "{spelling}");
        assert!(guard.listed_request(Method::POST, &url).is_err(), "{spelling}");
    }
}

#[test]
fn the_list_overrides_and_allows_plain_http() {
    let guard = guard(&["127.0.0.0/8", "fd00::/8"]);
    for (verdict, urls) in [
        (Ok(()), "https://127.0.0.1 http://127.0.0.1:8080 http://2130706433 http://[fd00::1]/x"),
        (Ok(()), "http://[::ffff:127.0.0.1]/ https://8.8.8.8/ https://push.example.com/"),
        (Err(GuardError::Address), "http://10.0.0.1 https://10.0.0.1 https://[::1]/"),
        (Err(GuardError::NotListed), "http://8.8.8.8/ http://[2606:4700::1111]/"),
        (Err(GuardError::Scheme), "ftp://127.0.0.1/ file:///etc/passwd gopher://127.0.0.1 data:,x"),
    ] {
        for text in urls.split_whitespace() {
            assert_eq!(guard.check(&url(text)), verdict, "{text}");
        }
    }
    let listed = |text| guard.listed_request(Method::POST, &url(text)).map(|_| ());
    assert_eq!(listed("http://127.0.0.1/token"), Ok(()));
    assert_eq!(listed("https://8.8.8.8/token"), Err(GuardError::NotListed));
}

#[tokio::test]
async fn a_name_is_judged_by_its_addresses() {
    let closed = guard(&[]);
    let url = url("https://localhost:1/");
    let error = closed.request(Method::GET, &url).unwrap().send().await.unwrap_err();
    assert_eq!(guard_error(&error), Some(GuardError::Address));
    let error = closed.listed_request(Method::GET, &url).unwrap().send().await.unwrap_err();
    assert_eq!(guard_error(&error), Some(GuardError::NotListed));

    let open = guard(&["127.0.0.0/8", "::1/128"]);
    for call in [open.request(Method::GET, &url), open.listed_request(Method::GET, &url)] {
        let error = call.unwrap().send().await.unwrap_err();
        assert_eq!(guard_error(&error), None);
        assert!(error.is_connect(), "the connection was tried");
    }
}

#[tokio::test]
async fn a_name_over_plain_http_requires_the_list() {
    let url = url("http://localhost:1/");
    let error = guard(&[]).request(Method::GET, &url).unwrap().send().await.unwrap_err();
    assert_eq!(guard_error(&error), Some(GuardError::NotListed));
}

#[test]
fn an_entry_with_a_port_allows_only_that_port() {
    let guard = guard(&["127.0.0.0/8:8443", "10.0.0.0/8", "[fd00::/8]:8080", "10.0.0.1:80"]);
    for (verdict, urls) in [
        (
            Ok(()),
            "https://127.0.0.1:8443/x http://127.0.0.1:8443 http://10.0.0.1 https://10.0.0.1:9",
        ),
        (Ok(()), "http://[fd00::1]:8080/x https://[fd00::1]:8080"),
        (Err(GuardError::Address), "https://127.0.0.1/ http://127.0.0.1:8080 https://127.0.0.1:84"),
        (Err(GuardError::Address), "http://[fd00::1]/ https://[fd00::1]"),
    ] {
        for text in urls.split_whitespace() {
            assert_eq!(guard.check(&url(text)), verdict, "{text}");
        }
    }
    let listed = |text| guard.listed_request(Method::POST, &url(text)).map(|_| ());
    assert_eq!(listed("http://127.0.0.1:8443/token"), Ok(()));
    assert_eq!(listed("http://127.0.0.1/token"), Err(GuardError::Address));
}

#[tokio::test]
async fn a_name_is_judged_by_the_port_too() {
    let guard = guard(&["127.0.0.0/8:1", "[::1]:1"]);
    let answer = async |text| {
        let call = guard.request(Method::GET, &url(text)).unwrap();
        guard_error(&call.send().await.unwrap_err())
    };
    assert_eq!(answer("https://localhost:1/").await, None, "the connection was tried");
    assert_eq!(answer("http://localhost:1/").await, None, "the connection was tried");
    assert_eq!(answer("https://localhost:2/").await, Some(GuardError::Address));
    assert_eq!(answer("http://localhost:2/").await, Some(GuardError::NotListed));
}

#[tokio::test]
async fn token_requests_of_an_account_are_bounded() {
    let guard = Guard::new(&Outgoing::default(), CallTimeouts::default()).unwrap();
    let account = |n| AccountSid::from_bytes([n; 16]);
    let url = Url::parse("https://127.0.0.1/token").unwrap();
    let mut turns = Vec::new();
    for _ in 0..TOKEN_REQUESTS {
        turns.push(guard.token_request_permit(account(1), &url).await.unwrap());
    }
    assert!(guard.token_request_permit(account(2), &url).await.is_ok());
    assert_eq!(
        guard.token_request_permit(account(1), &url).await.err(),
        Some(ResolveError::TooMany)
    );
    turns.pop();
    assert!(guard.token_request_permit(account(1), &url).await.is_ok());
}
