use super::*;

fn guard(allow: &[&str]) -> Guard {
    let allow = allow.iter().map(|net| net.parse().unwrap()).collect();
    Guard::new(&Outgoing { allow, ..Outgoing::default() }, Manners::default()).unwrap()
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
        assert_eq!(guard.check(&url), Err(Denied::Address), "{spelling}");
        assert!(guard.call(Method::POST, &url).is_err(), "{spelling}");
        assert!(guard.call_listed(Method::POST, &url).is_err(), "{spelling}");
    }
}

#[test]
fn the_list_wins_and_opens_plain_http_too() {
    let guard = guard(&["127.0.0.0/8", "fd00::/8"]);
    for (verdict, urls) in [
        (Ok(()), "https://127.0.0.1 http://127.0.0.1:8080 http://2130706433 http://[fd00::1]/x"),
        (Ok(()), "http://[::ffff:127.0.0.1]/ https://8.8.8.8/ https://push.example.com/"),
        (Err(Denied::Address), "http://10.0.0.1 https://10.0.0.1 https://[::1]/"),
        (Err(Denied::NotListed), "http://8.8.8.8/ http://[2606:4700::1111]/"),
        (Err(Denied::Scheme), "ftp://127.0.0.1/ file:///etc/passwd gopher://127.0.0.1 data:,x"),
    ] {
        for text in urls.split_whitespace() {
            assert_eq!(guard.check(&url(text)), verdict, "{text}");
        }
    }
    let listed = |text| guard.call_listed(Method::POST, &url(text)).map(|_| ());
    assert_eq!(listed("http://127.0.0.1/token"), Ok(()));
    assert_eq!(listed("https://8.8.8.8/token"), Err(Denied::NotListed));
}

#[tokio::test]
async fn a_name_is_judged_by_what_it_resolves_to() {
    let closed = guard(&[]);
    let url = url("https://localhost:1/");
    let error = closed.call(Method::GET, &url).unwrap().send().await.unwrap_err();
    assert_eq!(denied(&error), Some(Denied::Address));
    let error = closed.call_listed(Method::GET, &url).unwrap().send().await.unwrap_err();
    assert_eq!(denied(&error), Some(Denied::NotListed));

    let open = guard(&["127.0.0.0/8", "::1/128"]);
    for call in [open.call(Method::GET, &url), open.call_listed(Method::GET, &url)] {
        let error = call.unwrap().send().await.unwrap_err();
        assert_eq!(denied(&error), None);
        assert!(error.is_connect(), "nobody listens there, and that was found out by trying");
    }
}

#[tokio::test]
async fn a_plain_name_needs_the_list() {
    let url = url("http://localhost:1/");
    let error = guard(&[]).call(Method::GET, &url).unwrap().send().await.unwrap_err();
    assert_eq!(denied(&error), Some(Denied::NotListed));
}

#[test]
fn an_entry_with_a_port_opens_that_port_alone() {
    let guard = guard(&["127.0.0.0/8:8443", "10.0.0.0/8", "[fd00::/8]:8080", "10.0.0.1:80"]);
    for (verdict, urls) in [
        (
            Ok(()),
            "https://127.0.0.1:8443/x http://127.0.0.1:8443 http://10.0.0.1 https://10.0.0.1:9",
        ),
        (Ok(()), "http://[fd00::1]:8080/x https://[fd00::1]:8080"),
        (Err(Denied::Address), "https://127.0.0.1/ http://127.0.0.1:8080 https://127.0.0.1:84"),
        (Err(Denied::Address), "http://[fd00::1]/ https://[fd00::1]"),
    ] {
        for text in urls.split_whitespace() {
            assert_eq!(guard.check(&url(text)), verdict, "{text}");
        }
    }
    let listed = |text| guard.call_listed(Method::POST, &url(text)).map(|_| ());
    assert_eq!(listed("http://127.0.0.1:8443/token"), Ok(()));
    assert_eq!(listed("http://127.0.0.1/token"), Err(Denied::Address));
}

#[tokio::test]
async fn a_name_is_judged_by_the_port_too() {
    let guard = guard(&["127.0.0.0/8:1", "[::1]:1"]);
    let answer = async |text| {
        let call = guard.call(Method::GET, &url(text)).unwrap();
        denied(&call.send().await.unwrap_err())
    };
    assert_eq!(answer("https://localhost:1/").await, None, "it was tried");
    assert_eq!(answer("http://localhost:1/").await, None, "it was tried");
    assert_eq!(answer("https://localhost:2/").await, Some(Denied::Address));
    assert_eq!(answer("http://localhost:2/").await, Some(Denied::NotListed));
}

#[tokio::test]
async fn an_account_calls_for_so_many_tokens_at_once() {
    let guard = Guard::new(&Outgoing::default(), Manners::default()).unwrap();
    let account = |n| AccountSid::from_bytes([n; 16]);
    let url = Url::parse("https://127.0.0.1/token").unwrap();
    let mut turns = Vec::new();
    for _ in 0..TOKEN_CALLS {
        turns.push(guard.turn(account(1), &url).await.unwrap());
    }
    assert!(guard.turn(account(2), &url).await.is_ok());
    assert_eq!(guard.turn(account(1), &url).await.err(), Some(Unresolved::Crowded));
    turns.pop();
    assert!(guard.turn(account(1), &url).await.is_ok());
}
