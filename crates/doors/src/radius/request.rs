//! A client's request for the access of a user.

use std::net::{IpAddr, Ipv4Addr};

use countersign_domain::secret::Secret;
use zeroize::Zeroizing;

use super::packet::{Packet, kind};
use super::sums::uncovered;

/// The most bytes of proxies' states that fit into every response.
const MOST_PROXY_STATE: usize = 3_000;

/// The text that the person typed where the client asks for a password. Passwords are not kept: the client has checked them, or nobody does.
#[derive(Debug, Clone)]
pub(super) enum Typed {
    /// 6 to 8 digits.
    Code(Secret),
    /// Anything else.
    Other,
}

/// A request for access.
#[derive(Debug, Clone)]
pub(super) struct AccessRequest {
    /// The user name.
    pub(super) user_name: String,
    /// The typed text.
    pub(super) typed: Typed,
    /// The state of the response that this request follows.
    pub(super) state: Option<Vec<u8>>,
    /// Where the person is, as the client says: an address or a number.
    pub(super) calling_station: Option<String>,
    /// The client, as it names itself.
    pub(super) gateway: Option<String>,
}

/// Why there is no request for access in a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unusable {
    /// It names nobody, or has another kind of password: it is refused.
    Refused(&'static str),
    /// Its password is no text, most likely because it is covered by another secret. It gets no response.
    WrongSecret,
    /// It cannot be answered.
    Ignored(&'static str),
}

impl AccessRequest {
    /// Reads a packet of a client with that secret.
    pub(super) fn read(packet: &Packet<'_>, secret: &[u8]) -> Result<Self, Unusable> {
        let proxies: usize = packet.all(kind::PROXY_STATE).map(|state| state.value.len() + 2).sum();
        if proxies > MOST_PROXY_STATE {
            return Err(Unusable::Ignored("too much state of proxies"));
        }
        let user_name = text(packet, kind::USER_NAME).filter(|name| !name.is_empty());
        let user_name = user_name.ok_or(Unusable::Refused("No user name"))?;
        let state = packet.first(kind::STATE).map(|state| state.value.to_vec());
        let covered = packet.first(kind::USER_PASSWORD).map(|password| password.value);
        let password = match covered.filter(|covered| !covered.is_empty()) {
            Some(covered) => uncovered(covered, secret, packet.authenticator),
            // Some clients leave out what the person left empty.
            None => state.as_ref().map(|_| Zeroizing::default()),
        };
        let password = password.ok_or(Unusable::Refused("Only PAP passwords are supported"))?;
        let password = str::from_utf8(&password).map_err(|_| Unusable::WrongSecret)?;
        let is_code = (6..=8).contains(&password.len())
            && password.bytes().all(|digit| digit.is_ascii_digit());
        let typed = if is_code { Typed::Code(Secret::new(password)) } else { Typed::Other };
        Ok(Self {
            user_name,
            typed,
            state,
            calling_station: text(packet, kind::CALLING_STATION_ID),
            gateway: text(packet, kind::NAS_IDENTIFIER).or_else(|| address(packet)),
        })
    }

    /// The address of the person, if the client names one.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.calling_station.as_deref()?.parse().ok()
    }
}

/// The value of an attribute as text.
fn text(packet: &Packet<'_>, kind: u8) -> Option<String> {
    let value = packet.first(kind)?.value;
    str::from_utf8(value).ok().map(str::to_owned)
}

fn address(packet: &Packet<'_>) -> Option<String> {
    let value: [u8; 4] = packet.first(kind::NAS_IP_ADDRESS)?.value.try_into().ok()?;
    Some(Ipv4Addr::from(value).to_string())
}

#[cfg(test)]
mod tests {
    use super::super::sums::md5;
    use super::*;

    const SECRET: &[u8] = b"testing123";

    fn packet(attributes: &[(u8, &[u8])]) -> Vec<u8> {
        let mut packet = vec![1, 7, 0, 0];
        packet.extend([9; 16]);
        for (kind, value) in attributes {
            packet.extend([*kind, u8::try_from(value.len() + 2).unwrap()]);
            packet.extend_from_slice(value);
        }
        let length = u16::try_from(packet.len()).unwrap().to_be_bytes();
        packet[2..4].copy_from_slice(&length);
        packet
    }

    /// A password of one block, under the pad.
    fn covered(password: &[u8]) -> Vec<u8> {
        let pad = md5(&[SECRET, &[9; 16]]);
        let padded = password.iter().copied().chain(std::iter::repeat(0));
        padded.zip(pad).map(|(byte, pad)| byte ^ pad).collect()
    }

    fn read(attributes: &[(u8, &[u8])]) -> Result<AccessRequest, Unusable> {
        AccessRequest::read(&Packet::parse(&packet(attributes)).unwrap(), SECRET)
    }

    #[test]
    fn a_request_says_who_asks_and_where_they_are() {
        let request = read(&[
            (kind::USER_NAME, b"ann"),
            (kind::USER_PASSWORD, &covered(b"s3cret")),
            (kind::CALLING_STATION_ID, b"192.0.2.7"),
            (kind::NAS_IP_ADDRESS, &[10, 0, 0, 1]),
            (kind::STATE, b"state"),
        ]);
        let request = request.unwrap();
        assert_eq!(
            (request.user_name.as_str(), request.state.as_deref()),
            ("ann", Some(&b"state"[..]))
        );
        assert_eq!(request.address(), "192.0.2.7".parse().ok());
        assert_eq!(request.gateway.as_deref(), Some("10.0.0.1"));
        assert!(matches!(request.typed, Typed::Other));
    }

    #[test]
    fn only_six_to_eight_digits_are_a_code() {
        for (password, is_code) in [
            ("123456", true),
            ("12345678", true),
            ("12345", false),
            ("123456789", false),
            ("12345a", false),
            ("", false),
        ] {
            let covered = covered(password.as_bytes());
            let request = read(&[(kind::USER_NAME, b"ann"), (kind::USER_PASSWORD, &covered)]);
            assert_eq!(matches!(request.unwrap().typed, Typed::Code(_)), is_code, "{password}");
        }
    }

    #[test]
    fn an_empty_password_may_be_left_out_of_a_second_request() {
        let state = (kind::STATE, &b"state"[..]);
        for password in [vec![], vec![(kind::USER_PASSWORD, &b""[..])]] {
            let all = [&[(kind::USER_NAME, &b"ann"[..])][..], &password].concat();
            assert!(read(&all).is_err(), "of a first one it may not");
            let request = read(&[&all[..], &[state]].concat()).unwrap();
            assert!(matches!(request.typed, Typed::Other));
        }
    }

    #[test]
    fn an_unusable_request_is_refused_or_gets_no_response() {
        let password = covered(b"s3cret");
        let no_text = covered(&[0xff, 0xfe]);
        for attributes in [
            vec![(kind::USER_PASSWORD, &password[..])],
            vec![(kind::USER_NAME, &b"ann"[..])],
            vec![(kind::USER_NAME, &b"\xff"[..]), (kind::USER_PASSWORD, &password[..])],
            vec![(kind::USER_NAME, &b"ann"[..]), (kind::USER_PASSWORD, &b"short"[..])],
        ] {
            let unusable = read(&attributes).unwrap_err();
            assert!(matches!(unusable, Unusable::Refused(_)), "{attributes:?}");
        }
        let other_secret = [(kind::USER_NAME, &b"ann"[..]), (kind::USER_PASSWORD, &no_text[..])];
        assert_eq!(read(&other_secret).err(), Some(Unusable::WrongSecret));
        let state = [7; 253];
        let mut many = vec![(kind::USER_NAME, &b"ann"[..]), (kind::USER_PASSWORD, &password[..])];
        many.extend([(kind::PROXY_STATE, &state[..]); 12]);
        assert!(matches!(read(&many), Err(Unusable::Ignored(_))));
    }
}
