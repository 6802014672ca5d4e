//! Entry points of the fuzz targets (`fuzz/`): what a connection or a request says about its client.

use std::future::Future as _;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use http::HeaderMap;

use super::proxies::Proxies;
use super::proxy_protocol;

/// The address in the PROXY header that begins `bytes`, and the number of bytes behind the header. `None` if there is no
/// such header.
pub fn proxy_header(bytes: &[u8]) -> Option<(Option<SocketAddr>, usize)> {
    let mut rest = bytes;
    let read = {
        let reading = pin!(proxy_protocol::source(&mut rest));
        let Poll::Ready(read) = reading.poll(&mut Context::from_waker(Waker::noop())) else {
            unreachable!("bytes in memory are never waited for");
        };
        read
    };
    Some((read.ok()?, rest.len()))
}

/// The client of a request from the trusted proxy `peer`.
pub fn client(proxies: &Proxies, peer: SocketAddr, headers: &HeaderMap) -> SocketAddr {
    proxies.client(peer, headers)
}
