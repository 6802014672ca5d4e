//! Tells public addresses from all others (the IANA special-purpose address registries).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::allowed::Allowed;

/// Networks outside the public internet: the special-purpose registries (RFC 6890 and later entries), and public-looking
/// addresses that the cloud itself answers.
const NOT_PUBLIC_V4: [(Ipv4Addr, u8); 16] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),        // "this network"
    (Ipv4Addr::new(10, 0, 0, 0), 8),       // private
    (Ipv4Addr::new(100, 64, 0, 0), 10),    // carrier-grade NAT; Alibaba's metadata
    (Ipv4Addr::new(127, 0, 0, 0), 8),      // loopback
    (Ipv4Addr::new(168, 63, 129, 16), 32), // Azure: metadata and keys for the machine itself
    (Ipv4Addr::new(169, 254, 0, 0), 16),   // link-local, and the metadata services of clouds
    (Ipv4Addr::new(172, 16, 0, 0), 12),    // private
    (Ipv4Addr::new(192, 0, 0, 0), 24),     // protocol assignments; Oracle's metadata
    (Ipv4Addr::new(192, 0, 2, 0), 24),     // documentation
    (Ipv4Addr::new(192, 88, 99, 0), 24),   // 6to4 relays
    (Ipv4Addr::new(192, 168, 0, 0), 16),   // private
    (Ipv4Addr::new(198, 18, 0, 0), 15),    // benchmarks
    (Ipv4Addr::new(198, 51, 100, 0), 24),  // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24),   // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 4),      // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4),      // reserved, and broadcast
];

/// The same within 2000::/3; outside of it nothing is public.
const NOT_PUBLIC_V6: [(Ipv6Addr, u8); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocol assignments: Teredo, ORCHID, benchmarks
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4: any IPv4 address inside
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
];

/// Whether an address is of the public internet.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match canonical(address) {
        IpAddr::V4(v4) => !NOT_PUBLIC_V4.into_iter().any(|(net, length)| {
            let mask = u32::MAX << (32 - length);
            (v4.to_bits() ^ net.to_bits()) & mask == 0
        }),
        IpAddr::V6(v6) => {
            v6.segments()[0] & 0xe000 == 0x2000
                && !NOT_PUBLIC_V6.into_iter().any(|(net, length)| {
                    let mask = u128::MAX << (128 - length);
                    (v6.to_bits() ^ net.to_bits()) & mask == 0
                })
        }
    }
}

/// Whether a list names an address at a port, in any of its forms.
pub(super) fn is_listed(list: &[Allowed], address: IpAddr, port: u16) -> bool {
    let canonical = canonical(address);
    list.iter().any(|allowed| allowed.contains(address, port) || allowed.contains(canonical, port))
}

/// The IPv4 address that an IPv6 one stands for: mapped (`::ffff:0:0/96`), or translated by the well-known prefix of
/// NAT64 (`64:ff9b::/96`), by which a network without IPv4 reaches all of it.
fn canonical(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    if let Some(v4) = v6.to_ipv4_mapped() {
        return v4.into();
    }
    match v6.octets() {
        [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d] => {
            Ipv4Addr::new(a, b, c, d).into()
        }
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_public_internet_is_public() {
        for (public, addresses) in [
            (
                true,
                "1.1.1.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 \
                 169.253.255.255 172.15.255.255 172.32.0.0 192.0.1.0 192.167.255.255 198.17.255.255 \
                 198.20.0.0 223.255.255.255 2606:4700::1111 2a00:1450:4001::1 2001:4860:4860::8888 \
                 168.63.129.15 168.63.129.17 2003::1 ::ffff:8.8.8.8 64:ff9b::8.8.8.8 3fff:1000::1 2001:200::1",
            ),
            (
                false,
                "0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 \
                 127.255.255.254 168.63.129.16 169.254.169.254 100.100.100.200 192.0.0.192 172.16.0.1 172.31.255.255 192.0.0.8 192.0.2.1 \
                 192.88.99.1 192.168.1.1 198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.9 \
                 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255",
            ),
            (
                false,
                ":: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:0:10.0.0.1 \
                 64:ff9b::a83f:8110 ::ffff:168.63.129.16 fd00:ec2::254 fd20:ce::254 fd00:c1::a9fe:a9fe \
                 64:ff9b::10.0.0.1 64:ff9b::169.254.169.254 64:ff9b:1::8.8.8.8 100::1 2001::1 \
                 2001:2::1 2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1::1 2002:808:808::1 \
                 3fff::1 5f00::1 fc00::1 fdff::1 fe80::1 febf::1 fec0::1 ff02::1 ff0e::1",
            ),
        ] {
            for address in addresses.split_whitespace() {
                assert_eq!(is_public(address.parse().unwrap()), public, "{address}");
            }
        }
    }

    #[test]
    fn a_list_names_an_address_in_every_form() {
        let list = ["10.1.0.0/16", "fd00::/8", "127.0.0.1/32"].map(|net| net.parse().unwrap());
        for (listed, addresses) in [
            (true, "10.1.2.3 ::ffff:10.1.2.3 64:ff9b::10.1.2.3 fd12::1 127.0.0.1"),
            (false, "10.2.0.1 ::ffff:10.2.0.1 fc00::1 127.0.0.2 ::1 8.8.8.8"),
        ] {
            for address in addresses.split_whitespace() {
                assert_eq!(is_listed(&list, address.parse().unwrap(), 443), listed, "{address}");
            }
        }
    }
}
