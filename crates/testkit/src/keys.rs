//! Public keys whose private keys no test needs.

use countersign_domain::key::DeviceKey;

/// The base point of P-256 and its next multiples, without the leading byte.
const POINTS: [&str; 12] = [
    "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\
     4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
    "7cf27b188d034f7e8a52380304b51ac3c08969e277f21b35a60b48fc47669978\
     07775510db8ed040293d9ac69f7430dbba7dade63ce982299e04b79d227873d1",
    "5ecbe4d1a6330a44c8f7ef951d4bf165e6c6b721efada985fb41661bc6e7fd6c\
     8734640c4998ff7e374b06ce1a64a2ecd82ab036384fb83d9a79b127a27d5032",
    "e2534a3532d08fbba02dde659ee62bd0031fe2db785596ef509302446b030852\
     e0f1575a4c633cc719dfee5fda862d764efc96c3f30ee0055c42c23f184ed8c6",
    "51590b7a515140d2d784c85608668fdfef8c82fd1f5be52421554a0dc3d033ed\
     e0c17da8904a727d8ae1bf36bf8a79260d012f00d4d80888d1d0bb44fda16da4",
    "b01a172a76a4602c92d3242cb897dde3024c740debb215b4c6b0aae93c2291a9\
     e85c10743237dad56fec0e2dfba703791c00f7701c7e16bdfd7c48538fc77fe2",
    "8e533b6fa0bf7b4625bb30667c01fb607ef9f8b8a80fef5b300628703187b2a3\
     73eb1dbde03318366d069f83a6f5900053c73633cb041b21c55e1a86c1f400b4",
    "62d9779dbee9b0534042742d3ab54cadc1d238980fce97dbb4dd9dc1db6fb393\
     ad5accbd91e9d8244ff15d771167cee0a2ed51f6bbe76a78da540a6a0f09957e",
    "ea68d7b6fedf0b71878938d51d71f8729e0acb8c2c6df8b3d79e8a4b90949ee0\
     2a2744c972c9fce787014a964a8ea0c84d714feaa4de823fe85a224a4dd048fa",
    "cef66d6b2a3a993e591214d1ea223fb545ca6c471c48306e4c36069404c5723f\
     878662a229aaae906e123cdd9d3b4c10590ded29fe751eeeca34bbaa44af0773",
    "3ed113b7883b4c590638379db0c21cda16742ed0255048bf433391d374bc21d1\
     9099209accc4c8a224c843afa4f4c68a090d04da5e9889dae2f8eefce82a3740",
    "741dd5bda817d95e4626537320e5d55179983028b2f82c99d500c5ee8624e3c4\
     0770b46a9c385fdc567383554887b1548eeb912c35ba5ca71995ff22cd4481d3",
];

/// A real public key: one of twelve, by `number`.
pub fn device_key(number: usize) -> DeviceKey {
    let hex = POINTS[number % POINTS.len()].as_bytes();
    let digit = |at: usize| match hex[at] {
        letter @ b'a'..=b'f' => letter - b'a' + 10,
        number => number - b'0',
    };
    let mut point = [4; 65];
    for (at, byte) in point[1..].iter_mut().enumerate() {
        *byte = digit(2 * at) << 4 | digit(2 * at + 1);
    }
    DeviceKey::from_stored(point)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_lie_on_the_curve_and_differ() {
        for number in 0..POINTS.len() {
            let key = device_key(number);
            assert_eq!(DeviceKey::from_point(key.as_point()), Some(key));
            assert_ne!(key, device_key(number + 1));
        }
    }
}
