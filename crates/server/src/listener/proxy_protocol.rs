//! The PROXY protocol, versions 1 and 2: a header before the first byte of a connection in which a proxy below HTTP
//! names the client. Nothing after the header is read.

use std::io;
use std::net::SocketAddr;

use proxy_header::{ParseConfig, ProxyHeader};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The first bytes of version 2.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The shortest header of version 1: `PROXY UNKNOWN` and the end of the line.
const LENGTH_MIN: usize = 15;
/// The longest header of version 1, with the end of the line.
const LINE_MAX: usize = 107;
/// The length of a header of version 2 before its variable part.
const FIXED_LENGTH: usize = 16;
/// The most bytes of the variable part. The addresses take 36; the rest holds details of the proxy's TLS connection.
const VARIABLE_MAX: usize = 4_096;

/// Reads the header. Returns the client's address, or `None` for a connection of the proxy itself, such as a health
/// check.
///
/// # Errors
/// The connection ends or fails, or the header is invalid.
pub(super) async fn source(
    stream: &mut (impl AsyncRead + Unpin),
) -> io::Result<Option<SocketAddr>> {
    let mut header = vec![0; LENGTH_MIN];
    stream.read_exact(&mut header).await?;
    if header.starts_with(SIGNATURE) {
        header.push(stream.read_u8().await?);
        let variable =
            usize::from(u16::from_be_bytes([header[FIXED_LENGTH - 2], header[FIXED_LENGTH - 1]]));
        if variable > VARIABLE_MAX {
            return Err(unreadable());
        }
        header.resize(FIXED_LENGTH + variable, 0);
        stream.read_exact(&mut header[FIXED_LENGTH..]).await?;
    } else if header.starts_with(b"PROXY ") {
        while !header.ends_with(b"\n") {
            if header.len() == LINE_MAX {
                return Err(unreadable());
            }
            header.push(stream.read_u8().await?);
        }
    } else {
        return Err(unreadable());
    }
    let (read, length) =
        ProxyHeader::parse(&header, ParseConfig::default()).map_err(|_| unreadable())?;
    if length != header.len() {
        return Err(unreadable());
    }
    Ok(read.proxied_address().map(|address| address.source))
}

fn unreadable() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the PROXY header is invalid")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proxy_header::ProxiedAddress;

    use super::*;

    fn v2(from: &str, to: &str, extra: usize) -> Vec<u8> {
        let address = ProxiedAddress::stream(from.parse().unwrap(), to.parse().unwrap());
        let mut header = ProxyHeader::with_address(address);
        if extra > 0 {
            header.append_tlv(proxy_header::Tlv::Noop(extra - 3));
        }
        let mut bytes = vec![0; 5_000];
        let length = header.encode_to_slice_v2(&mut bytes).unwrap();
        bytes.truncate(length);
        bytes
    }

    /// The result, and the bytes that are left.
    async fn read(bytes: &[u8]) -> (Result<Option<String>, io::ErrorKind>, Vec<u8>) {
        let mut rest = bytes;
        let source = source(&mut rest).await;
        let source = source.map(|source| source.map(|address| address.to_string()));
        (source.map_err(|error| error.kind()), rest.to_vec())
    }

    #[tokio::test]
    async fn a_header_of_either_version_names_the_client_and_nothing_else_is_read() {
        let local = [&SIGNATURE[..], &[0x20, 0, 0, 0]].concat();
        for (header, source) in [
            (b"PROXY TCP4 192.0.2.1 127.0.0.1 4711 443\r\n".to_vec(), Some("192.0.2.1:4711")),
            (b"PROXY TCP6 2001:db8::1 ::1 4711 443\r\n".to_vec(), Some("[2001:db8::1]:4711")),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n".to_vec(), None),
            (v2("192.0.2.1:4711", "127.0.0.1:443", 0), Some("192.0.2.1:4711")),
            (v2("[2001:db8::1]:4711", "[::1]:443", 0), Some("[2001:db8::1]:4711")),
            (v2("192.0.2.1:4711", "127.0.0.1:443", 4_000), Some("192.0.2.1:4711")),
            (local, None),
        ] {
            let bytes = [&header[..], b"GET / HTTP/1.1\r\n"].concat();
            let (found, rest) = read(&bytes).await;
            assert_eq!(found.unwrap().as_deref(), source, "{header:?}");
            assert_eq!(rest, b"GET / HTTP/1.1\r\n");
        }
    }

    #[tokio::test]
    async fn anything_else_is_rejected_and_no_header_exceeds_its_limit() {
        use io::ErrorKind::{InvalidData, UnexpectedEof};
        let huge = [&SIGNATURE[..], &[0x21, 0x11, 0xff, 0xff], &[0; 70_000]].concat();
        let long = [&b"PROXY TCP4 "[..], &[b'1'; 5_000]].concat();
        let (found, rest) = read(&huge).await;
        assert_eq!((found, rest.len()), (Err(InvalidData), 70_000));
        let (found, rest) = read(&long).await;
        assert_eq!((found, rest.len()), (Err(InvalidData), 5_011 - LINE_MAX));
        for (bytes, expected) in [
            (&b""[..], UnexpectedEof),
            (b"PROXY TCP4 1.2.3", UnexpectedEof),
            (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", InvalidData),
            (b"PROXY TCP4 999.0.2.1 127.0.0.1 4711 443\r\n", InvalidData),
            (b"PROXY TCP4 192.0.2.1 127.0.0.1 99999 443\r\n", InvalidData),
            (b"PROXY TCP4 192.0.2.1\r\n GET / HTTP/1.1\r\n", InvalidData),
            (b"\r\n\r\n\0\r\nQUIT\n\x11\x11\0\0", InvalidData),
            (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x04abcd", InvalidData),
        ] {
            assert_eq!(read(bytes).await.0, Err(expected), "{bytes:?}");
        }
    }

    const STARTS: &[&[u8]] = &[b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE];

    proptest! {
        #[test]
        fn no_input_panics(
            start in prop::sample::select(STARTS),
            rest in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let bytes = [start, &rest].concat();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let _ = runtime.block_on(read(&bytes));
        }
    }
}
