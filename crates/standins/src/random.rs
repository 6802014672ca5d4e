//! Random names and secrets.

use aws_lc_rs::rand;
use data_encoding::HEXLOWER;
use uuid::Builder;

/// `N` random bytes.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the system has random bytes");
    bytes
}

/// `N` random bytes in lower-case hex.
pub(crate) fn hex<const N: usize>() -> String {
    HEXLOWER.encode(&bytes::<N>())
}

/// Ten characters, the format of Apple's key and team ids.
pub(crate) fn apple_id() -> String {
    hex::<5>().to_uppercase()
}

/// A UUID of version 4, in lower case.
pub(crate) fn uuid() -> String {
    Builder::from_random_bytes(bytes()).into_uuid().to_string()
}
