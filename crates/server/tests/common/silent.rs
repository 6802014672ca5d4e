//! HTTP/2 requests whose bodies never come.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

/// A body that announces so many bytes and sends none.
pub struct Silent(pub u64);

impl Body for Silent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.0 == 0 { Poll::Ready(None) } else { Poll::Pending }
    }

    fn is_end_stream(&self) -> bool {
        self.0 == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0)
    }
}

/// Opens an HTTP/2 connection whose streams have a receive window of `window` bytes.
pub async fn connect(address: SocketAddr, window: u32) -> SendRequest<Silent> {
    let stream = TcpStream::connect(address).await.expect("the server listens");
    let mut builder = http2::Builder::new(TokioExecutor::new());
    let builder = builder.initial_stream_window_size(window);
    let made = builder.handshake(TokioIo::new(stream)).await;
    let (client, connection) = made.expect("a handshake");
    tokio::spawn(connection);
    client
}
