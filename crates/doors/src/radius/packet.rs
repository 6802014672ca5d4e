//! A RADIUS packet (RFC 2865, section 3), as it came over the network.

/// The shortest packet: its header.
const LEAST: usize = 20;
/// The longest packet.
pub(super) const MOST: usize = 4_096;

/// Why bytes are no packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    /// Its length is below 20, above 4,096, or more than has arrived.
    #[error("its length is wrong")]
    Length,
    /// An attribute has no length, or goes beyond the packet.
    #[error("an attribute is longer than the packet")]
    Attribute,
}

/// Codes of packets.
pub(super) mod code {
    pub(in super::super) const ACCESS_REQUEST: u8 = 1;
    pub(in super::super) const ACCESS_ACCEPT: u8 = 2;
    pub(in super::super) const ACCESS_REJECT: u8 = 3;
    pub(in super::super) const ACCESS_CHALLENGE: u8 = 11;
    pub(in super::super) const STATUS_SERVER: u8 = 12;
}

/// Types of attributes.
pub(super) mod kind {
    pub(in super::super) const USER_NAME: u8 = 1;
    pub(in super::super) const USER_PASSWORD: u8 = 2;
    pub(in super::super) const NAS_IP_ADDRESS: u8 = 4;
    pub(in super::super) const REPLY_MESSAGE: u8 = 18;
    pub(in super::super) const STATE: u8 = 24;
    pub(in super::super) const CALLING_STATION_ID: u8 = 31;
    pub(in super::super) const NAS_IDENTIFIER: u8 = 32;
    pub(in super::super) const PROXY_STATE: u8 = 33;
    pub(in super::super) const PROMPT: u8 = 76;
    pub(in super::super) const MESSAGE_AUTHENTICATOR: u8 = 80;
}

/// An attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attribute<'a> {
    /// Its type.
    pub(super) kind: u8,
    /// Its value, of 253 bytes at most.
    pub(super) value: &'a [u8],
    /// Where the value begins in the packet.
    pub(super) at: usize,
}

/// A packet whose attributes fill it exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    /// Its kind.
    pub(super) code: u8,
    /// By which the client tells its requests apart.
    pub(super) id: u8,
    /// Random bytes of the client, or the sum of a response.
    pub(super) authenticator: [u8; 16],
    /// The whole packet.
    pub(super) bytes: &'a [u8],
    attributes: Vec<Attribute<'a>>,
}

impl<'a> Packet<'a> {
    /// Parses a datagram. Bytes behind the packet's length are padding.
    pub(super) fn parse(datagram: &'a [u8]) -> Result<Self, Malformed> {
        let (header, _) = datagram.split_first_chunk::<LEAST>().ok_or(Malformed::Length)?;
        let [code, id, high, low, authenticator @ ..] = *header;
        let length = usize::from(u16::from_be_bytes([high, low]));
        if !(LEAST..=MOST).contains(&length) {
            return Err(Malformed::Length);
        }
        let bytes = datagram.get(..length).ok_or(Malformed::Length)?;
        let mut attributes = Vec::new();
        let mut at = LEAST;
        while at < length {
            let [kind, size, ..] = bytes[at..] else { return Err(Malformed::Attribute) };
            let end = at + usize::from(size);
            let value = bytes.get(at + 2..end).ok_or(Malformed::Attribute)?;
            attributes.push(Attribute { kind, value, at: at + 2 });
            at = end;
        }
        Ok(Self { code, id, authenticator, bytes, attributes })
    }

    /// The attributes of a type, in their order.
    pub(super) fn all(&self, kind: u8) -> impl Iterator<Item = Attribute<'a>> {
        self.attributes.iter().copied().filter(move |attribute| attribute.kind == kind)
    }

    /// The first attribute of a type.
    pub(super) fn first(&self, kind: u8) -> Option<Attribute<'a>> {
        self.all(kind).next()
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    /// RFC 2865, section 7.1.
    const NEMO: &str = "010000380f403f9473978057bd83d5cb98f4227a01066e656d6f02120dbe708d93d413ce3196e43f782a0aee0406c0a80110050600000003";

    #[test]
    fn a_packet_has_its_attributes_in_their_order() {
        let bytes = HEXLOWER.decode(NEMO.as_bytes()).unwrap();
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!((packet.code, packet.id), (code::ACCESS_REQUEST, 0));
        assert_eq!(packet.authenticator, bytes[4..20]);
        assert_eq!(packet.first(kind::USER_NAME).unwrap().value, b"nemo");
        assert_eq!(packet.first(kind::NAS_IP_ADDRESS).unwrap().value, [192, 168, 1, 16]);
        assert_eq!(packet.first(kind::STATE), None);
        let padded = [&bytes[..], &[0; 9]].concat();
        assert_eq!(Packet::parse(&padded).unwrap(), packet);
    }

    #[test]
    fn no_cut_or_changed_packet_is_read_beyond_its_end() {
        let bytes = HEXLOWER.decode(NEMO.as_bytes()).unwrap();
        for length in 0..bytes.len() {
            assert_eq!(Packet::parse(&bytes[..length]), Err(Malformed::Length));
        }
        for (at, wrong) in [(2, 255), (3, 19), (3, 57), (21, 0), (21, 1), (21, 255), (27, 200)] {
            let mut changed = bytes.clone();
            changed[at] = wrong;
            assert!(Packet::parse(&changed).is_err(), "{at} {wrong}");
        }
        let mut odd = bytes[..21].to_vec();
        odd[3] = 21;
        assert_eq!(Packet::parse(&odd), Err(Malformed::Attribute), "a type without a length");
    }
}
