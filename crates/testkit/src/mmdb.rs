//! A small database of countries in the MaxMind DB format (version 2.0, <https://maxmind.github.io/MaxMind-DB/>), for tests.

use std::net::Ipv4Addr;

/// The two records of a node: the next node, data, or neither.
type Node = [Record; 2];

#[derive(Clone, Copy)]
enum Record {
    Empty,
    Node(usize),
    Data(usize),
}

/// The file of a database of these IPv4 networks and their countries. Networks must not overlap.
///
/// # Panics
/// An address is malformed, or networks overlap.
pub fn countries(networks: &[(&str, u8, &str)]) -> Vec<u8> {
    let (mut nodes, mut data): (Vec<Node>, _) = (vec![[Record::Empty; 2]], Vec::new());
    for (address, length, country) in networks {
        let offset = data.len();
        data.extend(map(&[("country", map(&[("iso_code", text(country))]))]));
        let bits = u32::from(address.parse::<Ipv4Addr>().expect("an IPv4 address"));
        let mut at = 0;
        for depth in 0..*length {
            let bit = (bits >> (31 - depth) & 1) as usize;
            if depth + 1 == *length {
                nodes[at][bit] = Record::Data(offset);
            } else if let Record::Node(next) = nodes[at][bit] {
                at = next;
            } else {
                nodes.push([Record::Empty; 2]);
                nodes[at][bit] = Record::Node(nodes.len() - 1);
                at = nodes.len() - 1;
            }
        }
    }
    let count = nodes.len();
    let number = |record: Record| match record {
        Record::Empty => count,
        Record::Node(node) => node,
        // the data begin after 16 bytes of zeros
        Record::Data(offset) => count + 16 + offset,
    };
    let mut file: Vec<u8> =
        nodes.iter().flatten().flat_map(|record| three_bytes(number(*record))).collect();
    file.extend([0; 16]);
    file.extend(data);
    file.extend(b"\xab\xcd\xefMaxMind.com");
    file.extend(map(&[
        ("binary_format_major_version", unsigned(5, 2)),
        ("binary_format_minor_version", unsigned(5, 0)),
        ("build_epoch", unsigned(9, 1_767_268_800)),
        ("database_type", text("Test-Country")),
        ("description", map(&[("en", text("countries of a test"))])),
        ("ip_version", unsigned(5, 4)),
        ("languages", list(&[text("en")])),
        ("node_count", unsigned(6, count as u64)),
        ("record_size", unsigned(5, 24)),
    ]));
    file
}

fn three_bytes(number: usize) -> [u8; 3] {
    let [.., a, b, c] = number.to_be_bytes();
    [a, b, c]
}

/// The control bytes of a value: its type and its size, which is below 29.
fn control(kind: u8, size: usize) -> Vec<u8> {
    let size = u8::try_from(size).expect("a small value");
    assert!(size < 29, "a small value");
    match kind.checked_sub(7) {
        None | Some(0) => vec![kind << 5 | size],
        Some(extended) => vec![size, extended],
    }
}

fn text(text: &str) -> Vec<u8> {
    [control(2, text.len()), text.as_bytes().to_vec()].concat()
}

/// A number of type 5, 6 or 9: of at most two, four or eight bytes.
fn unsigned(kind: u8, number: u64) -> Vec<u8> {
    let bytes: Vec<u8> = number.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
    [control(kind, bytes.len()), bytes].concat()
}

fn map(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let each = members.iter().flat_map(|(name, value)| [text(name), value.clone()].concat());
    [control(7, members.len()), each.collect()].concat()
}

fn list(values: &[Vec<u8>]) -> Vec<u8> {
    [control(11, values.len()), values.concat()].concat()
}
